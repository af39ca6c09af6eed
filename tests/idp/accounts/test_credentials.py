"""What a person holds, what conditions read of it, and removing it."""

import io
from datetime import timedelta

import pytest
import time_machine
from django.core.management import call_command
from django.db import connection
from django.test import Client
from pytest_django import Settings

from idp.accounts import credentials
from idp.accounts.credentials import has_second_factor, kinds_of, list_credentials, remove
from idp.accounts.models import Credential, Person, Session
from idp.accounts.sessions import ProvedAgain, StepUp
from idp.events.models import Event
from idp.foundation.effects import Effect, EffectConflict
from idp.foundation.sealing import unseal
from idp.runtime.resealing import count_unreadable, reseal
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import Door, Doors
from tests.support.credentials import SECRET, code, give_codes, give_totp, kinds, person
from tests.support.flows import draw


def test_what_a_person_could_use_as_a_proof(acme: Tenant, other: Tenant) -> None:
    """The proofs are those of this person in this tenant, and codes only while one is left."""
    alice = person().pk
    assert (kinds_of(alice), has_second_factor(alice)) == (["password"], False)
    give_totp()
    give_codes()
    assert kinds_of(alice) == ["password", "recovery_code", "totp"]
    Credential.objects.filter(kind="recovery_code").update(used_at="2026-01-01T00:00Z")
    Person.objects.filter(pk=alice).update(password="")
    assert (kinds_of(alice), has_second_factor(alice)) == (["totp"], True)
    assert (kinds_of(person("bob").pk), kinds_of(None), kinds_of(0)) == (["password"], [], [])
    with tenant_scope(other):
        assert (kinds_of(alice), has_second_factor(alice), kinds_of(person().pk)) == ([], False, ["password"])


def test_a_condition_reads_what_the_person_holds(acme: Tenant, door: Doors) -> None:
    """``"totp" in person.credentials``."""
    asked = {"stage": "totp", "when": '"totp" in person.credentials'}
    draw("identification", "password", asked, "login", "device_code", "consent", "finish")
    assert door().sign_in().step == "device_code"
    give_totp()
    assert door().sign_in().step == "totp"


def test_removing(acme: Tenant) -> None:
    """Codes are removed all together; the event says when nothing is left."""
    alice = person()
    give_totp()
    give_codes()
    app, codes = list_credentials(alice)
    assert (app.kind, codes.kind, codes.codes_left) == ("totp", "recovery_code", 10)
    assert remove(codes.pk, of=alice.pk, by="alice")
    assert kinds() == ["totp"]
    assert remove(app.pk, of=alice.pk, by="admin")
    assert not remove(app.pk, of=alice.pk, by="admin")
    recorded = Event.objects.filter(kind="person.credential_removed").order_by("pk")
    assert [(event.actor, event.target, event.data) for event in recorded] == [
        ("alice", "alice", {"credential": "recovery_code", "last": False}),
        ("admin", "alice", {"credential": "totp", "last": True}),
    ]


def test_no_other_persons_is_removed(acme: Tenant, other: Tenant) -> None:
    """Neither bob's by alice nor one of the other tenant."""
    pk = give_totp("bob").pk
    assert not remove(pk, of=person().pk, by="alice")
    with tenant_scope(other):
        assert not remove(pk, of=person("bob").pk, by="bob")
        assert not remove(pk, of=0, by="bob")
    assert kinds("bob") == ["totp"]


def test_an_administrator_lets_in_a_person_who_lost_everything(acme: Tenant, other: Tenant) -> None:
    """``person forget-factors`` removes the factors of that person only.

    It works where the codes are used up, or no key can read the secret.
    """
    give_totp()
    give_codes()
    give_totp("bob")
    out = io.StringIO()
    call_command("person", "forget-factors", "alice", "--tenant", "other", stdout=out)
    assert out.getvalue() == "Removed from alice: nothing.\n"
    out = io.StringIO()
    call_command("person", "forget-factors", "alice", "--tenant", "acme", stdout=out)
    assert out.getvalue() == "Removed from alice: totp, recovery_code.\n"
    assert (kinds(), kinds("bob"), has_second_factor(person().pk)) == ([], ["totp"], False)
    assert Event.objects.filter(kind="person.credential_removed", actor="command line").count() == 2


def test_the_secret_is_encrypted_at_rest_and_re_encrypted(acme: Tenant, settings: Settings) -> None:
    """``keys reencrypt`` finds the column by itself; afterwards the old key is no longer needed for it."""
    give_totp()
    assert unseal(_stored()) == SECRET != _stored()
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = (
        "a new key that is long enough for everything",
        [settings.SECRET_KEY],
    )
    assert reseal()["accounts_credential.secret"] == 1
    settings.SECRET_KEY_FALLBACKS = []
    assert Credential.objects.get().secret == SECRET


def test_after_the_key_was_lost_the_command_names_what_must_be_set_up_again(
    acme: Tenant, settings: Settings
) -> None:
    """It names the apps, whose secrets cannot be read, and the recovery codes, which cannot be found."""
    give_totp()
    give_codes()
    settings.SECRET_KEY = "the only one, and a new one"
    assert count_unreadable()["accounts_credential.secret"] == 11
    out = io.StringIO()
    call_command("keys", "lost", stdout=out)
    assert "accounts_credential.secret: 11 values can no longer be read" in out.getvalue()
    assert "Authenticator apps" in out.getvalue()
    assert "recovery codes" in out.getvalue()


def _stored() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM accounts_credential")
        return str(cursor.fetchone()[0])


def _session(door: Doors) -> Session:
    door().sign_in()
    return Session.objects.latest("pk")


def test_a_method_is_added_once(acme: Tenant, door: Doors) -> None:
    """StepUp twice is as good as once; the time of signing in stays."""
    session = _session(door)
    for _ in range(2):
        StepUp(session.pk, "otp").apply()
    now = Session.objects.get()
    assert (now.methods, now.authenticated_at) == (["pwd", "otp"], session.authenticated_at)


def test_only_a_living_session_of_that_very_person_is_changed(
    acme: Tenant, other: Tenant, door: Doors
) -> None:
    """A session that ended, is another person's or another tenant's, or does not exist raises.

    Nothing is changed.
    """
    session = _session(door)
    bob = person("bob").pk

    def refused(effect: Effect) -> None:
        with pytest.raises(EffectConflict) as lost:
            effect.apply()
        assert lost.value.final

    refused(ProvedAgain(session.pk, bob, "pwd"))
    refused(ProvedAgain(0, session.person_id, "pwd"))
    with tenant_scope(other):
        refused(ProvedAgain(session.pk, session.person_id, "pwd"))
        refused(StepUp(session.pk, "otp"))
    Session.objects.update(ended_at="2026-01-01T00:00Z")
    refused(ProvedAgain(session.pk, session.person_id, "otp"))
    refused(StepUp(session.pk, "otp"))
    assert Session.objects.get().methods == ["pwd"]


@pytest.fixture
def stepped_up(acme: Tenant, door: Doors, clock: time_machine.Traveller) -> Door:
    """Alice's browser, signed in with a code of her app a moment ago."""
    draw(
        "identification",
        "password",
        {"stage": "totp", "settings": {"missing": "skip"}},
        "login",
        "device_code",
        "consent",
        "finish",
    )
    give_totp()
    browser = door()
    assert browser.sign_in().submit(code=code()).step == "device_code"
    return browser


def _press(browser: Door, pk: int) -> str:
    response = browser.http.post(f"/credentials/{pk}/remove")
    assert response.status_code == 302
    return str(response["Location"])


def test_the_front_page_shows_what_one_holds_and_removes_it(stepped_up: Door) -> None:
    """A credential is removed by a POST of the person's own, freshly proved browser."""
    give_codes()
    page = stepped_up.page("/")
    for text in (
        "Authenticator app",
        "Recovery codes",
        "10 left",
        "Manage sign-in methods",
        'href="/credentials"',
    ):
        assert text in page.text
    before = len(list_credentials(person()))
    for n, each in enumerate(list_credentials(person())):
        assert f'href="/credentials/{each.pk}/remove"' in page.text
        asked = stepped_up.page(f"/credentials/{each.pk}/remove")
        assert (asked.title.startswith("Remove your "), len(list_credentials(person()))) == (
            True,
            before - n,
        ), "asking removes nothing"
        assert _press(stepped_up, each.pk) == "/"
    assert kinds() == []
    assert "Authenticator app" not in stepped_up.page("/").text
    assert 'href="/sign-in"' in Door().page("/").text


def test_removing_wants_a_fresh_proof_by_a_second_factor(
    stepped_up: Door, door: Doors, clock: time_machine.Traveller
) -> None:
    """Not signed in, by a password alone, or proved too long ago: it asks for what is missing.

    It removes nothing. A stolen session and the password are not enough, although a code was shown for the
    session this morning.
    """
    (app,) = list_credentials(person())
    page = f"/credentials/{app.pk}/remove"
    password_only = door()
    draw("identification", "password", "login", "device_code", "consent", "finish")
    password_only.sign_in()
    assert _press(door(), app.pk) == f"/sign-in?next={page}"
    asked = password_only.page(page)
    assert (asked.title, 'name="password"' in asked.text, 'name="code"' in asked.text) == (
        "Confirm it's you",
        False,
        True,
    )
    assert password_only.http.post(page).status_code == 403
    clock.shift(timedelta(hours=11))
    asked = stepped_up.page(page)
    assert ('name="password"' in asked.text, 'name="code"' in asked.text) == (True, True)
    right = {"password": "alice-password-1"}
    for answer in (
        {},
        right,
        {**right, "code": "000000"},
        {"code": code()},
        {"password": "wrong", "code": code()},
    ):
        response = stepped_up.http.post(page, answer)
        assert response.status_code == 403, answer
    assert kinds() == ["totp"]
    clock.shift(30)
    assert stepped_up.http.post(page, {**right, "code": code()}).status_code == 303
    assert kinds() == ["totp"], "proving oneself removes nothing yet"
    assert _press(stepped_up, app.pk) == "/"
    assert kinds() == []


def test_guessing_there_must_wait(stepped_up: Door, clock: time_machine.Traveller) -> None:
    """The budgets of signing in count here, too: a person with the session cannot go on guessing."""
    page = f"/credentials/{list_credentials(person())[0].pk}/remove"
    clock.shift(timedelta(hours=1))
    wrong = {"password": "alice-password-1", "code": "000000"}
    statuses = [stepped_up.http.post(page, wrong) for _ in range(6)]
    assert [each.status_code for each in statuses][-1] == 429
    assert int(statuses[-1]["Retry-After"]) > 0


def test_removing_is_a_form_of_our_own_page_and_of_ones_own(stepped_up: Door, door: Doors) -> None:
    """B19: another site's form is refused; another person's number does nothing."""
    bobs = give_totp("bob")
    (app,) = list_credentials(person())
    strict = Client(enforce_csrf_checks=True, HTTP_HOST="acme.test")
    strict.cookies.update(stepped_up.http.cookies)
    assert strict.post(f"/credentials/{app.pk}/remove").status_code == 403
    _press(stepped_up, bobs.pk)
    _press(stepped_up, 999_999)
    _press(stepped_up, 10**40)
    assert (kinds(), kinds("bob")) == (["totp"], ["totp"])
    assert credentials.has_second_factor(person("bob").pk)
