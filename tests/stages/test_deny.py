"""deny: ends a run with a message, and nothing goes past it."""

from idp.accounts.models import Session
from idp.events.models import Event
from idp.tenancy.models import Tenant
from tests.support.client import Doors
from tests.support.flows import SHIPPED, draw, row_of


def test_everyone_sees_the_message(acme: Tenant, door: Doors) -> None:
    """It is shown as text, and is in the events; the other tenant's flow is another one."""
    draw({"stage": "deny", "settings": {"message": "Closed <b>today</b>."}}, *SHIPPED)
    seen = door().page()
    assert (seen.title, seen.step) == ("Access denied", "")
    assert "Closed &lt;b&gt;today&lt;/b&gt;." in seen.text
    assert Event.objects.get(kind="flow.denied").target == "deny"
    assert door("other.test").page().step == "identification"


def test_with_a_condition_only_those_to_whom_it_applies(acme: Tenant, door: Doors) -> None:
    """Bob is not signed in, alice is."""
    draw(
        "identification",
        "password",
        {"stage": "deny", "when": 'person.username == "bob"'},
        "login",
        "device_code",
        "consent",
        "finish",
    )
    assert door().sign_in("bob", "bob-password-22").title == "Access denied"
    assert not Session.objects.exists()
    assert door().sign_in().step == "device_code"


def test_a_refused_run_stays_refused(acme: Tenant, door: Doors) -> None:
    """Nothing that is posted to it changes that; and it no longer counts as under way."""
    draw("identification", "deny", "password", "login", "device_code", "consent", "finish")
    seen = door().page()
    refused = seen.submit(name="alice")
    for fields in ({}, {"step": "password", "password": "alice-password-1"}, {"step": "deny"}):
        seen.door.http.post(refused.path, {**seen.hidden, **fields})
    assert row_of(refused).state["end"]["kind"] == "denied"
    assert row_of(refused).ended_at is not None
    assert not Session.objects.exists()
