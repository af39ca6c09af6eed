"""Events in plain words: every published kind has its sentence, and hostile input stays text."""

import ast

import pytest

from idp.events.bus import publish
from idp.tenancy.models import Tenant
from tests.house.source import modules
from tests.support.client import Doors
from tests.web.console.signed_in import signed_in, text
from web.console.sentences import _SENTENCES, describe_event

pytestmark = pytest.mark.both_modes

_PUBLISHERS = {"publish", "publish_many", "publish_once", "publish_bounded", "tell", "_publish"}
_AREAS = {kind.partition(".")[0] for kind in _SENTENCES}


def published() -> set[str]:
    """Return every kind of event that the source publishes as a literal."""
    found = set()
    for module in modules():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in _PUBLISHERS:
                texts = [
                    each.value
                    for argument in node.args
                    for each in ast.walk(argument)
                    if isinstance(each, ast.Constant)
                ]
                found |= {
                    text
                    for text in texts
                    if isinstance(text, str) and text.partition(".")[0] in _AREAS and text.count(".") == 1
                }
    return {kind for kind in found if " " not in kind}


def test_every_published_kind_has_a_sentence() -> None:
    """A kind without a sentence would be shown by its technical name."""
    kinds = published()
    assert len(kinds) > 40
    assert kinds - _SENTENCES.keys() == set()


@pytest.mark.parametrize("kind", sorted({*(kind.partition(" ")[0] for kind in _SENTENCES), "lottery.won"}))
def test_hostile_words_are_texts(kind: str) -> None:
    """Names that look like placeholders, and data of any type, raise nothing and insert nothing."""
    name = "{actor}{secret}%s%(who)s"
    row = {"kind": kind, "actor": name, "target": name, "application": name, "address": "203.0.113.7"}
    for data in ({}, {"why": ["x" * 1000] * 50, "stage": {"a": 1}, "run": 7, "secret": "never named"}):
        parts = describe_event({**row, "data": data})["parts"]
        assert "never named" not in "".join(part[0] for part in parts)
        assert all(0 < len(part) < 3 for part in parts)
    assert "".join(
        part[0]
        for part in describe_event({**row, "actor": "", "target": "", "application": "", "data": {}})["parts"]
    ).strip()


def test_the_list_reads_in_sentences_and_by_area(acme: Tenant, other: Tenant, door: Doors) -> None:
    """The list says who did what, links to the objects and is filtered by area; a hostile name is text."""
    auditor = signed_in(door, "auditor")
    publish("person.recovery_link_made", actor="clerk", target="bob")
    publish("person.deleted", actor="clerk", target="<script>alert(1)</script>")
    page = " ".join(text(auditor, "/console/events/?area=person").split())
    assert 'created a recovery link for <a href="/console/people/one/bob"><bdi>bob</bdi></a>' in page
    assert "<script>alert" not in page
    assert "signed in" not in page[page.index("<tbody>") :]
    assert "signed in" in text(auditor, "/console/events/?area=session")
    assert "Showing the full list" in text(auditor, "/console/events/?area=nonsense")


def test_the_history_of_an_object_reads_in_sentences(acme: Tenant, door: Doors) -> None:
    """The page of an object shows sentences, with the technical name in addition."""
    auditor = signed_in(door, "auditor")
    publish("person.groups_changed", actor="clerk", target="bob", groups=["staff"])
    page = " ".join(text(auditor, "/console/people/one/bob").split())
    assert "changed the groups of" in page
    assert 'title="person.groups_changed"' in page
