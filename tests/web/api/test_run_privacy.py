"""What a flow reads of people, and what they enter, is not exposed by a run.

That covers the run's row, its page, its JSON and its events.
"""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from flows.conditions.expressions import condition_variables, is_public
from flows.models import Run
from flows.simulation.funnel import sweep
from flows.simulation.inspector import load_inspection
from idp.accounts.models import Person
from idp.events.models import Event
from idp.tenancy.models import Tenant
from tests.support.client import Doors, Seen
from tests.support.flows import draw, row_of
from tests.web.api.conftest import Programs
from tests.web.console.pages import entered
from tests.web.console.signed_in import text

TYPED, SALARY, EMAIL = "Zebra-typed-77", "zebra-salary-12345", "zebra@people.example"
PRIVATE = (TYPED, SALARY, EMAIL)
REST = ("login", "device_code", "consent", "finish")
ASKS = {
    "stage": "prompt",
    "id": "confirm",
    "settings": {
        "keep": False,
        "fields": [{"name": "again", "label": "Your pet", "type": "text", "required": True}],
    },
}
READS = {
    "stage": "deny",
    "id": "curious",
    "when": (
        'steps.confirm.again == "" || person.attributes["salary"] == "" || person.email == "" || '
        "request.ip == tenant.name"
    ),
}


@pytest.fixture
def under_way(acme: Tenant, door: Doors) -> Seen:
    """A run that has read an answer, an attribute, an address and the request, and is still under way."""
    Person.objects.filter(username="alice").update(attributes={"salary": SALARY}, email=EMAIL)
    draw("identification", "password", ASKS, READS, *REST)
    seen = door().page().submit(name="alice").submit(password="alice-password-1").submit(again=TYPED)
    assert seen.step == "device_code", seen.text
    return seen


def test_the_row_holds_no_answer_and_nothing_of_a_person(under_way: Seen) -> None:
    """The row stores whether a condition applied, and what it read of the request and the configuration.

    It stores no answer and no data of a person, which a later condition could read.
    """
    row = row_of(under_way)
    assert row.state["read"]["curious"]["values"] == {"request.ip": "127.0.0.1", "tenant.name": "acme"}
    assert row.state["read"]["curious"]["applied"] is False
    assert set(row.state["outputs"]["confirm"]["again"]) == {"$sealed"}
    assert not [each for each in PRIVATE if each in json.dumps(row.state)]


def test_no_door_shows_them(under_way: Seen, program: Programs, acme: Tenant) -> None:
    """The API, the console and the command show no private value to any role that may inspect runs.

    They show what was read of the request.
    """
    run = row_of(under_way).identifier
    shown = [
        str(program(role).get(f"flows/connect-a-device/runs/{run}"))
        for role in ("owner", "admin", "helpdesk", "auditor")
    ]
    shown += [
        text(entered("acme.test", acme, role), f"/console/runs/{run}") for role in ("owner", "helpdesk")
    ]
    out = StringIO()
    call_command("flow", "inspect", run, "--tenant", "acme", stdout=out, stderr=StringIO())
    for page in [*shown, out.getvalue()]:
        assert "127.0.0.1" in page
        assert not [each for each in PRIVATE if each in page]


def test_a_row_that_an_older_version_wrote_shows_no_more(under_way: Seen) -> None:
    """Private values in an older row are omitted when it is read; its plain values are still understood."""
    row = row_of(under_way)
    state = row.state
    state["read"]["curious"]["values"] |= {
        "steps.confirm.again": TYPED,
        "person.email": EMAIL,
        "no.such.word": SALARY,
    }
    state["outputs"]["confirm"]["again"] = TYPED
    state["before"] = [
        {"version": row.version_id, **{name: state[name] for name in ("decided", "times", "read")}}
    ]
    Run.unscoped.filter(pk=row.pk).update(state=state)
    found = load_inspection(row.identifier, may_view_people=True)
    assert not [each for each in PRIVATE if each in repr(found)]
    assert [each.condition["values"] for each in found.path if each.condition] == [
        {"request.ip": "127.0.0.1", "tenant.name": "acme"}
    ] * 2


@pytest.mark.parametrize(
    "when",
    [
        '{"x": true}[steps.confirm.again]',
        "steps.confirm.again.within(tenant.networks)",
        "timestamp(steps.confirm.again) > request.time",
    ],
)
def test_an_evaluation_that_fails_quotes_no_answer(acme: Tenant, door: Doors, when: str) -> None:
    """The event about a broken flow has no value, although the evaluator's message quotes one.

    The event is kept forever.
    """
    typed = f"{TYPED}("
    draw("identification", "password", ASKS, {"stage": "deny", "when": when}, *REST)
    seen = door().page().submit(name="alice").submit(password="alice-password-1").submit(again=typed)
    assert seen.title == "Something went wrong"
    event = Event.objects.get(kind="flow.broken")
    assert "could not be evaluated" in event.data["why"]
    assert TYPED not in str(event.data)


def test_an_unknown_name_is_left_out(acme: Tenant, door: Doors) -> None:
    """An unknown user name is not stored, because people type their password into this field by mistake."""
    seen = door().page().submit(name=TYPED)
    found = load_inspection(row_of(seen).identifier, may_view_people=True)
    assert found.facts["person"] == {"id": None, "name": "•••"}


def test_without_people_the_facts_name_no_one(under_way: Seen) -> None:
    """The facts name neither the person nor the session; the proofs and their times stay."""
    facts = load_inspection(row_of(under_way).identifier, may_view_people=False).facts
    assert facts["person"] == {"id": "•••", "name": "•••"}
    assert (facts["signed_in"]["person"], facts["signed_in"]["session"], facts["signed_in"]["methods"]) == (
        "•••",
        "•••",
        ["pwd"],
    )


def test_a_word_is_private_unless_it_says_otherwise() -> None:
    """A condition variable is private by default, and an unknown one is private too (fail closed).

    No variable about people, proofs or sessions is public.
    """
    heads = {name.partition(".")[0] for name in condition_variables() if is_public(name)}
    assert heads == {"request", "tenant", "application", "device"}
    assert not is_public("no.such.word")
    assert is_public("steps.any.decision")
    assert not is_public("steps.any.choice")


def test_an_editor_counts_runs_and_inspects_none(under_way: Seen, program: Programs, acme: Tenant) -> None:
    """A flow editor sees the funnel, but no person: neither a run nor the list of runs."""
    run, editor = row_of(under_way).identifier, program("editor")
    assert editor.get("flows/connect-a-device/funnel")["under_way"] == 1
    for path in (f"flows/connect-a-device/runs/{run}", "flows/connect-a-device/runs/"):
        assert editor("GET", path).status_code == 403
    opened = entered("acme.test", acme, "editor")
    page = text(opened, "/console/flows/connect-a-device/runs")
    assert '<span class="badge">1</span>' in page
    assert run[:8] not in page
    assert "/console/runs" not in page
    for path in (f"/console/runs/{run}", "/console/runs/"):
        text(opened, path, 403)
    assert program("helpdesk").get("flows/connect-a-device/funnel")["under_way"] == 1
    assert not Event.objects.filter(kind="flow.inspected").exists()


@pytest.mark.parametrize(
    "person",
    [
        "alice",
        {"username": "robin", "email": EMAIL, "groups": ["zebra-group"], "attributes": {"salary": SALARY}},
    ],
)
def test_dry_runs_say_only_whether_it_applied(acme: Tenant, program: Programs, person: Any) -> None:
    """Dry runs say only whether a condition applied.

    This holds for a role that may see people, and for a simulated person.
    """
    Person.objects.filter(username="alice").update(attributes={"salary": SALARY}, email=EMAIL)
    reads = {
        **READS,
        "when": 'person.attributes["salary"] == "" || person.email == "" || "x" in person.groups',
    }
    draw("identification", "password", reads, *REST)
    answers = {"identification": "passes", "password": "passes"}
    result = program("admin")(
        "POST", "flows/connect-a-device/simulate", {"person": person, "answers": answers}
    ).json()
    step = next(each for each in result["steps"] if each["step"] == "curious")
    assert (step["condition"]["applied"], step["condition"]["values"]) == (False, {})
    assert not [each for each in PRIVATE if each in str(result)]


def _asked_when(step: str, when: str | None = None, **more: Any) -> dict[str, Any]:
    """Return a step that completes by itself after a fresh sign-in, so that only the funnel reveals it."""
    return {"id": step, "stage": "reauthenticate", **({"when": when} if when else {}), **more}


def test_the_funnel_shows_no_single_person(acme: Tenant, door: Doors, program: Programs) -> None:
    """The funnel does not reveal which conditions applied to one person.

    One run through a flow of many conditions would otherwise reveal to an editor what a person entered,
    letter by letter, and what their attributes are.
    """
    Person.objects.filter(username="alice").update(attributes={"salary": SALARY})
    typed = "steps.confirm.again"
    private = [
        *(_asked_when(f"first-{letter}", f'{typed}.startsWith("{letter.upper()}")') for letter in "xyz"),
        _asked_when("rich", f'person.attributes["salary"] == "{SALARY}"'),
        _asked_when("after", 'steps.first_z.decision == "done"'),
        {
            "id": "caught",
            "on_refusal": "continue",
            "group": "caught",
            "steps": [
                _asked_when("before"),
                {"id": "no", "stage": "deny", "when": f'{typed} == ""'},
                _asked_when("behind"),
            ],
        },
        {
            "id": "around",
            "group": "around",
            "when": "person.email_verified",
            "steps": [_asked_when("inside")],
        },
    ]
    draw(
        "identification",
        "password",
        ASKS,
        "login",
        *private,
        _asked_when("open", 'request.ip != ""'),
        "device_code",
        "consent",
        "finish",
    )
    browser = door()
    started = browser.start()
    seen = browser.page().submit(name="alice").submit(password="alice-password-1").submit(again=TYPED)
    seen.submit(user_code=started.user_code).submit(decision="approve")
    sweep(timezone.now())
    result = {
        role: {each["step"] for each in program(role).get("flows/connect-a-device/funnel")["steps"]}
        for role in ("editor", "auditor")
    }
    common = {
        "",
        "identification",
        "password",
        "confirm",
        "login",
        "open",
        "device_code",
        "consent",
        "finish",
    }
    assert result["editor"] == common
    assert result["auditor"] == common | {"first-z", "rich", "after", "before", "behind", "inside"}
    page = text(entered("acme.test", acme, "editor"), "/console/flows/connect-a-device/runs")
    assert "<code>open</code>" in page
    assert not [
        step
        for step in ("first-", "rich", "after", "before", "behind", "inside", "no")
        if f"<code>{step}" in page
    ]
