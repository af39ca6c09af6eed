"""A running system is exported as files that apply again: the same bytes, by name, without secrets."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blueprints.files.apply import apply
from blueprints.files.emit import emit
from blueprints.files.export import export
from blueprints.files.plan import make_plan
from blueprints.files.secrets import save
from blueprints.files.tags import SecretTag
from flows.models import Flow
from idp.accounts.models import Person
from idp.accounts.people import save_person
from idp.foundation.sealing import digest
from idp.foundation.text import fold, nfc
from idp.oauth.models import Application
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.applications import save_application
from tests.support.client import Write

PART = {
    "flow": "z-part",
    "title": "Part",
    "for": "part",
    "steps": [{"stage": "password"}, {"stage": "login"}],
}
SIGN_IN = {
    "flow": "a-sign-in",
    "title": "Sign in: yes",
    "for": "authentication",
    "steps": [
        {"stage": "identification", "settings": {"fields": ["email", "username"]}},
        {"flow": "z-part"},
        {
            "id": "ask",
            "stage": "prompt",
            "when": '"staff" in person.groups',
            "settings": {"title": "Who?", "fields": [{"name": "team"}]},
        },
    ],
}


def exported(*arguments: str) -> str:
    """Return what the command writes."""
    out = StringIO()
    call_command("blueprint", "export", *arguments, stdout=out)
    return out.getvalue()


def planned(*paths: Path) -> list[Any]:
    """Return what would change, secrets that are missing too."""
    plan = make_plan(paths)
    return [*plan.effective, *plan.missing]


@contextmanager
def elsewhere() -> Iterator[None]:
    """A system that has no such tenant, in which every change is undone."""
    with transaction.atomic():
        Flow.unscoped.update(live=None)
        Tenant.objects.all().delete()
        yield
        transaction.set_rollback(True)


def again(path: Path, name: str) -> str:
    """Return the export of an empty system after this file was applied to it."""
    with elsewhere():
        apply([path], show_generated=lambda *generated: None)
        return exported("--tenant", name)


@pytest.mark.parametrize("name", ["acme", "other"])
def test_export_plan_says_nothing_and_goes_in_elsewhere(
    tenants: dict[str, Tenant], write_blueprint: Write, name: str
) -> None:
    """There are no primary keys, and the export applies again as the same bytes.

    See keycloak and authentik #6064.
    """
    text = exported("--tenant", name)
    path = write_blueprint(text)
    assert planned(path) == []
    assert again(path, name) == text
    with tenant_scope(tenants[name]):
        assert text == export()
    assert ("Acme TV" in text, "Other TV" in text) == (name == "acme", name == "other")


def test_the_default_tenant_when_none_is_named(tenants: dict[str, Tenant], write_blueprint: Write) -> None:
    """An unknown one is an error with its name."""
    apply([write_blueprint("tenant: default\ntitle: default\n")])
    assert exported().splitlines()[1:] == ["tenant: default", "title: default"]
    with pytest.raises(CommandError, match="There is no tenant nowhere"):
        exported("--tenant", "nowhere")


def test_it_reads_like_what_a_person_writes(tenants: dict[str, Tenant]) -> None:
    """It has short grants, nested devices and only what differs, in the order of the declaration."""
    save_application_in(tenants["acme"], device_interval=7, flows={"device_code": "connect-a-device"})
    text = exported("--tenant", "acme")
    assert text.startswith(
        "# The tenant acme. Secrets are referenced, not included.\ntenant: acme\ntitle: Acme\nnetworks:"
    )
    assert "application: tv\ntitle: Acme TV\nclient_id: tv\ngrants: [device_code, refresh_token]\n" in text
    assert "flows:\n  device_code: connect-a-device\ndevice:\n  interval: 7s\n" in text
    assert (
        re.search(r"^(id|pk|tenant_id|active|verified):", text.replace("active: false", ""), re.MULTILINE)
        is None
    )


def save_application_in(tenant: Tenant, **values: Any) -> None:
    """Change the television of this tenant manually."""
    with tenant_scope(tenant):
        save_application("tv", by="alice", **values)


def test_no_secret_and_no_hash_ever(tenants: dict[str, Tenant]) -> None:
    """CVE-2026-40166: an export contains no client secret, neither as entered nor as stored."""
    text = exported("--tenant", "acme")
    with tenant_scope(tenants["acme"]):
        hashes = [
            *Person.objects.values_list("password", flat=True),
            *Application.objects.values_list("secret_hash", flat=True),
        ]
    for secret in ("alice-password-1", "kiosk secret/with+odd:characters", *filter(None, hashes)):
        assert secret not in text
    assert "client_secret: !secret kiosk-client-secret\n" in text
    assert "password:" not in text


def test_a_secret_that_was_named_is_named_again(tenants: dict[str, Tenant], write_blueprint: Write) -> None:
    """That holds for a person and for an application.

    Once it was changed manually the name would mean another value, so it is not written.
    """
    with tenant_scope(tenants["acme"]):
        save("carols", "clerk-password-1", by="test")
        save("box", "box-secret", by="test")
    box = {"application": "box", "type": "confidential", "client_secret": SecretTag("box")}
    text = emit([{"tenant": "acme"}, {"person": "clerk", "password": SecretTag("carols")}, box])
    apply([write_blueprint(text)])
    text = exported("--tenant", "acme")
    assert "person: clerk\npassword: !secret carols\n" in text
    assert "client_secret: !secret box\n" in text
    assert planned(write_blueprint(text, "again.yaml")) == []
    with tenant_scope(tenants["acme"]):
        save_application("box", by="alice", secret_hash=digest("another"))
        save("box-client-secret", "taken by something else", by="test")
    text = exported("--tenant", "acme")
    assert "client_secret: !secret box-client-secret-2\n" in text
    assert planned(write_blueprint(text, "third.yaml")) == []


def test_lists_that_were_emptied_and_things_that_were_switched_off(
    tenants: dict[str, Tenant], write_blueprint: Write
) -> None:
    """A key is left out only where its value is the default itself."""
    with tenant_scope(tenants["acme"]):
        save_application("tv", by="alice", grants=[], scopes=[], title="tv", is_active=False)
        save_person(
            "alice", groups=[], by="alice", is_active=False, attributes={"b": 1, "a": True, "long": "x\ny\n"}
        )
    text = exported("--tenant", "acme")
    assert "application: tv\ntitle: tv\nclient_id: tv\nactive: false\n" in text
    assert "attributes:\n  a: true\n  b: 1\n  long: |\n    x\n    y\nactive: false\n" in text
    path = write_blueprint(text)
    assert planned(path) == []
    assert again(path, "acme") == text


def test_without_people(tenants: dict[str, Tenant], write_blueprint: Write) -> None:
    """Such an export is for a repository that must not contain them."""
    text = exported("--tenant", "acme", "--without", "people")
    assert "person:" not in text
    assert "group: staff" in text
    assert planned(write_blueprint(text)) == []


def test_one_flow_with_its_parts_and_nothing_else(tenants: dict[str, Tenant], write_blueprint: Write) -> None:
    """An export of one flow contains its sub-flows only (keycloak #45885)."""
    apply([write_blueprint(emit([{"tenant": "acme"}, SIGN_IN, PART]))])
    text = exported("--tenant", "acme", "--flow", "a-sign-in")
    assert re.findall(r"^(\w+): (.*)$", text, re.MULTILINE)[:2] == [("tenant", "acme"), ("flow", "z-part")]
    assert re.findall(r"^(?:flow|person|application|group): (.*)$", text, re.MULTILINE) == [
        "z-part",
        "a-sign-in",
    ]
    path = write_blueprint(text, "flow.yaml")
    assert planned(path) == []
    with pytest.raises(CommandError, match="has no published flow a-sign-in"):
        exported("--tenant", "other", "--flow", "a-sign-in")
    apply([write_blueprint(text.replace("tenant: acme", "tenant: other"), "there.yaml")])
    assert exported("--tenant", "other", "--flow", "a-sign-in") == text.replace(
        "tenant: acme", "tenant: other"
    )


def test_a_flow_that_is_tested_with_a_person_of_the_tenant(
    tenants: dict[str, Tenant], write_blueprint: Write
) -> None:
    """On an empty system that person is created with it, with their groups and attributes."""
    when = '!("staff" in person.groups && person.attributes["level"] == "3")'
    steps = [
        {"stage": "identification"},
        {"stage": "password"},
        {"stage": "deny", "when": when},
        {"stage": "login"},
    ]
    answers = {"identification": "passes", "password": "passes", "login": "passes"}
    tests = [
        {"name": "alice comes in", "person": "alice", "answers": answers, "expect": {"deny": "passed over"}}
    ]
    flow = {"flow": "in", "title": "In", "for": "authentication", "steps": steps, "tests": tests}
    apply([write_blueprint(emit([{"tenant": "acme"}, {"person": "alice", "attributes": {"level": 3}}]))])
    apply([write_blueprint(emit([{"tenant": "acme"}, flow]), "flow.yaml")])
    text = exported("--tenant", "acme")
    assert "    person: alice\n" in text
    path = write_blueprint(text)
    assert planned(path) == []
    assert again(path, "acme") == text


def test_queries_do_not_grow_with_the_objects(acme: Tenant, write_blueprint: Write) -> None:
    """A tenant costs a handful, however many objects it has."""

    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as caught:
            export()
        return len(caught)

    few = queries()
    people = [{"person": f"p{at}", "groups": ["staff"]} for at in range(30)]
    applications = [
        {"application": f"a{at}", "type": "confidential", "client_secret": f"secret-{at}"} for at in range(10)
    ]
    flows = [{**PART, "flow": f"part-{at}"} for at in range(5)]
    apply([write_blueprint(emit([{"tenant": "acme"}, *people, *applications, *flows]))])
    assert queries() == few
    assert few < 20


LINE = st.text(
    st.characters(
        exclude_categories=("C", "Zl", "Zp"), exclude_characters="\u115f\u1160\u3164\uffa0\u2800\u034f"
    ),
    max_size=20,
)
LINE = LINE.map(lambda text: nfc(text).strip())
WORDS = LINE
REACHED = LINE.filter(lambda text: all(part not in ("", ".", "..") for part in text.split("/")))
LONG = st.lists(LINE, max_size=4).map("\n".join)
SLUG = st.from_regex(r"\A[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?\Z")
NETWORK = st.ip_addresses().map(str)


def some(**keys: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Draw a mapping that has each key or not."""
    return st.fixed_dictionaries({}, optional=keys)


PERSON = some(
    name=LINE,
    email=st.just("") | SLUG.map(lambda name: f"{name}@acme.example"),
    email_verified=st.booleans(),
    attributes=st.dictionaries(
        WORDS, LONG | st.integers(-(10**12), 10**12) | st.booleans() | st.none(), max_size=3
    ),
    active=st.booleans(),
    role=st.sampled_from(["", "owner", "admin", "editor", "helpdesk", "auditor"]),
)
APPLICATION = some(
    title=WORDS.filter(bool),
    owner=LINE,
    verified=st.booleans(),
    client_id=st.from_regex(r"\A[\x21-\x7e]{1,12}\Z"),
    type=st.sampled_from(["public", "confidential"]),
    active=st.booleans(),
    grants=st.lists(st.sampled_from(["device_code", "refresh_token"]), unique=True),
    scopes=st.lists(st.sampled_from(["openid", "email", "null", "1.0"]), unique=True),
    device=some(
        interval=st.integers(1, 60).map(lambda count: f"{count}s"), pending_limit=st.integers(1, 10**6)
    ),
    access_token_lifetime=st.integers(1, 24).map(lambda hours: f"{hours}h"),
)
TENANT = some(
    title=WORDS.filter(bool),
    accent=st.from_regex(r"\A#[0-9a-f]{6}\Z"),
    networks=st.lists(NETWORK, max_size=2),
    mail_from=st.just("a@acme.example"),
    domains=st.lists(SLUG.map(lambda name: f"{name}.acme.example"), max_size=3, unique=True),
)


@st.composite
def documents(draw: Any) -> list[dict[str, Any]]:
    """Draw a valid tenant."""
    groups = draw(st.lists(REACHED, max_size=3, unique=True))
    people = draw(
        st.dictionaries(
            REACHED.map(fold).filter(lambda name: name and fold(name) == name), PERSON, max_size=3
        )
    )
    emails: set[str] = set()
    for person in people.values():
        if person.get("email") in emails:
            del person["email"]
        emails.add(person.get("email", "\0"))
        person["groups"] = draw(st.lists(st.sampled_from(groups), unique=True)) if groups else []
    applications = draw(st.dictionaries(SLUG, APPLICATION, max_size=3))
    for name, application in applications.items():
        application["client_id"] = f"{application.get('client_id', '')}{name}"
        application["groups"] = draw(st.lists(st.sampled_from(groups), unique=True)) if groups else []
        if application.get("type") == "confidential":
            application["client_secret"] = SecretTag("one-for-all")
    flows = draw(st.sampled_from([[], [PART], [SIGN_IN, PART]]))
    mails = draw(
        st.sampled_from([[], [{"mail": "recovery", "subject": "S", "text": "Hello\n\n{{ link }}\n"}]])
    )
    return [
        {"tenant": "acme", **draw(TENANT)},
        *flows,
        *({"application": name, **each} for name, each in applications.items()),
        *({"person": name, **each} for name, each in people.items()),
        *({"group": name} for name in groups),
        *(
            {"scope": name, "title": draw(WORDS.filter(bool)), "description": draw(LINE)}
            for name in ("null", "1.0")
        ),
        *mails,
    ]


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(wished=documents())
def test_any_tenant_is_a_fixed_point(db: None, tmp_path: Path, wished: list[dict[str, Any]]) -> None:
    """Applied, exported, applied elsewhere and exported again, it is the same bytes.

    After applying, nothing is left to plan.
    """
    path, out = tmp_path / "wished.yaml", tmp_path / "exported.yaml"
    path.write_text(emit(wished), encoding="utf-8")
    with elsewhere():
        apply([path], show_generated=lambda *generated: None)
        assert planned(path) == []
        first = exported("--tenant", "acme")
        out.write_text(first, encoding="utf-8")
        assert planned(out) == []
    assert again(out, "acme") == first
