"""The preview: every step's page as people will see it, and nothing is written, sent or read about
anybody.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core import mail
from django.db import connection

from flows.documents.document import FlowDocument
from flows.registry import stages
from flows.simulation.preview import Preview, previews
from idp.accounts.simulated import known
from idp.devices.models import DeviceCode
from idp.events.models import Event
from idp.ratelimit.models import Attempt
from idp.tenancy.models import Tenant
from tests.engine import SHIPPED, drawing, only_select
from tests.kit import Door

FACTORS = ("identification", "password", "totp", "login")


@pytest.fixture(autouse=True)
def only_reads(acme: Tenant) -> Iterator[None]:
    """Every statement but SELECT is refused, and nobody is pretended afterwards."""
    with connection.execute_wrapper(only_select):
        yield
    assert known() is None
    assert mail.outbox == []


def seen(step: str, *steps: Any, wrong: bool = False, **more: Any) -> list[Preview]:
    """Of a drawn flow."""
    return previews(drawing(*(steps or SHIPPED), **more), {}, step, wrong=wrong)


def told(shown: Preview) -> tuple[str, str]:
    """Kind and title of the page."""
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
    """As if the steps before had passed, for somebody invented; before anybody is named, nobody is."""
    (shown,) = seen(step)
    assert (told(shown), shown.page and shown.page.person) == ((kind, title), person)


def test_consent_shows_an_invented_device() -> None:
    """A code, a device and an application that do not exist, so that the page looks as it will."""
    (shown,) = seen("consent")
    assert shown.page
    context = shown.page.context
    assert (context["user_code"], context["device"]["calls_itself"]) == ("BCDF-GHJK", "Living room TV")
    assert [scope["name"] for scope in context["scopes"]] == ["openid", "profile"]
    assert not DeviceCode.objects.exists()


def test_a_step_without_a_page_tells_what_it_does() -> None:
    """Signing in after a password shows nothing; signing out as the first step asks, because nobody has said
    go on.
    """
    (login,) = seen("login")
    assert (login.page, [effect["effect"] for effect in login.effects]) == (None, ["SignIn"])
    (logout,) = seen("logout", "logout", flow="out", **{"for": "logout"})
    assert told(logout) == ("continue", "Sign out?")


def test_people_meet_different_pages() -> None:
    """Whoever has an app enters its code; whoever has none sets one up or is refused, as the settings say."""
    refused = seen("totp", *FACTORS)
    assert [(shown.face, *told(shown)) for shown in refused] == [
        ("guarded", "ask", "Enter the code"),
        ("plain", "denied", "Access denied"),
    ]
    steps = (*FACTORS[:2], {"stage": "totp", "settings": {"missing": "set_up"}})
    assert [told(shown)[1] for shown in seen("totp", *steps)] == [
        "Enter the code",
        "Set up your authenticator app",
    ]


def test_what_an_invented_person_holds_is_counted() -> None:
    """The page of a recovery code says how many are left, as it would to somebody who has set them up."""
    shown = seen("recovery_code", *FACTORS[:2], "recovery_code")[0]
    assert shown.page
    assert shown.page.description == "You have 10 codes left. Each code works once."


def test_secrets_on_it_are_invented_anew() -> None:
    """Two looks show two secrets: neither was kept, neither is anybody's."""
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
    """The form as it comes back after a wrong answer, or after none where any would do."""
    (shown,) = seen(step, wrong=True)
    assert shown.page
    assert shown.page.form
    assert said in str(shown.page.form.errors[field])


def test_an_error_costs_nobody_an_attempt(door: Callable[..., Door]) -> None:
    """However often one looks: no attempt is counted, no event is written, and the waiting device waits."""
    events, attempts = Event.objects.count(), Attempt.objects.count()
    for _ in range(3):
        seen("device_code", wrong=True)
    assert (Event.objects.count(), Attempt.objects.count()) == (events, attempts)


@pytest.mark.parametrize("wrong", [False, True], ids=["at-first", "wrong"])
@pytest.mark.parametrize("kind", sorted(stages()))
def test_every_stage_can_be_shown(kind: str, wrong: bool) -> None:
    """Alone, in a part: what it needs is invented, and no stage is at a loss."""
    for shown in seen(kind, kind, flow="part", wrong=wrong, **{"for": "part"}):
        assert not shown.message
        assert shown.page or shown.effects or kind in ("login", "reauthenticate")


def test_stages_of_others(third_party: None) -> None:
    """One that raises is told apart from one that is not installed and from settings that are wrong."""
    crash = {"stage": "probe", "settings": {"enter": "meet"}}
    (shown,) = seen("probe", crash)
    assert shown.message == "This stage can't be previewed without a real run (IndexError)."
    (shown,) = seen("nonsense", "nonsense")
    assert "not installed" in shown.message
    (shown,) = seen("probe", {"stage": "probe", "settings": {"tries": "many"}})
    assert "no longer valid" in shown.message
    assert told(seen("word", *FACTORS[:2], "word")[0]) == ("ask", "Say the word")


def test_steps_that_are_not_there() -> None:
    """Unknown ones, and boxes that ask nothing themselves."""
    for step in ("nonsense", "box"):
        with pytest.raises(KeyError):
            seen(step, {"group": "box", "steps": [{"stage": "deny"}]})


def test_steps_of_parts_and_groups() -> None:
    """By their ids in the run."""
    part = drawing("totp", flow="factor", **{"for": "part"})
    document: FlowDocument = drawing("identification", "password", {"flow": "factor"})
    assert told(previews(document, {"factor": part}, "factor.totp")[0]) == ("ask", "Enter the code")
