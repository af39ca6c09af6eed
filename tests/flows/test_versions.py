"""Publishing a flow: immutable versions, one live flow for each designation, nothing written when nothing changed."""

import pytest
from django.db import IntegrityError, transaction

from flows.models import Flow, Version
from flows.versions import RefusedFlow, live_version, publish
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.engine import SHIPPED, draw, drawing, events


def test_a_changed_document_is_a_new_version_and_the_old_one_stays(acme: Tenant) -> None:
    """Rollback and "who changed what" come from the rows alone."""
    first = live_version("device_code")
    assert first is not None
    published = publish(drawing(*SHIPPED, title="New title"), by="alice", note="a better title")
    kept = Version.objects.get(pk=first.pk)
    assert (published.changed, published.version.number, published.version.author) == (True, first.number + 1, "alice")
    assert (kept.document, kept.number) == (first.document, first.number)
    assert live_version("device_code") == published.version
    rolled_back = publish(drawing(*SHIPPED, title=first.document["title"]), by="alice")
    assert (rolled_back.version.number, rolled_back.version.document) == (first.number + 2, first.document)


def test_an_unchanged_document_publishes_nothing(acme: Tenant) -> None:
    """Neither a version nor an event, however the same thing is written."""
    draw(*SHIPPED)
    before, told = Version.objects.count(), events("flow.published")
    spelt_out = [{"id": step, "stage": step, "settings": {}, "when": None} for step in SHIPPED]
    assert not draw(*SHIPPED).changed
    assert not publish(drawing(*spelt_out, default=True), by="test").changed
    assert (Version.objects.count(), events("flow.published")) == (before, told)


def test_the_designation_of_a_flow_cannot_change(acme: Tenant) -> None:
    """A run under way, and an application that names it, rely on what it is for."""
    with pytest.raises(RefusedFlow, match="is for device_code; make a new flow instead"):
        publish(drawing("identification", "password", "login", **{"for": "authentication"}), by="test")


def test_one_live_flow_for_each_designation(acme: Tenant, other: Tenant) -> None:
    """A second one says default: false; the neighbour's does not count."""
    with pytest.raises(RefusedFlow, match="is connect-a-device already; say default: false"):
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
    with pytest.raises(RefusedFlow) as refused:
        publish(drawing("password", "login", "nonsense", flow="bad", default=False), by="test")
    assert len(refused.value.findings) >= 4
    assert (Version.objects.count(), Flow.objects.filter(name="bad").exists()) == (before, False)


def test_what_is_stored_reads_back_as_the_same_document(acme: Tenant) -> None:
    """Only what differs from the defaults is kept."""
    steps = ["identification", {"id": "pw", "stage": "password", "settings": {"window": "10m"}}, "login", "device_code", "consent"]
    stored = draw(*steps).version.document
    assert stored["steps"][0] == {"stage": "identification"}
    assert stored["steps"][1] == {"id": "pw", "stage": "password", "settings": {"window": "10m"}}
    assert drawing(*stored["steps"], title=stored["title"]) == drawing(*steps)
