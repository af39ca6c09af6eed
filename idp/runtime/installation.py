"""Setup of what serving needs: tables, the shipped flows, an administrator and static files.

Only what is missing is created.
"""

import filecmp
import logging
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from idp.accounts.credentials import find_weaknesses, hash_password
from idp.accounts.models import Person
from idp.accounts.people import FIRST_ADMINISTRATOR, has_admin, save_person
from idp.runtime import env
from idp.tenancy import tenants
from idp.tenancy.models import DEFAULT
from idp.tenancy.scope import tenant_scope

Notify = Callable[[str], object]
_LARGE = 10_000  # rows
_LOCK_ID = 0x_F0_1E  # the key of an advisory lock; any number that is unique in this database


def install(notify: Notify) -> None:
    """Create what is missing, and change nothing that exists.

    ``notify`` is called with the first administrator's password.
    """
    logging.disable(logging.INFO)  # the commands report in plain language instead
    try:
        with _install_lock():
            _migrate()
            _apply_shipped_blueprints()
            _create_first_administrator(notify)
            if connection.vendor == "sqlite":
                analyze_tables()
        _collect_static_files()
    finally:
        logging.disable(logging.NOTSET)


@contextmanager
def _install_lock() -> Iterator[None]:
    """Make several hosts that start at the same time wait for each other; on SQLite there is only one."""
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [_LOCK_ID])
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK_ID])


def _migrate() -> None:
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        call_command("migrate", verbosity=0, interactive=False)


def analyze_tables() -> None:
    """Let the database collect statistics of its large tables.

    PostgreSQL does so by itself after a while. SQLite never does, assumes that every tenant is small, and
    scans all of its rows where an index leads to the few that match.

    A small table gets no statistics: they would be wrong once it has grown. It takes a tenth of a second.
    """
    with connection.cursor() as cursor:
        if connection.vendor != "sqlite":
            cursor.execute("ANALYZE")
            return
        cursor.execute("PRAGMA analysis_limit = 1000")
        for table in map(connection.ops.quote_name, connection.introspection.table_names(cursor)):
            # the name comes from the database itself
            (rows,) = cursor.execute(f"SELECT MAX(rowid) FROM {table}").fetchone()  # noqa: S608
            if (rows or 0) > _LARGE:
                cursor.execute(f"ANALYZE {table}")


def _apply_shipped_blueprints() -> None:
    """Apply the shipped blueprints once; an administrator's later changes are never overwritten."""
    if tenants.by_name(DEFAULT):
        return
    shipped = sorted((Path(settings.BASE_DIR) / "blueprints" / "default").glob("*.yaml"))
    files = [file for file in shipped if settings.DEMO or "demo" not in file.name]
    call_command("blueprint", "apply", *map(str, files), stdout=StringIO())


def _create_first_administrator(tell: Notify) -> None:
    tenant = tenants.by_name(DEFAULT)
    if tenant is None:
        raise CommandError("The default tenant is missing. Apply blueprints/default first.")
    with tenant_scope(tenant):
        if has_admin():
            return
        from_env = env.read().admin_password.get_secret_value()
        password = from_env or new_readable_password()
        if weak := find_weaknesses(Person(username=FIRST_ADMINISTRATOR, name="Administrator"), password):
            raise CommandError(f"FOYER_ADMIN_PASSWORD is too weak. {' '.join(weak)}")
        save_person(
            FIRST_ADMINISTRATOR,
            password=hash_password(password),
            role="owner",
            name="Administrator",
            by="first start",
        )
    if not from_env:
        tell(
            f"The first administrator is {FIRST_ADMINISTRATOR} with the password {password} (shown only now)"
        )


def _collect_static_files() -> None:
    """Collect the static files when one differs from its copy.

    Modification times are not reliable: an installed package may be older than what was collected last.
    """
    collected = Path(settings.STATIC_ROOT)
    sources = {
        collected / path: storage.path(path) for finder in get_finders() for path, storage in finder.list([])
    }
    changed = [
        copy
        for copy, source in sources.items()
        if not copy.exists() or not filecmp.cmp(source, copy, shallow=False)
    ]
    if not changed and (collected / "staticfiles.json").exists():
        return
    for copy in changed:
        copy.unlink(missing_ok=True)  # collectstatic does not replace a copy that is newer than its source
    call_command("collectstatic", verbosity=0, interactive=False)


def new_readable_password() -> str:
    """Return 80 random bits in groups, without characters that look alike."""
    return "-".join(
        "".join(secrets.choice("abcdefghjkmnpqrstuvwxyz23456789") for _ in range(4)) for _ in range(4)
    )
