"""The preview shows every step's page as people will see it.

Nothing about any person is written, sent or read.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core import mail
from django.db import connection

from flows.documents.document import FlowDocument
from flows.registry import stages
from flows.simulation.preview import Preview, preview_step
from idp.accounts.simulated import current_person
from idp.devices.models import DeviceCode
from idp.events.models import Event
from idp.ratelimit.models import Attempt
from idp.tenancy.models import Tenant
from tests.support.client import Doors
from tests.support.flows import SHIPPED, drawing, only_select

FACTORS = ("identification", "password", "totp", "login")


@pytest.fixture(autouse=True)
def only_reads(acme: Tenant) -> Iterator[None]:
    """Refuse every statement but SELECT, and check that no one is simulated afterwards."""
    with connection.execute_wrapper(only_select):
        yield
    assert current_person() is None
    assert mail.outbox == []


def seen(step: str, *steps: Any, wrong: bool = False, **more: Any) -> list[Preview]:
    """Return the previews of this step in a flow of these steps."""
    return preview_step(drawing(*(steps or SHIPPED), **more), {}, step, after_wrong_answer=wrong)


def kind_and_title(shown: Preview) -> tuple[str, str]:
    """Return the kind and the title of the page."""
    assert shown.page, shown
    return shown.page.kind, shown.page.title


@pytest.mark.parametrize(
    ("step", "kind", "title", "person"),
    [
        ("identification", "ask", "Sign in", ""),
        ("password", "ask", "Enter your password", "robin"),
        ("device_code", "ask", "Connect a device", "robin"),
        ("consent", "ask", "Connect this device?", "robin"),
        ("finish", "last", "Approved – return to your device", ""),
    ],
)
def test_each_step_of_the_shipped_flow_has_its_page(step: str, kind: str, title: str, person: str) -> None:
    """It is shown for a simulated person, as if the steps before had passed.

    Before a person is named, no one is.
    """
    (shown,) = seen(step)
    assert (kind_and_title(shown), shown.page and shown.page.person) == ((kind, title), person)


def test_consent_shows_a_simulated_device() -> None:
    """The code, the device and the application are simulated, so that the page looks as it will."""
    (shown,) = seen("consent")
    assert shown.page
    context = shown.page.context
    assert (context["user_code"], context["device"]["calls_itself"]) == ("BCDF-GHJK", "Living room TV")
    assert [scope["name"] for scope in context["scopes"]] == ["openid", "profile"]
    assert not DeviceCode.objects.exists()


def test_a_step_without_a_page_says_what_it_does() -> None:
    """Signing in after a password shows nothing.

    As the first step, signing out asks, because no one has pressed Continue yet.
    """
    (login,) = seen("login")
    assert (login.page, [effect["effect"] for effect in login.effects]) == (None, ["SignIn"])
    purpose: dict[str, Any] = {"for": "logout"}
    (logout,) = seen("logout", "logout", flow="out", **purpose)
    assert kind_and_title(logout) == ("continue", "Sign out?")


def test_people_meet_different_pages() -> None:
    """A person with an app enters its code.

    A person without one sets one up or is refused, as the settings say.
    """
    refused = seen("totp", *FACTORS)
    assert [(shown.persona, *kind_and_title(shown)) for shown in refused] == [
        ("guarded", "ask", "Enter the code"),
        ("plain", "denied", "Access denied"),
    ]
    steps = (*FACTORS[:2], {"stage": "totp", "settings": {"missing": "set_up"}})
    assert [kind_and_title(shown)[1] for shown in seen("totp", *steps)] == [
        "Enter the code",
        "Set up your authenticator app",
    ]


def test_what_a_simulated_person_holds_is_counted() -> None:
    """The page of a recovery code says how many are left, as for a person who has set them up."""
    shown = seen("recovery_code", *FACTORS[:2], "recovery_code")[0]
    assert shown.page
    assert shown.page.description == "You have 10 codes left. Each code works once."


def test_secrets_on_it_are_simulated_each_time() -> None:
    """Two previews show two secrets: neither is stored, and neither belongs to any person."""
    steps = (*FACTORS, "totp_setup")
    keys = [
        shown.page.context["secret"] for _ in range(2) for shown in seen("totp_setup", *steps) if shown.page
    ]
    assert len(set(keys)) == len(keys) >= 2


@pytest.mark.parametrize(
    ("step", "field", "said"),
    [
        ("identification", "name", "This field is required."),
        ("password", "password", "Incorrect username or password."),
        ("device_code", "user_code", "valid or has expired. Check it, or get a new one"),
        ("consent", "decision", "This field is required."),
    ],
)
def test_with_an_error(step: str, field: str, said: str) -> None:
    """The form is shown as after a wrong answer, or after an empty one where any other would do."""
    (shown,) = seen(step, wrong=True)
    assert shown.page
    assert shown.page.form
    assert said in str(shown.page.form.errors[field])


def test_an_error_costs_no_attempt(door: Doors) -> None:
    """No attempt is counted, no event is written, and the waiting device waits, however often it is shown."""
    events, attempts = Event.objects.count(), Attempt.objects.count()
    for _ in range(3):
        seen("device_code", wrong=True)
    assert (Event.objects.count(), Attempt.objects.count()) == (events, attempts)


@pytest.mark.parametrize("wrong", [False, True], ids=["at-first", "wrong"])
@pytest.mark.parametrize("kind", sorted(stages()))
def test_every_stage_can_be_shown(kind: str, wrong: bool) -> None:
    """Alone in a sub-flow, each stage has a preview: what it needs is simulated."""
    for shown in seen(kind, kind, flow="part", wrong=wrong, **{"for": "part"}):
        assert not shown.message
        assert shown.page or shown.effects or kind in ("login", "reauthenticate")


def test_stages_of_others(third_party: None) -> None:
    """One that raises is distinguished from one that is not installed and from one with wrong settings."""
    crash = {"stage": "probe", "settings": {"enter": "meet"}}
    (shown,) = seen("probe", crash)
    assert shown.message == "This stage can't be previewed without a real run (IndexError)."
    (shown,) = seen("nonsense", "nonsense")
    assert "not installed" in shown.message
    (shown,) = seen("probe", {"stage": "probe", "settings": {"tries": "many"}})
    assert "no longer valid" in shown.message
    assert kind_and_title(seen("word", *FACTORS[:2], "word")[0]) == ("ask", "Say the word")


def test_steps_that_are_not_there() -> None:
    """Unknown steps, sections and sub-flows have no preview."""
    for step in ("nonsense", "box"):
        with pytest.raises(KeyError):
            seen(step, {"group": "box", "steps": [{"stage": "deny"}]})


def test_steps_of_parts_and_groups() -> None:
    """They are named by their ids in the run."""
    part = drawing("totp", flow="factor", **{"for": "part"})
    document: FlowDocument = drawing("identification", "password", {"flow": "factor"})
    assert kind_and_title(preview_step(document, {"factor": part}, "factor.totp")[0]) == (
        "ask",
        "Enter the code",
    )
