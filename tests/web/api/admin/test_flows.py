"""Flows through the API: drafts, publishing, restoring, dry runs, runs and their counts.

Two programs never overwrite each other's draft.
"""

import resource
from typing import Any

import pytest

from flows.models import Draft, Flow
from idp.events.models import Event
from tests.support.client import Doors
from tests.web.api.conftest import Programs

STEPS = [
    {"stage": kind} for kind in ("identification", "password", "login", "device_code", "consent", "finish")
]
DRAWN = {"title": "Connect it", "for": "device_code", "steps": STEPS}
DRAFT = "flows/connect-a-device/draft"
BOMB = "['" + "a" * 900 + "']" + ".map(x,x+x+x+x+x+x+x+x+x+x)" * 6 + "[0].size()>0"


def test_from_a_draft_to_a_version_and_back(program: Programs, door: Doors) -> None:
    """A draft is edited beside the live version, published with a note after lint, compared, and undone.

    People always run the live version.
    """
    editor = program("editor")
    made = editor("PUT", DRAFT, DRAWN)
    assert (made.status_code, made.json()["findings"], made.json()["base"]) == (201, [], 1)
    difference = editor.get("flows/connect-a-device/diff?old=live&new=draft")
    assert [(each["kind"], each["key"], each["new"]) for each in difference["changes"]] == [
        ("changed", "title", "Connect it")
    ]
    published = editor(
        "POST",
        "flows/connect-a-device/publish",
        {"note": "A \u202ebetter\x1b title\u200b"},
        if_match=made["ETag"],
    )
    assert published.json() == {"version": 2, "changed": True}
    assert editor("GET", DRAFT).status_code == 404, "publishing removes the draft"
    rows = editor.get("flows/connect-a-device/versions/")["rows"]
    assert [(row["key"], row["live"], row["note"], row["by"]) for row in rows] == [
        ("2", True, "A better title", "editor"),
        ("1", False, "applied from a blueprint", "blueprint"),
    ]
    assert editor.get("flows/connect-a-device/versions/2")["document"]["title"] == "Connect it"
    back = {"version": 1, "note": "Not better"}
    assert editor("POST", "flows/connect-a-device/rollback", back).json() == {"version": 1, "changed": True}
    assert editor("POST", "flows/connect-a-device/rollback", back).json() == {"version": 1, "changed": False}
    assert editor("POST", "flows/connect-a-device/rollback", {"version": 9}).status_code == 404
    assert program("editor", host="other.test").get("flows/connect-a-device/versions/")["total"] == 1
    assert door().page("/device").step == "identification"


def test_two_editors_collide_and_nothing_is_lost(program: Programs) -> None:
    """An edit of an outdated draft is a 412, and an edit without a precondition is a 428.

    A draft that was discarded and created again is another draft.
    """
    alice, bob = program("editor"), program("admin")
    first = alice("PUT", DRAFT, DRAWN)
    assert bob("PUT", DRAFT, {**DRAWN, "title": "Bob's"}).status_code == 428
    assert bob("PUT", DRAFT, {**DRAWN, "title": "Bob's"}, if_none_match="*").status_code == 412
    second = bob("PUT", DRAFT, {**DRAWN, "title": "Bob's"}, if_match=first["ETag"])
    assert (second.status_code, second.json()["author"]) == (200, "admin")
    assert alice("PUT", DRAFT, DRAWN, if_match=first["ETag"]).status_code == 412
    assert alice("POST", "flows/connect-a-device/publish", {}, if_match=first["ETag"]).status_code == 412
    assert alice("DELETE", DRAFT, if_match=first["ETag"]).status_code == 412
    assert alice.get(DRAFT)["document"]["title"] == "Bob's"
    assert alice("DELETE", DRAFT, if_match=second["ETag"]).status_code == 204
    again = alice("PUT", DRAFT, DRAWN)
    assert again.json()["revision"] == first.json()["revision"]
    assert bob("PUT", DRAFT, DRAWN, if_match=first["ETag"]).status_code == 412
    assert alice("GET", DRAFT, if_none_match=again["ETag"]).status_code == 304


def test_a_wrong_draft_is_kept_and_not_published(program: Programs) -> None:
    """An invalid draft is stored with its findings, and publishing it is refused with errors by key."""
    editor = program("editor")
    kept = editor(
        "PUT",
        "flows/new-one/draft",
        {"title": "New", "for": "device_code", "steps": [{"stage": "consent"}, {"stage": "nowhere"}]},
    )
    assert kept.status_code == 201
    assert any("nowhere" in each["message"] for each in kept.json()["findings"])
    refused = editor("POST", "flows/new-one/publish", {})
    assert (refused.status_code, refused.json()["error"]) == (409, "refused")
    assert any(key.startswith("steps.1") for key in refused.json()["errors"])
    worse = editor("PUT", "flows/new-one/draft", {"steps": "none", "unknown": [1]}, if_match=kept["ETag"])
    assert (worse.status_code, {each["path"][0] for each in worse.json()["findings"]}) == (
        200,
        {"steps", "unknown", "title", "for"},
    )
    assert editor("POST", "flows/new-one/lint", {"which": "draft"}).status_code == 409
    assert not Flow.unscoped.get(name="new-one").live_id


@pytest.mark.parametrize("name", ["New", "a" * 60, "-a", "a--" + "b" * 48])
def test_a_name_that_no_flow_has(program: Programs, name: str) -> None:
    """The address names the new flow, so the name is validated as in a document."""
    assert program("editor")("PUT", f"flows/{name}/draft", DRAWN).status_code == 400
    assert program("editor")("PUT", "flows/new-one/draft", {**DRAWN, "flow": "other"}).status_code == 400
    assert not Draft.unscoped.exists()


def test_a_dry_run_judges_nothing(program: Programs) -> None:
    """An editor may simulate a person; naming a real one needs the right to see people.

    No password is ever checked.
    """
    editor, admin = program("editor"), program("admin")
    answers = {
        "identification": {"name": "clerk"},
        "password": "passes",
        "device_code": "passes",
        "consent": "passes",
    }
    run = editor(
        "POST", "flows/connect-a-device/simulate", {"person": {"username": "clerk"}, "answers": answers}
    ).json()
    assert (run["which"], run["ends"]) == ("1", "finished")
    assert {"identification": "done", "password": "done"}.items() <= {
        each["step"]: each["decision"] for each in run["steps"]
    }.items()
    for password in ("alice-password-1", "wrong"):
        tried = {
            "person": "alice",
            "answers": {"identification": {"name": "alice"}, "password": {"password": password}},
        }
        assert editor("POST", "flows/connect-a-device/simulate", tried).status_code == 403
        run = admin("POST", "flows/connect-a-device/simulate", tried).json()
        assert (run["ends"], run["steps"][-1]["step"], run["steps"][-1]["decision"]) == (
            "asks",
            "password",
            "asks",
        )
    assert admin("POST", "flows/connect-a-device/simulate", {"person": "nobody-here"}).status_code == 409
    auditor = program("auditor", "foyer:read")
    assert auditor("POST", "flows/connect-a-device/simulate", tried).json()["ends"] == "asks", (
        "nothing is written, as in the console"
    )
    assert not Event.unscoped.filter(kind__startswith="session.").exists()


def test_a_draft_holds_only_what_can_be_kept(program: Programs) -> None:
    """A number that no database can store is refused in the open settings, and nothing is written."""
    steps = '[{"stage": "password", "settings": {"x": 1e999}}]'
    assert (
        program("editor")(
            "PUT", DRAFT, f'{{"title": "x", "for": "device_code", "steps": {steps}}}'
        ).status_code
        == 400
    )
    assert not Draft.unscoped.exists()


def test_lint_and_tests_of_a_flow(program: Programs) -> None:
    """The API lists lint findings and the flow tests that fail, and an auditor may read them."""
    test = {
        "name": "goes through",
        "person": {"username": "clerk"},
        "answers": {"identification": {"name": "clerk"}},
    }
    program("editor")("PUT", DRAFT, {**DRAWN, "tests": [test]})
    found = program("auditor", "foyer:read")("POST", "flows/connect-a-device/lint", {"which": "draft"}).json()
    assert found["findings"] == []
    assert [each["path"] for each in found["tests"]] == [["tests", 0, "ends"]]
    assert program("auditor")("POST", "flows/connect-a-device/publish", {}).status_code == 403


TESTS = "flows/connect-a-device/tests"
PASSES = dict.fromkeys(("identification", "password", "device_code", "consent"), "passes")
DRY_RUN = {"name": "A clerk connects", "person": {"username": "clerk"}, "answers": PASSES}


def test_a_dry_run_is_stored_as_a_test(program: Programs, tenants: dict[str, Any]) -> None:
    """A dry run is stored as a flow test in the draft, which is created from the live version if needed.

    The test records the outcome of each step, and passes from then on.
    """
    editor = program("editor")
    kept = editor("POST", TESTS, DRY_RUN)
    assert (kept.status_code, kept.json()["base"], kept.json()["author"]) == (201, 1, "editor")
    (test,) = kept.json()["document"]["tests"]
    assert (test["name"], test["person"]["username"], test["answers"]) == (
        "A clerk connects",
        "clerk",
        PASSES,
    )
    assert test["expect"] == dict.fromkeys((*PASSES, "login", "finish"), "done")
    assert (editor("GET", DRAFT)["ETag"], editor.get(DRAFT)) == (kept["ETag"], kept.json())
    assert editor("POST", "flows/connect-a-device/lint", {"which": "draft"}).json() == {
        "findings": [],
        "tests": [],
    }
    refused = {
        "name": " Left at the password ",
        "which": "1",
        "answers": {"identification": "passes", "password": "refuses"},
    }
    again = editor("POST", TESTS, {**refused, "person": {"username": "clerk"}}, if_match=kept["ETag"])
    assert [(each["name"], each.get("ends")) for each in again.json()["document"]["tests"]] == [
        ("A clerk connects", None),
        ("Left at the password", "denied"),
    ]
    assert editor("POST", "flows/connect-a-device/publish", {}, if_match=again["ETag"]).json() == {
        "version": 2,
        "changed": True,
    }
    other = program("editor", host="other.test")
    assert other("GET", DRAFT).status_code == 404
    assert other("POST", "flows/nowhere/tests", DRY_RUN).status_code == 404


def test_a_test_is_added_to_what_was_looked_at(program: Programs) -> None:
    """Storing a test is a 412 if the draft has changed or one exists by now; a name is used only once.

    Nothing is stored then.
    """
    alice, bob = program("editor"), program("admin")
    first = alice("POST", TESTS, DRY_RUN, if_none_match="*")
    assert first.status_code == 201
    assert bob("POST", TESTS, {**DRY_RUN, "name": "Another"}, if_none_match="*").status_code == 412
    second = bob("POST", TESTS, {**DRY_RUN, "name": "Another"}, if_match=first["ETag"])
    assert alice("POST", TESTS, {**DRY_RUN, "name": "A third"}, if_match=first["ETag"]).status_code == 412
    taken = alice("POST", TESTS, DRY_RUN)
    assert (taken.status_code, set(taken.json()["errors"])) == (409, {"tests.name"})
    assert alice("GET", DRAFT)["ETag"] == second["ETag"]
    alice("DELETE", DRAFT)
    assert alice("POST", TESTS, DRY_RUN, if_match=second["ETag"]).status_code == 412
    assert not Draft.unscoped.exists()


@pytest.mark.parametrize(
    ("more", "status", "named"),
    [
        ({"answers": {"password": {"password": "alice-password-1"}}}, 409, "answers.password"),
        ({"answers": {"device_code": {"user_code": "ABCD-EFGH"}}}, 409, "answers.device_code"),
        ({"answers": {"pasword": "passes"}}, 409, "answers.pasword"),
        ({"name": ""}, 400, ""),
        ({"name": "  "}, 400, ""),
        ({"name": "x" * 151}, 400, ""),
        ({"expect": {"password": "done"}}, 400, ""),
        ({"answers": {"password": "maybe"}}, 400, ""),
        ({"which": "9"}, 404, ""),
        ({"person": "nobody-here"}, 409, ""),
    ],
)
def test_what_no_test_keeps(program: Programs, more: dict[str, Any], status: int, named: str) -> None:
    """A test never stores a password, which all who see the flow could read, and no response repeats it."""
    response = program()("POST", TESTS, {**DRY_RUN, **more})
    assert response.status_code == status, response.content
    assert set(response.json().get("errors", {})) == ({named} if named else set())
    assert "alice-password-1" not in response.content.decode()
    assert not Draft.unscoped.exists()


@pytest.mark.parametrize(
    ("role", "simulated", "named"),
    [("admin", 201, 201), ("editor", 201, 403), ("auditor", 403, 403), ("helpdesk", 403, 403)],
)
def test_who_keeps_tests(program: Programs, role: str, simulated: int, named: int) -> None:
    """Roles that may edit flows store tests; a test with a real person also needs the right to see people.

    Conditions would otherwise reveal data about that person.
    """
    acting = program(role)
    assert acting("POST", TESTS, {**DRY_RUN, "name": "named", "person": "alice"}).status_code == named
    assert acting("POST", TESTS, DRY_RUN).status_code == simulated
    assert (
        program("admin", "openid foyer:read")("POST", TESTS, {**DRY_RUN, "name": "b"}).json()["error"]
        == "insufficient_scope"
    )


def test_who_is_in_the_middle_of_it(program: Programs, door: Doors) -> None:
    """Runs of this flow are listed, and one of them is shown with its path.

    Inspecting a run is recorded, and the other tenant has none of these runs.
    """
    door().page("/device").submit(name="alice").submit(password="alice-password-1")
    admin = program("helpdesk")
    (row,) = admin.get("flows/connect-a-device/runs/?over=no")["rows"]
    seen = admin.get(f"flows/connect-a-device/runs/{row['key']}")
    assert (seen["at"], [each["step"] for each in seen["path"]][:3]) == (
        "device_code",
        ["identification", "password", "login"],
    )
    assert "alice-password-1" not in str(seen)
    assert Event.unscoped.filter(kind="flow.inspected", actor="helpdesk").count() == 1
    assert admin("GET", f"flows/another/runs/{row['key']}").status_code == 404
    other = program("helpdesk", host="other.test")
    assert other.get("flows/connect-a-device/runs/")["total"] == 0
    assert other("GET", f"flows/connect-a-device/runs/{row['key']}").status_code == 404


def test_the_funnel_and_the_flow_itself(program: Programs) -> None:
    """The API returns the counts of the live version, the list and one row, and deletes all versions."""
    admin: Any = program()
    assert admin.get("flows/connect-a-device/funnel") == {"version": 1, "under_way": 0, "steps": []}
    assert admin.get("flows/connect-a-device")["version"] == 1
    assert [row["key"] for row in admin.get("flows/?for=device_code")["rows"]] == ["connect-a-device"]
    assert admin("POST", "flows/connect-a-device/actions/delete").json() == {"changed": True}
    assert admin("GET", "flows/connect-a-device/funnel").status_code == 404
    assert program(host="other.test").get("flows/")["total"] == 1


def test_an_editor_cannot_fill_the_memory(program: Programs) -> None:
    """An expensive condition is a lint finding when it is saved; a dry run and publishing refuse it.

    The expression is never evaluated.
    """
    editor = program("editor")
    steps = [{"stage": "deny", "when": BOMB}]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    kept = editor("PUT", "flows/bomb/draft", {"title": "Bomb", "for": "part", "steps": steps})
    assert any("inside a macro" in each["message"] for each in kept.json()["findings"])
    tried = editor("POST", "flows/bomb/simulate", {"which": "draft"})
    assert tried.status_code == 409 or tried.json()["ends"] in ("broken", "denied"), tried.content
    assert editor("POST", "flows/bomb/publish", {}).status_code == 409
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024, "KiB: less than 100 MiB"
