"""Secrets of the server that an uploaded blueprint could name or guess."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine

from blueprints.files.apply import apply
from blueprints.files.export import export
from idp.foundation.sealing import digest
from idp.oauth.models import Application
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.web.api.conftest import Program, Programs, mint
from tests.web.console.signed_in import installed

SHOP = "application: shop\nclient_id: shop\ntype: confidential\nclient_secret: {}\n"


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Path:
    """FOYER_SECRETS with a file for all tenants, and one for each tenant."""
    for name in ("acme", "other"):
        (tmp_path / "secrets" / name).mkdir(parents=True)
        (tmp_path / "secrets" / name / "own").write_text(f"of {name}\n")
    (tmp_path / "secrets" / "smtp-password").write_text("of the operator\n")
    settings.SECRETS = str(tmp_path / "secrets")
    return tmp_path / "secrets"


def sent(program: Program, secret: str, way: str = "plan") -> Any:
    """Return the response to a blueprint with this secret."""
    return program("POST", f"blueprints/{way}", {"text": SHOP.format(secret)})


def stored() -> str:
    """Return the hash of the secret of acme's shop."""
    return Application.objects.get(name="shop").secret_hash


@pytest.mark.parametrize("role", ["owner", "admin"])
def test_no_one_names_a_file_of_another_tenant(
    program: Programs, acme: Tenant, folder: Path, role: str
) -> None:
    """The shared directory is not accessible to an upload in any spelling; the tenant's own one is."""
    for name in ("smtp-password", "../smtp-password", "other/own", "..%2Fsmtp-password"):
        assert sent(program(role), f"!secret {name}", "apply").status_code in (400, 409), name
    assert not Application.objects.filter(name="shop").exists()
    assert sent(program(role), "!secret own", "apply").status_code == 200
    assert stored() == digest("of acme")


def test_not_even_the_owner_of_the_installation_by_what_they_send(
    tenants: dict[str, Tenant], folder: Path
) -> None:
    """A stolen session of the installation's owner reads no file of the server."""
    with tenant_scope(installed()):
        owner = Program(mint("owner", host="localhost"), "localhost")
    assert sent(owner, "!secret smtp-password", "apply").status_code in (400, 409)


def test_a_file_of_the_installation_uses_both(
    acme: Tenant, folder: Path, write_blueprint: Callable[..., Path]
) -> None:
    """A blueprint file of the installation uses the shared secrets and the tenant's."""
    file = write_blueprint("tenant: acme\n---\n" + SHOP.format("!secret smtp-password"))
    apply([file])
    assert stored() == digest("of the operator")
    assert apply([file]).effective == []


@pytest.mark.parametrize("entered", [False, True])
def test_a_plan_is_no_oracle(
    program: Programs,
    acme: Tenant,
    write_blueprint: Callable[..., Path],
    clock: time_machine.Traveller,
    entered: bool,
) -> None:
    """After twenty wrong guesses an hour the right secret looks like any other.

    It does not matter whether it is in the document or entered first.
    """
    apply([write_blueprint("tenant: acme\n---\n" + SHOP.format("the right one"))])
    admin = program()

    def changes(guess: str) -> bool:
        if entered:
            assert admin("PUT", "blueprint-secrets/guess", {"value": guess}).status_code in (200, 201, 204)
        answer = sent(admin, "!secret guess" if entered else guess)
        assert answer.status_code == 200
        return bool(answer.json()["counts"]["update"])

    assert not changes("the right one"), "an effectless plan counts no update"
    assert all(changes(f"guess {number}") for number in range(20))
    assert changes("the right one")
    clock.shift(timedelta(hours=1))
    admin = program()
    assert not changes("the right one")


def test_an_export_is_none_either(
    program: Programs, acme: Tenant, write_blueprint: Callable[..., Path]
) -> None:
    """The names of secrets in an export reveal nothing about the entered values."""
    Application.objects.create(
        name="shop", title="Shop", confidential=True, secret_hash=digest("the right one")
    )
    exports = set()
    for guess in ("the right one", "a wrong one"):
        program()("PUT", "blueprint-secrets/shop-client-secret", {"value": guess})
        exports.add(program().get("blueprints/export")["text"])
    assert len(exports) == 1
    assert "!secret shop-client-secret-2" in exports.pop()
    program()("PUT", "blueprint-secrets/shop-client-secret", {"value": "the right one"})
    assert "!secret shop-client-secret\n" in export(compare=True)
