"""Blueprints in the console: planned, applied as planned, compared and exported.

They read no file of the server and touch no object of another tenant.
"""

import re
from pathlib import Path
from typing import Any

import pytest
import requests
from django.core.files.uploadedfile import SimpleUploadedFile

from blueprints.files.apply import apply, record_result
from blueprints.models import Owned, Secret
from blueprints.objects import edit
from idp.accounts.models import Group, Person
from idp.events.models import Event
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import Doors, LiveServer
from tests.web.console.signed_in import installed, posted, signed_in, text

PAGE, PLAN, APPLY = "/console/blueprints/", "/console/blueprints/plan", "/console/blueprints/apply"
TWO = "group: cooks\n---\nperson: carol\nname: Carol <b>\ngroups: [cooks]\n"


def state(page: str) -> str:
    """Return the state of the plan, which the button "Apply these changes" posts."""
    found = re.search(r'name="expect" value="(\w+)"', page)
    assert found, page[page.index("<main") :][:2000]
    return found[1]


def test_a_blueprint_is_planned_read_and_applied(acme: Tenant, door: Doors) -> None:
    """The plan is shown key by key, and is applied once.

    The page then shows what was applied, by whom, and which objects the blueprint manages.
    """
    admin = signed_in(door, "admin")
    page = posted(admin, PLAN, {"text": TWO, "name": "kitchen"}, status=200)
    assert "2 to create" in page
    assert "Carol &lt;b&gt;" in page
    assert not Group.objects.filter(name="cooks").exists()
    assert posted(admin, APPLY, {"text": TWO, "name": "kitchen", "expect": state(page)}) == PAGE
    assert Person.objects.get(username="carol").groups.get().name == "cooks"
    assert set(Owned.objects.filter(blueprint="acme/kitchen").values_list("name", flat=True)) == {
        "cooks",
        "carol",
    }
    shown = text(admin, PAGE)
    assert "Applied: 2 created." in shown
    assert "acme/kitchen" in shown
    assert Event.objects.get(kind="blueprint.applied", actor="alice").target == "acme/kitchen"
    assert "carol" in text(admin, "/console/owned/?q=car")


def test_what_was_looked_at_is_what_is_applied_and_only_once(acme: Tenant, door: Doors) -> None:
    """An outdated plan is not applied, and the new plan is shown.

    It is outdated when it is posted twice, when an object has changed meanwhile, or with another text.
    """
    admin = signed_in(door, "admin")
    expect = state(posted(admin, PLAN, {"text": TWO}, status=200))
    assert "Preview the changes first" in posted(admin, APPLY, {"text": TWO}, status=400)
    page = posted(admin, APPLY, {"text": TWO + "---\ngroup: waiters\n", "expect": expect}, status=409)
    assert "so nothing was applied" in page
    assert "waiters" in page
    posted(admin, APPLY, {"text": TWO, "expect": expect})
    again = posted(admin, APPLY, {"text": TWO, "expect": expect}, status=409)
    assert "No changes to apply" in again
    assert Event.objects.filter(kind="blueprint.applied", actor="alice").count() == 1
    changed = "person: carol\nname: Carola\n"
    expect = state(posted(admin, PLAN, {"text": changed}, status=200))
    edit.save("person", {"person": "carol", "name": "By hand"}, by="bob")
    posted(admin, APPLY, {"text": changed, "expect": expect}, status=409)
    assert Person.objects.get(username="carol").name == "By hand"


def test_every_problem_names_its_line(acme: Tenant, door: Doors) -> None:
    """All problems are shown at once with their lines, and the typed text is still there."""
    admin = signed_in(door, "admin")
    page = posted(
        admin, PLAN, {"text": "group: cooks\n---\nperson: carol\nnmae: Carol\n---\ngroop: x\n"}, status=400
    )
    assert "2 problems; nothing was applied" in page
    assert "Line 4, column 1" in page
    assert "Did you mean name?" in page
    assert "<pre>nmae: Carol</pre>" in page
    assert "groop: x\n</textarea>" in page
    for wrong in ({"text": ""}, {"text": "a: [", "name": ""}, {"text": TWO, "name": "../etc"}):
        posted(admin, PLAN, wrong, status=400)
    assert not Group.objects.filter(name="cooks").exists()


@pytest.mark.parametrize(
    "said",
    [
        "group: !file /etc/passwd",
        "group: !file blueprint.yaml",
        "group: !env PATH",
        "group: !env [FOYER_SECRET_KEY, nothing]",
        "vars: {x: !env FOYER_SECRET_KEY}\n---\ngroup: !vars x",
        "vars: [{x: !file pyproject.toml}]\n---\ngroup: !vars x",
    ],
)
def test_nothing_of_the_server_comes_into_a_pasted_blueprint(
    acme: Tenant, door: Doors, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither files nor the environment are read, pasted or as a file, in the plan or when applied."""
    monkeypatch.setenv("FOYER_SECRET_KEY", "the-secret-of-the-server")
    admin = signed_in(door, "admin")
    for path in (PLAN, APPLY):
        for form in ({"text": said}, {"file": SimpleUploadedFile("/etc/x.yaml", said.encode())}):
            page = posted(admin, path, {**form, "expect": "0" * 16}, status=400)
            assert "reads from the server" in page
            assert "the-secret" not in page
            assert "root:" not in page


@pytest.mark.parametrize(
    "said",
    [
        "tenant: other\n---\ngroup: cooks",
        "tenant: other\ntitle: Hacked",
        "tenant: brand-new\n---\ngroup: cooks",
    ],
)
def test_another_tenant_cannot_be_changed(acme: Tenant, other: Tenant, door: Doors, said: str) -> None:
    """An owner of a tenant other than the default one cannot change another tenant or create one."""
    for role in ("admin", "owner"):
        admin = signed_in(door, role)
        for path in (PLAN, APPLY):
            assert "another tenant than acme" in posted(
                admin, path, {"text": said, "expect": "0" * 16}, status=400
            )
    assert not Tenant.objects.filter(name="brand-new").exists()
    with tenant_scope(other):
        assert not Group.objects.filter(name="cooks").exists()


def test_the_installations_owner_may_write_for_any_tenant(acme: Tenant, door: Doors) -> None:
    """On the default host a document ``tenant:`` names any tenant; without it the default tenant is meant.

    Its results name every tenant's, the others' do not.
    """
    installed()
    owner = signed_in(door, "owner", "localhost")
    said = "group: here\n---\ntenant: acme\n---\ngroup: there\n"
    page = posted(owner, PLAN, {"text": said}, status=200)
    assert "in tenant acme" in page
    posted(owner, APPLY, {"text": said, "expect": state(page)})
    assert list(Group.objects.filter(name__in=["here", "there"]).values_list("name", flat=True)) == ["there"]
    record_result(
        "of-somebody", "", "blueprint folder", counts={}, messages=["other: broken"], succeeded=False
    )
    assert "other: broken" in text(owner, PAGE)
    assert "of-somebody" not in text(signed_in(door, "admin"), PAGE)


@pytest.mark.parametrize(
    "said",
    [
        "person: alice\nrole: owner",
        "person: carol\nrole: owner",
        "person: bob\nname: Bob",
        "person: bob\nemail: mallory@acme.test",
        "person: bob\npassword: a password of mallory",
        "person: bob\npassword: bob-password-22",
    ],
)
def test_an_administrator_cannot_become_an_owner(acme: Tenant, door: Doors, said: str) -> None:
    """An administrator becomes no owner by naming themselves one, nor by taking over an owner's account.

    Its password is not even compared.
    """
    admin = signed_in(door, "admin")
    Person.objects.filter(username="bob").update(role="owner")
    for path in (PLAN, APPLY):
        assert "a higher role than yours" in posted(
            admin, path, {"text": said, "expect": "0" * 16}, status=403
        )
    assert list(Person.objects.filter(role="owner").values_list("username", "email")) == [
        ("bob", "bob@acme.test")
    ]


def test_drift_is_shown_with_who_and_when(acme: Tenant, door: Doors) -> None:
    """Drift is shown key by key, as applied and as it is now, with who changed it and when."""
    admin = signed_in(door, "admin")
    assert "No drift" in text(admin, PAGE)
    edit.save("person", {"person": "bob", "name": "Bobby <i>"}, by="clerk")
    assert posted(admin, f"{PAGE}look", {}) == PAGE
    page = text(admin, PAGE)
    assert "No drift" in page, "a key that the blueprint does not set"
    edit.save("person", {"person": "alice", "name": "Alicia <i>"}, by="clerk")
    posted(admin, f"{PAGE}look", {})
    page = text(admin, PAGE)
    assert "1 object has drifted from its blueprint." in page
    assert "<del>Alice</del>" in page
    assert "<ins>Alicia &lt;i&gt;</ins>" in page
    assert "<bdi>clerk</bdi>" in page


def test_an_export_makes_the_same_again(acme: Tenant, door: Doors, tmp_path: Path) -> None:
    """The export is a download of everything without people, or of one flow, and recreates the same objects.

    Another tenant's flow, and one that does not exist, are a 404.
    """
    auditor = signed_in(door, "auditor")
    response = auditor.http.get(f"{PAGE}export")
    assert response["Content-Disposition"] == 'attachment; filename="acme.yaml"'
    (tmp_path / "acme.yaml").write_bytes(response.content)
    assert b"kiosk secret" not in response.content
    assert b"person: bob" in response.content
    assert apply([tmp_path / "acme.yaml"], show_generated=lambda *shown: None).counts["create"] == 0
    assert b"person: bob" not in auditor.http.get(f"{PAGE}export?without_people").content
    one = auditor.http.get(f"{PAGE}export?flow=connect-a-device").content.decode()
    assert one.count("\nflow: ") + one.startswith("flow: ") == 1
    assert auditor.http.get(f"{PAGE}export?flow=nothing").status_code == 404


def test_secrets_are_entered_and_never_shown(acme: Tenant, other: Tenant, door: Doors) -> None:
    """A plan that lacks a secret says so and cannot be applied.

    The value is on no page, in no event and in no other tenant.
    """
    admin = signed_in(door, "admin")
    said = "application: tills\nclient_id: tills\ntype: confidential\nclient_secret: !secret tills-secret\n"
    page = posted(admin, PLAN, {"text": said}, status=200)
    assert "Secret tills-secret doesn" in page
    assert 'name="expect"' not in page
    value = "a very secret value of the tills"
    posted(admin, f"{PAGE}secret", {"name": "tills-secret", "value": value})
    assert "tills-secret" in text(admin, PAGE)
    posted(admin, APPLY, {"text": said, "expect": state(posted(admin, PLAN, {"text": said}, status=200))})
    for shown in (text(admin, PAGE), str(list(Event.objects.values())), text(admin, f"{PAGE}export")):
        assert value not in shown
    with tenant_scope(other):
        assert not Secret.objects.exists()
    posted(admin, f"{PAGE}secret", {"name": "no name at all", "value": "x"})
    posted(admin, f"{PAGE}secret", {"name": "tills-secret", "forget": "1"})
    assert not Secret.objects.exists()


def test_an_auditor_reads_and_applies_nothing(acme: Tenant, door: Doors, settings: Any) -> None:
    """Every address that writes is a 403 for an auditor, and no button links to one.

    Only an owner sees the path of the watched directory.
    """
    settings.BLUEPRINTS = "/srv/hidden-folder"
    auditor = signed_in(door, "auditor")
    page = text(auditor, PAGE)
    assert PLAN not in page
    assert "Changes in the blueprint folder" in page
    assert "hidden-folder" not in page
    assert auditor.http.get(PLAN).status_code == 403
    for path in (PLAN, APPLY, f"{PAGE}look", f"{PAGE}secret"):
        assert auditor.http.post(path, {"text": TWO}).status_code == 403


@pytest.mark.django_db(transaction=True)
def test_a_large_blueprint_comes_as_a_file(live: LiveServer, door: Doors) -> None:
    """The real server plans a file of half a megabyte, and refuses two megabytes with a 413.

    Every other form of that size is refused too.
    """
    admin = signed_in(door, "admin")
    cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in admin.http.cookies.items())
    many = "\n---\n".join(f"group: group-{number:06d}-{'x' * 80}" for number in range(5000))
    assert len(many) > 400_000
    with tenant_scope(Tenant.objects.get(name="acme")):
        page = admin.http.post(PLAN, {"file": SimpleUploadedFile("many.yaml", many.encode())})
        assert "5000 to create" in page.content.decode()
    assert _sent(live, PLAN, cookies, 900_000) == 403  # read, and refused because the form's token is missing
    assert _sent(live, PLAN, cookies, 2_000_000) == 413
    assert _sent(live, "/console/branding/", cookies, 900_000) == 413


def _sent(live: LiveServer, path: str, cookies: str, size: int) -> int:
    body = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.yaml"\r\n\r\n'
        + b"#" * size
        + b"\r\n--x--\r\n"
    )
    headers = {"Cookie": cookies, "Content-Type": "multipart/form-data; boundary=x"}
    return requests.post(
        live.url("127.0.0.1", path), data=body, headers={**headers, "Host": "acme.test"}, timeout=30
    ).status_code
