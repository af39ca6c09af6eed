"""The overview through the API: counts by time, and alerts, limited to what each role may see."""

from datetime import datetime

import pytest
import time_machine

from idp.accounts.models import Credential, Person
from idp.events.statistics import SERIES, SPANS
from idp.oauth import keys
from idp.outbox.models import Delivery, DeliveryState
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import Doors
from tests.web.api.conftest import Programs


def test_how_often_what_happened(
    program: Programs, acme: Tenant, door: Doors, clock: time_machine.Traveller
) -> None:
    """The series count by the minute and by the half hour, with the current interval last.

    Events of the other tenant are not counted.
    """
    auditor = program("auditor")
    door().approve(door().start())
    clock.shift(120)
    door().start()
    found = auditor.get("statistics")
    assert (found["over"], found["seconds"], found["waiting"]) == ("hour", 60, 1)
    lines = {each["name"]: each for each in found["series"]}
    assert (list(lines), set(SPANS)) == ([each.name for each in SERIES], {"hour", "day"})
    assert all((len(each["counts"]), sum(each["counts"])) == (60, each["total"]) for each in lines.values())
    assert (lines["sign_ins"]["total"], lines["approvals"]["counts"][-3:], lines["denials"]["good"]) == (
        1,
        [1, 0, 0],
        False,
    )
    assert lines["approvals"]["kinds"] == ["device.approved"]
    clock.shift(3600)
    auditor = program("auditor")
    assert {each["total"] for each in auditor.get("statistics?over=hour")["series"]} == {0}
    day = auditor.get("statistics?over=day")
    assert (day["seconds"], len(day["series"][0]["counts"]), day["series"][0]["total"]) == (
        1800,
        SPANS["day"].buckets,
        1,
    )
    assert datetime.fromisoformat(day["begins"]).timestamp() % 1800 == 0
    other = program("auditor", host="other.test").get("statistics?over=day")
    assert ({each["total"] for each in other["series"]}, other["waiting"]) == ({0}, 0)


@pytest.mark.parametrize("over", ["week", "", "HOUR", "0", "hour&over=week"])
def test_a_span_that_there_is_not(program: Programs, over: str) -> None:
    """An unknown time span is a 400, and no other chart is returned."""
    assert program("auditor")("GET", f"statistics?over={over}").status_code == 400


def test_what_wants_to_be_looked_at(program: Programs, acme: Tenant, other: Tenant) -> None:
    """Alerts have names and numbers of this tenant only; those of the installation are for its owner."""
    admin = program()
    with tenant_scope(other):
        Person.objects.create(username="their-admin", role="admin")
    person = Person.objects.get(username="admin")
    found = admin.get("alerts")
    assert found == {
        "unguarded": ["admin"],
        "drifted": 0,
        "retiring_keys": [],
        "undelivered_mails": 0,
        "failing_blueprints": None,
    }
    Credential.objects.create(person=person, kind="totp")
    old = keys.current_key().kid
    admin("POST", "keys/rotate", {})
    admin("POST", "people/bob/recovery-mail")
    Delivery.objects.update(state=DeliveryState.FAILED, ended_at=person.created_at)
    found = admin.get("alerts")
    assert (
        found["unguarded"],
        found["undelivered_mails"],
        [each["kid"] for each in found["retiring_keys"]],
    ) == ([], 1, [old])


@pytest.mark.parametrize(
    ("role", "sees"),
    [
        ("auditor", {"unguarded", "drifted", "retiring_keys", "undelivered_mails"}),
        ("helpdesk", {"unguarded", "undelivered_mails"}),
        ("editor", {"undelivered_mails"}),
    ],
)
def test_to_each_what_they_may_see(program: Programs, acme: Tenant, role: str, sees: set[str]) -> None:
    """A value that the role may not see is null, as the page omits it; without a role nothing is returned."""
    acting = program(role)
    assert {name for name, value in acting.get("alerts").items() if value is not None} == sees
    assert (acting.get("statistics")["waiting"] is None) == (role == "editor")
    for path in ("alerts", "statistics"):
        assert program("nobody")("GET", path).status_code == 403
