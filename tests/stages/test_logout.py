"""logout: one press of one button, at once everywhere, and never by opening an address."""

import pytest

from idp.accounts.models import Session
from idp.accounts.sessions import SignOut
from idp.events.models import Event
from tests.support.client import Door, Doors
from tests.support.flows import draw, facts_of

pytestmark = pytest.mark.usefixtures("acme")


@pytest.fixture
def signed_in(door: Doors) -> Door:
    """Alice's browser; the flow for devices now signs out."""
    browser = door()
    browser.sign_in()
    draw("logout", "deny")
    return browser


def test_opening_the_page_signs_no_one_out(signed_in: Door) -> None:
    """D30: GET and HEAD do nothing, however often and with any query.

    A POST without the page's token does nothing either.
    """
    seen = signed_in.page()
    assert seen.step == "logout"
    for method in ("get", "head"):
        getattr(signed_in.http, method)(seen.path, seen.hidden)
    signed_in.http.post(seen.path, {"step": "logout"})
    assert Session.objects.get().ended_at is None
    assert "signed_in" in facts_of(seen)


def test_the_button_signs_out_at_once_in_every_tab(signed_in: Door, door: Doors) -> None:
    """CVE-2025-29928: the other tab's run, which rested on the session, has ended too.

    A copy of the cookie opens nothing.
    """
    copy = door()
    copy.http.cookies["foyer_session"] = signed_in.http.cookies["foyer_session"].value
    seen = signed_in.page()
    assert seen.submit().title == "Access denied"
    assert signed_in.http.cookies["foyer_session"].value == ""
    assert Session.objects.get().ended_at is not None
    assert Event.objects.filter(kind="session.ended", actor="alice").count() == 1
    assert facts_of(seen) == {"signed_out"}
    for browser in (signed_in, copy):
        assert "Signed in as" not in browser.page("/").text


def test_another_tab_in_the_middle_of_a_flow_is_signed_out(door: Doors) -> None:
    """Its next answer gets a message that says so, and does nothing."""
    browser, started = door(), door().start()
    consent = browser.sign_in().submit(user_code=started.user_code)
    draw("logout", "deny")
    browser.page().submit()
    late = consent.submit(decision="approve")
    assert (late.title, browser.poll(started).json()["error"]) == (
        "You were signed out",
        "authorization_pending",
    )


def test_pressing_twice_is_as_good_as_once(signed_in: Door) -> None:
    """Two tabs stand on the question."""
    first, second = signed_in.page(), signed_in.page()
    first.submit()
    assert second.submit().status == 200
    assert Event.objects.filter(kind="session.ended").count() == 1


def test_a_person_who_is_not_signed_in_passes(door: Doors) -> None:
    """There is nothing to ask and nothing to end."""
    draw("logout", "deny")
    seen = door().page()
    assert seen.title == "Access denied"
    assert not Event.objects.filter(kind="session.ended").exists()


def test_a_session_that_ended_already_stays_ended(door: Doors) -> None:
    """The effect is idempotent, and finds no session of another tenant."""
    door().sign_in()
    door("other.test").sign_in()
    mine, foreign = Session.objects.get(), Session.unscoped.exclude(pk=Session.objects.get().pk).get()
    for _ in range(2):
        assert SignOut(mine.pk).apply().session == mine.pk
        SignOut(foreign.pk).apply()
    assert (
        Session.unscoped.get(pk=foreign.pk).ended_at,
        Event.unscoped.filter(kind="session.ended").count(),
    ) == (None, 1)
