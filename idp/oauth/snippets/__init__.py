"""Sample programs: how a device or a service gets its tokens, with one application's values."""

import json
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from idp.oauth.discovery import DEVICE_CODE
from idp.oauth.models import CLIENT_CREDENTIALS, Application
from idp.oauth.scopes import STANDARD_SCOPES
from idp.oauth.tokens import REFRESH

MISSING_SECRET = "YOUR-CLIENT-SECRET"  # noqa: S105 a placeholder
_HERE = Path(__file__).parent
_PROGRAMS = {DEVICE_CODE: "device", CLIENT_CREDENTIALS: "service"}
# A JSON string is also a string literal of Python and of JavaScript, because all values are visible ASCII.
_LANGUAGES: tuple[tuple[str, str, str, str, Callable[[str], str]], ...] = (
    ("curl", "curl", "sh", "'", shlex.quote),
    ("python", "Python", "py", '"', json.dumps),
    ("javascript", "JavaScript", "mjs", '"', json.dumps),
)


@dataclass(frozen=True)
class Snippet:
    """A complete program.

    ``program``: device or service. ``suffix``: of its file name.
    """

    program: str
    language: str
    title: str
    suffix: str
    text: str


def build_snippets(application: Application, issuer: str, secret: str = "") -> list[Snippet]:
    """Return the programs for the application's grants; ``secret`` is only known just after its creation."""
    found = []
    for grant, program in _PROGRAMS.items():
        if grant in application.grants:
            values = _values(application, grant, issuer, secret)
            for language, title, suffix, quote, quoted in _LANGUAGES:
                text = _render(_template(f"{program}_{language}"), values, quote, quoted)
                found.append(Snippet(program, language, title, suffix, text))
    return found


def _values(application: Application, grant: str, issuer: str, secret: str) -> dict[str, str]:
    return {
        "ISSUER": issuer,
        "CLIENT_ID": application.client_id,
        "SCOPE": " ".join(_scopes(application, grant)),
        "CLIENT_SECRET": (secret or MISSING_SECRET) if application.confidential else "",
    }


def _scopes(application: Application, grant: str) -> list[str]:
    """Return the scopes to request with this grant.

    A service requests none about a person, and offline access is only requested by applications that can use
    it.
    """
    if grant == CLIENT_CREDENTIALS:
        return [scope for scope in application.scopes if scope not in STANDARD_SCOPES]
    return [
        scope for scope in application.scopes if scope != "offline_access" or REFRESH in application.grants
    ]


def _render(template: str, values: dict[str, str], quote: str, quoted: Callable[[str], str]) -> str:
    """Return the program with each value as a string literal of its language.

    A public client has no lines about a secret.
    """
    lines = template.splitlines(keepends=True)
    text = "".join(line for line in lines if values["CLIENT_SECRET"] or "client_secret" not in line)
    return re.sub(f"{quote}@([A-Z_]+)@{quote}", lambda place: quoted(values[place[1]]), text)


@lru_cache
def _template(name: str) -> str:
    return (_HERE / f"{name}.txt").read_text()
