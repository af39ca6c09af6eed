"""``manage.py flow`` shows, changes and tests flows without a browser."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from flows.documents.versions import live_version
from flows.editing.drafts import draft_of, save_draft
from flows.editing.publishing import publish
from flows.models import Draft, Run, Version
from flows.simulation.funnel import sweep
from idp.events.models import Event
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import Doors, Write
from tests.support.flows import SHIPPED, draw, drawing, events, only_select

STAFF = {"stage": "deny", "when": '"staff" in person.groups', "settings": {"message": "Not for staff."}}
TESTED = """
tenant: acme
---
flow: tested
title: Tested
for: device_code
default: false
steps:
  - stage: identification
  - stage: password
  - stage: deny
    when: '"staff" in person.groups'
  - stage: login
  - stage: device_code
  - stage: consent
tests:
  - name: others come to the end
    answers: {identification: passes, password: passes, device_code: passes, consent: passes}
  - name: staff are refused
    person: {username: evaluator, groups: [staff]}
    answers: {identification: passes, password: passes}
    expect: {deny: WANTED}
    ends: denied
"""


def flow(*arguments: str, tenant: str = "acme") -> str:
    """Return what the command prints for this tenant; raises CommandError or SystemExit."""
    out = StringIO()
    call_command("flow", *arguments, "--tenant", tenant, stdout=out, stderr=out, no_color=True)
    text = out.getvalue()
    assert all(len(line) <= 100 for line in text.splitlines()), text
    return text


def refused(*arguments: str, tenant: str = "acme") -> tuple[str, int]:
    """Return what it prints when it fails, and its exit code."""
    with pytest.raises(CommandError) as error:
        flow(*arguments, tenant=tenant)
    return str(error.value), error.value.returncode


def test_the_list_is_the_tenants_own(acme: Tenant, other: Tenant) -> None:
    """It has name, purpose, live version, author, time and whether there is a draft.

    It has nothing of another tenant.
    """
    draw(*SHIPPED, STAFF)
    save_draft("connect-a-device", drawing(*SHIPPED).as_json(), by="bob", revision=None)
    with tenant_scope(other):
        draw(*SHIPPED, flow="foreign", default=False)
    heads, row, *rest = flow("list").splitlines()
    assert heads.split() == ["flow", "purpose", "live", "since", "(UTC)", "by", "draft"]
    assert row.split()[:3] == ["connect-a-device", "device_code", "2"]
    assert " test " in row
    assert "draft 1 by bob" in row
    assert rest == []
    assert "foreign  " in flow("list", tenant="other")


def test_a_flow_is_shown_as_a_blueprint_would_hold_it(acme: Tenant, write_blueprint: Write) -> None:
    """What is printed can be applied again, and is then the same version."""
    draw(*SHIPPED, STAFF)
    printed = flow("show", "connect-a-device")
    assert printed.startswith("# connect-a-device, version 2, live, by test, ")
    call_command(
        "blueprint", "apply", str(write_blueprint(f"tenant: acme\n---\n{printed}")), stdout=StringIO()
    )
    assert Version.objects.count() == 2
    assert "stage: deny" not in flow("show", "connect-a-device", "--version", "1")


def test_versions_are_listed_newest_first(acme: Tenant) -> None:
    """Each is listed with its note."""
    publish(drawing(*SHIPPED, title="Second"), by="alice", note="a better title")
    flow("rollback", "connect-a-device", "1", "--note", "it was not")
    heads, second, first = flow("versions", "connect-a-device").splitlines()
    assert heads.split()[0] == "version"
    assert (second.split()[0], first.split()[:2]) == ("2", ["1", "live"])
    assert second.split()[3:] == ["alice", "a", "better", "title"]


def test_the_difference_ends_as_diff_does(acme: Tenant) -> None:
    """It exits with 0 for alike, 2 for different and 1 for an error.

    It compares the live version with the one before, two numbers, or the draft.
    """
    draw(*SHIPPED, STAFF)
    with pytest.raises(SystemExit, match="2"):
        flow("diff", "connect-a-device")
    assert (
        flow("diff", "connect-a-device", "2", "2")
        == "No differences between connect-a-device, version 2 and version 2.\n"
    )
    assert refused("diff", "connect-a-device", "1", "7") == (
        "connect-a-device has no version 7. Available versions: 1, 2.",
        1,
    )
    assert refused("diff", "connect-a-device", "draft") == ("connect-a-device has no draft.", 1)
    assert refused("diff", "connect-a-device", "one")[1] == 1
    save_draft("connect-a-device", drawing(*SHIPPED).as_json(), by="bob", revision=None)
    out = StringIO()
    with pytest.raises(SystemExit):
        call_command(
            "flow", "diff", "connect-a-device", "draft", "--tenant", "acme", stdout=out, force_color=True
        )
    assert "\x1b[31;1m- deny: deny\x1b[0m" in out.getvalue()


def test_a_draft_goes_live_and_back_again(acme: Tenant, write_blueprint: Write) -> None:
    """A file becomes a draft, then a version, and one action rolls it back.

    Each has its note in the events.
    """
    file = write_blueprint(
        f"tenant: acme\n---\n{flow('show', 'connect-a-device')}".replace("Connect a device", "Connect it")
    )
    assert flow("draft", str(file)) == "connect-a-device: saved as a draft.\n"
    assert "already has a draft: draft 1 by command line" in refused("draft", str(file))[0]
    assert "title: Connect it" in flow("show", "connect-a-device", "--draft")
    live = live_version("device_code")
    assert live is not None
    assert live.number == 1
    assert (
        flow("publish", "connect-a-device", "--note", "shorter") == "connect-a-device: version 2 is live.\n"
    )
    assert draft_of("connect-a-device") is None
    assert (
        flow("rollback", "connect-a-device", "1", "--note", "too short")
        == "connect-a-device: version 1 is live.\n"
    )
    kinds = ("flow.published", "flow.rolled_back")
    recorded = [
        (each.kind, each.data["note"]) for each in Event.objects.filter(kind__in=kinds).order_by("-pk")[:2]
    ]
    assert recorded == [("flow.rolled_back", "too short"), ("flow.published", "shorter")]
    assert refused("publish", "connect-a-device")[0] == "connect-a-device has no draft."


def test_a_draft_can_be_thrown_away(acme: Tenant) -> None:
    """Afterwards there is none."""
    save_draft("connect-a-device", {"for": "device_code"}, by="bob", revision=None)
    flow("discard", "connect-a-device")
    assert not Draft.objects.exists()
    assert refused("discard", "connect-a-device")[0] == "connect-a-device has no draft."


def test_a_bad_draft_is_not_published(acme: Tenant) -> None:
    """Everything that is wrong is reported, and nothing is written."""
    save_draft(
        "connect-a-device",
        {"title": "?", "for": "device_code", "steps": [{"stage": "consent"}]},
        by="bob",
        revision=None,
    )
    said, code = refused("publish", "connect-a-device")
    assert code == 1
    assert "steps.0.stage: consent requires a known request. Add a device_code step before it." in said
    assert "steps.0.stage: consent requires a signed-in person" in said
    assert Version.objects.count() == 1
    Draft.objects.update(document={"steps": []})
    assert "title: This key is missing." in refused("publish", "connect-a-device")[0]
    assert "isn't a valid flow" in refused("simulate", "connect-a-device", "--draft")[0]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["show", "conect-a-device"],
            "There is no flow conect-a-device in tenant acme. Did you mean connect-a-device?",
        ),
        (
            ["show", "connect-a-device", "--version", "0"],
            "connect-a-device has no version 0. Available versions: 1.",
        ),
        (["versions", "nothing"], "There is no flow nothing in tenant acme."),
        (["rollback", "connect-a-device", "9"], "connect-a-device has no version 9. Available versions: 1."),
        (["simulate", "connect-a-device", "--person", "nobody"], "There is no person nobody."),
        (
            ["simulate", "connect-a-device", "--answer", "pasword=passes"],
            "has no step pasword. Did you mean password?",
        ),
        (["simulate", "connect-a-device", "--answer", "password"], "'password' must be STEP=passes"),
        (
            ["simulate", "connect-a-device", "--answer", "password={"],
            "the answer of password is not valid JSON",
        ),
        (
            ["simulate", "connect-a-device", "--invent", "group=staff"],
            "unknown key group. Did you mean groups?",
        ),
        (["simulate", "connect-a-device", "--invent", "username="], "username: This can't be blank."),
        (["simulate", "connect-a-device", "--address", "10.0.0"], "address: '10.0.0' is no IP address"),
        (
            ["simulate", "connect-a-device", "--time", "2026-11-21T18:30:00"],
            "time: Enter a date and time with a time zone",
        ),
        (["simulate", "connect-a-device", "--session-age", "1 hour"], "enter a duration like 30s"),
        (["test", "connect"], "There is no flow connect in tenant acme."),
        (["test", "--file", "/nowhere.yaml"], "/nowhere.yaml:1:1: No such file or directory"),
        (["inspect", "0" * 32], "No such run in this tenant"),
    ],
)
def test_a_mistake_is_reported_plainly(acme: Tenant, arguments: list[str], said: str) -> None:
    """It is reported with the nearest right name, and no traceback."""
    assert said in refused(*arguments)[0]


def test_an_unknown_tenant(acme: Tenant) -> None:
    """An unknown tenant is reported too."""
    assert refused("list", tenant="acne")[0] == "There is no tenant acne. There are: acme, other."


def test_trying_writes_nothing(acme: Tenant) -> None:
    """As in D30, every statement of a dry run is a SELECT, and no step is really taken."""
    before = Event.unscoped.count()
    with connection.execute_wrapper(only_select):
        said = flow(
            "simulate",
            "connect-a-device",
            "--answer",
            "identification=name=alice",
            "--answer",
            "password=password=alice-password-1",
        )
    assert "effect: SignIn person = " in said
    assert (Event.unscoped.count(), Run.objects.count()) == (before, 0)


def test_each_step_says_why(acme: Tenant) -> None:
    """It shows the condition with its values, facts, values and effects, and what the person would read."""
    draw("identification", STAFF, *SHIPPED[1:])
    said = flow(
        "simulate",
        "connect-a-device",
        "--invent",
        "username=evaluator,groups=staff+sales",
        "--answer",
        "identification=name=evaluator",
    )
    assert "identification  done\n    result: person\n" in said
    assert """when "staff" in person.groups is true""" in " ".join(said.split())
    assert "message: Not for staff." in said
    assert said.endswith("connect-a-device, version 2: ends as denied.\n")
    simulated = "username=bob,credentials=password,attributes.team=sales,role=admin"
    said = flow(
        "simulate", "connect-a-device", "--invent", simulated, "--answer", 'identification={"name": "bob"}'
    )
    assert "deny            passed over" in said
    assert "shows: Enter your password, fields: password" in said


def test_the_exit_code_says_whether_it_ended_as_expected(acme: Tenant) -> None:
    """Without an expectation only a broken flow is a failure."""
    flow("simulate", "connect-a-device", "--expect", "asks")
    assert refused("simulate", "connect-a-device", "--expect", "denied") == (
        "Expected the flow to end as denied, but it ended as asks.",
        1,
    )
    save_draft(
        "connect-a-device",
        {"title": "?", "for": "device_code", "steps": [{"stage": "consent"}]},
        by="bob",
        revision=None,
    )
    assert refused("simulate", "connect-a-device", "--draft") == ("The flow is broken.", 1)
    flow("simulate", "connect-a-device", "--draft", "--expect", "broken")


def test_a_living_session_and_circumstances(acme: Tenant) -> None:
    """Where, when and with what: every condition variable can be set."""
    when = (
        'request.ip == "203.0.113.9" && request.agent == "TV" && session.age > duration("1h") && '
        'request.country == "DE"'
    )
    deny = {"stage": "deny", "when": f'{when} && "email" in request.scopes'}
    document = drawing("identification", "password", "login", "device_code", deny)
    # without a GeoIP file it could not be published
    save_draft("connect-a-device", document.as_json(), by="bob", revision=None)
    given = [
        "--address",
        "203.0.113.9",
        "--agent",
        "TV",
        "--country",
        "DE",
        "--signed-in",
        "pwd",
        "--scope",
        "openid email",
    ]
    arguments = [
        "simulate",
        "connect-a-device",
        "--draft",
        "--person",
        "alice",
        "--answer",
        "device_code=passes",
        *given,
    ]
    said = flow(*arguments, "--session-age", "2h")
    assert "login           known before" in said
    assert said.endswith("ends as denied.\n")
    assert flow(*arguments, "--session-age", "1h").endswith("ends as finished.\n")


def test_json_is_the_same_for_programs(acme: Tenant) -> None:
    """It is one document, and the exit code is the same."""
    report = json.loads(
        flow_as_json("simulate", "connect-a-device", "--answer", "identification=name=bob", "--json")
    )
    assert (report["ends"], [(step["step"], step["decision"]) for step in report["steps"]]) == (
        "asks",
        [("identification", "done"), ("password", "asks")],
    )


def flow_as_json(*arguments: str) -> str:
    """Return its standard output alone, however wide."""
    out = StringIO()
    call_command("flow", *arguments, "--tenant", "acme", stdout=out)
    return out.getvalue()


def test_tests_beside_a_flow_are_run(acme: Tenant, write_blueprint: Write) -> None:
    """They run from a file before it is applied, and for the live flow.

    A failure names what came instead, and why.
    """
    right, wrong = (
        write_blueprint(TESTED.replace("WANTED", "refused")),
        write_blueprint(TESTED.replace("WANTED", "passed over"), "wrong.yaml"),
    )
    said = flow("test", "--file", str(right)).splitlines()
    assert said[1:] == ["  passed: others come to the end", "  passed: staff are refused"]
    out = StringIO()
    with pytest.raises(CommandError, match="1 of 1 flow failed"):
        call_command("flow", "test", "--file", str(wrong), "--tenant", "acme", stdout=out)
    assert "deny should be passed over, but was refused" in out.getvalue()
    assert Version.objects.count() == 1
    call_command("blueprint", "apply", str(right), stdout=StringIO())
    assert "tested, version 1\n  passed" in flow("test", "tested")
    assert "connect-a-device, version 1\n  no tests\n" in flow("test")


def test_a_file_about_another_tenant(acme: Tenant, other: Tenant, write_blueprint: Write) -> None:
    """It is not silently tested in this one."""
    file = write_blueprint(TESTED.replace("WANTED", "refused"))
    assert refused("test", "--file", str(file), tenant="other")[0].endswith(
        "It has flows of acme. Use --tenant."
    )
    assert "has no flow testet" not in refused("simulate", "testet", "--file", str(file))[0]
    assert refused("simulate", "testet", "--file", str(file))[0].endswith("Did you mean tested?")


def test_a_run_is_inspected_and_that_is_written_down(acme: Tenant, other: Tenant, door: Doors) -> None:
    """Path, reasons and facts are shown, without the sealed user code.

    Another tenant finds no such run.
    """
    draw("identification", STAFF | {"when": 'person.username == "bob"'}, *SHIPPED[1:])
    browser = door()
    started = browser.start()
    seen = (
        browser.page("/device")
        .submit(name="alice")
        .submit(password="alice-password-1")
        .submit(user_code=started.user_code)
    )
    assert seen.step == "consent"
    run = Run.objects.get()
    before = events("flow.inspected")
    said = flow("inspect", run.identifier)
    assert "This run contains personal data" in said
    assert 'deny: when person.username == "bob" is false' in said
    assert "with person.username" not in said
    assert "in progress at consent" in said
    assert started.user_code not in said
    assert started.user_code.replace("-", "") not in said
    assert events("flow.inspected") == before + 1
    assert Event.objects.get(kind="flow.inspected").actor == "command line"
    assert "No such run" in refused("inspect", run.identifier, tenant="other")[0]


def test_the_funnel_counts_runs_that_are_over(acme: Tenant, other: Tenant, door: Doors) -> None:
    """One run ended at the password and one signed in; each tenant counts its own."""
    for name in ("alice", "nobody"):
        browser = door()
        browser.page("/device").submit(name=name).submit(password="alice-password-1")
    sweep(timezone.now() + timedelta(days=1))
    rows = {
        line.split("  ")[0].strip(): line.split()
        for line in flow("funnel", "connect-a-device").splitlines()[2:]
    }
    assert list(rows) == ["(whole run)", *SHIPPED]
    assert rows["identification"][1:5] == ["2", "2", "0", "0"]
    assert rows["password"][1:5] == ["2", "1", "0", "1"]
    assert rows["consent"][1:] == ["0", "0", "0", "0"]
    assert (
        flow("funnel", "connect-a-device", "--version", "1").splitlines()[0] == "connect-a-device, version 1"
    )
    assert flow("funnel", "connect-a-device", tenant="other").splitlines()[2].split()[-4:] == [
        "0",
        "0",
        "0",
        "0",
    ]


def test_an_answer_to_a_step_that_is_not_there_fails_the_test(acme: Tenant, write_blueprint: Write) -> None:
    """A typing error would otherwise pass for a person who gave no answer."""
    file = write_blueprint(
        TESTED.replace("WANTED", "refused").replace("consent: passes}", "consnet: passes}\n    ends: asks")
    )
    said = StringIO()
    with pytest.raises(CommandError, match="1 of 1 flow failed"):
        call_command("flow", "test", "--file", str(file), "--tenant", "acme", stdout=said)
    assert "there is no step consnet. Did you mean consent?" in said.getvalue()
