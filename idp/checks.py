"""Start-up checks that refuse a mix which loses messages or leaks secrets, and name the variable that mends it."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register


@register()
def mixes(app_configs: Any, **options: Any) -> list[CheckMessage]:
    """One process on SQLite, or PostgreSQL with Redis."""
    sqlite = settings.DATABASES["default"]["ENGINE"].endswith("sqlite3")
    if settings.REDIS_URL and sqlite:
        message = "REDIS_URL is set, so that several processes may run, but the database is SQLite."
        return [Error(message, hint="Set DATABASE_URL to a PostgreSQL database, or unset REDIS_URL.", id="foyer.E010")]
    if not settings.REDIS_URL and not sqlite:
        message = "The database is PostgreSQL, but without REDIS_URL only one web process may run."
        return [Warning(message, hint="Set REDIS_URL.", id="foyer.W010")]
    return []


@register()
def proxies(app_configs: Any, **options: Any) -> list[CheckMessage]:
    """Trusting every address lets anybody forge theirs."""
    if any(network.prefixlen == 0 for network in settings.TRUSTED_PROXIES):
        return [Error("FOYER_TRUSTED_PROXIES trusts every address.", hint="List your proxies' addresses only.", id="foyer.E011")]
    return []
