"""Many rows, each with its own values, in one statement: the same result as saving each of them."""

from django.db import connection
from django.test.utils import CaptureQueriesContext

from idp.accounts.models import Person
from idp.tenancy.models import Tenant
from idp.tenancy.rows import write_columns
from idp.tenancy.scope import tenant_scope


def test_each_row_gets_its_own(tenants: dict[str, Tenant]) -> None:
    """Texts, booleans, JSON and NULL are written in one statement.

    Other columns, other rows and the other tenant's rows do not change.
    """
    with tenant_scope(tenants["acme"]):
        alice, bob = Person.objects.get(username="alice"), Person.objects.get(username="bob")
        alice.name, alice.attributes, alice.is_active, alice.email = (
            "Ä' \"%s",
            {"a": [1, None, "x'"]},
            False,
            "not written",
        )
        bob.name, bob.attributes = "", {}
        with CaptureQueriesContext(connection) as queries:
            write_columns([alice, bob], ["name", "attributes", "is_active"])
        assert len(queries) == 1
        found = {
            row.username: (row.name, row.attributes, row.is_active, row.email) for row in Person.objects.all()
        }
    assert found["alice"] == ("Ä' \"%s", {"a": [1, None, "x'"]}, False, "alice@acme.test")
    assert found["bob"] == ("", {}, True, "bob@acme.test")
    with tenant_scope(tenants["other"]):
        assert Person.objects.get(username="alice").name == "Alice"


def test_nothing_is_no_statement(tenants: dict[str, Tenant]) -> None:
    """No rows, or no columns."""
    with tenant_scope(tenants["acme"]), CaptureQueriesContext(connection) as queries:
        write_columns([], ["name"])
        write_columns([Person(pk=1)], [])
    assert len(queries) == 0
