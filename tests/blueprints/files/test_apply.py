"""A blueprint is applied whole or not at all, and the same again leaves no trace.

Two tenants live side by side.
"""

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command

from blueprints.files.apply import apply
from blueprints.files.problems import BadBlueprint
from flows.models import Version
from idp.accounts.models import Person
from idp.events.models import Event
from idp.oauth.models import Application, Scope
from idp.tenancy.models import Domain, Tenant
from idp.tenancy.scope import tenant_scope
from tests.conftest import TENANTS
from tests.support.client import Door, Write

FLOW = "flow: f\ntitle: T\nfor: device_code\n"
ACME = TENANTS.format(name="acme", title="Acme", accent="#4f46e5")


def everything() -> dict[str, list[Any]]:
    """Return every row of every table."""
    return {
        model._meta.db_table: list(model._base_manager.order_by("pk").values_list())
        for model in apps.get_models()
    }


def problems(*files: Path) -> list[str]:
    """Return the problems without the folder, and check that nothing was written."""
    before = everything()
    with pytest.raises(BadBlueprint) as bad:
        apply(files)
    assert everything() == before
    return [str(problem).removeprefix(f"{files[0].parent}/") for problem in bad.value.problems]


def test_what_was_applied_works(tenants: dict[str, Tenant], write_blueprint: Write) -> None:
    """A new tenant from one file: its person signs in with its application at its domain."""
    apply([write_blueprint(TENANTS.format(name="third", title="Third", accent="#000000"))])
    browser = Door("third.test")
    browser.approve(browser.start())
    assert Door("login.third.test").page().step == "identification"


def test_the_same_again_writes_nothing(tenants: dict[str, Tenant], write_blueprint: Write) -> None:
    """No version, no event, no new hash, no row touched."""
    files = [write_blueprint(ACME)]
    apply(files)  # from now on all of it belongs to this blueprint
    before = everything()
    plan = apply(files)
    assert everything() == before
    assert plan.counts == {"create": 0, "update": 0, "delete": 0, "unchanged": 11}


def test_only_what_a_document_says_is_changed(acme: Tenant, write_blueprint: Write) -> None:
    """A key that is left out keeps what is there; one that is given changes, with an event."""
    apply(
        [
            write_blueprint(
                "tenant: acme\n---\nperson: alice\nname: Alice A.\n---\napplication: tv\ndevice: "
                "{interval: 7s}\n"
            )
        ]
    )
    alice, television = Person.objects.get(username="alice"), Application.objects.get(name="tv")
    assert (alice.name, alice.email, alice.is_active, list(alice.groups.values_list("name", flat=True))) == (
        "Alice A.",
        "alice@acme.test",
        True,
        ["staff"],
    )
    assert (television.device_interval, television.device_code_lifetime, "openid" in television.scopes) == (
        7,
        600,
        True,
    )
    recorded = Event.objects.filter(kind__in=("person.changed", "application.changed")).values_list(
        "actor", "target"
    )
    assert sorted(recorded) == [("blueprint", "alice"), ("blueprint", "tv")]


def test_the_order_of_the_files_does_not_matter(acme: Tenant, write_blueprint: Write) -> None:
    """An object that is referred to is applied first, wherever it stands (authentik #4945)."""
    first = write_blueprint(
        (
            "tenant: acme\n---\nperson: clerk\ngroups: [night]\n---\napplication: cam\nscopes: "
            "[acme:see]\ngroups: [night]\n"
        ),
        "a.yaml",
    )
    second = write_blueprint("tenant: acme\n---\ngroup: night\n---\nscope: acme:see\ntitle: See\n", "b.yaml")
    apply([first, second])
    assert Application.objects.get(name="cam").scopes == ["acme:see"]


def test_two_tenants_in_one_file_and_in_two(tenants: dict[str, Tenant], write_blueprint: Write) -> None:
    """Documents belong to the tenant before them; the same names live side by side."""
    scope = "scope: shared:read\ntitle: Read at {}\n"
    apply(
        [
            write_blueprint(
                f"tenant: acme\n---\n{scope.format('acme')}---\ntenant: other\n---\n{scope.format('other')}"
            )
        ]
    )
    apply(
        [
            write_blueprint(f"tenant: {name}\n---\nscope: own\ntitle: {name}\n", f"{name}.yaml")
            for name in ("acme", "other")
        ]
    )
    for name, tenant in tenants.items():
        with tenant_scope(tenant):
            assert dict(
                Scope.objects.filter(name__in=("own", "shared:read")).values_list("name", "title")
            ) == {
                "own": name,
                "shared:read": f"Read at {name}",
            }


def test_a_file_without_a_tenant_is_for_the_default_one(db: None, write_blueprint: Write) -> None:
    """The default tenant must exist."""
    assert problems(write_blueprint("scope: a\ntitle: A\n")) == [
        "blueprint.yaml:1:1: scope: There is no tenant default."
    ]
    apply([write_blueprint("tenant: default\n", "tenant.yaml"), write_blueprint("scope: a\ntitle: A\n")])
    assert Scope.unscoped.get().tenant.name == "default"


@pytest.mark.parametrize("spelling", ["acme.test", "'*.acme.test'"])
def test_another_tenants_domain_is_refused(
    tenants: dict[str, Tenant], write_blueprint: Write, spelling: str
) -> None:
    """No tenant takes another tenant's host name."""
    found = problems(write_blueprint(f"tenant: other\ntitle: Other\ndomains:\n  - {spelling}\n"))
    assert len(found) == 1
    assert found[0].startswith("blueprint.yaml:3:1: domains:")
    assert Domain.objects.filter(tenant__name="acme").count() == 2


@pytest.mark.parametrize(
    "name",
    [
        "*acme.test",
        "a b",
        "acme.test/",
        "http://acme.test",
        "acme.test:80",
        "",
        "*",
        "LOCALHOST",
        "localhost",
        "☃.test",
    ],
)
def test_what_is_no_domain_of_a_tenant(tenants: dict[str, Tenant], write_blueprint: Write, name: str) -> None:
    """Ports, schemes and two names in one are refused.

    The names of this machine belong to the default tenant.
    """
    found = problems(write_blueprint(f'tenant: acme\ndomains: ["{name}"]\n'))
    assert found
    where = "2:1: domains:" if name.lower() == "localhost" else "2:11: domains.0:"
    assert all(problem.startswith(f"blueprint.yaml:{where}") for problem in found)


@pytest.mark.parametrize(
    ("text", "where", "said"),
    [
        ("person: evaluator\ngroups: [staf]\n", "4:10: groups.0", "There is no group staf. Did you mean staff?"),  # noqa: E501
        ("application: x\ngrants: [device]\n", "4:10: grants.0", "There is no grant device."),
        ("application: x\nscopes: [openid, emall]\n", "4:18: scopes.1", "Did you mean email?"),
        ("application: x\nflows: {device_code: strict}\n", "4:9: flows.device_code", "There is no flow strict for device_code."),  # noqa: E501
        ("application: x\ntype: confidential\n", "4:1: type", "A confidential application requires a client secret."),  # noqa: E501
        ("application: x\nlogo: 'http://elsewhere/x.png'\n", "4:1: logo", "no page loads from elsewhere"),
        ("application: a_b\n", "3:1: application", "Lower-case letters, digits and dashes"),
        ("scope: 'a b'\ntitle: T\n", "3:1: scope", "Must be up to 100 visible ASCII characters"),
        ("person: evaluator\nemail: alice@acme.test\n", "4:1: email", "The email address alice@acme.test is already used by alice."),  # noqa: E501
        ("person: evaluator\nemail: nonsense\n", "4:1: email", "valid email address"),
        ("application: x\nclient_id: tv\n", "4:1: client_id", "The client ID tv is already used by tv."),
        (FLOW + "steps:\n  - stage: consnt\n", "7:5: steps.0.stage", "Did you mean consent?"),
        (
            FLOW + (
                "default: false\nsteps:\n  - stage: identification\n  - stage: deny\n    when: "
                "person.grups == []\n"
            ),
            "10:5: steps.1.when",
            "Unknown name person.grups. Did you mean person.groups?",
        ),
        ("flow: connect-a-device\ntitle: T\nfor: authentication\nsteps: [{stage: deny}]\n", "5:1: for", "Create a new flow"),  # noqa: E501
        ("flow: second\ntitle: T\nfor: device_code\nsteps: [{stage: deny}]\n", "3:1: default", "Set default: false"),  # noqa: E501
    ],
)  # fmt: skip
def test_what_only_the_domain_can_refuse(
    tenants: dict[str, Tenant], write_blueprint: Write, text: str, where: str, said: str
) -> None:
    """The problem has file, line, column and key as they are written, and nothing was applied."""
    found = problems(write_blueprint(f"tenant: acme\n---\n{text}"))
    assert any(problem.startswith(f"blueprint.yaml:{where}") and said in problem for problem in found), found


def test_every_problem_of_every_file_at_once_and_nothing_applied(
    tenants: dict[str, Tenant], write_blueprint: Write
) -> None:
    """The good documents beside a bad one are not applied either (authentik #12186)."""
    first = write_blueprint(
        "tenant: acme\n---\nscope: good\ntitle: Good\n---\nscope: bad\n---\npersn: evaluator\n", "one.yaml"
    )
    second = write_blueprint("tenant: other\ntitel: Other\n---\napplication: x\ntype: secret\n", "two.yaml")
    assert problems(first, second) == [
        "one.yaml:6:1: title: This key is missing.",
        "one.yaml:8:1: persn: This isn't a kind of document. Did you mean person?",
        "two.yaml:2:1: titel: Unknown key. Did you mean title?",
        "two.yaml:5:1: type: Use 'public' or 'confidential'.",
    ]


def test_problems_of_the_domain_are_found_at_once_too(
    tenants: dict[str, Tenant], write_blueprint: Write
) -> None:
    """Each document has its own savepoint."""
    people = "person: evaluator\ngroups: [a]\n---\nperson: intruder\ngroups: [b]\n"
    text = f"tenant: acme\n---\n{people}---\napplication: x\nscopes: [c]\n---\nscope: fine\ntitle: Fine\n"
    assert [problem.split(": ")[1] for problem in problems(write_blueprint(text))] == [
        "groups.0",
        "groups.0",
        "scopes.0",
    ]


def test_a_password_is_stored_hashed_and_checked_before_it_is_hashed_again(
    acme: Tenant, write_blueprint: Write
) -> None:
    """The file's password is nowhere else, and a changed one ends what the old one proved."""
    browser = Door("acme.test")
    browser.sign_in()
    stored = Person.objects.get(username="alice").password
    assert stored.startswith("argon2$")
    apply([write_blueprint("tenant: acme\n---\nperson: alice\npassword: another-password-9\n")])
    assert Person.objects.get(username="alice").password != stored
    assert browser.page().step == "identification"
    assert Door("acme.test").sign_in(password="another-password-9").step == "device_code"
    assert "another-password-9" not in str(everything())


def test_the_command_says_what_it_applied(tenants: dict[str, Tenant], write_blueprint: Write) -> None:
    """One line for each object that changed, what it is now, and how many."""
    out = StringIO()
    call_command(
        "blueprint", "apply", str(write_blueprint("tenant: acme\n---\nscope: a\ntitle: A\n")), stdout=out
    )
    assert out.getvalue().splitlines() == ["+ acme: scope a", "    title: A", "blueprint: 1 created"]


def test_the_command_names_every_problem(tenants: dict[str, Tenant], write_blueprint: Write) -> None:
    """It also says that nothing was applied."""
    path = write_blueprint("tenant: acme\n---\nscope: a\n---\nscop: b\n")
    with pytest.raises(CommandError) as failed:
        call_command("blueprint", "apply", str(path), "/nowhere/at/all.yaml")
    lines = str(failed.value).splitlines()
    assert len(lines) == 4
    assert lines[0] == f"{path}:3:1: title: This key is missing."
    assert lines[2].startswith("/nowhere/at/all.yaml:1:1: No such file")
    assert lines[3] == "Nothing was applied."


def test_publishing_from_a_blueprint_is_recorded(acme: Tenant, write_blueprint: Write) -> None:
    """The author and the note of the version and one event say who changed what."""
    text = (
        "tenant: acme\n---\nflow: connect-a-device\ntitle: Another\nfor: device_code\nsteps: [{stage: "
        "deny}]\n"
    )
    apply([write_blueprint(text)])
    version = Version.objects.order_by("-pk")[0]
    assert (version.author, version.note, version.number) == ("blueprint", "applied from a blueprint", 2)
    assert Door("acme.test").page().title == "Access denied"
    assert Door("other.test").page().step == "identification"
