"""Redirects the browser to another address."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from django.utils.translation import gettext_lazy as _
from pydantic import AfterValidator

from flows.run import Run
from flows.settings import StageSettings, setting
from flows.stage import Leave, Outcome, Stage

_LOCAL_HOSTS = ("localhost", "127.0.0.1", "[::1]")
# Host names in lower case, IPv6 in brackets; no user, percent signs or other alphabets (an international
# name is written xn--…).
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"\A({_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:]{{2,39}}\])(?::[0-9]{{1,5}})?\Z")


def check_target(target: str) -> str:
    """Return the target; raise ValueError unless every browser reads it as it is written."""
    if not re.fullmatch(r"[\x21-\x5b\x5d-\x7e]+", target):
        raise ValueError(
            "an address can't contain spaces, backslashes or control characters; percent-encode other letters"
        )
    if target.startswith("/"):
        if "//" in re.split(r"[?#]", target)[0]:
            raise ValueError("a path on this server must start with one slash and not contain two in a row")
        return target
    scheme, _colon, rest = target.partition("://")
    host = _HOST.match(re.split(r"[/?#]", rest)[0])
    if scheme not in ("https", "http") or not host:
        raise ValueError(
            "enter https://host/path without a username, or a path on this server that starts with a slash"
        )
    if scheme == "http" and host[1] not in _LOCAL_HOSTS:
        raise ValueError("http:// is allowed for this machine only; use https://")
    if "//" in urlsplit(target).path or not _is_port(target):
        raise ValueError("the path has two slashes in a row, or the port isn't valid")
    return target


def _is_port(target: str) -> bool:
    try:
        return urlsplit(target).port != 0
    except ValueError:
        return False


class Redirect(Stage):
    """Ends the flow and redirects the browser to an address. Add a condition to redirect only some people."""

    title = _("Redirect")

    class Settings(StageSettings):
        to: Annotated[str, AfterValidator(check_target)] = setting(
            "/", min_length=1, max_length=2000, title=_("Target: an https:// URL or a path on this server")
        )

    def enter(self, run: Run) -> Outcome:
        return Leave(self.settings.to)
