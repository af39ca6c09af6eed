"""The navigation of the console: sections and their entries, each for the roles that may see it."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext_lazy as _

# Section, then URL name, title, required operation, and the key that opens it after g.
_ENTRIES: tuple[tuple[Any, tuple[tuple[str, Any, str, str], ...]], ...] = (
    ("", (("overview", _("Overview"), "overview.see", "o"), ("live", _("Live activity"), "events.see", "l"))),
    (
        _("Sign-in"),
        (
            ("flows", _("Flows"), "flows.see", "f"),
            ("applications", _("Applications"), "applications.see", "a"),
            ("scopes", _("Scopes"), "scopes.see", ""),
        ),
    ),
    (
        _("People"),
        (
            ("people", _("People"), "people.see", "p"),
            ("groups", _("Groups"), "groups.see", ""),
            ("sessions", _("Sessions"), "sessions.see", "s"),
            ("credentials", _("Second factors"), "people.see", ""),
            ("consents", _("Consents"), "devices.see", ""),
        ),
    ),
    (
        _("Devices"),
        (
            ("devices", _("Devices"), "devices.see", "d"),
            ("playground", _("Playground"), "playground.use", ""),
        ),
    ),
    (
        _("System"),
        (
            ("events", _("Audit log"), "events.see", "e"),
            ("blueprints", _("Blueprints"), "blueprints.see", "b"),
            ("branding", _("Branding & domains"), "branding.see", ""),
            ("mails", _("Email templates"), "branding.see", ""),
            ("keys", _("Signing keys"), "keys.see", ""),
            ("tenants", _("Tenants"), "tenants.see", ""),
            ("api-docs", _("API"), "overview.see", ""),
        ),
    ),
)


@dataclass(frozen=True)
class NavigationEntry:
    """One line of the navigation.

    ``key``: opens it when pressed after g.
    """

    title: Any
    url: str
    key: str
    is_current: bool


def navigation(operations: Collection[str], path: str) -> list[tuple[Any, list[NavigationEntry]]]:
    """Return the sections with the entries that these operations allow; the one of ``path`` is marked."""
    sections = []
    for title, entries in _ENTRIES:
        shown = [_entry(*each, path) for each in entries if each[2] in operations]
        if found := [entry for entry in shown if entry]:
            sections.append((title, found))
    return sections


def _entry(name: str, title: Any, operation: str, key: str, path: str) -> NavigationEntry | None:
    try:
        url = reverse(f"console:{name}")
    except NoReverseMatch:
        return None
    is_current = path == url if name == "overview" else path.startswith(url)
    return NavigationEntry(title, url, key, is_current)
