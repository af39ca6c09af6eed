"""recovery_code_setup: shown once, stored by the button, in place of all earlier ones."""

from collections.abc import Callable
from typing import Any

import pytest

from flows.models import Run
from idp.accounts.models import Credential, Session
from idp.accounts.recovery_codes import verify
from idp.events.models import Event
from tests.support.client import Doors
from tests.support.credentials import code, codes_on, give_codes, give_totp, kinds, person, secret_on
from tests.support.flows import draw, facts_of, row_of

pytestmark = pytest.mark.usefixtures("acme", "clock")


def flow(*before: str | dict[str, Any]) -> None:
    """Publish a flow that signs in and creates codes."""
    draw(
        "identification",
        "password",
        "login",
        *before,
        "recovery_code_setup",
        "device_code",
        "consent",
        "finish",
    )


def test_they_are_stored_once_the_person_has_saved_them(door: Doors) -> None:
    """A reload shows the same ones, and no other answer than the button stores them.

    Then they cannot be read any more.
    """
    flow()
    browser = door()
    seen = browser.sign_in()
    codes = codes_on(seen)
    assert (seen.step, len(set(codes)), "I've saved my codes" in seen.text) == (
        "recovery_code_setup",
        10,
        True,
    )
    assert codes_on(browser.page(seen.path)) == codes
    for answer in ({}, {"saved": ""}, {"saved": "no"}, {"code": codes[0]}):
        assert (seen.submit(**answer).step, kinds()) == ("recovery_code_setup", [])
    done = seen.submit(saved="yes")
    assert (done.step, "credential" in facts_of(done), row_of(done).state["kept"]) == (
        "device_code",
        True,
        {},
    )
    assert all(verify(person().pk, each) for each in codes)
    assert not [
        row
        for row in map(str, [*Run.unscoped.values(), *Event.unscoped.values(), *Credential.unscoped.values()])
        if codes[0] in row
    ]
    assert Session.objects.get().methods == ["pwd"], "saving codes proves no one"


def test_they_replace_all_earlier_ones_after_one_was_shown(door: Doors) -> None:
    """Used and unused; until the button is pressed the old ones work."""
    old = give_codes()
    flow("recovery_code")
    seen = door().sign_in().submit(code=old[0])
    new = codes_on(seen)
    assert verify(person().pk, old[1])
    assert seen.submit(saved="yes").step == "device_code"
    assert not any(verify(person().pk, each) for each in old)
    assert all(verify(person().pk, each) for each in new)
    assert Event.objects.get(kind="person.credential_replaced").data == {
        "credential": "recovery_code",
        "first": False,
    }


@pytest.mark.parametrize("give", [give_totp, give_codes])
def test_a_password_alone_makes_none_for_an_account_that_is_guarded(
    door: Doors, give: Callable[..., object]
) -> None:
    """Otherwise they would be the way around the second factor."""
    give()
    flow()
    assert door().sign_in().title == "Access denied"


def test_after_an_app_was_set_up_in_the_same_flow(door: Doors) -> None:
    """The usual order; the app's event says that it was the first, the codes' that they were not."""
    flow("totp_setup")
    seen = door().sign_in()
    seen = seen.submit(code=code(0, secret_on(seen)))
    assert seen.step == "recovery_code_setup"
    assert seen.submit(saved="yes").step == "device_code"
    assert [
        event.data["first"] for event in Event.objects.filter(kind="person.credential_added").order_by("pk")
    ] == [True, False]
    assert kinds() == ["recovery_code"] * 10 + ["totp"]


def test_a_page_opened_before_there_was_a_factor_stores_nothing(door: Doors) -> None:
    """The verb looks again."""
    flow()
    waiting = door().sign_in()
    give_totp()
    assert waiting.submit(saved="yes").title == "That didn't work"
    assert kinds() == ["totp"]
