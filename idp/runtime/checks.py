"""Start-up checks of settings that lose messages or leak secrets; each names the variable to fix."""

import ipaddress
import os
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils.module_loading import import_string
from django.utils.translation import ngettext

from idp.foundation import geo
from idp.runtime import files


@register()
def check_database_and_redis(app_configs: Any, **options: Any) -> list[CheckMessage]:
    """Check that it is one process on SQLite, or PostgreSQL with Redis."""
    sqlite = settings.DATABASES["default"]["ENGINE"].endswith("sqlite3")
    found: list[CheckMessage] = []
    if settings.REDIS_URL and not settings.SECRET_KEY_IS_GIVEN:
        message = "REDIS_URL is set for several hosts, but each host would generate its own secret key."
        found.append(
            Error(message, hint="Set FOYER_SECRET_KEY to the same value everywhere.", id="foyer.E013")
        )
    if settings.REDIS_URL and sqlite:
        message = "REDIS_URL is set for several processes, but the database is SQLite."
        found.append(
            Error(
                message,
                hint="Set DATABASE_URL to a PostgreSQL database, or unset REDIS_URL.",
                id="foyer.E010",
            )
        )
    if not settings.REDIS_URL and not sqlite:
        message = "The database is PostgreSQL, but without REDIS_URL only one web process can run."
        found.append(Warning(message, hint="Set REDIS_URL.", id="foyer.W010"))
    return found


@register()
def check_mail(app_configs: Any, **options: Any) -> list[CheckMessage]:
    """Check that mail can be delivered, and from a real address.

    Several processes have no common folder into which mail could be written.
    """
    if not settings.SMTP:
        message = "REDIS_URL is set, but no mail server is configured: emails aren't delivered."
        return [] if settings.EMBEDDED else [Warning(message, hint="Set FOYER_SMTP_URL.", id="foyer.W011")]
    if settings.MAIL_FROM.endswith("@localhost"):
        return [
            Warning(
                f"Emails are sent from {settings.MAIL_FROM}.", hint="Set FOYER_MAIL_FROM.", id="foyer.W012"
            )
        ]
    return []


@register()
def check_outbox_handlers(app_configs: Any, **options: Any) -> list[CheckMessage]:
    """Check that each kind of the outbox has a handler, before a mail fails."""
    found: list[CheckMessage] = []
    for kind, path in settings.OUTBOX_HANDLERS.items():
        try:
            import_string(path)
        except ImportError as error:
            found.append(Error(f"OUTBOX_HANDLERS names no function for {kind}: {error}", id="foyer.E012"))
    return found


@register()
def check_folders(app_configs: Any, **options: Any) -> list[CheckMessage]:
    """Check that the configured folders are readable.

    Without this check, a missing folder goes unnoticed: no secret is found and no blueprint is applied.
    """
    configured = {"FOYER_SECRETS": settings.SECRETS, "FOYER_BLUEPRINTS": settings.BLUEPRINTS}
    unreadable = {
        name: folder
        for name, folder in configured.items()
        if folder and not os.access(f"{folder}/.", os.R_OK | os.X_OK)
    }
    return [
        Warning(
            f"{name} names {folder}, which isn't a readable folder.",
            hint=f"Create it, or unset {name}.",
            id="foyer.W017",
        )
        for name, folder in unreadable.items()
    ]


@register()
def check_geoip(app_configs: Any, **options: Any) -> list[CheckMessage]:
    """Check the GeoIP file: an unreadable one would refuse every run whose condition uses the country."""
    if fault := geo.file_problem():
        return [
            Error(
                f"FOYER_GEOIP can't be used: {fault}",
                hint="Set it to a GeoIP country database in MMDB format.",
                id="foyer.E014",
            )
        ]
    return []


@register()
def check_trusted_proxies(app_configs: Any, **options: Any) -> list[CheckMessage]:
    """Check that not every address is trusted, with which anyone could forge theirs."""
    if any(network.prefixlen == 0 for network in settings.TRUSTED_PROXIES):
        return [
            Error(
                "FOYER_TRUSTED_PROXIES trusts every address.",
                hint="List your proxies' addresses only.",
                id="foyer.E011",
            )
        ]
    return []


@register()
def check_socket_proxy(app_configs: Any, **options: Any) -> list[CheckMessage]:
    """Check that the proxy of a Unix socket is trusted; otherwise all clients have its address.

    A Unix socket counts as the address of this machine.
    """
    here = ipaddress.ip_address("127.0.0.1")
    if not settings.BIND.startswith("unix:") or any(here in network for network in settings.TRUSTED_PROXIES):
        return []
    message = (
        "FOYER_BIND is a Unix socket, but its proxy isn't trusted: all people and devices share "
        "one IP address."
    )
    return [Warning(message, hint="Add 127.0.0.1 to FOYER_TRUSTED_PROXIES.", id="foyer.W020")]


@register(Tags.database)
def check_migrations(app_configs: Any, databases: Any = None, **options: Any) -> list[CheckMessage]:
    """Check whether the database is available and has this version's tables.

    This only happens with ``--database default``.
    """
    if not databases:
        return []
    executor = MigrationExecutor(connection)
    behind = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    if not behind:
        return []
    message = ngettext(
        "The database lacks %d migration of this version.",
        "The database lacks %d migrations of this version.",
        behind,
    )
    return [Warning(message % behind, hint="Run manage.py setup.", id="foyer.W016")]


@register()
def check_file_modes(app_configs: Any, **options: Any) -> list[CheckMessage]:
    """Check that only the server's user can read the database and the secret key."""
    found: list[CheckMessage] = []
    if settings.DATA.is_dir() and settings.DATA.stat().st_mode & 0o066:
        message = f"Other users of this machine can read {settings.DATA}."
        found.append(Warning(message, hint=f"chmod go-rw {settings.DATA}", id="foyer.W013"))
    private = [
        settings.DATA / "secret.key",
        *([settings.SQLITE, *files.journal_files(settings.SQLITE)] if settings.SQLITE else []),
    ]
    open_ones = [file for file in private if file.is_file() and files.is_shared(file)]
    if open_ones:
        names = " ".join(map(str, open_ones))
        found.append(
            Warning(
                f"Other users of this machine can read {names}.", hint=f"chmod 600 {names}", id="foyer.W014"
            )
        )
    return found
