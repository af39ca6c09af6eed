"""The queries of the console's pages: few, and no more when there are many rows."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from idp.accounts.models import Role
from idp.tenancy.models import DEFAULT, Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import Door
from tests.web.console.pages import at, entered, of_the_installation, reading
from tools.seeding import events, people, protocol
from tools.seeding.plan import Seed, Sizes

pytestmark = pytest.mark.both_modes

MOST = 20


def silent(text: str) -> None:
    """Discard the progress messages."""


def grow() -> None:
    """Create two hundred of every kind of object in the tenant in scope."""
    seed = Seed(Sizes(people=400, events=400, applications=200), report=silent)
    people.fill(seed)
    keys = people.seeded_person_ids()
    protocol.fill(seed, keys, "https://acme.test")
    events.fill(seed)


def asked(door: Door, address: str) -> int | str:
    """Return how many queries the page takes once caches are warm, or its address with an error status."""
    door.http.raise_request_exception = False
    first = door.get(address)
    if first.status_code != 200:
        return f"{address}: {first.status_code}"
    with CaptureQueriesContext(connection) as queries:
        door.get(address)
    return len(queries)


def test_no_page_asks_much_and_none_asks_more_of_many_rows(
    acme: Tenant, default: Tenant, inhabited: None
) -> None:
    """Every page takes twenty queries at most, and as many for two hundred rows as for a few."""
    owner, clerk = entered("localhost", default, Role.OWNER), entered("acme.test", acme, Role.OWNER)
    few = count_all(owner, clerk)
    assert not {name: wrong for name, wrong in few.items() if isinstance(wrong, str)}
    grow()
    for number in range(200):
        Tenant.objects.create(name=f"tenant-{number}", title="One of many")
    many = count_all(owner, clerk)
    assert {name: count for name, count in many.items() if count != few[name]} == {}
    assert {name: count for name, count in many.items() if int(count) > MOST} == {}


def count_all(owner: Door, clerk: Door) -> dict[str, int | str]:
    """Return the queries of every page at its host: the owner's at the default tenant's, others at acme's."""
    found = {}
    for page in reading():
        if of_the_installation(page):
            with tenant_scope(Tenant.objects.get(name=DEFAULT)):
                found[page.name] = asked(owner, at(page))
        else:
            found[page.name] = asked(clerk, at(page))
    return found
