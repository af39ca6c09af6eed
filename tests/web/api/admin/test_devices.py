"""A device through the API: its whole timeline, and how it is ended."""

import pytest
import time_machine

from idp.accounts.models import Person
from idp.devices.models import DeviceCode
from idp.events.models import Event
from idp.tenancy.models import Tenant
from tests.support.client import Doors
from tests.support.oauth import refresh
from tests.web.api.conftest import Programs
from tests.web.console.signed_in import posted, signed_in

pytestmark = pytest.mark.both_modes


def test_the_timeline(program: Programs, acme: Tenant, door: Doors, clock: time_machine.Traveller) -> None:
    """The timeline covers the request, the approval, the connection, the refreshes and the end.

    It says from where and by whom, as plain data without a code or a token.
    """
    helpdesk, device = program("helpdesk"), door(address="203.0.113.7", agent="<b>Acme</b> TV/2.1")
    started = device.start(scope="openid profile offline_access")
    (row,) = helpdesk.get("devices/")["rows"]
    waiting = helpdesk.get(f"devices/{row['key']}/history")
    assert (waiting["key"], waiting["state"], waiting["can_end"], waiting["tokens_until"]) == (
        row["key"],
        "pending",
        True,
        None,
    )
    assert (waiting["application"], waiting["address"], waiting["agent"]) == (
        "tv",
        "203.0.113.7",
        "<b>Acme</b> TV/2.1",
    )
    door().approve(started)
    tokens = device.poll(started).json()
    clock.shift(60)
    refresh(device, tokens["refresh_token"])
    clock.shift(60)
    assert helpdesk("POST", f"devices/{row['key']}/end").json() == {"changed": True}
    found = helpdesk.get(f"devices/{row['key']}/history")
    assert [each["what"] for each in found["moments"]] == [
        "started",
        "code_entered",
        "approved",
        "redeemed",
        "refreshed",
        "revoked",
    ]
    assert [each["by"] for each in found["moments"]] == ["", "alice", "alice", "", "", "helpdesk"]
    assert (found["state"], found["person"], found["methods"], found["refreshes"], found["can_end"]) == (
        "revoked",
        "alice",
        ["pwd"],
        1,
        False,
    )
    assert (found["moments"][0]["address"], found["moments"][-1]["why"]) == (
        "203.0.113.7",
        "ended by an administrator",
    )
    assert sorted(each["at"] for each in found["moments"]) == [each["at"] for each in found["moments"]]
    for secret in (started.user_code, started.device_code, tokens["access_token"], tokens["refresh_token"]):
        assert secret not in str(found)


def test_one_that_waits_is_denied(program: Programs, acme: Tenant, door: Doors) -> None:
    """A waiting device is denied, as by the button on its page; revoking tokens cannot do that.

    A device that has nothing left has nothing revoked.
    """
    helpdesk, device = program("helpdesk"), door()
    started = device.start()
    key = DeviceCode.objects.get().pk
    assert helpdesk("POST", f"devices/{key}/actions/revoke").json() == {"changed": False}
    assert helpdesk("POST", f"devices/{key}/end").json() == {"changed": True}
    assert device.poll(started).json()["error"] == "access_denied"
    assert helpdesk("POST", f"devices/{key}/end").json() == {"changed": False}
    assert Event.objects.get(kind="device.denied").actor == "helpdesk"


def test_what_only_the_events_know(program: Programs, acme: Tenant, door: Doors) -> None:
    """The timeline outlives the deleted request for as long as its events are kept."""
    door().start()
    key = DeviceCode.objects.get().pk
    DeviceCode.objects.all().delete()
    found = program("auditor").get(f"devices/{key}/history")
    assert (found["state"], found["application"], [each["what"] for each in found["moments"]]) == (
        "",
        "tv",
        ["started"],
    )
    assert (found["expires_at"], found["can_end"]) == (None, False)


@pytest.mark.parametrize("key", ["0", "-1", "1e3", "x", "٣", "9" * 18, "9" * 5000, "1%00", "1/history"])
def test_what_is_no_device(program: Programs, acme: Tenant, key: str) -> None:
    """An address that names no device is a 404."""
    helpdesk = program("helpdesk")
    assert helpdesk("GET", f"devices/{key}/history").status_code == 404
    assert helpdesk("POST", f"devices/{key}/end").status_code == 404


@pytest.mark.parametrize(
    ("role", "sees", "ends"),
    [("auditor", 200, 403), ("editor", 403, 403), ("nobody", 403, 403), ("helpdesk", 200, 200)],
)
def test_roles(program: Programs, acme: Tenant, door: Doors, role: str, sees: int, ends: int) -> None:
    """The roles are those of the page, and another tenant's devices do not exist for any of them."""
    door().start()
    key = DeviceCode.objects.get().pk
    foreign = program("helpdesk", host="other.test")
    assert (
        foreign("GET", f"devices/{key}/history").status_code,
        foreign("POST", f"devices/{key}/end").status_code,
    ) == (404, 404)
    assert DeviceCode.objects.get().state == "pending"
    acting = program(role)
    assert (
        acting("GET", f"devices/{key}/history").status_code,
        acting("POST", f"devices/{key}/end").status_code,
    ) == (sees, ends)
    assert DeviceCode.objects.get().state == ("denied" if ends == 200 else "pending")


@pytest.mark.parametrize(
    ("owner", "may"), [("", True), ("helpdesk", True), ("admin", False), ("owner", False)]
)
def test_the_help_desk_ends_nothing_of_a_person_with_more_rights(
    program: Programs, acme: Tenant, door: Doors, owner: str, may: bool
) -> None:
    """No button of the console and no operation of the API allows it, for one device or in bulk."""
    Person.objects.filter(username="bob").update(role=owner)
    started, device = door().start(scope="openid offline_access"), door()
    door().approve(started, name="bob", password="bob-password-22")
    tokens = device.poll(started).json()
    row, helpdesk, clerk = DeviceCode.objects.get(), program("helpdesk"), signed_in(door, "helpdesk")
    assert row.family
    if not may:
        assert helpdesk("POST", f"devices/{row.pk}/end").status_code == 403
    for kind, key in (("devices", str(row.pk)), ("consents", row.family.identifier)) if not may else ():
        assert helpdesk("POST", f"{kind}/{key}/actions/revoke").status_code == 403
        (done,) = helpdesk("POST", f"{kind}/actions/revoke", {"keys": [key]}).json()["results"]
        assert done["outcome"] == "not_allowed"
        posted(clerk, f"/console/{kind}/do/revoke", {"key": key, "sure": "1"})
    posted(clerk, f"/console/devices/{row.pk}/revoke", {}, status=303 if may else 403)
    answered = refresh(device, tokens["refresh_token"])
    assert answered.status_code == (400 if may else 200)
