"""The words about applications and requests that a condition may use."""

from typing import Any

from idp.oauth.clients import find
from idp.words import About, Word


def _application(about: About) -> Any:
    request = about.facts.get("request") or {}
    return find(request["application"]) if "application" in request else None


WORDS = {
    "request.ip": Word("string", lambda about: about.address),
    "request.agent": Word("string", lambda about: about.agent),
    "request.kind": Word("string", lambda about: (about.facts.get("request") or {}).get("kind", ""), needs="request"),
    "request.scopes": Word("list(string)", lambda about: list((about.facts.get("request") or {}).get("scopes", [])), needs="request"),
    "application.name": Word("string", lambda about: getattr(_application(about), "name", ""), needs="request"),
    "application.client_id": Word("string", lambda about: getattr(_application(about), "client_id", ""), needs="request"),
}
