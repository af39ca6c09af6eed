"""The words about people that a condition may use."""

from collections.abc import Mapping
from typing import Any

from idp.accounts.people import find, groups_of
from idp.tenancy.scope import current_tenant
from idp.words import Word


def _person(facts: Mapping[str, Any]) -> Any:
    return find((facts.get("person") or {}).get("id"))


WORDS = {
    "person.username": Word("string", lambda about: getattr(_person(about.facts), "username", ""), needs="person"),
    "person.name": Word("string", lambda about: getattr(_person(about.facts), "name", ""), needs="person"),
    "person.email": Word("string", lambda about: getattr(_person(about.facts), "email", ""), needs="person"),
    "person.groups": Word("list(string)", lambda about: groups_of((about.facts.get("person") or {}).get("id")), needs="person"),
    "session.methods": Word("list(string)", lambda about: list((about.facts.get("signed_in") or {}).get("methods", []))),
    "tenant.name": Word("string", lambda about: current_tenant().name),
    "tenant.networks": Word("list(string)", lambda about: list(current_tenant().networks)),
}
