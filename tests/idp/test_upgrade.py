"""A rolling upgrade: the schema goes first, old processes work beside it, new ones wait for it."""

from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import AddField

from idp.tenancy.models import Tenant
from tests.support.client import Doors

TABLES = (
    "tenancy_tenant",
    "accounts_person",
    "accounts_session",
    "accounts_credential",
    "devices_devicecode",
    "events_event",
)
BEFORE = ["tenancy.tenant.mail_from"]  # older than this rule


def test_an_old_process_works_beside_a_newer_schema(door: Doors, tenants: dict[str, Tenant]) -> None:
    """A new table, new columns with defaults in the database: it serves whole journeys.

    (web/server/test_health.py: it stays ready.)
    """
    before = door()
    waiting = before.start()
    connection.check_constraints()  # constraints that are checked at the commit would lock the tables
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE accounts_future (id integer PRIMARY KEY)")
        for table in TABLES:
            cursor.execute(f"ALTER TABLE {table} ADD COLUMN future varchar(10) NOT NULL DEFAULT 'new'")
    before.approve(waiting)
    assert before.poll(waiting).status_code == 200
    fresh = door(address="198.51.100.7")
    started = fresh.start()
    fresh.approve(started)
    assert fresh.poll(started).status_code == 200


def test_every_new_column_has_a_default_in_the_database() -> None:
    """An old process does not name the column when it inserts a row.

    Django's own default is not enough.
    """
    migrations = MigrationLoader(None).disk_migrations
    added = {
        f"{app}.{operation.model_name}.{operation.name}": operation.field
        for (app, name), migration in migrations.items()
        for operation in migration.operations
        if isinstance(operation, AddField) and name != "0001_initial" and app not in ("contenttypes", "auth")
    }
    assert added
    missing = [
        name
        for name, field in added.items()
        if not (field.null or field.has_db_default() or field.many_to_many)
    ]
    assert missing == BEFORE
