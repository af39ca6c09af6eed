"""The flow builder at the public interface: what its pages show and what each edit saves.

Of two editors, neither loses anything.
"""

import html
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from flows.documents.document import FlowDocument
from flows.documents.listings import FLOWS
from flows.documents.versions import version_of
from flows.editing.drafts import draft_of, publish_draft, save_draft
from flows.editing.edits import EDIT_ADAPTER, apply_edit
from flows.editing.publishing import publish
from flows.models import Draft, Flow
from idp.accounts.models import Person, Role
from idp.events.models import Event
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import Door, Doors
from tests.support.flows import SHIPPED, drawing, events

PAGE = "/console/flows/connect-a-device/"
_FIELD = re.compile(r'<input type="hidden" name="(_base|_mark|_open)" value="([^"]*)"')


class Editor:
    """A person at the builder of one flow, with what the last response showed."""

    def __init__(self, door: Door, path: str = PAGE) -> None:
        self.door, self.path = door, path
        self.look()

    def look(self, query: str = "", status: int = 200) -> str:
        """Open the page."""
        return self._seen(self.door.http.get(self.path + query), status)

    def edit(self, wanted: dict[str, Any], status: int = 200, /, **fields: Any) -> str:
        """Post an edit of what is shown, as the script does."""
        posted = {**self.hidden, "_edit": json.dumps(wanted), **fields}
        return self._seen(self.door.http.post(self.path + "edit", posted, headers={"X-Builder": "1"}), status)

    def _seen(self, response: Any, status: int) -> str:
        self.text = html.unescape(str(response.content.decode()))
        assert response.status_code == status, self.text[:3000]
        self.hidden = {
            name: html.unescape(value) for name, value in reversed(_FIELD.findall(response.content.decode()))
        }
        return self.text

    @property
    def steps(self) -> list[str]:
        """The ids of the cards, in their order on the page."""
        return re.findall(r'<article class="[^"]*" data-place="[^"]*"[^>]* data-id="([^"]*)"', self.text)

    @property
    def said(self) -> str:
        """The page's message about the last edit."""
        found = re.search(r'data-said="([^"]*)"', self.text)
        assert found, self.text[:3000]
        return found[1]


@pytest.fixture
def at_work(tenants: dict[str, Tenant], door: Doors) -> Callable[..., Editor]:
    """Return a factory of editors: ``at_work("editor")`` is alice at the builder with this role.

    Each has a browser of her own. Bob is an editor too.
    """

    def sit_down(role: str = "editor", path: str = PAGE, name: str = "alice") -> Editor:
        with tenant_scope(tenants["acme"]):
            Person.objects.filter(username=name).update(role=Role(role))
        opened = door()
        opened.sign_in(name, {"alice": "alice-password-1", "bob": "bob-password-22"}[name])
        return Editor(opened, path)

    return sit_down


def drafted(name: str = "connect-a-device") -> list[str]:
    """Return the steps of the stored draft."""
    with tenant_scope(Tenant.objects.get(name="acme")):
        draft = draft_of(name)
        assert draft is not None
        return [step.id for step in FlowDocument.model_validate(draft.document).steps]


def test_a_draft_that_differs_in_nothing_is_none(at_work: Callable[..., Editor], acme: Tenant) -> None:
    """A step that is moved and moved back leaves the flow without a draft.

    The list, the page Versions and the next editor show none, and there is no event.
    """
    editor = at_work()
    editor.edit({"do": "move", "step": "0", "at": "2", "lane": ""})
    assert draft_of("connect-a-device") is not None
    events_before = Event.objects.count()
    editor.edit({"do": "move", "step": "1", "at": "0", "lane": ""})
    assert draft_of("connect-a-device") is None
    assert "is live" in editor.text
    versions = editor.door.get("/console/flows/connect-a-device/versions").content.decode()
    assert "/console/flows/connect-a-device/discard" not in versions
    assert Event.objects.count() == events_before
    editor.edit({"do": "remove", "step": "0"})
    assert draft_of("connect-a-device") is not None


def test_a_program_may_send_what_is_live(acme: Tenant, at_work: Callable[..., Editor]) -> None:
    """A program may upload the live document and publish it, as a script does; no page shows a draft."""
    live = version_of("connect-a-device").document
    save_draft("connect-a-device", live, by="ci", revision=None)
    row = FLOWS.get("connect-a-device")
    assert FLOWS.as_json(row)["draft"] is False
    editor = at_work()
    assert "/discard" not in editor.door.get("/console/flows/connect-a-device/versions").content.decode()
    assert not publish_draft("connect-a-device", by="ci").changed


def test_the_first_edit_of_a_live_flow_makes_a_draft(at_work: Callable[..., Editor]) -> None:
    """The live version stays, and the message names the card that was moved and its new position."""
    editor = at_work()
    assert editor.steps == list(SHIPPED)
    assert "Version 1 is live" in editor.text
    editor.edit({"do": "nudge", "step": "1", "where": "down"})
    assert (
        drafted()
        == editor.steps
        == ["identification", "login", "password", "device_code", "consent", "finish"]
    )
    assert editor.said == "password moved before device_code"
    assert 'data-at="2"' in editor.text
    assert "saved by alice" in editor.text
    with tenant_scope(Tenant.objects.get(name="acme")):
        live = Flow.objects.get(name="connect-a-device").live
        assert live
        assert live.document["steps"][1] == {"stage": "password"}


def test_lint_marks_its_card_until_that_is_fixed(at_work: Callable[..., Editor]) -> None:
    """Each edit updates the lint findings, and the list links to the card."""
    editor = at_work()
    assert "No issues" in editor.text
    editor.edit({"do": "nudge", "step": "1", "where": "down"})
    assert re.search(r'class="step has-error" data-place="1"', editor.text)
    assert "login requires a verified password" in editor.text
    assert '<a href="?at=1" data-open><b>login</b>' in editor.text
    editor.edit({"do": "nudge", "step": "2", "where": "up"})
    assert "has-error" not in editor.text
    assert "No issues" in editor.text


def test_without_scripts_every_edit_leads_back_to_the_page(at_work: Callable[..., Editor]) -> None:
    """Without scripts an edit is a 303, and the page says what was done and shows the step."""
    editor = at_work()
    posted = {**editor.hidden, "_edit": json.dumps({"do": "duplicate", "step": "1"})}
    response = editor.door.http.post(PAGE + "edit", posted)
    assert (response.status_code, response["Location"]) == (303, f"{PAGE}?at=2")
    assert "password-2 added before login" in editor.look("?at=2")
    assert 'value="password-2"' in editor.text


def test_the_settings_of_a_step_are_a_form_and_only_what_differs_is_kept(
    at_work: Callable[..., Editor],
) -> None:
    """One form has the id, the refusal, the condition and the settings; the page describes them in words."""
    editor = at_work()
    editor.look("?step=password")
    panel = {"do": "panel", "step": "1"}
    fields = {
        "_id": "secret-word",
        "_on_refusal": "continue",
        "free": "3",
        "window": "1h",
        "_when-0": "in_group",
        "_when-0-group": "staff",
    }
    editor.edit(panel, **fields)
    with tenant_scope(Tenant.objects.get(name="acme")):
        stored = Draft.objects.get().document["steps"][1]
    assert stored == {
        "id": "secret-word",
        "stage": "password",
        "when": '"staff" in person.groups',
        "on_refusal": "continue",
        "settings": {"free": 3},
    }
    for words in ("in the group “staff”", "free: 3", "If it fails, continues with <b>login</b>"):
        assert words in editor.text
    editor.look("?step=secret-word")
    assert '<option value="staff" selected>' in editor.text


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"_id": "No Name"}, 'id="step-id-error"'),
        ({"free": "99"}, 'id="f-free-error"'),
        ({"window": "soon"}, 'id="f-window-error"'),
        ({"_when-0": "from_network", "_when-0-networks": "everywhere"}, "everywhere isn't a valid network"),
    ],
)
def test_what_is_wrong_in_a_form_is_said_at_its_field_and_the_draft_stays(
    at_work: Callable[..., Editor], fields: dict[str, str], said: str
) -> None:
    """The typed values are still in the form."""
    editor = at_work()
    editor.edit({"do": "remove", "step": "5"})
    editor.edit(
        {"do": "panel", "step": "1"}, 422, **{"_id": "password", "free": "4", "window": "1h", **fields}
    )
    assert said in editor.text
    assert f'value="{next(reversed(fields.values()))}"' in editor.text
    assert drafted() == list(SHIPPED[:5])
    editor.edit({"do": "remove", "step": "4"})
    assert drafted() == list(SHIPPED[:4])


def test_conditions_are_added_and_taken_away_before_anything_is_saved(at_work: Callable[..., Editor]) -> None:
    """Each condition is a row: a ready-made one with its fields, or CEL."""
    editor = at_work()
    panel = {"do": "panel", "step": "1"}
    editor.edit(
        panel, _id="password", free="4", window="1h", _more="1", _preset="after_hours", _zone="Nowhere/Land"
    )
    assert 'name="_when-0-zone" value="UTC"' in editor.text
    editor.edit(
        panel, _id="password", free="4", window="1h", _more="1", _preset="after_hours", _zone="Europe/Berlin"
    )
    assert 'name="_when-0-start" value="08:00"' in editor.text
    assert 'name="_when-0-zone" value="Europe/Berlin"' in editor.text
    assert '<option value="America/New_York">' in editor.text
    rows = {
        "_when-0": "after_hours",
        "_when-0-start": "7",
        "_when-0-end": "20",
        "_when-0-zone": "UTC",
        "_when-1": "cel",
        "_when-1-cel": "person.admin",
    }
    editor.edit(panel, _id="password", free="4", window="1h", _less="0", **rows)
    assert "person.admin</textarea>" in editor.text
    assert "_when-1" not in editor.text
    assert Draft.unscoped.count() == 0
    editor.edit(panel, _id="password", free="4", window="1h", **rows)
    with tenant_scope(Tenant.objects.get(name="acme")):
        when = Draft.objects.get().document["steps"][1]["when"]
    assert when == '(request.time.getHours("UTC") < 7 || request.time.getHours("UTC") >= 20) && person.admin'


def test_a_condition_is_checked_while_it_is_typed(at_work: Callable[..., Editor]) -> None:
    """The check reports line, column and variables known only later, and saves nothing."""
    editor = at_work()

    def checked(step: str, source: str) -> Any:
        response = editor.door.http.post(PAGE + "check", {**editor.hidden, "_step": step, "_source": source})
        return [each["message"] for each in response.json()]

    assert checked("2", '"staff" in person.groups') == []
    assert checked("2", "person.grups == []") == [
        "line 1, column 7: Unknown name person.grups. Did you mean person.groups?"
    ]
    assert "which requires a known request" in checked("2", 'request.kind == "device"')[0]
    assert checked("2", "person.name") == [
        "line 1, column 1: A condition must return true or false, not string."
    ]
    assert Draft.unscoped.count() == 0


@pytest.mark.parametrize("settings", ['{"free": "\\ud800"}', '{"free": ' + "[" * 400 + "]" * 400 + "}"])
def test_only_what_could_be_stored_is_checked(at_work: Callable[..., Editor], settings: str) -> None:
    """A manually crafted document is refused for checking as for an edit."""
    editor = at_work()
    base = editor.hidden["_base"].replace(
        '{"stage": "password"}', f'{{"stage": "password", "settings": {settings}}}'
    )
    for path, more in (("check", {"_step": "2", "_source": "true"}), ("edit", {"_edit": '{"do": "keep"}'})):
        assert editor.door.http.post(PAGE + path, {**editor.hidden, "_base": base, **more}).status_code == 404


def test_two_editors_collide_and_neither_loses_anything(at_work: Callable[..., Editor]) -> None:
    """The slower editor sees who edited and when, and what would change, and then chooses.

    Nothing is written until then.
    """
    alice, bob = at_work(), at_work(name="bob")
    bob.edit({"do": "remove", "step": "5"})
    alice.edit({"do": "duplicate", "step": "0"}, 409)
    assert "bob saved changes" in alice.text
    assert "+ identification-2: identification after identification" in alice.text
    assert "+ finish: finish after consent" in alice.text
    assert alice.steps == ["identification", "identification-2", *SHIPPED[1:]]
    assert drafted() == list(SHIPPED[:5])
    mark = re.search(r'name="_mark" value="([^"]*)"><button class="primary" name="_edit"', alice.text)
    assert mark
    alice.edit({"do": "keep"}, _mark=mark[1])
    assert drafted() == ["identification", "identification-2", *SHIPPED[1:]]
    bob.edit({"do": "remove", "step": "0"}, 409)
    bob.look()
    assert bob.steps == drafted()


def test_putting_on_top_collides_again_when_a_third_was_faster(at_work: Callable[..., Editor]) -> None:
    """An editor overwrites only the version whose difference they saw."""
    alice, bob = at_work(), at_work(name="bob")
    bob.edit({"do": "remove", "step": "5"})
    alice.edit({"do": "duplicate", "step": "0"}, 409)
    mark = re.search(r'name="_mark" value="([^"]*)"><button class="primary"', alice.text)
    bob.edit({"do": "remove", "step": "4"})
    assert mark
    alice.edit({"do": "keep"}, 409, _mark=mark[1])
    assert drafted() == list(SHIPPED[:4])


@pytest.mark.parametrize("what", ["published", "discarded and created again"])
def test_a_flow_that_moved_beneath_is_noticed(at_work: Callable[..., Editor], what: str) -> None:
    """A change of the flow during an edit is noticed, even if the revision numbers are the same again."""
    alice = at_work()
    with tenant_scope(Tenant.objects.get(name="acme")):
        if what == "published":
            publish(drawing(*SHIPPED, title="Again"), by="bob")
        else:
            save_draft("connect-a-device", drawing(*SHIPPED).as_json(), by="bob", revision=None)
            alice.look()
            Draft.objects.all().delete()
            save_draft("connect-a-device", drawing(*SHIPPED[:5]).as_json(), by="bob", revision=None)
    alice.edit({"do": "remove", "step": "0"}, 409)
    assert alice.steps == list(SHIPPED[1:])


def test_undo_is_the_whole_document_of_before(at_work: Callable[..., Editor], acme: Tenant) -> None:
    """Undo posts the whole previous document, which the script holds for this visit."""
    editor = at_work()
    before = json.loads(editor.hidden["_base"])
    editor.edit({"do": "remove", "step": "1"})
    editor.edit({"do": "replace", "document": before, "said": "Undo: password removed"})
    assert (editor.steps, editor.said, draft_of("connect-a-device")) == (
        list(SHIPPED),
        "Undo: password removed",
        None,
    )


def test_the_flow_as_text(at_work: Callable[..., Editor]) -> None:
    """The text is applied as typed; an error has line and column, and the text stays."""
    editor = at_work()
    editor.look("?open=yaml")
    found = re.search(r'name="_text"[^>]*>\n(.*?)</textarea>', editor.text, re.DOTALL)
    assert found
    text = found[1]
    assert text.startswith("flow: connect-a-device\ntitle: Connect a device\nfor: device_code\n")
    editor.edit({"do": "text"}, _text=text.replace("  - stage: finish\n", ""))
    assert drafted() == list(SHIPPED[:5])
    for typed, said in (
        (
            text.replace("  - stage: login", "  - stage: login\n    wen: true"),
            "Line 8, column 5</button> steps.2.wen: ",
        ),
        (text + "   - broken", "Line "),
        (
            text.replace("for: device_code", "for: part"),
            "Line 3, column 1</button> This must stay device_code",
        ),
        (text.replace("flow: connect-a-device", "flow: other"), "This must stay connect-a-device"),
        (
            text.replace("title: Connect a device", "title: !file /etc/hostname"),
            "Tags such as !file are not supported here",
        ),
        ("- a\n- b\n", "Enter one flow"),
        (f"{text}---\n{text}", "Enter one flow"),
        ("x: &a [*a]", "Line 1"),
    ):
        editor.edit({"do": "text"}, 422, _text=typed)
        assert said in editor.text, typed
        assert typed.splitlines()[0] in editor.text
    assert drafted() == list(SHIPPED[:5])


def test_a_draft_that_is_no_flow_is_fixed_as_text(at_work: Callable[..., Editor], acme: Tenant) -> None:
    """A draft that is no valid flow is shown as text with its errors, and nothing is lost."""
    save_draft(
        "connect-a-device",
        {"title": "Half", "for": "device_code", "steps": [{"id": "x"}], "junk": 1},
        by="bob",
        revision=None,
    )
    editor = at_work()
    assert "isn't a valid flow" in editor.text
    assert '"junk": 1' in editor.text
    text = "title: Whole\nsteps:\n  - stage: deny\n"
    editor.edit({"do": "text"}, _text=text)
    assert drafted() == ["deny"]


def test_hostile_names_are_only_words(at_work: Callable[..., Editor], acme: Tenant) -> None:
    """Names that people type are plain text in a card, in a form and in a message."""
    bad = '"><script>alert(1)</script>'
    document = drawing(
        {"stage": "prompt", "id": "ask", "settings": {"title": bad}, "when": '"</script>" in person.groups'},
        title=bad,
    )
    save_draft("connect-a-device", document.as_json(), by=bad[:50], revision=None)
    editor = at_work()
    for query in (
        "",
        "?step=ask",
        "?open=yaml",
        "?open=flow",
        f"?gap={bad}&lane={bad}",
        f"?at={bad}",
        f"?open={bad}",
    ):
        raw = editor.door.http.get(PAGE + query).content.decode()
        assert "<script>alert" not in raw
        assert "style=" not in raw


@pytest.mark.parametrize(
    "posted",
    [
        {"_edit": ""},
        {"_edit": "[]"},
        {"_edit": '{"do": "nothing"}'},
        {"_edit": '{"do": "move", "step": "1"}'},
        {"_base": "", "_edit": '{"do": "remove", "step": "1"}'},
        {"_base": "[1]", "_edit": '{"do": "remove", "step": "1"}'},
        {"_base": "{}", "_edit": '{"do": "remove", "step": "1"}'},
        {"_edit": '{"do": "panel", "step": {}}'},
        {"_edit": "[" * 20_000},
        {"_base": "[" * 20_000, "_edit": '{"do": "remove", "step": "1"}'},
        {
            "_base": '{"title": "T", "steps": [' + '{"group": "g", "steps": [' * 900 + "]}" * 900 + "]}",
            "_edit": '{"do": "keep"}',
        },
        {"_edit": '{"do": "replace", "document": "x"}'},
    ],
)
def test_what_is_no_edit_changes_nothing(at_work: Callable[..., Editor], posted: dict[str, str]) -> None:
    """A manually crafted request is refused without a traceback."""
    editor = at_work()
    response = editor.door.http.post(PAGE + "edit", {**editor.hidden, **posted})
    assert response.status_code in (404, 409)
    assert Draft.unscoped.count() == 0


@pytest.mark.parametrize("value", ['"a\\u0000b"', '"\\ud800"'])
def test_what_no_database_keeps_is_refused(at_work: Callable[..., Editor], value: str) -> None:
    """A value that no database can store is refused with a message, and the definition stays.

    Settings are open, so a manually crafted request may contain any value.
    """
    editor = at_work()
    before = editor.hidden["_base"]
    base = before.replace(
        '{"stage": "password"}', f'{{"stage": "password", "settings": {{"free": {value}}}}}'
    )
    assert value in base
    wanted = f'{{"do": "replace", "document": {base}}}'
    response = editor.door.http.post(
        PAGE + "edit", {**editor.hidden, "_edit": wanted}, headers={"X-Builder": "1"}
    )
    assert (response.status_code, b"Fix the errors below" in response.content) == (422, True)
    assert (
        editor.door.http.post(
            PAGE + "edit", {**editor.hidden, "_base": base, "_edit": '{"do": "keep"}'}
        ).status_code
        == 404
    )
    assert Draft.unscoped.count() == 0


def test_a_number_that_json_does_not_have_is_none(at_work: Callable[..., Editor]) -> None:
    """The draft can still be stored by every database, and lint says what the setting requires."""
    editor = at_work()
    base = editor.hidden["_base"].replace(
        '{"stage": "password"}', '{"stage": "password", "settings": {"free": NaN}}'
    )
    editor.edit({"do": "remove", "step": "5"}, _base=base)
    assert "Enter a whole number." in editor.text
    assert drafted() == list(SHIPPED[:5])


def test_an_edit_that_is_impossible_is_said(at_work: Callable[..., Editor]) -> None:
    """An impossible edit is refused with a message, and the definition stays."""
    editor = at_work()
    editor.edit({"do": "nudge", "step": "0", "where": "up"}, 409)
    assert editor.said == "identification is already first."
    assert Draft.unscoped.count() == 0


def test_who_may_only_see_changes_nothing(at_work: Callable[..., Editor]) -> None:
    """An auditor reads the definition and the settings without any button, and the address refuses a POST."""
    auditor = at_work("auditor", PAGE)
    assert auditor.steps == list(SHIPPED)
    auditor.look("?step=password")
    assert "<fieldset disabled>" in auditor.text
    assert "builder.js" not in auditor.text
    for address in ("edit", "check"):
        assert auditor.door.http.post(PAGE + address, {"_edit": "{}"}).status_code == 403
    assert auditor.door.http.get("/console/new-flow/").status_code == 403


def test_other_tenants_flows_are_not_there(at_work: Callable[..., Editor], other: Tenant) -> None:
    """Another tenant's flow is a 404, and nothing is written there."""
    with tenant_scope(other):
        publish(drawing("identification", flow="theirs", **{"for": "part"}), by="test")
    editor = at_work()
    assert editor.door.http.get("/console/flows/theirs/").status_code == 404
    assert (
        editor.door.http.post(
            "/console/flows/theirs/edit", {**editor.hidden, "_edit": '{"do": "remove", "step": "0"}'}
        ).status_code
        == 404
    )
    editor.edit({"do": "remove", "step": "5"})
    assert list(Draft.unscoped.values_list("tenant__name", flat=True)) == ["acme"]


def test_a_new_flow_begins_empty_or_like_another(at_work: Callable[..., Editor], acme: Tenant) -> None:
    """A new flow is a draft, and the tenant's flow for the same purpose stays the default."""
    editor = at_work()
    post = editor.door.http.post
    response = post("/console/new-flow/", {"title": "Stäff: devices", "designation": "device_code"})
    assert (response.status_code, response["Location"]) == (303, "/console/flows/staff-devices/")
    made = draft_of("staff-devices")
    assert made is not None
    assert (made.document["default"], made.document["steps"], made.author) == (False, [], "alice")
    assert "Add step" in editor.door.http.get("/console/flows/staff-devices/").content.decode()
    assert post("/console/new-flow/", {"title": "Copy", "like": "connect-a-device"}).status_code == 303
    assert drafted("copy") == list(SHIPPED)
    assert (
        post("/console/new-flow/", {"title": "Shipped", "name": "ours", "like": "tenant/sign-in"}).status_code
        == 303
    )
    assert drafted("ours") == ["identification", "password", "second-factor", "login"]
    draft = draft_of("ours")
    assert draft
    assert draft.document.get("default", True) is True


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"designation": "part"}, "Enter a display name."),
        ({"title": "X"}, "Choose a purpose."),
        ({"title": "X", "designation": "everything"}, "Choose a purpose."),
        ({"title": "X", "designation": "part", "name": "A B"}, "Use lowercase letters"),
        ({"title": "???", "designation": "part"}, "Use lowercase letters"),
        (
            {"title": "X", "designation": "part", "name": "connect-a-device"},
            "A flow with this ID already exists.",
        ),
        ({"title": "X", "like": "nothing"}, "This flow no longer exists."),
    ],
)
def test_a_new_flow_that_cannot_be(at_work: Callable[..., Editor], typed: dict[str, str], said: str) -> None:
    """An invalid new flow has its message at the field, and nothing is created."""
    editor = at_work()
    response = editor.door.http.post("/console/new-flow/", typed)
    assert response.status_code == 400
    assert said in html.unescape(response.content.decode())
    assert (Draft.unscoped.count(), Flow.unscoped.filter(name="x").count()) == (0, 0)


def test_the_page_takes_few_queries(at_work: Callable[..., Editor], acme: Tenant) -> None:
    """The page, its panels and an edit take 20 queries at most for any number of steps."""
    steps = [
        {
            "stage": "prompt",
            "id": f"p{at}",
            "when": '"staff" in person.groups && application.client_id == "tv"',
        }
        for at in range(60)
    ]
    save_draft("connect-a-device", drawing(*SHIPPED[:2], *steps).as_json(), by="bob", revision=None)
    editor = at_work()
    for query in ("", "?step=p7", "?open=yaml"):
        with CaptureQueriesContext(
            connection,
        ) as seen:
            editor.look(query)
        assert len(seen) <= 20
    with CaptureQueriesContext(connection) as seen:
        editor.edit({"do": "remove", "step": "30"})
    assert len(seen) <= 20
    assert events("flow.published") >= 2


def test_what_the_buttons_post_are_edits(at_work: Callable[..., Editor]) -> None:
    """Every button of the page and of the palette posts an edit that applies to what is shown."""
    editor = at_work()
    document = FlowDocument.model_validate(json.loads(editor.hidden["_base"]))
    said = re.findall(r"name=\"_edit\" value=\"(\{.*?\})\"", editor.text)
    assert len(said) > 40
    for wanted in said:
        if '"nudge"' not in wanted:
            assert apply_edit(document, EDIT_ADAPTER.validate_json(wanted)).summary
