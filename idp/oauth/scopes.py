"""The scopes that Foyer itself defines; tenants cannot use their names."""

from collections.abc import Iterable

from idp.foundation.text import fold

STANDARD_SCOPES = {
    "openid": "Know who you are",
    "profile": "See your name and username",
    "email": "See your email address",
    "offline_access": "Stay signed in when you're away",
    "foyer:read": "See everything you can see as an administrator",
    "foyer:write": "Change everything you can change as an administrator",
}
_ADMINISTRATION = "foyer:"


def is_reserved(name: str) -> bool:
    """Return whether this is a name of Foyer's in any spelling.

    ``Foyer:write`` is read as ``foyer:write``.
    """
    folded = fold(name)
    return folded in STANDARD_SCOPES or folded.startswith(_ADMINISTRATION)


def administrative_scopes(names: Iterable[str]) -> list[str]:
    """Return those of these scopes that give access to the administration."""
    return [name for name in names if fold(name).startswith(_ADMINISTRATION)]
