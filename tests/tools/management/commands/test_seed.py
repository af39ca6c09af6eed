"""The generated tenant: as large as requested, the same each time, and separate from the other tenants."""

from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command

from flows.documents.listings import RUNS
from flows.tasks import sweep_runs
from idp.accounts.listings import CREDENTIALS, GROUPS, PEOPLE, SESSIONS
from idp.accounts.models import Person
from idp.accounts.tasks import sweep_sessions
from idp.devices.listings import DEVICES
from idp.devices.tasks import expire_device_codes
from idp.events.listings import EVENTS
from idp.foundation.listing import Listing, ListQuery
from idp.oauth.listings import APPLICATIONS, CONSENTS, SCOPES
from idp.oauth.tasks import sweep_tokens
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import Door

FILLED = (PEOPLE, GROUPS, SESSIONS, CREDENTIALS, APPLICATIONS, SCOPES, CONSENTS, DEVICES, EVENTS, RUNS)


def seed(*words: str) -> str:
    """What the command says."""
    out = StringIO()
    call_command("seed", "--people", "40", "--events", "200", "--applications", "5", *words, stdout=out)
    return out.getvalue()


def totals() -> dict[str, int]:
    """How many rows each list of the tenant in scope has."""
    return {listing.name: listing.page(ListQuery()).total for listing in FILLED}


def looks(listing: Listing, *columns: str) -> list[Any]:
    """The values of these columns in a whole list."""
    return [[row[column] for column in columns] for row in listing.page(ListQuery(size=200)).rows]


def test_a_tenant_of_that_size_beside_the_others(acme: Tenant, other: Tenant) -> None:
    """Every list of the new tenant has as many rows as were requested.

    The other tenants have what they had.
    """
    before = totals()
    seed()
    assert totals() == before
    with tenant_scope(other):
        assert totals() == before
    with tenant_scope(Tenant.objects.get(name="seeded")):
        found = totals()
        staff, of_the_shipped_flows = 4, 20
        assert found["people"] == 40 + staff
        assert found["applications"] == 5
        assert 200 <= found["events"] <= 200 + staff + of_the_shipped_flows
        assert min(found.values()) > 0


def test_the_same_number_gives_the_same_rows(
    tenants: dict[str, Tenant], clock: time_machine.Traveller
) -> None:
    """Another tenant gets the same rows, but for what must be unique in the installation.

    Another number gives others.
    """
    seen = []
    for name, number in (("seeded", "7"), ("again", "7"), ("different", "8")):
        seed("--tenant", name, "--random", number)
        with tenant_scope(Tenant.objects.get(name=name)):
            people = looks(PEOPLE, "username", "name", "email", "groups", "active", "created")
            generated = [
                row for row in looks(EVENTS, "at", "kind", "actor", "address") if row[2].startswith("alice-")
            ]
            seen.append((people, generated, looks(APPLICATIONS, "name", "title", "type")))
            assert any(row[3] for row in people)
            assert generated
    assert seen[0] == seen[1]
    assert seen[0] != seen[2]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--tenant", "acme"], "The tenant acme already exists"),
        (["--tenant", "fresh", "--domain", "acme.test"], "acme.test is already used by the tenant acme"),
        (["--tenant", "Not A Name"], "Lower-case letters"),
        (["--tenant", "fresh", "--domain", "localhost"], "is reserved for the default tenant"),
        (["--people", "0"], "a whole number from 10"),
        (["--events", "-1"], "a whole number from 0"),
    ],
)
def test_nothing_is_filled_that_was_there(tenants: dict[str, Tenant], words: list[str], said: str) -> None:
    """A tenant or domain that exists already is refused, and so is nonsense; then nothing is created."""
    with pytest.raises(CommandError, match=said):
        seed(*words)
    assert sorted(Tenant.objects.values_list("name", flat=True)) == sorted(tenants)
    assert not Person.unscoped.filter(username__startswith="alice-").exists()


def test_no_generated_person_can_sign_in(tenants: dict[str, Tenant]) -> None:
    """The people have no password; the staff has the one that the command printed, each in their role."""
    said = seed("--domain", "seeded.test")
    password = said.split("the password ")[1].split()[0]
    with tenant_scope(Tenant.objects.get(name="seeded")):
        assert not Person.objects.filter(username__startswith="alice-").exclude(password="").exists()
        staff = dict(Person.objects.exclude(role="").values_list("username", "role"))
    assert staff == {"admin": "admin", "editor": "editor", "helpdesk": "helpdesk", "auditor": "auditor"}
    assert Door("seeded.test").sign_in("admin", password).step == "device_code"
    assert Door("seeded.test").sign_in("alice-000001", password).step == "password"
    assert Door("acme.test").sign_in("admin", password).step == "password"


def test_what_is_seeded_is_there_half_a_day_later(
    tenants: dict[str, Tenant], clock: time_machine.Traveller
) -> None:
    """No sweep deletes it while an operator looks at it."""
    seed()
    with tenant_scope(Tenant.objects.get(name="seeded")):
        before = totals()
        clock.shift(12 * 3600)
        for sweep in (sweep_sessions, expire_device_codes, sweep_tokens, sweep_runs):
            sweep("seeded")
        assert totals() == before
