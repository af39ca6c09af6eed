"""Publishing a flow creates immutable versions, with one live flow for each purpose.

Nothing is written when nothing changed. Drafts and rollback are covered too.
"""

import threading
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest
import time_machine
from django.db import IntegrityError, connections, transaction
from pytest_django import Settings

from flows.checks import live_flows_can_run
from flows.documents.versions import InvalidFlow, NoSuchVersion, list_versions, live_version
from flows.editing.drafts import DraftChanged, discard_draft, draft_of, publish_draft, save_draft
from flows.editing.publishing import publish, roll_back
from flows.models import Draft, Flow, Version
from flows.registry import stages
from flows.run import Run
from flows.settings import StageSettings, setting
from flows.stage import Outcome
from idp.events.models import Event
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import Doors
from tests.support.flows import SHIPPED, device_state, draw, drawing, events, row_of
from tests.thirdparty import word


def test_a_changed_document_is_a_new_version_and_the_old_one_stays(acme: Tenant) -> None:
    """Rollback and "who changed what" come from the rows alone."""
    first = live_version("device_code")
    assert first is not None
    published = publish(drawing(*SHIPPED, title="New title"), by="alice", note="a better title")
    kept = Version.objects.get(pk=first.pk)
    assert (published.changed, published.version.number, published.version.author) == (
        True,
        first.number + 1,
        "alice",
    )
    assert (kept.document, kept.number) == (first.document, first.number)
    assert live_version("device_code") == published.version
    rolled_back = publish(drawing(*SHIPPED, title=first.document["title"]), by="alice")
    assert (rolled_back.version.number, rolled_back.version.document) == (first.number + 2, first.document)


def test_an_unchanged_document_publishes_nothing(acme: Tenant) -> None:
    """It writes neither a version nor an event, however the same document is written."""
    draw(*SHIPPED)
    before, published = Version.objects.count(), events("flow.published")
    spelt_out: list[dict[str, Any]] = [
        {"id": step, "stage": step, "settings": {}, "when": None} for step in SHIPPED
    ]
    assert not draw(*SHIPPED).changed
    assert not publish(drawing(*spelt_out, default=True), by="test").changed
    assert (Version.objects.count(), events("flow.published")) == (before, published)


def test_the_designation_of_a_flow_cannot_change(acme: Tenant) -> None:
    """A run under way, and an application that names it, rely on its purpose."""
    with pytest.raises(InvalidFlow, match=r"is device_code and can't be changed\. Create a new flow"):
        publish(drawing("identification", "password", "login", **{"for": "authentication"}), by="test")


def test_one_live_flow_for_each_designation(acme: Tenant, other: Tenant) -> None:
    """A second one says default: false, and one of another tenant does not count."""
    with pytest.raises(InvalidFlow, match=r"is already connect-a-device\. Set default: false"):
        draw(*SHIPPED, flow="second")
    assert not Flow.objects.filter(name="second").exists()
    assert draw(*SHIPPED, flow="second", default=False).changed
    live, named = live_version("device_code"), live_version("device_code", "second")
    assert live is not None
    assert named is not None
    assert (live.flow.name, named.flow.name) == ("connect-a-device", "second")
    with tenant_scope(other):
        assert live_version("device_code", "second") is None
    with pytest.raises(IntegrityError), transaction.atomic():
        Flow.objects.filter(name="second").update(is_default=True)


def test_a_flow_with_errors_publishes_nothing_and_names_them_all(acme: Tenant) -> None:
    """Every finding is in the error."""
    before = Version.objects.count()
    with pytest.raises(InvalidFlow) as refused:
        publish(drawing("password", "login", "nonsense", flow="bad", default=False), by="test")
    assert len(refused.value.findings) == 3
    assert (Version.objects.count(), Flow.objects.filter(name="bad").exists()) == (before, False)


def test_what_is_stored_reads_back_as_the_same_document(acme: Tenant) -> None:
    """Only what differs from the defaults is stored."""
    steps: list[str | dict[str, Any]] = [
        "identification",
        {"id": "pw", "stage": "password", "settings": {"window": "10m"}},
        "login",
        "device_code",
        "consent",
    ]
    stored = draw(*steps).version.document
    assert stored["steps"][0] == {"stage": "identification"}
    assert stored["steps"][1] == {"id": "pw", "stage": "password", "settings": {"window": "10m"}}
    assert drawing(*stored["steps"], title=stored["title"]) == drawing(*steps)


# --- drafts -------------------------------------------------------------------------------------------------


def written(*steps: Any, **more: Any) -> dict[str, Any]:
    """Return a document as an editor sends it."""
    return drawing(*steps, **more).as_json()


def test_a_draft_may_be_wrong_until_it_is_published(acme: Tenant, door: Doors) -> None:
    """A draft beside the live version changes no sign-in.

    Publishing checks it, and then it is gone.
    """
    live = live_version("device_code")
    draft = save_draft("connect-a-device", {"title": 5, "steps": "not yet"}, by="alice", revision=None)
    assert (draft.revision, draft.author, draft.base) == (1, "alice", live)
    with pytest.raises(InvalidFlow) as refused:
        publish_draft("connect-a-device", by="alice")
    assert {finding.path[0] for finding in refused.value.findings} >= {"title", "steps", "for"}
    assert draft_of("connect-a-device") == draft
    assert door().page().step == "identification"
    save_draft("connect-a-device", written("deny", "consent"), by="bob", revision=1)
    with pytest.raises(InvalidFlow, match="consent requires a known request"):
        publish_draft("connect-a-device", by="bob")
    save_draft("connect-a-device", written(*SHIPPED, title="Better"), by="bob", revision=2)
    published = publish_draft("connect-a-device", by="bob", note="after all")
    assert (published.version.note, published.version.author, draft_of("connect-a-device")) == (
        "after all",
        "bob",
        None,
    )
    assert live_version("device_code") == published.version


def test_of_two_editors_neither_overwrites_the_other(acme: Tenant) -> None:
    """The slower one is refused, and what the faster one wrote is there."""
    save_draft("connect-a-device", written(*SHIPPED, title="Begun"), by="alice", revision=None)
    save_draft("connect-a-device", written(*SHIPPED, title="Alice's"), by="alice", revision=1)
    for revision in (1, None, 7):
        with pytest.raises(DraftChanged) as moved:
            save_draft("connect-a-device", written(*SHIPPED, title="Bob's"), by="bob", revision=revision)
        assert moved.value.revision == 2
    with pytest.raises(DraftChanged):
        publish_draft("connect-a-device", by="bob", revision=1)
    draft = draft_of("connect-a-device")
    assert draft is not None
    assert (draft.document["title"], draft.author, draft.revision) == ("Alice's", "alice", 2)
    assert publish_draft("connect-a-device", by="bob", revision=2).version.document["title"] == "Alice's"


@pytest.mark.parametrize("how", ["published", "discarded"])
def test_an_editor_whose_draft_is_gone_is_refused(acme: Tenant, how: str) -> None:
    """It is not taken for the first save of a new draft.

    That would silently undo what was published.
    """
    save_draft("connect-a-device", written(*SHIPPED, title="Alice's"), by="alice", revision=None)
    if how == "published":
        publish_draft("connect-a-device", by="alice")
    else:
        assert discard_draft("connect-a-device", by="alice")
    with pytest.raises(DraftChanged) as moved:
        save_draft("connect-a-device", written(*SHIPPED, title="Bob's"), by="bob", revision=1)
    assert (moved.value.revision, draft_of("connect-a-device")) == (0, None)
    assert not discard_draft("connect-a-device", by="bob")
    with pytest.raises(NoSuchVersion):
        publish_draft("connect-a-device", by="bob")


def test_two_first_drafts_at_the_same_moment(transactional_db: None, tenants: dict[str, Tenant]) -> None:
    """One is saved and the other refused, also for a flow that did not exist yet."""
    gate, kept, rejected = threading.Barrier(2), list[str](), list[int]()

    def save(title: str) -> None:
        with tenant_scope(tenants["acme"]):
            gate.wait(10)
            try:
                kept.append(save_draft("brand-new", {"title": title}, by=title, revision=None).author)
            except DraftChanged as moved:
                rejected.append(moved.revision)
        connections.close_all()

    threads = [threading.Thread(target=save, args=(title,)) for title in ("alice", "bob")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert (len(kept), rejected) == (1, [1])
    with tenant_scope(tenants["acme"]):
        assert [draft.author for draft in Draft.objects.all()] == kept


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), "a\0b", "\ud800"], ids=["nan", "infinity", "NUL", "surrogate"]
)
def test_what_no_database_keeps_is_no_draft(acme: Tenant, value: Any) -> None:
    """The verb itself refuses a value that the database cannot store, deep in settings and as a key."""
    for free in ({"deep": [{"down": value}]}, {str(value): 1} if isinstance(value, str) else [value]):
        document = {"title": "T", "steps": [{"stage": "deny", "settings": {"free": free}}]}
        with pytest.raises(InvalidFlow):
            save_draft("fresh", document, by="alice", revision=None)
    assert not Flow.objects.filter(name="fresh").exists()


def test_a_draft_of_a_new_flow_is_no_flow_yet(acme: Tenant, other: Tenant, door: Doors) -> None:
    """It is neither the tenant's own flow nor reachable, and another tenant does not see it."""
    save_draft("sign-in", {"for": "authentication", "title": "Sign in"}, by="alice", revision=None)
    assert live_version("authentication") is None
    assert door().page("/sign-in").status == 404
    with tenant_scope(other):
        assert draft_of("sign-in") is None
        assert not discard_draft("sign-in", by="bob")
    document = written("identification", "password", "login", **{"flow": "sign-in", "for": "authentication"})
    save_draft("sign-in", document, by="alice", revision=1)
    publish_draft("sign-in", by="alice")
    assert door().page("/sign-in").step == "identification"


def test_a_draft_publishes_its_own_flow_only(acme: Tenant) -> None:
    """An administrator who may change one flow cannot change another by naming it in the document."""
    save_draft(
        "mine",
        written("identification", flow="connect-a-device", **{"for": "part"}),
        by="alice",
        revision=None,
    )
    before = live_version("device_code")
    assert publish_draft("mine", by="alice").version.flow.name == "mine"
    assert live_version("device_code") == before


# --- history and rollback -----------------------------------------------------------------------------------


def test_who_published_what_and_when(acme: Tenant, other: Tenant, clock: time_machine.Traveller) -> None:
    """Versions are listed newest first, with note and author, for this tenant only."""
    first = list_versions("connect-a-device")[0]
    clock.shift(3600)
    publish(drawing(*SHIPPED, title="Two"), by="alice", note="a second title")
    found = list_versions("connect-a-device")
    assert [(each.number, each.author, each.note) for each in found] == [
        (2, "alice", "a second title"),
        (1, first.author, first.note),
    ]
    assert (found[0].created_at - first.created_at).total_seconds() > 3500
    event = Event.objects.get(kind="flow.published", actor="alice")
    assert (event.target, event.data) == ("connect-a-device", {"version": 2, "note": "a second title"})
    with tenant_scope(other):
        assert [each.number for each in list_versions("connect-a-device")] == [1]
    assert list_versions("nothing") == []


def test_rolling_back_is_one_action(acme: Tenant, door: Doors) -> None:
    """The old version itself is live again, not a copy of it, and the newer one can come back."""
    draw(*SHIPPED, title="First")
    draw({"stage": "deny", "settings": {"message": "Broken by mistake."}}, *SHIPPED)
    assert "Broken by mistake." in door().page().text
    good = list_versions("connect-a-device")[1].number
    assert roll_back("connect-a-device", good, by="alice", note="that was wrong").number == good
    assert door().page().step == "identification"
    assert [each.number for each in list_versions("connect-a-device")] == [3, 2, 1]
    event = Event.objects.get(kind="flow.rolled_back")
    assert (event.actor, event.data) == ("alice", {"version": good, "left": 3, "note": "that was wrong"})
    roll_back("connect-a-device", good, by="alice")
    assert events("flow.rolled_back") == 1
    roll_back("connect-a-device", 3, by="alice")
    assert "Broken by mistake." in door().page().text
    assert draw(*SHIPPED, title="Fourth").version.number == 4


def test_rolling_back_to_what_cannot_run_is_refused(
    third_party: None, acme: Tenant, settings: Settings
) -> None:
    """When a stage was removed meanwhile, the live version stays, and the finding names the step."""
    draw("identification", "password", "word", "login", "device_code", "consent")
    draw(*SHIPPED)
    live = live_version("device_code")
    settings.STAGE_PACKAGES = ["stages"]
    stages.cache_clear()
    with pytest.raises(InvalidFlow, match=r"steps\.2\.stage: Unknown stage word"):
        roll_back("connect-a-device", 2, by="alice")
    assert (live_version("device_code"), events("flow.rolled_back")) == (live, 0)


def test_rolling_back_to_what_is_not_there(acme: Tenant, other: Tenant) -> None:
    """Neither an unknown number nor a version that only another tenant has is found."""
    with tenant_scope(other):
        draw(*SHIPPED, title="Theirs")
    for name, number in (("connect-a-device", 2), ("connect-a-device", 99), ("nothing", 1)):
        with pytest.raises(NoSuchVersion):
            roll_back(name, number, by="alice")


def test_rolling_back_does_not_make_a_second_default(acme: Tenant) -> None:
    """Another flow became the default for the purpose in the meantime."""
    draw(*SHIPPED, default=False)
    draw(*SHIPPED, flow="second")
    with pytest.raises(InvalidFlow, match="is already second"):
        roll_back("connect-a-device", 1, by="alice")


# --- runs in flight -----------------------------------------------------------------------------------------


def part(*steps: Any, flow: str = "factor") -> None:
    """Publish a sub-flow to which other flows refer."""
    publish(drawing(*steps, flow=flow, **{"for": "part"}), by="test")


def test_a_run_finishes_on_the_version_on_which_it_began(acme: Tenant, door: Doors) -> None:
    """Its sub-flows are frozen with the version.

    It does not matter what is published or rolled back meanwhile, also of its sub-flow.
    """
    part({"stage": "choice", "id": "one"}, {"stage": "choice", "id": "two"})
    draw("identification", "password", {"flow": "factor"}, "login", "device_code", "consent", "finish")
    browser = door()
    started = browser.start()
    seen = browser.page().submit(name="alice").submit(password="alice-password-1")
    assert seen.step == "factor.one"
    part({"stage": "deny", "settings": {"message": "Closed."}})
    draw({"stage": "deny", "settings": {"message": "Closed."}}, *SHIPPED)
    roll_back("connect-a-device", 1, by="alice")
    seen = seen.submit(choice="yes")
    assert (seen.step, row_of(seen).version.number) == ("factor.two", 2)
    seen = seen.submit(choice="yes").submit(user_code=started.user_code).submit(decision="approve")
    assert device_state(started) == "approved"


def test_a_sub_flow_takes_effect_when_the_flow_around_it_is_published(acme: Tenant, door: Doors) -> None:
    """It has no effect before, so no sign-in changes without an entry in the flow's own history."""
    part({"stage": "choice", "id": "old"})
    around: list[str | dict[str, Any]] = [
        "identification",
        "password",
        {"flow": "factor"},
        "login",
        "device_code",
        "consent",
    ]
    assert draw(*around).changed
    part({"stage": "choice", "id": "new"})
    assert door().page().submit(name="alice").submit(password="alice-password-1").step == "factor.old"
    assert draw(*around).changed
    assert door().page().submit(name="alice").submit(password="alice-password-1").step == "factor.new"
    assert not draw(*around).changed
    roll_back("connect-a-device", 2, by="alice")
    assert door().page().submit(name="alice").submit(password="alice-password-1").step == "factor.old"


def test_settings_of_an_older_release_are_upgraded_when_they_are_read(
    third_party: None, acme: Tenant, door: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a stage renames a setting, versions, runs under way, lint and rollback still work.

    The stored document stays as it was.
    """
    old = {"stage": "word", "settings": {"word": "friend"}}
    draw("identification", "password", old, "login", "device_code", "consent", "finish")
    under_way = door().page().submit(name="alice").submit(password="alice-password-1")
    monkeypatch.setattr(word, "Word", Word)
    monkeypatch.setattr(Word, "__module__", word.__name__)
    stages.cache_clear()
    new_run = door().page().submit(name="alice").submit(password="alice-password-1")
    for seen in (under_way, new_run):
        assert seen.submit(word="sesame").step == "word"
        assert seen.submit(word="FRIEND").step == "device_code"
    stored = list_versions("connect-a-device")[0].document
    assert stored["steps"][2]["settings"] == {"word": "friend"}
    draw(*SHIPPED)
    assert roll_back("connect-a-device", 2, by="alice").document == stored


def test_settings_that_cannot_be_upgraded_refuse_the_run(
    third_party: None, acme: Tenant, door: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a release forgot ``upgrade``, no one passes the step with default settings instead.

    The check at start-up names the step.
    """
    draw(
        "identification",
        "password",
        {"stage": "word", "settings": {"word": "friend"}},
        "login",
        "device_code",
        "consent",
    )
    monkeypatch.setattr(word, "Word", Forgetful)
    monkeypatch.setattr(Forgetful, "__module__", word.__name__)
    stages.cache_clear()
    seen = door().page().submit(name="alice").submit(password="alice-password-1")
    assert (seen.title, events("flow.broken")) == ("Something went wrong", 1)
    (warning,) = live_flows_can_run(None)
    assert "steps.2.settings.word" in str(warning.msg)


Before = word.Word


class Word(Before):
    """The next release of the stage, whose setting is called ``secret`` and ignores case."""

    class Settings(StageSettings):
        secret: str = setting("sesame", min_length=4, title="The word")

    @classmethod
    def upgrade(cls, old: Mapping[str, Any]) -> Mapping[str, Any]:
        return {("secret" if name == "word" else name): value for name, value in old.items()}

    def submit(self, run: Run, answer: Mapping[str, Any]) -> Outcome:
        return Before(Before.Settings(word=self.settings.secret)).submit(
            run, {"word": answer["word"].lower()}
        )


class Forgetful(Word):
    """The next release of the stage without ``upgrade``."""

    @classmethod
    def upgrade(cls, old: Mapping[str, Any]) -> Mapping[str, Any]:
        return old


# --- sub-flows ----------------------------------------------------------------------------------------------


def test_start_up_knows_the_sub_flows_of_a_live_flow(acme: Tenant) -> None:
    """A flow that runs raises no warning: it is checked with the sub-flows that were frozen into it."""
    part("password")
    draw("identification", {"flow": "factor"}, "login", "device_code", "consent")
    Flow.objects.filter(name="factor").update(live=None)
    assert live_flows_can_run(None) == []


def test_a_part_begins_nowhere(acme: Tenant, door: Doors) -> None:
    """It is no default, has no URL, and no application can name it."""
    part("identification")
    found = Flow.objects.get(name="factor")
    assert (found.is_default, found.live is not None) == (False, True)
    assert live_version("part") is None
    assert live_version("device_code", "factor") is None
    begun = door().http.post("/api/runs/", {"for": "part"}, content_type="application/json")
    assert begun.status_code in (400, 404, 422)


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_circle_is_refused_with_its_way(acme: Tenant, length: int) -> None:
    """The last flow that closes a circle of any length is not published."""
    names = [f"p{at}" for at in range(length)]
    for name in names:
        part("identification", flow=name)
    for name, following in pairwise(names):
        part({"flow": following}, flow=name)
    way = " → ".join([names[-1], *names[:-1], names[-1]]) if length > 1 else "p0 → p0"
    with pytest.raises(InvalidFlow) as refused:
        part({"flow": names[0]}, flow=names[-1])
    assert f"Sub-flows form a loop: {way}." in str(refused.value)


def test_a_sub_flow_that_is_not_there_is_named(acme: Tenant, other: Tenant) -> None:
    """The nearest existing name of this tenant is suggested."""
    part("password", flow="second-factor")
    with pytest.raises(InvalidFlow, match="Sub-flow second-facter isn't published"):
        draw("identification", {"flow": "second-facter"}, "login", "device_code", "consent")
    with tenant_scope(other), pytest.raises(InvalidFlow, match="Sub-flow second-factor isn't published"):
        draw("identification", {"flow": "second-factor"}, "login", "device_code", "consent")


def test_a_faulty_part_is_found_where_it_is_used(acme: Tenant) -> None:
    """A fact that the outer flow does not give is reported at the step that refers to it."""
    part("login", flow="signing-in")
    with pytest.raises(InvalidFlow) as refused:
        draw("identification", {"flow": "signing-in"}, "device_code", "consent")
    assert ("steps", 1, "flow") in [finding.path for finding in refused.value.findings]
    assert "signing-in: login requires a verified password" in str(refused.value)
