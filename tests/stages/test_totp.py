"""totp: a code of the app works once, and wrong ones have to wait.

A password alone never sets up what guards the account.
"""

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from django.conf import settings
from pytest_django import Settings

from blueprints.files.apply import apply
from flows.editing.publishing import publish
from flows.models import Run
from idp.accounts import credentials
from idp.accounts.models import Credential, Person, Session
from idp.events.models import Event
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import Door, Doors, Seen
from tests.support.concurrency import meeting_at
from tests.support.credentials import code, give_codes, give_totp, kinds, person, secret_on
from tests.support.flows import draw, drawing, facts_of, row_of

SHIPPED = Path(settings.BASE_DIR) / "blueprints" / "default" / "10-tenant.yaml"
REST = ("login", "device_code", "consent", "finish")
pytestmark = pytest.mark.usefixtures("acme", "clock")


def flow(missing: str = "refuse") -> None:
    """Password, then the app."""
    draw("identification", "password", {"stage": "totp", "settings": {"missing": missing}}, *REST)


def at_totp(
    browser: Door, name: str = "alice", password: str = "alice-password-1", path: str = "/device"
) -> Seen:
    """Past the password."""
    return browser.sign_in(name, password, path)


@pytest.mark.parametrize("away", [-1, 0, 1])
def test_the_code_of_this_time_step_and_the_adjacent_ones_is_accepted(door: Doors, away: int) -> None:
    """RFC 6238 section 5.2: one time step of delay, and a clock that is ahead by one."""
    give_totp()
    flow()
    seen = at_totp(door())
    assert (seen.step, seen.title) == ("totp", "Enter the code")
    assert seen.submit(code=code(away)).step == "device_code"
    assert Session.objects.get().methods == ["pwd", "otp"]


@pytest.mark.parametrize("away", [-20, -3, -2, 2, 3])
def test_any_other_code_is_not(door: Doors, away: int) -> None:
    """RFC 6238 section 5.2: older and later ones prove nothing."""
    give_totp()
    flow()
    seen = at_totp(door()).submit(code=code(away))
    assert (seen.step, "second_factor" in facts_of(seen)) == ("totp", False)
    assert "Incorrect code." in seen.text


@pytest.mark.parametrize("spelling", ["{0} {1}", " {0}{1} ", "{0}-{1}", "{0}\u00a0{1}", "{2}"])
def test_any_spelling_of_the_code(door: Doors, spelling: str) -> None:
    """White space, dashes, full-width digits."""
    give_totp()
    flow()
    now = code()
    wide = now.translate({ord("0") + at: 0xFF10 + at for at in range(10)})
    assert at_totp(door()).submit(code=spelling.format(now[:3], now[3:], wide)).step == "device_code"


@pytest.mark.parametrize("junk", ["", "12345", "1234567", "abcdef", "٣٣٣٣٣", "0x1234", "12345五"])
def test_what_has_no_six_digits_is_no_code(door: Doors, junk: str) -> None:
    """The field shows the error, and it counts as no attempt."""
    give_totp()
    flow()
    seen = at_totp(door())
    for _ in range(7):
        seen = seen.submit(code=junk)
        assert (seen.status, seen.step) == (200, "totp")


def test_a_code_works_once(door: Doors, clock: time_machine.Traveller) -> None:
    """RFC 6238 section 5.2: not a second time, nor an older one after a newer one; the next step's does."""
    give_totp()
    flow()
    assert at_totp(door()).submit(code=code()).step == "device_code"
    again = at_totp(door()).submit(code=code())
    assert (again.step, "That code was already used." in again.text) == ("totp", True)
    assert again.submit(code=code(-1)).step == "totp"
    clock.shift(30)
    assert again.submit(code=code(-1)).step == "totp"
    assert again.submit(code=code()).step == "device_code"


def test_a_code_works_once_in_two_tabs_at_the_same_moment(transactional_db: None, door: Doors) -> None:
    """Lost races: of two sign-ins with one code, one succeeds and the other gets the error."""
    give_totp()
    flow()
    pages, shown = [at_totp(door(address=f"203.0.113.{at}")) for at in range(2)], []
    now = code()

    def post(page: Seen) -> None:
        tab = Door()
        tab.http.cookies.update(page.door.http.cookies)
        shown.append(Seen(tab, page.response, page.path).submit(code=now))

    meeting_at(Person.objects.filter(username="alice"), lambda: post(pages[0]), lambda: post(pages[1]))
    assert sorted(page.step for page in shown) == ["device_code", "totp"]
    assert Session.unscoped.count() == 1


def test_wrong_codes_must_wait_and_show_until_when(door: Doors, clock: time_machine.Traveller) -> None:
    """Five are free, then the waits double.

    The right code is refused as well, from any address and in any run; bob is not locked out.
    """
    give_totp()
    give_totp("bob")
    flow()
    seen = at_totp(door(address="203.0.113.1"))
    for _ in range(5):
        assert seen.submit(code=code(40)).status == 200
    for wait in (1, 2, 4):
        early = at_totp(door(address="198.51.100.7")).submit(code=code())
        assert (early.status, int(early.response["Retry-After"])) == (429, wait + 1)
        assert "Too many attempts. Try again in" in early.text
        clock.shift(wait)
        assert seen.submit(code=code(40)).status == 200
    assert (
        at_totp(door(address="203.0.113.1"), "bob", "bob-password-22").submit(code=code()).step
        == "device_code"
    )
    clock.shift(8)
    assert at_totp(door()).submit(code=code()).step == "device_code"


def test_recovery_codes_are_guessed_from_the_same_budget(door: Doors) -> None:
    """A person who knows the password gains nothing by changing between the two."""
    give_totp()
    give_codes()
    flow()
    seen = at_totp(door())
    for _ in range(5):
        seen.submit(code=code(40))
    draw("identification", "password", "recovery_code", *REST)
    assert door().sign_in().submit(code="wrong").status == 429


def test_the_other_tenants_credential_is_as_if_it_did_not_exist(other: Tenant, door: Doors) -> None:
    """Tenant isolation: other's alice has an app, ours has none, and other's codes are wrong here."""
    with tenant_scope(other):
        give_totp()
    flow()
    assert at_totp(door()).title == "Access denied"
    give_totp(secret="A" * 32)
    assert at_totp(door()).submit(code=code()).step == "totp"
    flow("skip")
    Credential.objects.all().delete()
    assert at_totp(door()).step == "device_code"
    assert kinds() == ["totp"]


def test_a_person_without_one_is_refused_unless_the_flow_says_otherwise(door: Doors) -> None:
    """``missing: refuse`` is the default."""
    draw("identification", "password", "totp", *REST)
    refused = at_totp(door())
    assert (refused.title, "your account has none. Ask an administrator." in refused.text) == (
        "Access denied",
        True,
    )
    assert not Session.objects.exists()


def test_a_person_without_one_is_led_to_where_they_set_one_up(door: Doors, acme: Tenant) -> None:
    """The tenant has a flow for that, which asks for its own proof.

    The person goes from the refusal to the app, and then on past the step. A flow for that which asks for the
    app itself offers no circle.
    """
    apply([SHIPPED], variables={"tenant": "acme"})
    draw("identification", "password", "totp", *REST)
    refused = at_totp(door())
    link = re.search(
        r'<a class="button primary" href="([^"]+)">Set up an authenticator app</a>', refused.text
    )
    assert link
    assert "Ask an administrator" not in refused.text
    assert link[1] == "/credentials?next=/device"
    browser = refused.door
    assert browser.page(link[1]).step == "identification", (
        "nothing that was proved in the run that was refused counts there"
    )
    chosen = browser.sign_in(path=link[1]).submit(choice="totp")
    secret = secret_on(chosen)
    assert chosen.submit(code=code(0, secret)).step == "totp", "and back to where they came from"
    circle = {"flow": "set-up-credentials", "for": "credential_setup"}
    publish(
        drawing("identification", "password", "totp", "login", "reauthenticate", "totp_setup", **circle),
        by="test",
    )
    Credential.objects.all().delete()
    last = at_totp(door(), path="/credentials")
    assert (
        last.title,
        "Ask an administrator." in last.text,
        "/credentials" in last.text[last.text.index("<main") :],
    ) == (
        "Access denied",
        True,
        False,
    )


def test_it_is_set_up_in_the_step_that_asks(door: Doors, clock: time_machine.Traveller) -> None:
    """The page has a picture and a secret of 160 bits; a reload shows the same.

    A wrong code stores nothing, and the first code is used up.
    """
    flow("set_up")
    seen = at_totp(door())
    assert (seen.step, seen.title) == ("totp", "Set up your authenticator app")
    secret = secret_on(seen)
    assert len(secret) == 32
    assert 'src="data:image/svg+xml' in seen.text
    assert f"otpauth://totp/Acme:alice?secret={secret}&amp;issuer=Acme" in seen.text
    assert secret_on(seen.door.page(seen.path)) == secret
    wrong = seen.submit(code=code(40, secret))
    assert (wrong.step, secret_on(wrong), kinds()) == ("totp", secret, [])
    assert seen.submit(code=code(0, secret)).step == "device_code"
    assert kinds() == ["totp"]
    later = at_totp(door())
    assert (later.title, secret in later.text) == ("Enter the code", False)
    assert later.submit(code=code(0, secret)).step == "totp"
    clock.shift(30)
    assert later.submit(code=code(0, secret)).step == "device_code"
    recorded = Event.objects.get(kind="person.credential_added")
    assert (recorded.actor, recorded.data) == ("alice", {"credential": "totp", "first": True})


def test_the_secret_is_in_clear_nowhere(door: Doors, caplog: pytest.LogCaptureFixture) -> None:
    """B: it is not in the run while it is shown or afterwards.

    It is not in the table, in events or in logs, or on any later page.
    """
    flow("set_up")
    browser = door()
    seen = at_totp(browser)
    secret = secret_on(seen)
    assert secret not in str(Run.unscoped.values_list("state", flat=True))
    after = seen.submit(code=code(0, secret))
    assert "secret" not in row_of(after).state["kept"]
    with tenant_scope(Tenant.objects.get(name="acme")):
        assert Credential.objects.get().secret == secret
    stored = Credential.objects.extra(select={"raw": "secret"}).values_list("raw", flat=True)
    home = browser.page("/").text
    everything = [
        *stored,
        caplog.text,
        home,
        after.text,
        *map(str, Event.unscoped.values()),
        *map(str, Run.unscoped.values()),
    ]
    assert stored
    assert not [text for text in everything if secret in text or secret[:8] in text]
    assert secret not in repr(Credential.objects.defer("secret").get())


@pytest.mark.parametrize("give", [give_totp, give_codes])
def test_a_password_alone_sets_nothing_up_beside_what_guards_the_account(
    door: Doors, give: Callable[..., object]
) -> None:
    """A person who knows the password and has none of the factors is not offered a new one.

    That holds for one of another kind and for another app.
    """
    give()
    for stage, has in (("totp", give is give_totp), ("recovery_code", give is give_codes)):
        draw("identification", "password", {"stage": stage, "settings": {"missing": "set_up"}}, *REST)
        seen = at_totp(door())
        assert seen.title in (("Enter the code", "Enter a recovery code") if has else ("Access denied",))
    Credential.objects.update(used_at="2026-01-01T00:00Z")
    draw("identification", "password", {"stage": "recovery_code", "settings": {"missing": "set_up"}}, *REST)
    assert at_totp(door()).title == "Access denied"


def test_two_who_set_up_at_once_the_second_is_refused(door: Doors) -> None:
    """A page that was opened before the person had an app does not replace the app that they have by now."""
    flow("set_up")
    early, owner = at_totp(door()), at_totp(door())
    assert owner.submit(code=code(0, secret_on(owner))).step == "device_code"
    late = early.submit(code=code(0, secret_on(early)))
    assert (late.title, "in the meantime" in late.text) == ("That didn't work", True)
    assert Credential.objects.get().secret == secret_on(owner)


@pytest.mark.parametrize("missing", ["refuse", "set_up"])
def test_a_person_deactivated_meanwhile_is_refused(door: Doors, missing: str) -> None:
    """CVE-2025-53942: also on the second step, with the right code."""
    if missing == "refuse":
        give_totp()
    flow(missing)
    seen = at_totp(door())
    now = code(0, secret_on(seen)) if missing == "set_up" else code()
    Person.objects.filter(username="alice").update(is_active=False)
    assert seen.submit(code=now).title == "This request has expired"
    assert not Session.objects.exists()
    assert not Event.objects.filter(kind__startswith="person.credential_used").exists()


def test_an_unreadable_secret_proves_nothing(door: Doors, settings: Settings) -> None:
    """Fail closed: after the server's key was lost, no code is right.

    No one is asked to set up a new app instead.
    """
    give_totp()
    flow("set_up")
    settings.SECRET_KEY = "another key, and the old one is gone"
    seen = at_totp(door())
    assert seen.title == "Enter the code"
    assert seen.submit(code=code()).step == "totp"
    alice = person()
    assert [each.kind for each in credentials.list_credentials(alice)] == ["totp"]
    assert credentials.remove(credentials.list_credentials(alice)[0].pk, of=alice.pk, by="admin")


def test_asked_after_signing_in_the_session_notes_it(door: Doors) -> None:
    """StepUp: the next run knows the second factor before it asks, until the session ends."""
    draw("identification", "password", "login", "totp", "device_code", "consent", "finish")
    give_totp()
    browser = door()
    seen = browser.sign_in()
    assert (seen.step, Session.objects.get().methods) == ("totp", ["pwd"])
    assert seen.submit(code=code()).step == "device_code"
    assert Session.objects.get().methods == ["pwd", "otp"]
    assert browser.page().step == "device_code"
    assert door().sign_in().step == "totp"


def test_a_session_that_ended_meanwhile_is_not_stepped_up(door: Doors, clock: time_machine.Traveller) -> None:
    """CVE-2025-29928: signed out in another tab, the code changes nothing."""
    draw("identification", "password", "login", "totp", "device_code", "consent", "finish")
    give_totp()
    browser = door()
    seen = browser.sign_in()
    browser.http.post("/sign-out")
    clock.shift(timedelta(seconds=1))
    assert seen.submit(code=code()).title == "You were signed out"
    assert Session.objects.get().methods == ["pwd"]
    assert Credential.objects.defer("secret").get().counter == 0
