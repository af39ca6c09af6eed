"""Parsing of protocol requests into frozen values; no other module reads the raw body."""

import base64
import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote_plus

from idp.oauth.errors import InvalidRequest, InvalidScope, WrongContentType

_MAX_FIELDS = 50
_SCOPE_TOKEN = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")


@dataclass(frozen=True)
class Form:
    """The parameters of a request.

    An empty one counts as absent, an unknown one is ignored (RFC 6749 section 3.2).

    ``repeated``: those that occur more than once. Reading one is an error; a repeated parameter that is never
    read is allowed (RFC 8707 section 2).
    """

    values: Mapping[str, str]
    repeated: Collection[str] = ()

    def get(self, name: str) -> str | None:
        """Return the parameter, or None; raise InvalidRequest where it is repeated."""
        if name in self.repeated:
            raise InvalidRequest(f"The parameter {name} is repeated.")
        return self.values.get(name)

    def require(self, name: str) -> str:
        """Return the parameter; raise InvalidRequest where it is missing or repeated."""
        value = self.get(name)
        if value is None:
            raise InvalidRequest(f"The parameter {name} is missing.")
        return value


@dataclass(frozen=True)
class Credentials:
    """The credentials of a client: ``secret`` is None without one, ``basic`` is set for HTTP Basic."""

    client_id: str
    secret: str | None
    basic: bool


def parse_form(content_type: str, body: bytes) -> Form:
    """Parse a form body (RFC 6749 appendix B); raise WrongContentType or InvalidRequest.

    It must be UTF-8, regardless of the charset of its media type: libraries label ASCII in different ways,
    and the media type has no such parameter.
    """
    # a client with all parameters in its Authorization header sends no body at all (D2)
    if not content_type and not body:
        return Form({})
    if content_type.partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise WrongContentType
    try:
        pairs = parse_qsl(
            body.decode("utf-8"),
            keep_blank_values=True,
            encoding="utf-8",
            errors="strict",
            max_num_fields=_MAX_FIELDS,
        )
    except UnicodeDecodeError:
        raise InvalidRequest("The body is not UTF-8.") from None
    except ValueError:
        raise InvalidRequest("The body has too many parameters.") from None
    if any("\0" in text for pair in pairs for text in pair):
        raise InvalidRequest("A parameter contains a NUL character.")
    counts = Counter(name for name, _ in pairs)
    return Form(
        {name: value for name, value in pairs if value},
        frozenset(name for name, count in counts.items() if count > 1),
    )


def parse_credentials(authorization: str, form: Form) -> Credentials:
    """Return the credentials of the client (RFC 6749 section 2.3).

    Raises InvalidRequest when it uses two methods or none. The parts of Basic credentials are form-encoded
    before base64 (section 2.3.1), and several libraries really do so (K1).
    """
    in_body = form.get("client_id")
    scheme, _, rest = authorization.strip().partition(" ")
    if scheme.lower() != "basic":
        return Credentials(form.require("client_id"), form.get("client_secret"), basic=False)
    try:
        name, colon, secret = base64.b64decode(rest.strip(), validate=True).decode("utf-8").partition(":")
    except ValueError:  # not ASCII, not base64, not UTF-8
        raise InvalidRequest("The Authorization header is not valid HTTP Basic.") from None
    client_id = unquote_plus(name)
    if not colon or not client_id or "\0" in client_id:
        raise InvalidRequest("The Authorization header is not valid HTTP Basic.")
    if form.get("client_secret"):
        raise InvalidRequest("The client uses two authentication methods at once.")
    if in_body and in_body != client_id:
        raise InvalidRequest("The client_id differs from the one in the Authorization header.")
    return Credentials(client_id, unquote_plus(secret) or None, basic=True)


def parse_scopes(text: str | None) -> tuple[str, ...]:
    """Return the scope tokens in the requested order, without duplicates.

    Raises InvalidScope for more than fifty, and for a character that RFC 6749 section 3.3 excludes.
    """
    tokens = (text or "").split(" ")
    scopes = tuple(dict.fromkeys(token for token in tokens if token))
    if not all(_SCOPE_TOKEN.fullmatch(token) for token in scopes) or len(scopes) > 50:
        raise InvalidScope
    return scopes
