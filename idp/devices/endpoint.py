"""The device authorization endpoint without HTTP (RFC 8628 section 3.1 and 3.2)."""

import re
from typing import Any

from idp.devices import codes, service
from idp.foundation.text import clean_line
from idp.oauth import clients
from idp.oauth.discovery import DEVICE_CODE
from idp.oauth.errors import InvalidRequest
from idp.oauth.forms import Form, parse_credentials, parse_scopes

MAX_NAME_LENGTH = 40
# the page quotes a device's name, which must not contain the closing quote
_QUOTES = dict.fromkeys(map(ord, '"“”„‟«»‹›「」『』〝〞〟＂'), "'")
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")


def authorize_device(authorization: str, form: Form, issuer: str) -> dict[str, Any]:
    """Return the members of the endpoint's response.

    Client authentication, the application's grants and its scopes are checked first, as at the token
    endpoint.

    Beside RFC 8628's parameters: ``scopes`` as an alias of ``scope``, ``nonce`` (echoed in the ID token),
    ``code_challenge`` with S256 (RFC 7636), and ``device_name`` (the name that the device gives itself: one
    line of 40 characters, shown to the person in quotes).
    """
    application = clients.authenticate(parse_credentials(authorization, form))
    clients.require_grant(application, DEVICE_CODE)
    requested = parse_scopes(form.get("scope") or form.get("scopes"))
    request = service.DeviceRequest(
        application=application,
        scopes=tuple(clients.allowed_scopes(application, requested)),
        issuer=issuer,
        nonce=_nonce(form),
        code_challenge=_challenge(form),
        label=clean_line(form.get("device_name") or "", MAX_NAME_LENGTH).translate(_QUOTES),
    )
    started = service.start(request)
    address = f"{issuer}/device"
    shown = codes.format_code(started.user_code)
    return {
        "device_code": started.device_code,
        "user_code": shown,
        "verification_uri": address,
        "verification_uri_complete": f"{address}?user_code={shown}",
        "expires_in": started.expires_in,
        "interval": started.interval,
        "events_uri": f"{issuer}/application/o/device/events",
    }


def _nonce(form: Form) -> str:
    nonce = form.get("nonce") or ""
    if len(nonce) > 255:
        raise InvalidRequest("The nonce is longer than 255 characters.")
    return nonce


def _challenge(form: Form) -> str:
    challenge = form.get("code_challenge") or ""
    if not challenge:
        return ""
    if form.get("code_challenge_method") != "S256" or not _CHALLENGE.fullmatch(challenge):
        raise InvalidRequest("The code_challenge must use method S256 (RFC 7636).")
    return challenge
