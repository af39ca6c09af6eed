"""A rolling upgrade: the schema goes first, old processes work beside it, new ones wait for it."""

from collections.abc import Callable

from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client

from idp.tenancy.models import Tenant
from tests.kit import Door

Doors = Callable[..., Door]
TABLES = ("tenancy_tenant", "accounts_person", "accounts_session", "accounts_credential", "devices_devicecode", "events_event")


def test_an_old_process_works_beside_a_newer_schema(door: Doors, tenants: dict[str, Tenant]) -> None:
    """Unknown migrations, a new table, new columns with defaults in the database: it stays ready and serves whole journeys."""
    before = door()
    waiting = before.start()
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE accounts_future (id integer PRIMARY KEY)")
        for table in TABLES:
            cursor.execute(f"ALTER TABLE {table} ADD COLUMN future varchar(10) NOT NULL DEFAULT 'new'")
    MigrationRecorder(connection).record_applied("accounts", "0999_future")
    assert Client().get("/health/ready").status_code == 200
    before.approve(waiting)
    assert before.poll(waiting).status_code == 200
    fresh = door(address="198.51.100.7")
    started = fresh.start()
    fresh.approve(started)
    assert fresh.poll(started).status_code == 200


def test_a_new_process_waits_for_its_schema(tenants: dict[str, Tenant]) -> None:
    """It is not ready, and says what is to be done; so a balancer leaves the requests to the old ones."""
    MigrationRecorder(connection).record_unapplied("flows", "0001_initial")
    assert Client().get("/health/ready").status_code == 503
