"""The inspector shows a run's path with reasons and timing, and its facts without secrets.

It shows runs of this tenant only.
"""

from datetime import timedelta

import pytest
import time_machine
from django.utils.html import escape
from pytest_django import Settings

from flows.editing.publishing import publish
from flows.engine.executor import NoSuchRun
from flows.registry import stages
from flows.simulation.inspector import load_inspection
from idp.foundation.sealing import Sealed
from idp.oauth.models import Application
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import Doors
from tests.support.flows import draw, drawing, row_of

REST = ("login", "device_code", "consent", "finish")


def test_the_path_with_its_reasons_and_times(
    acme: Tenant, door: Doors, clock: time_machine.Traveller
) -> None:
    """Each step in its order has its decision, its reason and its time, and the last one still asks."""
    publish(drawing({"stage": "choice", "id": "q"}, flow="part", **{"for": "part"}), by="test")
    staff = {"group": "staff", "when": '"staff" in person.groups', "steps": [{"flow": "part"}]}
    draw(
        "identification",
        "password",
        staff,
        {"stage": "deny", "when": 'steps.staff.decision != "entered"'},
        *REST,
    )
    seen = door().page()
    clock.shift(2)
    seen = seen.submit(name="alice")
    clock.shift(5)
    seen = seen.submit(password="alice-password-1")
    clock.shift(1)
    seen = seen.submit(choice="yes")
    found = load_inspection(row_of(seen).identifier, may_view_people=True)
    assert [(each.step, each.stage, each.decision) for each in found.path] == [
        ("identification", "identification", "done"),
        ("password", "password", "done"),
        ("staff", "group", "entered"),
        ("part", "flow", "entered"),
        ("part.q", "choice", "done"),
        ("deny", "deny", "passed over"),
        ("login", "login", "done"),
        ("device_code", "device_code", "asks"),
    ]
    reasons = {each.step: each.condition for each in found.path if each.condition}
    assert reasons["staff"] == {"when": '"staff" in person.groups', "applied": True, "values": {}}
    assert reasons["deny"]["values"] == {"steps.staff.decision": "entered"}
    times = {each.step: (each.asked, each.decided) for each in found.path}
    assert (times["identification"], times["password"], times["part.q"]) == (
        (0, 2000),
        (2000, 7000),
        (7000, 8000),
    )
    assert (times["staff"], times["device_code"]) == ((None, None), (8000, None))
    assert (found.flow, found.version, found.end, found.at) == ("connect-a-device", 2, "", "device_code")
    assert found.expires_at - found.started_at == timedelta(minutes=30)


def test_secrets_are_left_out_by_their_type(acme: Tenant, door: Doors) -> None:
    """The user code is sealed, so no name of a fact needs to be known, and other facts are shown."""
    browser = door()
    started = browser.start()
    seen = browser.sign_in().submit(user_code=started.user_code)
    found = load_inspection(row_of(seen).identifier, may_view_people=True)
    assert found.facts["request"]["user_code"] == "•••"
    assert found.facts["person"]["name"] == "alice"
    assert found.facts["request"]["scopes"] == ["openid", "profile"]
    bare = started.user_code.replace("-", "")
    sealed = str(row_of(seen).state["facts"]["request"]["user_code"])
    assert "$sealed" in sealed
    for secret in (started.user_code, bare, started.device_code, sealed[15:60], "alice-password-1"):
        assert secret not in repr(found)


def test_nested_secrets_too(acme: Tenant, door: Doors) -> None:
    """Secrets in lists and in maps are left out, in facts of any stage."""
    seen = door().page()
    row = row_of(seen)
    deep = {"$sealed": Sealed.of("the deep secret").sealed}
    row.state["facts"]["strange"] = {"list": [deep, {"more": deep}], "open": "yes"}
    row.save()
    assert load_inspection(row.identifier, may_view_people=True).facts["strange"] == {
        "list": ["•••", {"more": "•••"}],
        "open": "yes",
    }


@pytest.mark.parametrize("end", ["denied", "expired", "last", "refused"])
def test_how_it_ended(acme: Tenant, door: Doors, clock: time_machine.Traveller, end: str) -> None:
    """The reason is shown in the words that the person read."""
    browser = door()
    if end == "refused":
        draw("identification", {"stage": "password", "when": 'request.agent == "never"'}, *REST)
        seen = browser.page().submit(name="alice")
    else:
        seen = browser.sign_in().submit(user_code=browser.start().user_code)
        if end == "expired":
            clock.shift(timedelta(minutes=31))
            seen = browser.page(seen.path)
        else:
            seen = seen.submit(decision="deny" if end == "denied" else "approve")
    found = load_inspection(row_of(seen).identifier, may_view_people=True)
    assert (found.end, found.ended_at is not None) == (end, True)
    assert escape(found.message) in seen.text
    decisions = {each.step: each.decision for each in found.path}
    assert (
        decisions.get("consent")
        == {"denied": "refused", "expired": "asks", "last": "done", "refused": None}[end]
    )


def test_a_run_that_went_on_in_another_flow_shows_both(acme: Tenant, door: Doors) -> None:
    """What was asked before the code identified the application comes first."""
    draw(
        "identification",
        "password",
        "login",
        {"stage": "choice", "id": "own"},
        "device_code",
        "consent",
        flow="own",
        default=False,
    )
    Application.objects.filter(name="tv").update(flows={"device_code": "own"})
    browser = door()
    seen = browser.sign_in().submit(user_code=browser.start().user_code)
    found = load_inspection(row_of(seen).identifier, may_view_people=True)
    assert found.flow == "own"
    assert [(each.step, each.decision) for each in found.path] == [
        *((step, "done") for step in ("identification", "password", "login", "device_code")),
        *((step, "known before") for step in ("identification", "password", "login")),
        ("own", "asks"),
    ]


def test_a_run_of_a_stage_that_is_gone_can_still_be_looked_at(
    third_party: None, acme: Tenant, settings: Settings, door: Doors
) -> None:
    """It is the very one that an administrator wants to see."""
    draw("identification", "password", "word", *REST)
    seen = door().page().submit(name="alice").submit(password="alice-password-1")
    settings.STAGE_PACKAGES = ["stages"]
    stages.cache_clear()
    assert seen.door.page(seen.path).title == "Something went wrong"
    found = load_inspection(row_of(seen).identifier, may_view_people=True)
    assert (found.end, found.path[-1].step, found.path[-1].stage) == ("refused", "word", "word")


def test_another_tenants_run_is_as_if_it_did_not_exist(acme: Tenant, other: Tenant, door: Doors) -> None:
    """The response is the same as for one that never was."""
    theirs = row_of(door("other.test").page())
    messages = []
    for identifier in (theirs.identifier, "0" * 32, ""):
        with pytest.raises(NoSuchRun) as none:
            load_inspection(identifier, may_view_people=True)
        messages.append(str(none.value))
    assert len(set(messages)) == 1
    with tenant_scope(other):
        assert load_inspection(theirs.identifier, may_view_people=True).run == theirs.identifier
