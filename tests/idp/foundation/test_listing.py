"""Lists are searched, filtered, sorted and paged by one machinery, inside one tenant.

The cost does not grow with the rows.
"""

import json
from dataclasses import replace

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from flows.documents.listings import FLOWS, RUNS
from idp.accounts.listings import CREDENTIALS, GROUPS, PEOPLE, SESSIONS
from idp.accounts.models import Group, Person
from idp.accounts.people import save_person
from idp.devices.listings import DEVICES
from idp.events.bus import known_kinds
from idp.events.listings import EVENTS
from idp.events.models import Event
from idp.foundation.listing import InvalidListQuery, Listing, ListQuery
from idp.foundation.text import caseless, nfc
from idp.oauth.listings import APPLICATIONS, CONSENTS, KEYS, SCOPES
from idp.oauth.models import Application
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import Doors

EVERY = (
    PEOPLE,
    GROUPS,
    SESSIONS,
    CREDENTIALS,
    APPLICATIONS,
    SCOPES,
    KEYS,
    CONSENTS,
    DEVICES,
    EVENTS,
    FLOWS,
    RUNS,
)


@pytest.fixture
def lively(acme: Tenant, door: Doors) -> None:
    """Both tenants with a session, a run, an approved device and its tokens."""
    for host in ("acme.test", "other.test"):
        browser = door(host)
        started = browser.start()
        browser.approve(started)
        assert browser.poll(started).status_code == 200


def test_every_list_shows_its_tenant_alone(
    lively: None, acme: Tenant, other: Tenant, subtests: pytest.Subtests
) -> None:
    """Rows are JSON, each with the key by which it is found; another tenant's key finds nothing."""
    for listing in EVERY:
        with subtests.test(listing.name):
            mine = listing.page(ListQuery())
            with tenant_scope(other):
                theirs = listing.page(ListQuery())
                assert json.dumps(theirs.rows)
                keys = {row["key"] for row in theirs.rows}
            assert json.dumps(mine.rows)
            assert mine.total == len(mine.rows)
            assert all(listing.get(row["key"]) is not None for row in mine.rows)
            if listing.key in ("pk", "identifier", "kid"):
                assert not keys & {row["key"] for row in mine.rows}
                assert all(listing.get(key) is None for key in keys)


def test_no_secret_stands_in_a_list(lively: None, subtests: pytest.Subtests) -> None:
    """CVE-2026-40166: neither a hash nor a sealed value, nor the names of their columns."""
    for listing in EVERY:
        with subtests.test(listing.name):
            listed = json.dumps(listing.page(ListQuery()).rows).lower()
            names = {column.name for column in listing.columns}
            assert not {
                name
                for name in names
                if any(word in name for word in ("secret", "hash", "password", "token", "private"))
            }
            assert "argon2" not in listed
            assert not set(listed) & {"\0"}


def test_every_declared_order_and_filter_works(lively: None, subtests: pytest.Subtests) -> None:
    """Each order works both ways, and each choice of each filter; a search can find nothing."""
    for listing in EVERY:
        with subtests.test(listing.name):
            _works(listing)


def _works(listing: Listing) -> None:
    for column in listing.columns:
        if column.order:
            up, down = (
                listing.page(ListQuery(order=column.name)),
                listing.page(ListQuery(order=f"-{column.name}")),
            )
            assert [row["key"] for row in up.rows] == [row["key"] for row in reversed(down.rows)]
    for each in listing.filters:
        for value, _title in each.choices():
            assert (
                listing.page(ListQuery(filters={each.name: value})).total <= listing.page(ListQuery()).total
            )
    if listing.search:
        assert listing.page(ListQuery(search="nothing is called like this")).rows == []


@pytest.mark.parametrize(
    ("listing", "wish"),
    [
        (PEOPLE, ListQuery(order="password")),
        (PEOPLE, ListQuery(order="groups")),
        (PEOPLE, ListQuery(order="person__password")),
        (PEOPLE, ListQuery(filters={"password": "x"})),
        (PEOPLE, ListQuery(filters={"active": "perhaps"})),
        (EVENTS, ListQuery(search="x")),
        (EVENTS, ListQuery(filters={"since": "yesterday"})),
        (EVENTS, ListQuery(filters={"since": "2026-11-21T10:00:00"})),
    ],
)
def test_what_is_not_declared_is_refused(acme: Tenant, listing: Listing, wish: ListQuery) -> None:
    """No list sorts or filters by a column that is not shown: hashes would be found out by their order."""
    with pytest.raises(InvalidListQuery):
        listing.page(wish)


def test_pages_and_searches(acme: Tenant) -> None:
    """Each row is on one page, and a search covers every declared path, with any input."""
    for at in range(23):
        save_person(f"person-{at:02}", name=f"Number {at}", by="test")
    pages = [PEOPLE.page(ListQuery(search="number", page=page, size=10)) for page in (1, 2, 3, 4)]
    assert [len(page.rows) for page in pages] == [10, 10, 3, 0]
    assert [page.has_next for page in pages] == [True, True, False, False]
    assert len({row["key"] for page in pages for row in page.rows}) == 23
    assert {page.total for page in pages} == {23}
    for hostile in ("%", "_", "\\", "\0", "' OR 1=1 --", "\ud800", "x" * 5000):
        assert PEOPLE.page(ListQuery(search=hostile.encode("utf-8", "ignore").decode())).total >= 0
    assert PEOPLE.page(ListQuery(search="%")).total == 0
    assert len(PEOPLE.page(ListQuery(size=100_000)).rows) == Person.objects.count()


NAMES = [
    "Ünal",
    "U\u0308nal",
    "Straße",
    "STRASSE",
    "İstanbul",
    "Irmak",
    "ırmak",
    "Οδυσσεύς",
    "ǰay",
    "o\ufb03ce",
    "Łukasz",
    "Жанна",
]
NAMES += ["100 % [x]_\\", "\U00010400deseret", "中文", "a.b", "acb", "Assß"]
WORDS = [
    "ünal",
    "ÜNAL",
    "u\u0308NAL",
    "unal",
    "strasse",
    "straße",
    "Stras",
    "SSE",
    "sss",
    "s",
    "i",
    "istanbul",
    "İSTANBUL",
    "ıRMAK",
    "irmak",
]
WORDS += [
    "οδυσσευς",
    "σσ",
    "ΕΎΣ",
    "j\u030c",
    "ǰ",
    "office",
    "FFI",
    "łUK",
    "жАН",
    "%",
    "[x]_\\",
    "\U00010428DES",
    "文",
    "a.b",
]


@pytest.mark.parametrize("words", WORDS)
def test_a_search_asks_for_no_case(acme: Tenant, words: str) -> None:
    """Every database finds the same rows: those whose caseless form contains that of the input.

    That holds for any alphabet.
    """
    Group.objects.all().delete()
    for name in dict.fromkeys(map(nfc, NAMES)):
        Group.objects.create(name=name)
    found = [row["name"] for row in GROUPS.page(ListQuery(search=words, order="name", size=200)).rows]
    assert sorted(found) == sorted(
        name for name in dict.fromkeys(map(nfc, NAMES)) if caseless(words) in caseless(name)
    )


def test_what_a_row_refers_to_is_searched_alike(acme: Tenant, lively: None) -> None:
    """Through a relation too."""
    Application.objects.filter(name="tv").update(title="\u00dcbung")
    Person.objects.filter(username="alice").update(username="\u00fcnal")
    assert APPLICATIONS.page(ListQuery(search="\u00dcBUNG")).total == 1
    assert SESSIONS.page(ListQuery(search="\u00dcNAL")).total == SESSIONS.page(ListQuery()).total > 0


def test_the_price_does_not_grow_with_the_rows(acme: Tenant) -> None:
    """The number of queries is the same for five people and for a hundred, each in a group."""
    counts = []
    for many in (5, 100):
        for at in range(many):
            save_person(f"p{many}-{at}", groups=["staff"], by="test")
        with CaptureQueriesContext(connection) as queries:
            PEOPLE.page(ListQuery(size=200))
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 4
    assert (
        GROUPS.page(ListQuery(search="staff")).rows[0]["people"]
        == Group.objects.get(name="staff").people.count()
    )


def test_a_list_that_is_too_long_to_sort_says_so(acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit of the count only indexed columns sort.

    Once the list is narrowed, every column sorts again, and the pages are the same as before.
    """
    for at in range(12):
        save_person(f"clerk-{at:02}", name=f"Number {11 - at:02}", by="test")
    named = ListQuery(search="clerk", order="name", size=5)
    whole = [PEOPLE.page(replace(named, page=page)).rows for page in (1, 2, 3)]
    by_username = [PEOPLE.page(ListQuery(search="clerk", size=5, page=page)).rows for page in (1, 2)]
    monkeypatch.setattr("idp.foundation.listing.COUNT_LIMIT", 10)
    with pytest.raises(InvalidListQuery, match="search or filter first"):
        PEOPLE.page(named)
    assert PEOPLE.page(ListQuery(search="clerk", size=5)).total == 11
    assert [PEOPLE.page(ListQuery(search="clerk", size=5, page=page)).rows for page in (1, 2)] == by_username
    narrowed = PEOPLE.page(ListQuery(search="clerk-0", order="name", size=5))
    assert (narrowed.total, [row["name"] for row in narrowed.rows]) == (
        10,
        [f"Number {at:02}" for at in range(2, 7)],
    )
    assert sum(map(len, whole)) == 12


def test_a_list_beyond_what_is_counted_reads_alike(lively: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A filtered list is the same whether the rows are searched or read from the index of their order."""
    for listing in EVERY:
        wishes = [
            ListQuery(filters={each.name: value})
            for each in listing.filters
            for value, _title in each.choices()
        ]
        with monkeypatch.context() as counted:
            found = [listing.page(wish).rows for wish in wishes]
            counted.setattr("idp.foundation.listing.COUNT_LIMIT", 0)
            assert [listing.page(wish).rows for wish in wishes] == found, listing.name


def test_events_by_time_and_area(acme: Tenant) -> None:
    """The audit trail is narrowed by area, kind, actor and time."""
    save_person("clerk", by="alice")
    event = Event.objects.get(kind="person.created", target="clerk")
    moment = event.at.isoformat()
    assert [
        row["target"]
        for row in EVENTS.page(ListQuery(filters={"kind": "person.created", "actor": "alice"})).rows
    ] == ["clerk"]
    assert EVENTS.page(ListQuery(filters={"area": "person", "since": moment})).total == 1
    assert EVENTS.page(ListQuery(filters={"area": "person", "until": moment, "actor": "alice"})).total == 0
    assert EVENTS.page(ListQuery(filters={"area": "secret"})).total == 0
    with pytest.raises(InvalidListQuery):
        EVENTS.page(ListQuery(filters={"area": "pers"}))
    kinds = set(Event.objects.values_list("kind", flat=True))
    assert known_kinds() == sorted(kinds)
    with tenant_scope(Tenant.objects.create(name="empty", title="Empty")):
        assert known_kinds() == []
