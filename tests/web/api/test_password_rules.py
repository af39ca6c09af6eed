"""Who may set a password, and which passwords are allowed.

People change their own password only after proving themselves. No interface accepts a weak one that a person
types or sends.
"""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from idp.accounts.models import Person, RecoveryLink
from idp.runtime.installation import install
from idp.tenancy.models import Domain, Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import Doors
from tests.web.api.conftest import BOTH, Program, Programs, mint
from tests.web.console.signed_in import posted, signed_in, text

STRONG = "several words in a row"
POINTS_TO_THE_PAGE = "/password"


def _password(name: str = "alice") -> str:
    return Person.unscoped.get(username=name, tenant__name="acme").password


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_a_stolen_token_does_not_set_its_persons_password(
    program: Programs, acme: Tenant, method: str
) -> None:
    """A token cannot set its own person's password, in any spelling of the name and beside any other key.

    It is a 403. Another person's password is set as before.
    """
    admin = program("admin")
    for name, said in (
        ("admin", {"password": STRONG}),
        ("admin", {"name": "Ada", "password": STRONG}),
        ("ＡDMIN", {"password": STRONG}),
    ):
        response = admin(method, f"people/{name}", said, if_match="*")
        assert (response.status_code, response.json()["error"]) == (403, "not_allowed")
        assert POINTS_TO_THE_PAGE in response.json()["error_description"]
    assert _password("admin") == ""
    assert not Person.objects.get(username="admin").name
    assert admin("PATCH", "people/admin", {"name": "Ada"}).status_code == 200, (
        "other keys of one's own account can be changed"
    )
    assert admin("PATCH", "people/bob", {"password": STRONG}).status_code == 200


def test_a_program_hears_all_of_it_too(program: Programs, acme: Tenant) -> None:
    """One response has the errors of the schema and those of the database."""
    said = {"active": 5, "role": "king", "email": "bob@acme.test", "groups": ["gone"], "password": "short"}
    answer = program("admin")("PUT", "people/clerk", said)
    assert answer.status_code == 400
    assert set(answer.json()["errors"]) == {"active", "role", "email", "groups.0", "password"}


@pytest.mark.parametrize("what", ["apply", "plan"])
def test_a_blueprint_that_is_sent_does_not_either(program: Programs, acme: Tenant, what: str) -> None:
    """An uploaded blueprint neither sets nor checks the uploader's own password.

    It reveals nothing about a person of the same name in another tenant.
    """
    admin = program("admin")
    for sent in (
        f"person: admin\npassword: {STRONG}\n",
        f"tenant: acme\n---\nperson: Admin\nname: Ada\npassword: {STRONG}\n",
    ):
        response = admin("POST", f"blueprints/{what}", {"text": sent})
        assert response.status_code == 403, response.content
        assert POINTS_TO_THE_PAGE in response.json()["error_description"]
    assert _password("admin") == ""
    assert admin("POST", f"blueprints/{what}", {"text": "person: admin\nname: Ada\n"}).status_code == 200


def test_a_stolen_session_does_not_either(acme: Tenant, door: Doors) -> None:
    """The console's form refers to the page for one's own password, and saves without a password."""
    alice, before = signed_in(door, "admin"), _password()
    page = text(alice, "/console/people/one/alice")
    etag = page.partition('name="etag" value="')[2].partition('"')[0]
    form: dict[str, object] = {
        "etag": etag,
        "name": "Alice",
        "password": STRONG,
        "role": "admin",
        "active": "on",
    }
    assert POINTS_TO_THE_PAGE in posted(alice, "/console/people/one/alice", form, status=403)
    posted(alice, "/console/blueprints/plan", {"text": f"person: alice\npassword: {STRONG}\n"}, status=403)
    assert _password() == before


def test_an_owner_gets_no_link_for_themselves(tenants: dict[str, Tenant]) -> None:
    """The installation's owner issues links to administrators of any tenant, but none to themselves."""
    default = Tenant.objects.get_or_create(name="default", defaults={"title": "Foyer"})[0]
    Domain.objects.get_or_create(name="default.test", tenant=default, approved=True)
    with tenant_scope(default):
        owner = Program(mint("owner", BOTH, "default.test"), "default.test")
        mint("admin", BOTH, "default.test")
    assert owner("POST", "tenants/default/recovery-link", {"person": "Owner"}).status_code == 403
    assert not RecoveryLink.unscoped.exists()
    assert owner("POST", "tenants/default/recovery-link", {"person": "admin"}).status_code == 200


@pytest.mark.parametrize("weak", ["a", "password12", "bob@acme.test"])
def test_administrators_keep_the_rules_too(program: Programs, acme: Tenant, door: Doors, weak: str) -> None:
    """A password that is too short, common or like the account is refused with the reason at its key.

    This holds for the API, the console and an uploaded blueprint.
    """
    admin, before = program("admin"), _password("bob")
    for method, name in (("PATCH", "bob"), ("PUT", "bob"), ("PUT", "newcomer")):
        said = {"password": weak, "email": f"{name}@acme.test"}
        response = (
            admin(method, f"people/{name}", said)
            if name == "newcomer"
            else admin(method, f"people/{name}", said, if_match="*")
        )
        if (name, weak) != ("newcomer", "bob@acme.test"):
            assert (response.status_code, set(response.json()["errors"])) == (409, {"password"}), (
                response.content
            )
    response = admin("POST", "blueprints/apply", {"text": f"person: bob\npassword: {weak}\n"})
    assert (response.status_code, set(response.json()["errors"])) == (400, {"password"})
    alice = signed_in(door, "admin")
    etag = text(alice, "/console/people/one/bob").partition('name="etag" value="')[2].partition('"')[0]
    posted(
        alice,
        "/console/people/one/bob",
        {"etag": etag, "password": weak, "active": "on", "email": "bob@acme.test"},
        status=400,
    )
    assert _password("bob") == before


def test_the_console_takes_a_password_as_it_is_typed(acme: Tenant, door: Doors) -> None:
    """Surrounding white space is significant, as in the sign-in."""
    alice = signed_in(door, "admin")
    etag = text(alice, "/console/people/one/bob").partition('name="etag" value="')[2].partition('"')[0]
    spaced = f"  {STRONG} "
    posted(
        alice,
        "/console/people/one/bob",
        {"etag": etag, "password": spaced, "active": "on", "email": "bob@acme.test"},
    )
    assert door().sign_in("bob", spaced).step == "device_code"
    assert door().sign_in("bob", STRONG).step == "password"


def test_a_file_of_the_server_is_warned_about(acme: Tenant, write_blueprint: Callable[..., Path]) -> None:
    """A weak password in a file of the server is applied with a warning.

    The file is authoritative, and anyone who can write it controls the server.
    """
    path = write_blueprint(
        "tenant: acme\n---\nperson: bob\npassword: short\n---\nperson: alice\npassword: alice-password-1\n"
    )
    out = io.StringIO()
    call_command("blueprint", "apply", str(path), stdout=out)
    assert "Note: The password of person bob of acme is weak. This password is too short." in out.getvalue()
    assert "short\n" not in out.getvalue()
    assert "alice of acme is weak" not in out.getvalue(), "an unchanged object is not reported again"


@pytest.mark.parametrize("given", ["a", "administrator", "   ", "password12"])
def test_the_first_administrators_password_keeps_the_rules(
    db: None, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    """A weak FOYER_ADMIN_PASSWORD stops the start with a message, and no person is created."""
    monkeypatch.setenv("FOYER_ADMIN_PASSWORD", given)
    with pytest.raises(CommandError, match="FOYER_ADMIN_PASSWORD is too weak"):
        install(lambda lines: None)
    assert not Person.unscoped.exists()


def test_it_is_taken_as_it_is_given(db: None, monkeypatch: pytest.MonkeyPatch, door: Doors) -> None:
    """FOYER_ADMIN_PASSWORD is used unchanged, including white space.

    Once there is an administrator, the variable can no longer stop a start.
    """
    spaced = f" {STRONG}  "
    monkeypatch.setenv("FOYER_ADMIN_PASSWORD", spaced)
    lines: list[Any] = []
    install(lines.append)
    assert not lines
    assert door("localhost").sign_in("admin", STRONG).step == "password"
    assert door("localhost").sign_in("admin", spaced).step == "device_code"
    monkeypatch.setenv("FOYER_ADMIN_PASSWORD", "a")
    install(lines.append)
