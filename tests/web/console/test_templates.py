"""Flows from templates: each is complete, and can be published as it is."""

import pytest

from blueprints.objects import edit
from flows.documents.lint import lint
from flows.documents.versions import live_sub_flows, parse_flow
from flows.editing.drafts import draft_of, publish_draft
from flows.editing.publishing import delete_flow
from flows.models import Flow
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import Doors
from tests.web.console.signed_in import posted, signed_in, text
from web.console.builder.new_flow import shipped_flows

NEW = "/console/new-flow/"


@pytest.mark.parametrize("key", shipped_flows())
def test_every_template_arrives_whole(acme: Tenant, door: Doors, key: str) -> None:
    """Missing sub-flows are created with the template, so the definition is complete and publishes."""
    for flow in Flow.objects.values_list("name", flat=True):
        if flow != "connect-a-device":
            delete_flow(flow, by="test")
    editor = signed_in(door, "editor")
    posted(editor, NEW, {"title": "Ours", "name": "ours", "like": key})
    draft = draft_of("ours")
    assert draft
    document = parse_flow({**draft.document, "flow": "ours"})
    assert [each.message for each in lint(document, live_sub_flows()) if each.level == "error"] == []
    assert publish_draft("ours", by="alice").changed


def test_a_part_of_ones_own_stays_as_it_is(acme: Tenant, other: Tenant, door: Doors) -> None:
    """An existing sub-flow stays as it is, and nothing is created in another tenant."""
    editor = signed_in(door, "editor")
    edit.save(
        "flow",
        {"flow": "second-factor", "title": "Ours", "for": "part", "steps": [{"stage": "recovery_code"}]},
        by="alice",
    )
    posted(editor, NEW, {"title": "Like sign-in", "like": "tenant/sign-in"})
    assert live_sub_flows()["second-factor"].title == "Ours"
    with tenant_scope(other):
        assert "second-factor" not in live_sub_flows()


def test_a_name_that_is_taken_publishes_nothing(acme: Tenant, door: Doors) -> None:
    """The form is shown again, and no sub-flow was created."""
    editor = signed_in(door, "editor")
    page = posted(
        editor, NEW, {"title": "X", "name": "connect-a-device", "like": "tenant/sign-in"}, status=400
    )
    assert "A flow with this ID already exists." in page
    assert live_sub_flows() == {}


def test_no_two_templates_have_one_title(acme: Tenant, door: Doors) -> None:
    """Each template has its own title in the list from which one is chosen."""
    page = text(signed_in(door, "editor"), NEW)
    options = [part.partition("</option>")[0].partition(">")[2] for part in page.split("<option ")[1:]]
    chosen = [each for each in options if each.endswith(")")]
    assert len(chosen) == len(set(chosen)) == len(shipped_flows())
