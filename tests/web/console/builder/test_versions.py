"""Publishing and version history: differences are shown first, and lint errors stop it.

No editor overwrites another, and every step can be undone.
"""

from typing import Any

import pytest

from blueprints.files.read import read
from flows.documents.versions import live_version
from flows.editing.drafts import draft_of, save_draft
from flows.editing.publishing import publish
from flows.models import Draft, Version
from idp.events.models import Event
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.flows import SHIPPED, drawing
from tests.web.console.pages import entered
from tests.web.console.signed_in import posted, text

HERE = "/console/flows/connect-a-device"
AWAY = {"stage": "totp", "when": '"sales" in person.groups'}
LONGER = ("identification", "password", AWAY, *SHIPPED[2:])


def drafted(*steps: Any, revision: int | None = None, by: str = "editor", **more: Any) -> Draft:
    """Save a draft of the tenant's flow for devices."""
    return save_draft(
        "connect-a-device", drawing(*(steps or LONGER), **more).as_json(), by=by, revision=revision
    )


def live() -> int:
    """Return the number of the live version."""
    version = live_version("device_code")
    assert version
    return version.number


def test_what_changes_is_shown_before_it_is_published(acme: Tenant) -> None:
    """The page shows the differences step by step with conditions in words, and one button publishes.

    The note is stored, and the draft is removed.
    """
    drafted()
    opened = entered("acme.test", acme, "editor")
    page = text(opened, f"{HERE}/publish")
    assert "Changes from version 1 (live)" in page
    assert "<ins>totp after password</ins>" in page
    assert (
        posted(opened, f"{HERE}/publish", {"revision": 1, "note": "Staff need a code"}) == f"{HERE}/versions"
    )
    page = text(opened, f"{HERE}/versions")
    assert "Version 2 is live." in page
    assert "Staff need a code" in page
    assert (live(), draft_of("connect-a-device")) == (2, None)
    event = Event.objects.get(kind="flow.published", actor="alice")
    assert (event.target, event.data["note"]) == ("connect-a-device", "Staff need a code")


def test_errors_stop_it_and_lead_to_the_step(acme: Tenant) -> None:
    """Lint findings link to the builder, and a POST despite them changes nothing."""
    drafted("identification", {"group": "box", "steps": [{"stage": "totp", "id": "code"}]}, "consent")
    opened = entered("acme.test", acme, "editor")
    page = text(opened, f"{HERE}/publish")
    assert "totp requires a verified password" in page
    assert f'href="{HERE}/?step=code"' in page
    assert '<button class="primary" disabled>' in page
    assert "Not published." in posted(opened, f"{HERE}/publish", {"revision": 1}, 400)
    assert live() == 1
    assert draft_of("connect-a-device")


def test_a_failing_test_stops_it_and_says_why(acme: Tenant) -> None:
    """The page lists passed and failed flow tests by name."""
    answers = {"identification": "passes", "password": "passes", "device_code": "passes", "consent": "passes"}
    good = {"name": "everybody comes through", "answers": answers}
    drafted(tests=[good, {**good, "name": "staff show a code", "expect": {"totp": "done"}}])
    opened = entered("acme.test", acme, "editor")
    page = text(opened, f"{HERE}/publish")
    assert page.count(">Passed<") == page.count(">Failed<") == 1
    assert "totp should be done, but was passed over" in page
    assert "staff show a code" in posted(opened, f"{HERE}/publish", {"revision": 1}, 400)
    assert live() == 1


def test_a_draft_that_is_no_flow_says_what_is_wrong(acme: Tenant) -> None:
    """Every invalid key of the draft is reported."""
    save_draft(
        "connect-a-device",
        {"for": "device_code", "title": "", "steps": [{"stage": "a", "flow": "b"}]},
        by="editor",
        revision=None,
    )
    page = text(entered("acme.test", acme, "editor"), f"{HERE}/publish")
    assert "A step needs exactly one of stage, group or flow." in page
    assert f'href="{HERE}/?step=a"' in page
    assert "disabled" in page


@pytest.mark.parametrize("revision", ["1", "", "x", "-1", "99999999999999999999"])
def test_who_published_what_they_did_not_see_publishes_nothing(acme: Tenant, revision: str) -> None:
    """A draft that changed after the page was opened is not published.

    The new difference is shown, with the current revision in the form.
    """
    drafted()
    opened = entered("acme.test", acme, "editor")
    text(opened, f"{HERE}/publish")
    drafted(
        "identification", "password", *SHIPPED[2:], {"stage": "choice", "id": "late"}, revision=1, by="clerk"
    )
    page = posted(opened, f"{HERE}/publish", {"revision": revision, "note": "mine"}, 409)
    assert "someone changed the draft" in page
    assert "clerk" in page
    assert "choice after finish" in page
    assert 'value="mine"' in page
    assert 'name="revision" value="2"' in page
    assert live() == 1


def test_a_draft_that_is_gone_cannot_be_published(acme: Tenant) -> None:
    """A draft that another person published or discarded cannot be published."""
    opened = entered("acme.test", acme, "editor")
    assert "No draft" in text(opened, f"{HERE}/publish")
    assert "No draft" in posted(opened, f"{HERE}/publish", {"revision": 1}, 200)
    assert live() == 1


def test_a_draft_that_is_overtaken_says_what_it_would_undo(acme: Tenant) -> None:
    """The page warns when another version went live since the draft was created."""
    drafted()
    publish(drawing(*SHIPPED, title="Another title"), by="blueprint")
    assert "This draft is based on version 1, but version 2 is live now" in text(
        entered("acme.test", acme, "editor"), f"{HERE}/publish"
    )


def test_rolling_back_in_one_action(acme: Tenant) -> None:
    """A rollback shows the difference and restores the version; its event has the note and the person."""
    publish(drawing(*LONGER), by="editor")
    opened = entered("acme.test", acme, "editor")
    page = text(opened, f"{HERE}/versions/1/roll-back")
    assert "<del>totp</del>" in page
    assert live() == 2
    posted(opened, f"{HERE}/versions/1/roll-back", {"note": "Codes did not arrive"})
    assert live() == 1
    assert "Version 1 is live." in text(opened, f"{HERE}/versions")
    assert Event.objects.get(kind="flow.rolled_back", actor="alice").data["note"] == "Codes did not arrive"


def test_a_version_that_can_no_longer_run_stays_where_it_is(acme: Tenant) -> None:
    """A version whose stage is not installed is refused with the reason, and nothing is changed."""
    publish(drawing(*LONGER), by="editor")
    old = Version.objects.get(flow__name="connect-a-device", number=1)
    Version.objects.filter(pk=old.pk).update(
        digest="", document={**old.document, "steps": [{"stage": "gone"}, *old.document["steps"]]}
    )
    page = posted(entered("acme.test", acme, "editor"), f"{HERE}/versions/1/roll-back", {}, 400)
    assert "Unknown stage gone." in page
    assert live() == 2


def test_one_version_with_its_document(acme: Tenant, tmp_path: Any) -> None:
    """The page of a version shows its changes and its YAML, and offers the same as a blueprint file."""
    publish(drawing(*LONGER), by="editor", note="A code for staff")
    opened = entered("acme.test", acme, "auditor")
    page = text(opened, f"{HERE}/versions/2")
    assert "Changes since version 1" in page
    assert "A code for staff" in page
    assert "flow: connect-a-device" in page
    response = opened.get(f"{HERE}/versions/2/export")
    assert response["Content-Disposition"] == 'attachment; filename="connect-a-device-2.yaml"'
    (tmp_path / "flow.yaml").write_text("tenant: acme\n---\n" + response.content.decode())
    (document,) = [each.document for each in read([tmp_path / "flow.yaml"]).documents if each.kind == "flow"]
    assert document == drawing(*LONGER)


def test_any_two_are_compared(acme: Tenant) -> None:
    """Versions and the draft are compared in either direction.

    The default compares the newest with the live one.
    """
    publish(drawing(*LONGER), by="editor")
    drafted(
        *LONGER[:3], "login", "device_code", "consent", {"stage": "finish", "id": "end"}, title="Connect it"
    )
    opened = entered("acme.test", acme, "auditor")
    page = text(opened, f"{HERE}/compare")
    assert ("<del>Drawn</del>" in page, "<ins>Connect it</ins>" in page, "totp" in page) == (
        True,
        True,
        False,
    )
    assert "<del>totp</del>" in text(opened, f"{HERE}/compare?old=draft&new=1")
    assert "No differences." in text(opened, f"{HERE}/compare?old=2&new=2")
    text(opened, f"{HERE}/compare?old=7", 404)


def test_discarding_says_what_is_lost(acme: Tenant) -> None:
    """Discarding shows what is lost, and only the draft that was shown is discarded."""
    drafted()
    opened = entered("acme.test", acme, "editor")
    assert "totp after password" in text(opened, f"{HERE}/discard")
    drafted(revision=1, by="clerk")
    assert posted(opened, f"{HERE}/discard", {"revision": 1}) == f"{HERE}/discard"
    assert draft_of("connect-a-device")
    assert posted(opened, f"{HERE}/discard", {"revision": 2}) == f"{HERE}/versions"
    assert draft_of("connect-a-device") is None
    assert "No draft" in text(opened, f"{HERE}/discard")
    assert Event.objects.filter(kind="flow.draft_discarded", actor="alice").count() == 1


def test_the_first_version_of_a_new_flow(acme: Tenant) -> None:
    """Without a live version every step is new, and a rollback is not offered."""
    document = drawing("identification", "password", "login", flow="sign-in", **{"for": "authentication"})
    save_draft("sign-in", document.as_json(), by="editor", revision=None)
    opened = entered("acme.test", acme, "editor")
    assert "No published versions" in text(opened, "/console/flows/sign-in/versions")
    page = text(opened, "/console/flows/sign-in/publish")
    assert page.count(">Added<") == 3
    posted(opened, "/console/flows/sign-in/publish", {"revision": 1})
    assert "Roll back" not in text(opened, "/console/flows/sign-in/versions")


def test_who_may(acme: Tenant, other: Tenant) -> None:
    """An auditor sees the pages and no buttons; another tenant's flows and unknown versions are a 404."""
    drafted()
    publish(drawing(*LONGER), by="editor")
    for path in ("publish", "versions/1/roll-back", "discard"):
        text(entered("acme.test", acme, "auditor"), f"{HERE}/{path}", 403)
        posted(entered("acme.test", acme, "auditor"), f"{HERE}/{path}", {"revision": 1}, 403)
        posted(entered("acme.test", acme, "helpdesk"), f"{HERE}/{path}", {"revision": 1}, 403)
    assert "Publish</a>" not in text(entered("acme.test", acme, "auditor"), f"{HERE}/versions")
    with tenant_scope(other):
        save_draft("theirs", drawing("identification", flow="theirs").as_json(), by="editor", revision=None)
    opened = entered("acme.test", acme, "admin")
    for path in (
        "versions",
        "versions/1",
        "versions/1/export",
        "versions/1/roll-back",
        "publish",
        "discard",
        "compare",
    ):
        text(opened, f"/console/flows/theirs/{path}", 404)
    for path in (
        "versions/9",
        "versions/9/export",
        "versions/9/roll-back",
        f"versions/{10**30}",
        "compare?new=nonsense",
    ):
        text(opened, f"{HERE}/{path}", 404)
    posted(opened, f"{HERE}/versions/9/roll-back", {}, 404)
    assert (live(), Draft.objects.count()) == (2, 1)


def test_hostile_notes_are_only_words(acme: Tenant) -> None:
    """Notes are text in the history and on the version's page."""
    publish(drawing(*LONGER, title="<b>x</b>"), by="<i>y</i>", note="<script>alert(1)</script>\0"[:-1])
    opened = entered("acme.test", acme, "editor")
    for path in ("versions", "versions/2", "compare?old=1&new=2"):
        page = text(opened, f"{HERE}/{path}")
        assert not {"<script>alert", "<b>x", "<i>y"} & {
            found for found in ("<script>alert", "<b>x", "<i>y") if found in page
        }
