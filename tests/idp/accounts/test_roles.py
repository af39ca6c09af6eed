"""Roles: a permission matrix, laid out as one and read by pages and API alike."""

import pytest
from pydantic import ValidationError

from blueprints.objects.document import PersonDocument
from flows.documents.document import SimulatedUser
from idp.accounts import roles
from idp.accounts.models import Person, Role
from idp.accounts.people import save_person
from idp.accounts.roles import NotAllowed, may, operations_of, require, roles_by_operation
from idp.tenancy.models import DEFAULT, Tenant
from idp.tenancy.scope import tenant_scope
from idp.tenancy.tenants import save_tenant
from web.administration.resources import RESOURCES


def test_the_matrix_names_every_role_and_no_other() -> None:
    """Each row has a mark for each role, in the order of the roles."""
    head, *rows = [line.split() for line in roles.MATRIX.strip().splitlines()]
    assert head == [role.value for role in Role]
    assert all(len(row) == len(head) + 1 and set(row[1:]) <= {"x", "."} for row in rows)
    assert len({row[0] for row in rows}) == len(rows)
    assert all("owner" in who for who in roles_by_operation().values())


def test_every_document_and_form_knows_these_roles_and_no_others() -> None:
    """One list: what a blueprint accepts, as whom a flow's dry run signs in, and what a form offers."""
    every = {"", *(role.value for role in Role)}
    for document in (PersonDocument, SimulatedUser):
        assert set(document.model_json_schema()["properties"]["role"]["enum"]) == every
        with pytest.raises(ValidationError):
            document.model_validate({"person": "bob", "role": "root"})
    assert [role for role, _words in RESOURCES["people"].choices["role"]()] == [
        "",
        *(role.value for role in reversed(Role)),
    ]


@pytest.mark.parametrize("operation", list(roles_by_operation()))
@pytest.mark.parametrize("role", ["", *(role.value for role in Role)])
def test_every_cell(acme: Tenant, role: str, operation: str) -> None:
    """CVE-2026-25227: a role is allowed what its cell says.

    Anonymous and inactive people are allowed nothing.
    """
    person = Person(username="alice", role=role)
    marked = role in roles_by_operation()[operation] and not operation.startswith("tenants.")
    assert may(person, operation) is marked
    assert may(Person(username="alice", role=role, is_active=False), operation) is False
    assert may(None, operation) is False
    if not marked:
        with pytest.raises(NotAllowed):
            require(person, operation)


def test_tenants_are_managed_on_the_default_host_only(acme: Tenant) -> None:
    """An owner of a tenant is none of the installation."""
    owner = save_person("clerk", role="owner", by="test")
    assert not may(owner, "tenants.edit")
    with tenant_scope(save_tenant(DEFAULT)) as tenant:
        assert tenant.name == DEFAULT
        assert may(save_person("driver", role="owner", by="test"), "tenants.edit")
        assert not may(save_person("engineer", role="admin", by="test"), "tenants.edit")


def test_an_auditor_changes_nothing(acme: Tenant) -> None:
    """An auditor sees, counts and inspects, and no more."""
    auditor = save_person("clerk", role="auditor", by="test")
    assert {operation.split(".")[1] for operation in operations_of(auditor)} == {"see", "count", "inspect"}


def test_an_operation_that_is_not_in_the_matrix_is_an_error(acme: Tenant) -> None:
    """Fail closed and loudly."""
    with pytest.raises(KeyError):
        may(save_person("clerk", role="owner", by="test"), "people.fly")
