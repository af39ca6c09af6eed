"""recovery_code: ten codes, each of which works once in any spelling."""

from collections.abc import Callable
from pathlib import Path

import pytest
import time_machine
from django.conf import settings

from blueprints.files.apply import apply
from flows.models import Run
from idp.accounts.credentials import remove, remove_all
from idp.accounts.models import Credential, Person, Session
from idp.events.models import Event
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import Door, Doors, Seen
from tests.support.concurrency import meeting_at
from tests.support.credentials import codes_on, give_codes, give_totp, kinds, person
from tests.support.flows import draw, facts_of

SHIPPED = Path(settings.BASE_DIR) / "blueprints" / "default" / "10-tenant.yaml"
pytestmark = pytest.mark.usefixtures("acme", "clock")


def flow(missing: str = "refuse") -> None:
    """Publish a flow with the password and then a recovery code."""
    step = {"stage": "recovery_code", "settings": {"missing": missing}}
    draw("identification", "password", step, "login", "device_code", "consent", "finish")


def test_a_code_works_once_and_the_page_counts_them(door: Doors) -> None:
    """Ten at first; then nine, of which the used one is none."""
    codes = give_codes()
    flow()
    seen = door().sign_in()
    assert (seen.step, seen.title) == ("recovery_code", "Enter a recovery code")
    assert "You have 10 codes left. Each code works once." in seen.text
    assert seen.submit(code=codes[3]).step == "device_code"
    assert Session.objects.get().methods == ["pwd", "otp"]
    again = door().sign_in()
    assert "You have 9 codes left." in again.text
    wrong = again.submit(code=codes[3])
    assert (wrong.step, "valid or was already used." in wrong.text) == ("recovery_code", True)
    assert again.submit(code=codes[4]).step == "device_code"
    used = Event.objects.filter(kind="person.credential_used")
    assert [event.data for event in used.order_by("pk")] == [
        {"credential": "recovery_code", "left": left} for left in (9, 8)
    ]


def test_any_spelling(door: Doors) -> None:
    """Case, width, spaces, missing or other dashes; i and l for 1, o for 0."""
    codes = give_codes()
    flow()
    spellings: list[Callable[[str], str]] = [
        lambda code: code.upper(),
        lambda code: code.replace("-", ""),
        lambda code: " " + code.replace("-", " – ") + " ",
        lambda code: "".join(chr(ord(letter) + 0xFEE0) for letter in code),
        lambda code: code.replace("1", "l").replace("0", "O"),
        lambda code: code.replace("1", "I").replace("0", "o"),
    ]
    for at, respell in enumerate(spellings):
        assert door().sign_in().submit(code=respell(codes[at])).step == "device_code", codes[at]


def test_a_code_works_once_in_two_tabs_at_the_same_moment(transactional_db: None, door: Doors) -> None:
    """Lost races: of two sign-ins with one code, one succeeds and the other gets the error."""
    code = give_codes()[0]
    flow()
    pages, shown = [door(address=f"203.0.113.{at}").sign_in() for at in range(2)], []

    def post(page: Seen) -> None:
        tab = Door()
        tab.http.cookies.update(page.door.http.cookies)
        shown.append(Seen(tab, page.response, page.path).submit(code=code))

    meeting_at(Person.objects.filter(username="alice"), lambda: post(pages[0]), lambda: post(pages[1]))
    assert sorted(page.step for page in shown) == ["device_code", "recovery_code"]
    assert Session.unscoped.count() == 1


def test_guesses_must_wait(door: Doors) -> None:
    """Five are free; then a time is shown, and the right code is refused as well."""
    codes = give_codes()
    flow()
    seen = door().sign_in()
    assert [seen.submit(code="wrong").status for _ in range(6)] == [200] * 5 + [429]
    late = seen.submit(code=codes[0])
    assert (late.status, "Too many attempts. Try again in" in late.text) == (429, True)


def test_codes_of_another_person_are_refused(other: Tenant, door: Doors) -> None:
    """Bob's codes are refused, and those of the other tenant's alice."""
    give_codes()
    of_bob = give_codes("bob")
    with tenant_scope(other):
        foreign = give_codes()
    flow()
    seen = door().sign_in()
    assert seen.submit(code=of_bob[0]).step == "recovery_code"
    assert seen.submit(code=foreign[0]).step == "recovery_code"
    assert Credential.unscoped.filter(used_at=None).count() == 30


def test_a_person_with_none_left(door: Doors) -> None:
    """Refused unless the flow lets them pass; used-up ones never make new ones after a password alone."""
    flow()
    assert "your account has none. Ask an administrator." in door().sign_in().text
    apply([SHIPPED], variables={"tenant": "acme"})
    flow()
    assert 'href="/credentials?next=/device">Create recovery codes</a>' in door().sign_in().text
    flow("skip")
    assert door().sign_in().step == "device_code"
    give_codes()
    Credential.objects.update(used_at="2026-01-01T00:00Z")
    for missing in ("set_up", "skip", "refuse"):
        flow(missing)
        seen = door().sign_in()
        assert (seen.title, "used all your" in seen.text) == ("Access denied", True)
        assert "/credentials" not in seen.text, "there they would be asked for one too"


def test_used_up_codes_do_not_fall_back_to_the_password(acme: Tenant, door: Doors) -> None:
    """The shipped flow asks everyone who has set something up.

    An app beside the codes still works alone, and a reset lets in again.
    """
    apply([SHIPPED], variables={"tenant": "acme"})
    give_codes()
    Credential.objects.update(used_at="2026-01-01T00:00Z")
    assert door().sign_in(path="/sign-in").title == "Access denied"
    give_totp()
    seen = door().sign_in(path="/sign-in")
    assert (seen.step, 'name="choice"' in seen.text) == ("second-factor.totp", False)
    remove(Credential.objects.get(kind="totp").pk, of=person().pk, by="alice")
    assert kinds() == [], "used-up codes lock no one out who removed the app"
    give_codes()
    Credential.objects.update(used_at="2026-01-01T00:00Z")
    remove_all(person(), by="clerk")
    assert "Signed in as" in door().sign_in(path="/sign-in").text


def test_the_last_code_leads_to_new_ones(door: Doors, clock: time_machine.Traveller) -> None:
    """They are shown at once, the step is passed once they are saved, and each lets in.

    Before that the page says that few are left.
    """
    old = give_codes()
    flow()
    Credential.objects.exclude(pk=Credential.objects.order_by("pk")[9].pk).update(used_at="2026-01-01T00:00Z")
    browser = door()
    seen = browser.sign_in()
    assert "You have 1 code left. It works once. Create new ones soon" in seen.text
    assert seen.submit(code=old[0]).step == "recovery_code"
    shown = seen.submit(code=old[9])
    new = codes_on(shown)
    assert (shown.step, shown.title, len(new)) == (
        "recovery_code",
        "That was your last code. Save new ones",
        10,
    )
    assert codes_on(browser.page(shown.path)) == new
    assert not Session.objects.exists()
    assert shown.submit(code=new[0]).step == "recovery_code"
    assert shown.submit(saved="yes").step == "device_code"
    assert (Session.objects.get().methods, kinds()) == (["pwd", "otp"], ["recovery_code"] * 10)
    assert door().sign_in().submit(code=new[0]).step == "device_code"


def test_a_person_who_leaves_there_has_none(door: Doors) -> None:
    """The last one is used up: a password alone gets no second look at new ones.

    They were stored nowhere.
    """
    old = give_codes()
    flow()
    Credential.objects.exclude(pk=Credential.objects.order_by("pk")[9].pk).update(used_at="2026-01-01T00:00Z")
    door().sign_in().submit(code=old[9])
    seen = door().sign_in()
    assert (seen.title, codes_on(seen)) == ("Access denied", [])


def test_they_are_made_in_the_step_that_asks(door: Doors, caplog: pytest.LogCaptureFixture) -> None:
    """There are ten different ones of fifty bits, the same after a reload.

    They are stored only by the button, in clear nowhere, and shown once.
    """
    flow("set_up")
    browser = door()
    seen = browser.sign_in()
    codes = codes_on(seen)
    assert (seen.title, len(set(codes))) == ("Save your recovery codes", 10)
    assert codes_on(browser.page(seen.path)) == codes
    assert seen.submit().step == "recovery_code"
    assert seen.submit(saved="no").step == "recovery_code"
    assert kinds() == []
    assert codes[0] not in str(Run.unscoped.values_list("state", flat=True))
    after = seen.submit(saved="yes")
    assert (after.step, kinds()) == ("device_code", ["recovery_code"] * 10)
    assert (Session.objects.get().methods, "second_factor" in facts_of(after)) == (["pwd"], False), (
        "saving codes proves no one"
    )
    everywhere = [
        after.text,
        browser.page("/").text,
        caplog.text,
        *map(str, Event.unscoped.values()),
        *map(str, Run.unscoped.values()),
    ]
    everywhere += map(str, Credential.unscoped.values())
    for code in codes:
        assert not [text for text in everywhere if code in text or code.replace("-", "") in text]
    later = door().sign_in()
    assert (later.title, codes_on(later)) == ("Enter a recovery code", [])
    assert later.submit(code=codes[9]).step == "device_code"


def test_a_person_deactivated_meanwhile_is_refused(door: Doors) -> None:
    """CVE-2025-53942: the code stays unused."""
    codes = give_codes()
    flow()
    seen = door().sign_in()
    Person.objects.filter(username="alice").update(is_active=False)
    assert seen.submit(code=codes[0]).title == "This request has expired"
    assert Credential.objects.filter(used_at=None).count() == 10


def test_asked_after_signing_in_the_session_notes_it(door: Doors) -> None:
    """StepUp."""
    draw("identification", "password", "login", "recovery_code", "device_code", "consent", "finish")
    codes = give_codes()
    browser = door()
    assert browser.sign_in().submit(code=codes[0]).step == "device_code"
    assert Session.objects.get().methods == ["pwd", "otp"]
    assert browser.page().step == "device_code"


def test_an_app_does_not_count_as_a_recovery_code(door: Doors) -> None:
    """An app passes no recovery code step, and six digits are no recovery code."""
    give_totp()
    flow()
    assert door().sign_in().title == "Access denied"
