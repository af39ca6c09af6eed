"""Plan lists what apply does, key by key, in any order of references.

It reports every refusal before anything is written.
"""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from blueprints.files.apply import PlanChanged, apply
from blueprints.files.plan import Plan, make_plan
from blueprints.files.problems import BadBlueprint
from blueprints.models import Result
from blueprints.models import Secret as Entered
from blueprints.objects.kind import HIDDEN
from flows.models import Flow
from idp.accounts.models import Person
from idp.accounts.people import save_person
from idp.oauth.models import Application
from idp.tenancy.models import Tenant
from tests.blueprints.files.test_apply import everything
from tests.support.client import Door, Write


def changes(plan: Plan) -> dict[str, Any]:
    """Return the changes by kind and name: the action, and the keys with old and new values."""
    return {
        f"{each.kind} {each.name}": (each.action, {key.key: (key.old, key.new) for key in each.keys})
        for each in plan.effective
    }


def refused(*files: Path, **options: Any) -> list[str]:
    """Return every problem, without the folder, and check that nothing was written."""
    before = everything()
    with pytest.raises(BadBlueprint) as bad:
        apply(files, **options)
    assert everything() == before
    return [str(each).removeprefix(f"{files[0].parent}/") for each in bad.value.problems]


def command(*words: object) -> tuple[int, str]:
    """Return the exit code and what was printed; 1 with its message for an error."""
    out = StringIO()
    try:
        call_command("blueprint", *map(str, words), stdout=out, stderr=out)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue()
    except CommandError as error:
        return error.returncode, str(error)
    return 0, out.getvalue()


EVERY_KIND = """
tenant: acme
title: Acme Ltd
domains: ["*.acme.test", acme.test]
---
scope: acme:read
title: Read your Acme data
description: All of it.
---
group: night
---
person: alice
name: Alice A.
groups: [night, staff]
attributes: {site: north}
---
person: clerk
password: clerk-password-4
---
flow: connect-a-device
title: Connect
for: device_code
steps:
  - stage: identification
  - stage: password
  - stage: login
  - stage: device_code
    settings: {tries: 3}
  - stage: consent
  - stage: finish
---
application: tv
device: {interval: 7s}
grants: [device_code]
---
mail: recovery
subject: Back
text: "{{ link }}"
"""


def test_each_kind_key_by_key(acme: Tenant, write_blueprint: Write) -> None:
    """The plan has old and new values of every key that differs, and of no other.

    After applying it nothing is left to do.
    """
    file = write_blueprint(EVERY_KIND)
    grants = "device_code"
    assert changes(make_plan([file])) == {
        "tenant acme": ("update", {"title": ("Acme", "Acme Ltd")}),
        "scope acme:read": ("update", {"description": ("", "All of it.")}),
        "group night": ("create", {}),
        "person alice": (
            "update",
            {
                "name": ("Alice", "Alice A."),
                "groups": (["staff"], ["night", "staff"]),
                "attributes": ({}, {"site": "north"}),
            },
        ),
        "person clerk": ("create", {"password": (None, HIDDEN)}),
        "flow connect-a-device": (
            "update",
            {"title": ("Connect a device", "Connect"), "device_code.settings.tries": (None, 3)},
        ),
        "application tv": (
            "update",
            {"grants": ([grants, "refresh_token"], [grants]), "device.interval": ("5s", "7s")},
        ),
        "mail recovery": ("create", {"subject": (None, "Back"), "text": (None, "{{ link }}")}),
    }
    before = everything()
    make_plan([file])
    assert everything() == before
    assert changes(apply([file])) != {}
    assert changes(make_plan([file])) == {}
    assert Person.objects.get(username="alice").attributes == {"site": "north"}


def test_exit_codes_and_words(acme: Tenant, write_blueprint: Write, settings: Settings) -> None:
    """0 is no change, 2 changes, 1 an error; there are no colors unless a terminal shows them."""
    file = write_blueprint("tenant: acme\n---\nperson: alice\nname: A\n---\nscope: new\ntitle: New\n")
    code, output = command("plan", file)
    assert (code, output.splitlines()[:4]) == (
        2,
        ["+ acme: scope new", "    title: New", "~ acme: person alice", "    name: Alice → A"],
    )
    assert output.splitlines()[4:6] == [
        ("Note: Takes over 1 object of acme from the blueprint acme, which then no longer prunes it."),
        "blueprint: 1 to create, 1 to change",
    ]
    assert "\x1b" not in output
    assert command("apply", file)[0] == 0
    assert command("plan", file) == (0, "blueprint: 2 unchanged\n")
    code, output = command("plan", write_blueprint("tenant: acme\n---\nperson: alice\nnam: A\n", "b.yaml"))
    assert code == 1
    assert output.splitlines()[0].endswith("b.yaml:4:1: nam: Unknown key. Did you mean name?")


def test_as_json(acme: Tenant, write_blueprint: Write) -> None:
    """The JSON contains the same, with the state that apply --expect takes."""
    file = write_blueprint("tenant: acme\n---\nperson: alice\nname: A\ngroups: []\n")
    code, output = command("plan", "--json", file)
    found = json.loads(output)
    assert code == 2
    assert found["counts"] == {"create": 0, "update": 1, "delete": 0, "unchanged": 0}
    assert found["changes"] == [
        {
            "tenant": "acme",
            "kind": "person",
            "name": "alice",
            "action": "update",
            "keys": [
                {"key": "name", "old": "Alice", "new": "A"},
                {"key": "groups", "old": ["staff"], "new": []},
            ],
        }
    ]
    assert command("apply", file, "--expect", found["state"])[0] == 0


def test_what_a_file_says_does_not_reach_the_terminal_as_it_is(acme: Tenant, write_blueprint: Write) -> None:
    """A name with control characters would clear the screen, or hide the line before it."""
    _, output = command(
        "plan",
        write_blueprint(
            'tenant: acme\n---\ngroup: "\\e[2J\\u202e"\n---\nperson: alice\nname: "\\e]0;x\\a"\n'
        ),
    )
    assert "group: It must not hold U+001B (ESCAPE)." in output
    assert "name: It must not hold U+001B (ESCAPE)." in output
    _, output = command(
        "plan", write_blueprint('tenant: acme\n---\nperson: alice\nattributes: {a: 1}\n"\\e[2J\\u202e": 1\n')
    )
    assert "\ufffd[2J\ufffd: Unknown key." in output
    assert not set("\x1b\x07\u202e") & set(output)


def test_references_in_any_order_across_files(acme: Tenant, write_blueprint: Write) -> None:
    """A sub-flow may come after its flow and a group after its people, each in another file.

    The order of the files does not matter.
    """
    parts = [
        "flow: way-in\ntitle: T\nfor: authentication\nsteps: [{flow: proof}, {stage: login}]\n",
        (
            "person: clerk\ngroups: [night]\n---\napplication: cam\nscopes: [see]\nflows: {authentication: "
            "way-in}\n"
        ),
        "flow: proof\ntitle: T\nfor: part\nsteps: [{flow: claim}, {stage: password}]\n",
        "group: night\n---\nscope: see\ntitle: See\n",
        "flow: claim\ntitle: T\nfor: part\nsteps: [{stage: identification}]\n",
    ]
    files = [write_blueprint(f"tenant: acme\n---\n{text}", f"{at}.yaml") for at, text in enumerate(parts)]
    there = [change.name for change in make_plan(files).changes]
    assert [name for name in there if name in ("claim", "proof", "way-in")] == ["claim", "proof", "way-in"]
    assert sorted(change.name for change in make_plan(files[::-1]).changes) == sorted(there)
    apply(files)
    live = Flow.objects.get(name="way-in").live
    assert live is not None
    assert sorted(live.parts) == ["claim", "proof"]


def part(name: str, *inner: str) -> str:
    """Return a sub-flow that refers to others."""
    steps = ", ".join([*(f"{{flow: {each}}}" for each in inner), "{stage: deny}"])
    return f"---\nflow: {name}\ntitle: T\nfor: part\nsteps: [{steps}]\n"


@pytest.mark.parametrize(
    ("text", "ways"),
    [
        (part("a", "a"), ["a → a"]),
        (part("a", "b") + part("b", "c") + part("c", "a"), ["a → b → c → a"]),
        (part("a", "b") + part("b", "a") + part("c", "d") + part("d", "c"), ["a → b → a", "c → d → c"]),
    ],
)
def test_a_circle_shows_its_way(acme: Tenant, write_blueprint: Write, text: str, ways: list[str]) -> None:
    """Every flow of it is listed, wherever it is entered."""
    found = refused(write_blueprint(f"tenant: acme\n{text}"))
    loops = [each.rpartition(": ")[2].removesuffix(".").split(" → ") for each in found if "Circular" in each]
    assert sorted(sorted(set(way)) for way in loops) == sorted(sorted(set(way.split(" → "))) for way in ways)
    assert all(way[0] == way[-1] for way in loops)


@pytest.mark.slow
def test_long_and_wide_references_end(acme: Tenant, write_blueprint: Write) -> None:
    """The limits of a flow refuse a chain of twelve hundred sub-flows and thirty diamonds (2³⁰ ways).

    It is not the stack that refuses them.
    """
    chain = "".join(part(f"p{at}", f"p{at + 1}") for at in range(1200)) + part("p1200")
    assert any("too many steps" in each for each in refused(write_blueprint(f"tenant: acme\n{chain}")))
    diamonds = "".join(
        part(f"a{at}", f"b{at}", f"c{at}") + part(f"b{at}", f"a{at + 1}") + part(f"c{at}", f"a{at + 1}")
        for at in range(30)
    )
    assert any(
        "too many steps" in each
        for each in refused(write_blueprint(f"tenant: acme\n{diamonds}{part('a30')}"))
    )


def test_the_tests_of_flows_run(acme: Tenant, write_blueprint: Write) -> None:
    """A blueprint whose own tests fail is refused, with the test's place."""
    text = (
        "tenant: acme\n---\nflow: connect-a-device\ntitle: T\nfor: device_code\nsteps: [{stage: deny}]\n"
        "tests:\n  - {name: nobody, ends: denied}\n  - {name: somebody, ends: finished}\n"
    )
    found = refused(write_blueprint(text))
    assert len(found) == 1
    assert found[0].startswith(
        "blueprint.yaml:9:22: tests.1.ends: somebody: should have ended as finished, but ended as denied"
    )


def test_a_number_that_is_written_like_a_text_is_noted(acme: Tenant, write_blueprint: Write) -> None:
    """It is noted where attributes take either, in a variable too.

    Where only a text belongs it is an error with what to do.
    """
    file = write_blueprint(
        "vars: {version: 1.10}\n---\ntenant: acme\n---\nperson: carol\nattributes: {zip: 01067, phone: "
        "'+49170', age: 7}\n"
    )
    assert [each.split(".yaml:")[1] for each in make_plan([file]).notes] == [
        "1:17: 1.10 is read as the number 1.1. Quote it if it isn't a number.",
        "6:19: 01067 is read as the number 1067. Quote it if it isn't a number.",
    ]
    found = refused(write_blueprint("tenant: acme\ntitle: 007\n---\nperson: true\n---\ngroup: 1.10\n"))
    assert [each.split(".yaml:")[1] for each in found] == [
        "2:1: title: This is read as the number 7. Put it in quotes to make it text.",
        "4:1: person: This is read as the word true. Put it in quotes to make it text.",
        "6:1: group: This is read as the number 1.1. Put it in quotes to make it text.",
    ]


DOUBTFUL = """\
flow: sign-in-doubtful
title: Doubtful
for: authentication
default: false
steps:
  - stage: identification
  - stage: password
  - {id: group, stage: deny, when: '"Newcomers" in person.groups'}
  - {id: night, stage: deny, when: 'request.time.getHours("Europe/Berlin") < 22 || request.time.getHours("Europe/Berlin") >= 6'}
  - {id: office, stage: deny, when: '!request.ip.within(tenant.networks)'}
  - stage: login
"""  # noqa: E501


def test_what_conditions_hardly_mean_is_noted(acme: Tenant, write_blueprint: Write) -> None:
    """The note uses names and networks as they will be, and refuses nothing.

    An unchanged condition is not noted again.
    """
    head = "flow sign-in-doubtful of acme: steps."
    file = write_blueprint(f"tenant: acme\nnetworks: []\n---\n{DOUBTFUL}---\ngroup: newcomers\n")
    assert [each for each in make_plan([file]).notes if "when" in each] == [
        f"{head}2.when: line 1, column 1: There is no group Newcomers. Did you mean newcomers?",
        f"{head}3.when: line 1, column 1: The condition is always true, at every hour of the week.",
        (f"{head}4.when: line 1, column 1: The tenant has no trusted networks, so every address is outside."),
    ]
    better = DOUBTFUL.replace('"Newcomers"', '"newcomers"').replace("|| request", "&& request")
    notes = make_plan(
        [write_blueprint(f"tenant: acme\nnetworks: [192.0.2.0/24]\n---\n{better}---\ngroup: newcomers\n")]
    ).notes
    assert [each for each in notes if "group" in each or "networks" in each] == []
    apply([file])
    assert [each for each in make_plan([file]).notes if "when" in each] == []


def test_a_changed_sub_flow_publishes_the_flows_it_is_in(acme: Tenant, write_blueprint: Write) -> None:
    """The plan says so, and flows that do not refer to it stay as they are."""
    text = (
        "tenant: acme\n---\nflow: way-in\ntitle: T\nfor: authentication\nsteps: [{flow: proof}, "
        "{stage: login}]\n---\n"
        "flow: other\ntitle: T\nfor: part\nsteps: [{stage: deny}]\n---\n"
        "flow: proof\ntitle: T\nfor: part\nsteps: [{stage: identification}, {stage: password}]\n"
    )
    apply([write_blueprint(text)])
    changed = write_blueprint(
        text.replace("{stage: identification}", "{stage: identification, settings: {fields: [email]}}")
    )
    assert {name: action for name, (action, _) in changes(make_plan([changed])).items()} == {
        "flow proof": "update",
        "flow way-in": "update",
    }
    apply([changed])
    assert {flow.name: flow.live.number for flow in Flow.objects.select_related("live") if flow.live} == {
        "connect-a-device": 1,
        "way-in": 2,
        "other": 1,
        "proof": 2,
    }


def test_the_default_flow_is_handed_over(acme: Tenant, write_blueprint: Write) -> None:
    """Both flows are in one apply, in either order of the file.

    The tenant has one default before and after, and it works.
    """
    old = "flow: connect-a-device\ntitle: Old\nfor: device_code\ndefault: false\nsteps: [{stage: deny}]\n"
    new = "flow: another\ntitle: New\nfor: device_code\nsteps: [{stage: identification}, {stage: deny}]\n"
    apply([write_blueprint(f"tenant: acme\n---\n{new}---\n{old}")])
    assert dict(Flow.objects.values_list("name", "is_default")) == {
        "connect-a-device": False,
        "another": True,
    }
    assert Door("acme.test").page().step == "identification"
    found = refused(write_blueprint(f"tenant: acme\n---\n{old.replace('default: false', 'default: true')}"))
    assert "The default flow for device_code is already another" in found[0]


@pytest.mark.parametrize("order", [1, -1])
def test_what_belongs_to_one_alone_changes_hands(acme: Tenant, write_blueprint: Write, order: int) -> None:
    """Two people swap their addresses, and a third gets one that is given up, in one apply.

    So do applications, in any order.
    """
    people = [
        "person: alice\nemail: bob@acme.test\n",
        "person: bob\nemail: clerk@acme.test\n",
        "person: clerk\nemail: alice@acme.test\n",
    ]
    clients = [
        "application: tv\nclient_id: kiosk\n",
        "application: kiosk\nclient_id: lamp\n",
        "application: lamp\nclient_id: tv\n",
    ]
    apply([write_blueprint("tenant: acme\n---\n" + "---\n".join([*people, *clients][::order]))])
    assert dict(Person.objects.exclude(email="").values_list("username", "email")) == {
        "alice": "bob@acme.test",
        "bob": "clerk@acme.test",
        "clerk": "alice@acme.test",
    }
    assert dict(
        Application.objects.filter(name__in=("tv", "kiosk", "lamp")).values_list("name", "client_id")
    ) == {
        "tv": "kiosk",
        "kiosk": "lamp",
        "lamp": "tv",
    }
    swapped = (
        "tenant: acme\n---\nperson: alice\nemail: clerk@acme.test\n---\nperson: bob\nemail: bob@acme.test\n"
    )
    apply([write_blueprint(swapped)])
    assert Person.objects.get(username="alice").email == "clerk@acme.test"
    freed = "tenant: acme\n---\nperson: alice\nemail: ''\n---\nperson: driver\nemail: clerk@acme.test\n"
    apply([write_blueprint(freed)])
    assert Person.objects.get(email="clerk@acme.test").username == "driver"


def test_two_that_want_the_same_are_refused(acme: Tenant, write_blueprint: Write) -> None:
    """Two in one file are refused before anything is written; another tenant's do not count."""
    twice = "person: evaluator\nemail: x@acme.test\n---\nperson: intruder\nemail: X@acme.test\n"
    twice += "---\napplication: a\nclient_id: c\n---\napplication: b\nclient_id: c\n"
    assert refused(write_blueprint(f"tenant: acme\n---\n{twice}")) == [
        "blueprint.yaml:7:1: email: The email address X@acme.test is already used by evaluator.",
        "blueprint.yaml:13:1: client_id: The client ID c is already used by a.",
    ]
    apply([write_blueprint("tenant: other\n---\nperson: evaluator\nemail: alice@acme.test\n")])


MISSING = """
tenant: acme
---
person: clerk
password: !secret key
---
application: vault
type: confidential
client_secret: !secret key
"""


def test_missing_secrets(acme: Tenant, write_blueprint: Write) -> None:
    """Plan lists them, apply refuses, and --generate-secrets creates and prints each once.

    Afterwards they exist.
    """
    file = write_blueprint(MISSING)
    code, output = command("plan", file)
    assert code == 2
    assert output.count("! acme: the secret key is missing") == 1
    enter = "manage.py secret set key --tenant acme"
    assert [each.partition(": ")[2] for each in refused(file)] == [
        (
            f"client_secret: The secret key is missing. Add it to FOYER_SECRETS, save it with {enter}, or "
            "use --generate-secrets."
        )
    ]
    code, output = command("apply", "--generate-secrets", file)
    (line,) = [line for line in output.splitlines() if "shown only now" in line]
    value = line.split(" is ")[1].split()[0]
    assert output.count(value) == 1
    assert Entered.objects.get(name="key").value == value
    assert Door("acme.test").sign_in("clerk", value).step == "device_code"
    assert command("apply", "--generate-secrets", file) == (0, "blueprint: 3 unchanged\n".replace("3", "2"))


@pytest.mark.parametrize("json", [[], ["--json"]], ids=["text", "json"])
def test_a_secret_that_was_not_shown_is_not_stored(
    acme: Tenant, write_blueprint: Write, json: list[str]
) -> None:
    """Where it cannot be printed, nothing is applied, and the next attempt creates another one."""

    class Full(StringIO):
        def flush(self) -> None:
            raise OSError(28, "No space left on device")

    file = write_blueprint(MISSING)
    with pytest.raises(OSError, match="No space"):
        call_command("blueprint", "apply", "--generate-secrets", *json, str(file), stdout=Full())
    assert not Entered.objects.exists()
    assert not Application.objects.filter(name="vault").exists()
    code, output = command("apply", "--generate-secrets", *json, file)
    assert (code, Entered.objects.get(name="key").value in output) == (0, True)
    assert '"generated": []' in command("apply", "--generate-secrets", "--json", file)[1]


def test_expect_refuses_when_the_state_moved(acme: Tenant, write_blueprint: Write) -> None:
    """The state moves by a manual change of what the plan would change, or by another desired value.

    What the plan does not touch may change.
    """
    file = write_blueprint("tenant: acme\n---\nperson: alice\nname: A\nemail: a@acme.test\n")
    state = make_plan([file]).digest
    save_person("bob", name="Robert", by="admin")
    assert make_plan([file]).digest == state
    save_person("alice", name="Alicia", by="admin")
    before = everything()
    with pytest.raises(PlanChanged):
        apply([file], expect=state)
    code, output = command("apply", file, "--expect", state)
    assert (code, output.splitlines()[-1]) == (1, "Nothing was applied.")
    assert everything() == before
    other = write_blueprint("tenant: acme\n---\nperson: alice\nname: B\nemail: a@acme.test\n", "other.yaml")
    assert make_plan([other]).digest != make_plan([file]).digest
    apply([file], expect=make_plan([file]).digest)


def test_expect_sees_a_secret_that_joined_the_plan(
    acme: Tenant, write_blueprint: Write, tmp_path: Path, settings: Settings
) -> None:
    """The plan agreed to the person's name, not to another password."""
    settings.SECRETS, secret = str(tmp_path), tmp_path / "key"
    secret.write_text("clerk-password-1")
    apply([write_blueprint(MISSING)])
    file = write_blueprint(MISSING.replace("person: clerk", "person: clerk\nname: C"))
    state = make_plan([file]).digest
    secret.write_text("clerk-password-2")
    with pytest.raises(PlanChanged):
        apply([file], expect=state)


def many(people: int) -> str:
    """Return objects of every kind."""
    one = (
        "---\ngroup: g{0}\n---\nscope: s{0}\ntitle: S\n"
        "---\nperson: p{0}\nname: P\nemail: p{0}@acme.test\ngroups: [g{0}, staff]\npassword: !secret k{1}\n"
        "---\napplication: a{0}\nscopes: [s{0}]\ngroups: [g{0}]\nflows: {{device_code: connect-a-device}}\n"
        "type: confidential\nclient_secret: !secret k{0}\n"
        "---\nflow: f{0}\ntitle: T\nfor: part\nsteps: [{{flow: shared}}, {{stage: deny}}]\n"
    )
    return "tenant: acme\ntitle: Acme\n" + "".join(one.format(at, at % 2) for at in range(people))


def test_unchanged_objects_cost_no_queries(
    acme: Tenant, write_blueprint: Write, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten or three hundred cost the same number, for plan and for an apply without changes."""
    monkeypatch.setattr("blueprints.objects.person.hash_password", lambda value: f"argon2$test${value}")
    apply(
        [
            write_blueprint(
                "tenant: acme\n---\nflow: shared\ntitle: T\nfor: part\nsteps: [{stage: identification}]\n",
                "shared.yaml",
            )
        ]
    )
    counted = {}
    for objects in (10, 300):
        file = write_blueprint(many(objects // 5))
        apply([file], show_generated=lambda *generated: None)
        for verb in (make_plan, apply):
            with CaptureQueriesContext(
                connection,
            ) as queries:
                assert not verb([file]).effective
            counted[objects, verb.__name__] = len(queries)
    assert counted[10, "make_plan"] == counted[300, "make_plan"] <= 25
    assert counted[10, "apply"] == counted[300, "apply"] <= 40


def test_a_result_is_kept_of_what_was_done(acme: Tenant, write_blueprint: Write) -> None:
    """It has counts and notes; applying the same again adds none, and a failed attempt writes nothing."""
    file = write_blueprint("tenant: acme\n---\nscope: a\ntitle: A\n")
    apply([file], by="clerk")
    row = Result.objects.order_by("-pk")[0]
    assert (row.blueprint, row.by, row.succeeded, row.counts["create"]) == ("blueprint", "clerk", True, 1)
    count = Result.objects.count()
    apply([file])
    refused(write_blueprint("tenant: acme\n---\nscope: a\ntitle: ''\nx: y\n"))
    assert Result.objects.count() == count
    taken = apply([write_blueprint("tenant: acme\n---\nscope: a\ntitle: A\n", "taker.yaml")])
    assert taken.notes == [
        ("Takes over 1 object of acme from the blueprint blueprint, which then no longer prunes it.")
    ]
