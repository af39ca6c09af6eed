"""An object that is still used stays.

No view, command or API deletes an object while one that stays names it, and what is deleted holds nothing
that others may get.
"""

from typing import Any

import pytest

from blueprints.files.apply import apply
from blueprints.files.plan import make_plan
from blueprints.files.plan_text import as_text
from blueprints.objects import edit
from flows.documents import versions
from flows.editing import drafts, publishing
from flows.models import Flow
from idp.accounts.models import Group, Person
from idp.oauth.models import Application
from idp.tenancy import tenants as tenancy
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.blueprints.files.test_plan import changes, refused
from tests.support.client import Write
from tests.support.concurrency import meeting_at

PART = "---\nflow: prove\ntitle: Prove\nfor: part\nsteps: [{stage: identification}, {stage: password}]\n"
WITH_PART = (
    "---\nflow: sign-in-here\ntitle: Sign in\nfor: authentication\nsteps:\n  - flow: prove\n  - stage: "
    "login\n"
)
TESTED = """---
flow: own
title: Own
for: device_code
default: false
steps: [{stage: identification}, {stage: password}, {stage: login}, {stage: device_code}, {stage: consent}, {stage: finish}]
tests:
  - name: the driver
    person: Driver
    answers: {identification: passes, password: passes, login: passes, device_code: passes, consent: passes}
"""  # noqa: E501
BASE = f"""tenant: acme
---
group: night
---
scope: acme:write
title: Write
---
person: driver
{PART}{WITH_PART}{TESTED}"""
NAMING = """---
person: clerk
groups: [night]
---
application: cam
scopes: [openid, acme:write]
groups: [night]
flows: {device_code: own}
"""
USED = {
    (
        "group",
        "night",
    ): "Still used by person clerk (groups) and application cam (groups). Remove these references first.",
    ("scope", "acme:write"): "Still used by application cam (scopes). Remove these references first.",
    ("flow", "own"): "Still used by application cam (flows). Remove these references first.",
    ("flow", "prove"): "Still used by flow sign-in-here (steps). Remove these references first.",
    ("person", "driver"): "Still used by flow own (tests). Remove these references first.",
}


def without(text: str, kind: str, name: str) -> str:
    """Return the same blueprint without this document."""
    return "---\n".join(each for each in text.split("---\n") if not each.startswith(f"{kind}: {name}\n"))


@pytest.mark.parametrize(("kind", "name"), USED)
def test_what_is_named_is_not_deleted_by_hand(
    tenants: dict[str, Tenant], write_blueprint: Write, kind: str, name: str
) -> None:
    """The error lists what names it, and another tenant's object of the same name does not count."""
    apply([write_blueprint(BASE + NAMING), write_blueprint(BASE.replace("acme", "other"), "other.yaml")])
    with tenant_scope(tenants["acme"]):
        with pytest.raises(edit.InvalidObject) as why:
            edit.delete(kind, name, by="alice")
        assert why.value.errors == {"": [USED[kind, name]]}
        assert edit.load(kind, name) is not None
    with tenant_scope(tenants["other"]):
        if name in ("night", "acme:write"):
            edit.delete(kind, name.replace("acme", "other"), by="bob")


@pytest.mark.parametrize(("kind", "name"), USED)
def test_what_these_files_name_is_not_pruned(
    acme: Tenant, write_blueprint: Write, kind: str, name: str
) -> None:
    """The mistake is reported at the key that names it, as if the object had never existed."""
    apply([write_blueprint(BASE + NAMING)])
    found = refused(write_blueprint(without(BASE + NAMING, kind, name)), prune=True)
    assert found
    for each in found:
        assert each.endswith(
            f"{kind} {name} would be pruned. Keep its document, or remove the reference here."
        )
        assert each.split(": ")[1].partition(".")[0] in ("groups", "scopes", "flows", "steps", "tests")


@pytest.mark.parametrize(("kind", "name"), USED)
def test_what_others_name_is_not_pruned(acme: Tenant, write_blueprint: Write, kind: str, name: str) -> None:
    """The object that names it may come from another blueprint, or omit the key in these files."""
    mine, theirs = write_blueprint("tenant: acme\n" + _document(BASE, kind, name), "mine.yaml"), BASE + NAMING
    apply([write_blueprint(theirs, "theirs.yaml")])
    apply([mine])
    found = refused(write_blueprint("tenant: acme\n", "mine.yaml"), prune=True)
    who = USED[kind, name].removeprefix("Still used by ").removesuffix(". Remove these references first.")
    assert found == [
        (
            f"mine.yaml:1:1: tenant: {kind} {name} would be pruned, but is used by {who}. Change that, or "
            f"keep the document of {name}."
        )
    ]


def test_a_document_that_leaves_the_key_out_is_shown(acme: Tenant, write_blueprint: Write) -> None:
    """A key that is left out keeps its value, so it goes on naming."""
    apply([write_blueprint("tenant: acme\n---\ngroup: night\n---\nperson: clerk\ngroups: [night]\n")])
    found = refused(write_blueprint("tenant: acme\n---\nperson: clerk\nname: Clerk\n"), prune=True)
    assert found[0].startswith(
        "blueprint.yaml:3:1: person: group night would be pruned, but is used by person clerk (groups). "
    )
    apply([write_blueprint("tenant: acme\n---\nperson: clerk\ngroups: []\n")], prune=True)
    assert not Group.objects.filter(name="night").exists()


def test_what_goes_together_holds_nothing(acme: Tenant, write_blueprint: Write) -> None:
    """Objects that name each other are all deleted when only the tenant's name is left."""
    apply([write_blueprint(BASE + NAMING)])
    left = write_blueprint("tenant: acme\n")
    gone = {name for name, (action, _) in changes(apply([left], prune=True)).items() if action == "delete"}
    assert gone == {f"{kind} {name}" for kind, name in USED} | {
        "flow sign-in-here",
        "person clerk",
        "application cam",
    }
    assert as_text(make_plan([left], prune=True), _Plain()) == "blueprint: no changes"


class _Plain:
    """A style without colors."""

    def __getattr__(self, name: str) -> Any:
        return str


RENAMED = {
    "person": ("person: p\nemail: p@acme.test\n", "person: q\nemail: P@acme.test\n"),
    "application": ("application: a\nclient_id: c\n", "application: b\nclient_id: c\n"),
    "flow": (
        "flow: f\ntitle: F\nfor: logout\nsteps: [{stage: logout}]\n",
        "flow: g\ntitle: F\nfor: logout\nsteps: [{stage: logout}]\n",
    ),
    "group": ("group: g\n---\nperson: p\ngroups: [g]\n", "group: h\n---\nperson: p\ngroups: [h]\n"),
    "scope": (
        "scope: s\ntitle: S\n---\napplication: a\nscopes: [s]\n",
        "scope: t\ntitle: S\n---\napplication: a\nscopes: [t]\n",
    ),
    "part": (
        PART.removeprefix("---\n") + WITH_PART,
        (PART.removeprefix("---\n") + WITH_PART).replace(": prove", ": show"),
    ),
    "owner": ("person: p\nrole: owner\n", "person: q\nrole: owner\n"),
}


@pytest.mark.parametrize("what", RENAMED)
def test_renaming_is_one_apply_with_prune(
    tenants: dict[str, Tenant], write_blueprint: Write, what: str
) -> None:
    """What is pruned does not hold its address, client id or purpose.

    Without --prune both would exist where only one may.
    """
    old, new = (f"tenant: acme\n---\n{each}" for each in RENAMED[what])
    apply([write_blueprint(old)])
    renamed = write_blueprint(new)
    if what in ("person", "application", "flow"):
        assert len(refused(renamed)) == 1
    plan = make_plan([renamed], prune=True)
    apply([renamed], prune=True, expect=plan.digest)
    assert changes(make_plan([renamed], prune=True)) == {}
    with tenant_scope(tenants["acme"]):
        assert Person.objects.filter(email="p@acme.test").count() == (what == "person")
        assert Application.objects.filter(client_id="c").count() == (what == "application")
        assert list(Flow.objects.filter(designation="logout").values_list("name", flat=True)) == (
            ["g"] if what == "flow" else []
        )
        assert not Group.objects.filter(name="g").exists()


def test_a_host_name_moves_from_one_tenant_to_another(
    tenants: dict[str, Tenant], write_blueprint: Write
) -> None:
    """It moves in one apply, in either order of the documents, and back again.

    Where its tenant keeps it, it is refused.
    """
    assert (
        "is already used by the tenant acme"
        in refused(write_blueprint("tenant: other\ndomains: [other.test, acme.test]\n"))[0]
    )
    acme, other = "tenant: acme\ndomains: [{}]\n", "tenant: other\ndomains: [{}]\n"
    for first, second in (
        ("a.test, a2.test", "acme.test, a3.test"),
        ("acme.test", "a.test, other.test"),
        ("a.test", "acme.test"),
    ):
        apply([write_blueprint(other.format(second) + "---\n" + acme.format(first))])
        assert ", ".join(tenancy.approved_domains(tenants["acme"])) == ", ".join(sorted(first.split(", ")))
        assert ", ".join(tenancy.approved_domains(tenants["other"])) == ", ".join(sorted(second.split(", ")))


def test_no_rollback_to_what_was_deleted(acme: Tenant, write_blueprint: Write) -> None:
    """A version whose sub-flow is gone is not live again: its export could not be applied."""
    apply([write_blueprint("tenant: acme\n" + PART + WITH_PART)])
    apply(
        [
            write_blueprint(
                "tenant: acme\n"
                + WITH_PART.replace("flow: prove\n  -", "stage: identification\n  - stage: password\n  -")
            )
        ]
    )
    edit.delete("flow", "prove", by="alice")
    with pytest.raises(versions.InvalidFlow) as why:
        publishing.roll_back("sign-in-here", 1, by="alice")
    assert str(why.value) == "steps: Sub-flow prove is no longer published."


def test_a_flow_that_was_never_published_is_deleted(acme: Tenant) -> None:
    """It has nothing but a draft."""
    drafts.save_draft("sketch", {"for": "part"}, by="alice", revision=None)
    edit.delete("flow", "sketch", by="alice")
    with pytest.raises(edit.ObjectNotFound):
        edit.delete("flow", "sketch", by="alice")


ASKING = """---
flow: asks
title: Asks
for: part
steps:
  - stage: identification
  - stage: password
  - {group: away, steps: [{stage: deny, when: '%s'}]}
"""
ASKED = {
    ("group", "night"): '!person.groups.exists(each, each == "night")',
    ("scope", "acme:write"): '!("acme:write" in request.scopes)',
    ("application", "cam"): 'steps.password.decision == "done" && application.name != "cam"',
}


@pytest.mark.parametrize(("kind", "name"), ASKED)
def test_what_only_a_condition_names_stays(
    tenants: dict[str, Tenant], write_blueprint: Write, kind: str, name: str
) -> None:
    """Without it the condition silently lets in others.

    A new condition in the same files lets it be deleted.
    """
    named = "tenant: acme\n---\n" + {"scope": "scope: acme:write\ntitle: W\n"}.get(kind, f"{kind}: {name}\n")
    condition = ASKED[kind, name]
    apply([write_blueprint(named)])
    apply([write_blueprint("tenant: acme\n" + ASKING % condition, "asking.yaml")])
    with tenant_scope(tenants["acme"]), pytest.raises(edit.InvalidObject) as why:
        edit.delete(kind, name, by="alice")
    assert why.value.errors == {"": ["Still used by flow asks (steps). Remove these references first."]}
    assert (
        "is used by flow asks (steps). Change that"
        in refused(write_blueprint("tenant: acme\n"), prune=True)[0]
    )
    found = refused(write_blueprint("tenant: acme\n" + ASKING % condition), prune=True)
    assert found[0].partition(": ")[2] == (
        f"steps.2.steps.0.when: {kind} {name} would be pruned. "
        "Keep its document, or remove the reference here."
    )
    apply([write_blueprint("tenant: acme\n" + ASKING % 'person.username == "bob"')], prune=True)
    with tenant_scope(tenants["acme"]):
        assert edit.load(kind, name) is None


def test_a_flow_that_lost_its_sub_flow_meanwhile_is_not_published(
    acme: Tenant, write_blueprint: Write
) -> None:
    """A flow is refused when its sub-flow is deleted between the check and the write.

    No object named the sub-flow then.
    """
    apply([write_blueprint("tenant: acme\n" + PART)])
    ready = publishing.prepare(
        versions.parse_flow({"flow": "f", "title": "F", "for": "part", "steps": [{"flow": "prove"}]})
    )
    edit.delete("flow", "prove", by="alice")
    with pytest.raises(versions.InvalidFlow) as why:
        publishing.store(ready, by="bob")
    assert str(why.value) == "steps: Sub-flow prove is no longer published."
    assert not Flow.objects.filter(name="f").exists()


def test_a_sub_flow_is_not_deleted_while_it_is_published(
    transactional_db: None, tenants: dict[str, Tenant], write_blueprint: Write
) -> None:
    """Of two requests at the same moment, the second one is refused.

    There is never a flow whose sub-flow is gone.
    """
    apply([write_blueprint("tenant: acme\n" + PART)])
    losers: list[str] = []

    def publish() -> None:
        with tenant_scope(tenants["acme"]):
            try:
                publishing.publish(
                    versions.parse_flow(
                        {"flow": "f", "title": "F", "for": "part", "steps": [{"flow": "prove"}]}
                    ),
                    by="bob",
                )
            except versions.InvalidFlow:
                losers.append("publish")

    def delete() -> None:
        with tenant_scope(tenants["acme"]):
            try:
                edit.delete("flow", "prove", by="alice")
            except edit.InvalidObject:
                losers.append("delete")

    with tenant_scope(tenants["acme"]):
        meeting_at(Flow.objects.filter(name="prove"), publish, delete)
    with tenant_scope(tenants["acme"]):
        there = set(
            Flow.objects.filter(name__in=["f", "prove"], live__isnull=False).values_list("name", flat=True)
        )
    assert (losers, there) in ((["publish"], set()), (["delete"], {"f", "prove"}))


def test_a_sub_flow_is_written_before_what_it_is_in(acme: Tenant, write_blueprint: Write) -> None:
    """That holds also where the outer flow is not the tenant's own."""
    outer = "---\nflow: out\ntitle: O\nfor: logout\ndefault: false\nsteps: [{flow: q}]\n"
    part = "---\nflow: q\ntitle: Q\nfor: part\nsteps: [{group: g, steps: [{flow: r}]}]\n"
    inner = "---\nflow: r\ntitle: R\nfor: part\ndefault: false\nsteps: [{stage: logout}]\n"
    text = "tenant: acme\n" + outer + part + inner
    apply([write_blueprint(text)])
    assert changes(make_plan([write_blueprint(text)])) == {}


def _document(text: str, kind: str, name: str) -> str:
    return "".join(f"---\n{each}" for each in text.split("---\n") if each.startswith(f"{kind}: {name}\n"))
