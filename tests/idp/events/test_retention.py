"""How long events are stored, and how they are exported."""

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from pytest_django import Settings

from idp.events import retention
from idp.events.bus import publish
from idp.events.models import Event
from idp.events.tasks import sweep_events
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope


def export(tenant: str, **options: Any) -> list[dict[str, Any]]:
    """What the command prints."""
    out = StringIO()
    call_command("events", "export", tenant=tenant, stdout=out, **options)
    return [json.loads(line) for line in out.getvalue().splitlines()]


@pytest.fixture
def some(tenants: dict[str, Tenant], clock: time_machine.Traveller) -> None:
    """Three old events and two new ones in each of two tenants, and no others."""
    Event.unscoped.all().delete()
    for age, count in ((timedelta(0), 3), (timedelta(days=31), 2)):
        clock.shift(age)
        for name in ("acme", "other"):
            with tenant_scope(tenants[name]):
                for number in range(count):
                    publish("person.changed", actor="alice", target=f"{name}-{number}", keys=["ä"])


def test_they_are_stored_for_ever_by_default(some: None, settings: Settings) -> None:
    """FOYER_EVENTS_DAYS is 0."""
    assert settings.EVENTS_DAYS == 0
    sweep_events()
    assert Event.unscoped.count() == 10


def test_older_ones_go_in_batches_in_every_tenant(
    some: None, tenants: dict[str, Tenant], settings: Settings
) -> None:
    """Events are deleted to the second, and a repeated run does no harm; a batch touches one tenant only."""
    settings.EVENTS_DAYS = 32
    sweep_events()
    assert Event.unscoped.count() == 10
    settings.EVENTS_DAYS = 30
    with tenant_scope(tenants["acme"]):
        youngest = Event.objects.order_by("pk").last()
        assert youngest
        assert retention.sweep(youngest.at - timedelta(days=1), batch=2) == 2
    assert Event.unscoped.count() == 8
    sweep_events()
    sweep_events()
    assert sorted(Event.unscoped.values_list("target", flat=True)) == [
        "acme-0",
        "acme-1",
        "other-0",
        "other-1",
    ]


def test_an_export_is_one_tenant_in_its_order(some: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """An export has every column, in batches, without the other tenant's events.

    The next export has what came since the last one.
    """
    lines = export("acme")
    assert [line["target"] for line in lines] == ["acme-0", "acme-1", "acme-2", "acme-0", "acme-1"]
    assert lines[0]["data"] == {"keys": ["ä"]}
    assert set(lines[0]) == {field.name for field in Event._meta.fields} - {"tenant"}
    assert [line["id"] for line in export("acme", after=lines[2]["id"])] == [line["id"] for line in lines[3:]]
    with pytest.raises(CommandError, match="There is no tenant nobody"):
        export("nobody")
