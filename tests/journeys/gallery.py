"""Every page and error state that a person can meet, in generators that yield at each page."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.utils import timezone

from flows.models import Flow, Run, Version
from idp.accounts.models import Person as Account
from idp.accounts.recovery import create_link
from idp.oauth.models import Application
from idp.ratelimit.budgets import address_key
from tests.journeys.browser import NewPerson, Person
from tests.journeys.devices import Device
from tests.journeys.shipped import ship
from tests.support.credentials import code
from tests.support.flows import draw

LONG = "A company with a very long name that nobody ever thought would have to stand on a telephone"


@dataclass
class Scene:
    """The people and the clock of a generator, with the tenant acme in scope."""

    new_person: NewPerson
    new_device: Callable[..., Device]
    clock: Any
    options: dict[str, Any]

    def person(self) -> Person:
        """Return a new person."""
        return self.new_person(**self.options)


def signing_in(scene: Scene) -> Iterator[tuple[str, Person]]:
    """Yield the pages from the front page to the throttled password."""
    person = scene.person()
    person.open("/")
    yield "home", person
    person.open("/device")
    yield "sign-in", person
    person.fill("Username or email address", " ")
    person.press("Continue")
    yield "sign-in-empty", person
    person.fill("Username or email address", "alice")
    person.press("Continue")
    yield "password", person
    person.fill("Password", "wrong")
    person.press("Sign in")
    yield "password-wrong", person
    for _ in range(4):
        person.fill("Password", "wrong")
        person.press("Sign in")
    person.reads("Too many attempts.")
    yield "password-throttled", person
    scene.clock.shift(timedelta(minutes=20))
    person.page.locator("input[name=token]").evaluate("field => { field.value = 'stale' }")
    person.fill("Password", "alice-password-1")
    person.press("Sign in")
    yield "password-out-of-date", person


def entering_a_code(scene: Scene) -> Iterator[tuple[str, Person]]:
    """Yield the pages from the empty field to the throttled one."""
    person, device = scene.person(), scene.new_device()
    person.open()
    person.sign_in()
    person.sees("Connect a device")
    yield "code", person
    person.open("/")
    yield "home-signed-in", person
    person.open(device.complete_link)
    yield "code-filled-in", person
    person.enter_code("BCDF-GHJK")
    yield "code-wrong", person
    for _ in range(5):
        person.enter_code("BCDF-GHJK")
    person.reads("Too many attempts.")
    yield "code-throttled", person


def deciding(scene: Scene) -> Iterator[tuple[str, Person]]:
    """Yield the consent page in its variants, and what follows."""
    person = scene.person()
    device = scene.new_device(device_name="Living room", agent="Acme TV/2.1 (webOS 24; 4K)")
    person.at_consent(device.user_code)
    yield "consent", person
    person.press("Approve")
    person.sees("Approved – return to your device")
    yield "finish", person
    assert isinstance(device.poll(), dict)
    person.page.reload()
    person.sees("Connected")
    yield "connected", person
    Application.objects.filter(client_id="tv").update(owner="Acme Electronics", verified=True)
    far = scene.new_device(device_name=LONG, agent="Mozilla/5.0 " + "x" * 180)
    Application.objects.filter(client_id="kiosk").update(title=LONG, owner=LONG)
    person.at_consent(far.user_code)
    yield "consent-verified", person
    person.press("Deny")
    person.sees("Request denied")
    yield "denied", person


def endings(scene: Scene) -> Iterator[tuple[str, Person]]:
    """Yield all the ways in which a run stops early."""
    person = scene.person()
    overdue = scene.new_device()
    person.at_consent(overdue.user_code)
    scene.clock.shift(timedelta(minutes=11))
    person.press("Approve")
    person.sees("That didn't work")
    yield "ended-too-late", person
    person.at_consent(scene.new_device().user_code)
    person.context.clear_cookies(name="foyer_session")
    person.page.reload()
    person.sees("You were signed out")
    yield "ended-signed-out", person
    person.open()
    scene.clock.shift(timedelta(minutes=31))
    person.page.reload()
    person.sees("This took too long")
    yield "ended-expired", person
    person.open()
    person.sign_in("bob")
    person.enter_code(scene.new_device(client_id="staff-console", scope="openid").user_code)
    person.sees("Access denied")
    yield "ended-not-allowed", person
    person.open()
    Version.objects.update(
        digest="", document={**Version.objects.get().document, "steps": [{"stage": "consent"}]}
    )
    person.open()
    person.sees("Something went wrong")
    yield "ended-broken", person


def accounts_and_errors(scene: Scene) -> Iterator[tuple[str, Person]]:
    """Yield the pages of recovery and of errors."""
    person = scene.person()
    link = f"/recover/{create_link(Account.objects.get(username='alice'), by='test')}"
    person.open(link)
    yield "recover", person
    person.fill("New password", "password")
    person.press("Set password")
    yield "recover-too-weak", person
    person.fill("New password", "one more good password")
    person.press("Set password")
    person.sees("Password changed")
    yield "recover-done", person
    person.open(link)
    yield "recover-gone", person
    person.open("/nothing-here")
    yield "not-found", person
    person.open("/flow/nobody/")
    yield "run-not-found", person
    person.page.goto(person.server.url(person.host, f"/flow/{'0' * 32}/restart"))
    person.sees("That isn't possible here")
    yield "wrong-method", person
    person.open()
    person.context.clear_cookies()
    person.page.evaluate(
        "() => { const form = document.querySelector('form'); form.action = '/sign-out'; form.submit() }"
    )
    person.sees("This page is out of date")
    yield "forged", person
    version, now = Version.objects.get(), timezone.now()
    here = {
        "version": version,
        "state": {"answered": True},
        "network": address_key("127.0.0.1"),
        "started_at": now,
        "expires_at": now + timedelta(minutes=5),
    }
    Run.objects.bulk_create(
        [Run(identifier=uuid4().hex, nonce_hash="x", **here) for _ in range(settings.RUNS_PER_ADDRESS)]
    )
    person.open()
    person.sees("Too many sign-ins")
    yield "too-many-runs", person
    Flow.objects.update(live=None)
    person.open()
    person.sees("This isn't set up yet")
    yield "no-flow", person


QUESTIONS: list[dict[str, Any]] = [
    {"name": "team", "label": "Team", "required": True, "help": "As in the staff directory."},
    {"name": "phone", "label": "Phone number", "type": "phone"},
    {"name": "floor", "label": "Floor", "type": "number", "minimum": -2, "maximum": 40},
    {"name": "start", "label": "First day", "type": "date", "required": True},
    {"name": "country", "label": "Country", "type": "select", "choices": ["Austria", "Germany", LONG]},
    {"name": "about", "label": "About you", "type": "long_text"},
    {
        "name": "terms",
        "label": "I have read the rules of the house and keep to them",
        "type": "checkbox",
        "required": True,
    },
    {"name": "news", "label": "Send me news", "type": "checkbox", "help": "Once a month at most."},
]
OPTIONS = [
    {"value": "office", "title": "In the office", "description": "On the company's own network."},
    {"value": "home", "title": "At home"},
    {"value": "far", "title": LONG, "description": LONG},
]


def questions(scene: Scene) -> Iterator[tuple[str, Person]]:
    """Yield an administrator's questions: one of a few answers, and fields of every kind."""
    choice = {
        "stage": "choice",
        "settings": {
            "title": "Where do you work today?",
            "text": "It decides what comes next.",
            "options": OPTIONS,
        },
    }
    prompt = {
        "stage": "prompt",
        "settings": {"title": "About you", "text": "Only your administrators see this.", "fields": QUESTIONS},
    }
    draw(choice, "identification", "password", prompt, "login", "device_code", "consent")
    person = scene.person()
    person.open()
    person.sees("Where do you work today?")
    yield "choice", person
    person.page.locator("form").evaluate("form => { form.noValidate = true }")
    person.press("Continue")
    yield "choice-none", person
    person.page.get_by_label("In the office").check()
    yield "choice-one", person
    person.press("Continue")
    person.sign_in()
    person.sees("About you")
    yield "prompt", person
    person.page.locator("form").evaluate("form => { form.noValidate = true }")
    person.fill("Phone number (optional)", "call me")
    person.fill("Floor (optional)", "99")
    person.press("Continue")
    yield "prompt-wrong", person


def second_factors(scene: Scene) -> Iterator[tuple[str, Person]]:
    """Yield the pages of the shipped flows from nothing to two factors.

    The person sets them up, is asked, chooses, is asked again, removes them and signs out.
    """
    ship()
    person = scene.person()
    person.open("/sign-in")
    yield "sign-in-only", person
    person.sign_in()
    person.reads("Signed in as Alice")
    yield "home-password-only", person
    person.press("Add a second factor")
    yield "set-up-choice", person
    person.page.get_by_label("Authenticator app").check()
    person.press("Continue")
    person.sees("Set up your authenticator app")
    yield "totp-set-up", person
    secret = person.page.locator(".key").inner_text().replace(" ", "")
    person.fill("Code", "000000")
    person.press("Continue")
    yield "totp-set-up-wrong", person
    person.fill("Code", code(0, secret))
    person.press("Continue")
    person.reads("Authenticator app")
    yield "home-app", person
    scene.clock.shift(timedelta(minutes=11))
    person.press("Manage sign-in methods")
    person.sees("Enter the code")
    person.fill("Code", code(0, secret))
    person.press("Continue")
    person.sees("Confirm it's you")
    yield "reauthenticate", person
    person.fill("Password", "wrong")
    person.press("Continue")
    yield "reauthenticate-wrong", person
    person.fill("Password", "alice-password-1")
    person.press("Continue")
    person.page.get_by_label("Recovery codes").check()
    person.press("Continue")
    person.sees("Save your recovery codes")
    yield "recovery-codes", person
    person.press("I've saved my codes")
    person.reads("10 left")
    yield "home-second-factors", person
    person.press("Change password")
    person.sees("Change your password")
    yield "own-password", person
    person.press("Cancel")
    person.press("Sign out everywhere else")
    yield "sign-out-everywhere", person
    person.press("Cancel")
    person.press("Remove Authenticator app")
    person.sees("Remove your authenticator app?")
    yield "remove", person
    yield from _signing_in_with_them(scene, person)


def _signing_in_with_them(scene: Scene, person: Person) -> Iterator[tuple[str, Person]]:
    person.open("/sign-out")
    person.sees("Sign out?")
    yield "sign-out", person
    person.press("Sign out")
    person.open("/sign-in")
    person.sign_in()
    yield "which-factor", person
    person.press("Continue")
    person.sees("Enter the code")
    yield "totp", person
    person.fill("Code", "000 000")
    person.press("Continue")
    yield "totp-wrong", person
    for _ in range(5):
        person.fill("Code", "000 000")
        person.press("Continue")
    person.reads("Too many attempts.")
    yield "totp-throttled", person
    scene.clock.shift(timedelta(minutes=20))
    person.open("/sign-in")
    person.sign_in()
    person.page.get_by_label("Use a recovery code").check()
    person.press("Continue")
    person.sees("Enter a recovery code")
    yield "recovery-code", person
    person.fill("Recovery code", "abcde-fghjk")
    person.press("Continue")
    yield "recovery-code-wrong", person


SCENES = [second_factors, questions, signing_in, entering_a_code, deciding, endings, accounts_and_errors]
