"""Every condition variable makes a condition true once and false once.

A value that cannot be known refuses the run, and junk from outside never raises.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx
import pytest
import time_machine
from mmdb_writer import MMDBWriter
from netaddr import IPSet
from pytest_django import DjangoAssertNumQueries, Settings

from flows.conditions.expressions import ConditionFailed, compile_condition, condition_variables
from flows.documents.lint import lint
from idp.accounts.models import Person
from idp.accounts.simulated import PK, SimulatedPerson, simulate_person
from idp.devices.models import DeviceCode
from idp.foundation.condition_variables import EvaluationContext
from idp.foundation.facts import ClaimedPerson, ConnectionRequest, Facts, Proof, SignedIn
from idp.foundation.sealing import Sealed
from idp.oauth.models import Application
from idp.runtime.checks import check_geoip
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import Doors, LiveServer
from tests.support.conditions import applies
from tests.support.flows import draw, drawing

NOW = datetime(2026, 11, 20, 17, 30, tzinfo=UTC)  # a Friday, half past six in Berlin
REST = ("login", "device_code", "consent", "finish")


def about(
    facts: Facts | None = None,
    address: str = "203.0.113.9",
    agent: str = "Test/1.0",
    now: datetime = NOW,
) -> EvaluationContext:
    """Return a request with these facts."""
    return EvaluationContext(facts or Facts(), address, agent, now)


def alice(proved_at: datetime = NOW - timedelta(hours=1)) -> Facts:
    """Return facts in which alice proved herself by password an hour ago.

    She has a second factor and a session.
    """
    person = Person.objects.get(username="alice")
    Person.objects.filter(pk=person.pk).update(
        created_at=NOW - timedelta(days=3), attributes={"team": "sales", "floor": 3, "gone": None}
    )
    return Facts(
        person=ClaimedPerson(person.pk, "alice"),
        proof=Proof(person.pk, "pwd", proved_at),
        second_factor=Proof(person.pk, "otp", proved_at),
        signed_in=SignedIn(person.pk, 1, proved_at, ("pwd", "otp")),
    )


def connecting(kind: str, device: int, application: int, *scopes: str) -> Facts:
    """Return the request to connect this device."""
    return Facts(request=ConnectionRequest(kind, device, application, scopes, "", Sealed.of("BCDF-GHJK")))


def asked(**values: Any) -> Facts:
    """Return the request of a device that began a minute ago, from the same network as the person."""
    application = Application.objects.get(client_id="staff-console")
    device = DeviceCode.objects.create(
        **{
            "application": application,
            "issuer": "http://acme.test",
            "scopes": ["openid"],
            "device_code_hash": "x",
            "user_code_hash": "y",
            "interval": 5,
            "created_at": NOW - timedelta(minutes=1),
            "expires_at": NOW + timedelta(minutes=9),
            "address": "203.0.113.9",
            "label": "Living room",
            "agent": "Acme TV/2.1",
        }
        | values
    )
    return connecting("device", device.pk, application.pk, "openid", "acme:read")


EVERY_WORD = [
    ("person.username", 'person.username == "alice"', 'person.username == "bob"'),
    ("person.name", 'person.name.startsWith("Al")', 'person.name == ""'),
    ("person.email", 'person.email.endsWith("@acme.test")', 'person.email.endsWith("@other.test")'),
    ("person.email_verified", "person.email_verified", "!person.email_verified"),
    ("person.groups", '"staff" in person.groups', '"admins" in person.groups'),
    ("person.attributes", 'person.attributes["team"] == "sales"', '"gone" in person.attributes'),
    ("person.attributes", 'person.attributes["floor"] == "3"', '"password" in person.attributes'),
    ("person.credentials", '"password" in person.credentials', '"totp" in person.credentials'),
    ("person.admin", "!person.admin", "person.admin"),
    ("person.role", 'person.role == ""', 'person.role == "owner"'),
    (
        "person.created",
        'request.time - person.created < duration("96h")',
        'request.time - person.created < duration("48h")',
    ),
    ("proof.method", 'proof.method == "pwd"', 'proof.method == ""'),
    ("second_factor.present", "second_factor.present", "!second_factor.present"),
    ("second_factor.method", 'second_factor.method == "otp"', 'second_factor.method == "hwk"'),
    ("session.active", "session.active", "!session.active"),
    ("session.age", 'session.age == duration("1h")', 'session.age > duration("90m")'),
    ("session.methods", '"otp" in session.methods', '"hwk" in session.methods'),
    ("tenant.name", 'tenant.name == "acme"', 'tenant.name == "other"'),
    ("tenant.networks", '"127.0.0.1".within(tenant.networks)', "request.ip.within(tenant.networks)"),
    ("request.ip", 'request.ip == "203.0.113.9"', 'request.ip.startsWith("10.")'),
    ("request.agent", 'request.agent.contains("Test")', 'request.agent == ""'),
    ("request.kind", 'request.kind == "device"', 'request.kind == "authorize"'),
    ("request.scopes", '"acme:read" in request.scopes', '"offline_access" in request.scopes'),
    ("request.time", 'request.time.getHours("Europe/Berlin") == 18', "request.time.getHours() == 18"),
    ("request.time", 'request.time.getDayOfWeek("Asia/Tokyo") == 6', "request.time.getDayOfWeek() == 6"),
    ("application.name", 'application.name == "staff-console"', 'application.name == "tv"'),
    ("application.client_id", 'application.client_id == "staff-console"', 'application.client_id == "tv"'),
    ("application.groups", '"staff" in application.groups', "size(application.groups) == 0"),
    ("application.verified", "!application.verified", "application.verified"),
    ("device.address", "device.address == request.ip", 'device.address == "198.51.100.7"'),
    ("device.label", 'device.label == "Living room"', 'device.label == ""'),
    ("device.agent", 'device.agent.contains("Acme TV")', "device.agent == request.agent"),
    ("device.age", 'device.age == duration("60s")', 'device.age > duration("5m")'),
    ("device.same_network", "device.same_network", "!device.same_network"),
]


@pytest.mark.parametrize(("word", "true", "false"), EVERY_WORD)
def test_a_word_can_be_true_and_false(
    acme: Tenant, clock: time_machine.Traveller, word: str, true: str, false: str
) -> None:
    """A variable is read by its type, of this tenant, at this moment."""
    clock.move_to(NOW)
    here = about(alice() | asked())
    assert word in compile_condition(true).names
    assert applies(true, here) is True
    assert applies(false, here) is False


def test_the_list_is_complete() -> None:
    """Every variable has a case, in the list above or in a test of its own."""
    elsewhere = {"request.country"}
    assert set(condition_variables()) - elsewhere == {word for word, _, _ in EVERY_WORD}


EMPTY = {
    "string": '{} == ""',
    "bool": "!{}",
    "list(string)": "size({}) == 0",
    "map(string)": "size({}) == 0",
    "duration": '{} == duration("0s")',
}


@pytest.mark.parametrize(
    "facts",
    [
        Facts(),
        Facts(person=ClaimedPerson(None, "nobody")),
        connecting("", 0, 0),
        connecting("device", 0, 0),
    ],
)
def test_no_one_and_nothing_have_the_same_variables_with_empty_values(acme: Tenant, facts: Facts) -> None:
    """No error distinguishes an unknown name from a known one.

    The same holds for a device that is gone and one that says nothing.
    """
    for name, word in condition_variables().items():
        if (
            name.startswith(("person.", "proof.", "second_factor.", "session.", "application.", "device."))
            and word.type in EMPTY
        ):
            assert applies(EMPTY[word.type].format(name), about(facts)), name
    assert applies('person.created == timestamp("1970-01-01T00:00:00Z")', about(facts))


def test_the_neighbours_rows_do_not_exist(acme: Tenant, other: Tenant) -> None:
    """Keys of one tenant lead to nothing in another."""
    facts = alice() | asked()
    with tenant_scope(other):
        here = about(facts)
        assert applies('person.username == "" && application.name == "" && device.address == ""', here)
        assert applies("size(person.groups) == 0 && size(person.attributes) == 0", about(facts))


def test_a_simulated_person_has_every_variable(
    acme: Tenant, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """A dry run about a simulated person has the same variables and queries no table."""
    facts = Facts(person=ClaimedPerson(PK, "bob"))
    with (
        simulate_person(SimulatedPerson("bob", groups=("staff",), attributes={"team": "sales"})),
        django_assert_num_queries(0),
    ):
        assert applies(
            'person.username == "bob" && "staff" in person.groups && person.attributes["team"] == "sales"',
            about(facts),
        )
        assert applies('person.created > timestamp("2020-01-01T00:00:00Z") && !person.admin', about(facts))


def test_a_device_is_looked_at_only_while_it_waits(acme: Tenant, clock: time_machine.Traveller) -> None:
    """A device that was decided, or whose application was switched off, has no values any more."""
    clock.move_to(NOW)
    facts = asked()
    assert applies('device.label == "Living room"', about(facts))
    DeviceCode.objects.update(state="denied")
    assert applies('device.label == ""', about(facts))


@pytest.mark.parametrize(
    ("theirs", "mine", "same"),
    [
        ("203.0.113.9", "203.0.113.9", True),
        ("203.0.113.9", "203.0.113.10", False),
        ("2001:db8:0:1::7", "2001:db8:0:1::8", True),
        ("2001:db8:0:1::7", "2001:db8:0:2::7", False),
        ("", "203.0.113.9", False),
    ],
)
def test_what_one_network_is(
    acme: Tenant, clock: time_machine.Traveller, theirs: str, mine: str, same: bool
) -> None:
    """A network is an IPv4 address or an IPv6 /64, as for the budgets and the consent page.

    An unknown address is never in the same network.
    """
    clock.move_to(NOW)
    assert applies("device.same_network", about(asked(address=theirs), mine)) is same


@pytest.mark.parametrize(
    ("source", "queries"),
    [
        (
            (
                'person.username != "" && person.email != "" && person.name != "" && !person.admin && '
                "size(person.attributes) > 0"
            ),
            1,
        ),
        ('"staff" in person.groups && size(person.groups) > 0', 1),
        ('application.name != "" && application.client_id != "" && !application.verified', 1),
        ('device.label != "" && device.agent != "" && device.age > duration("0s") && device.same_network', 1),
        (
            (
                'session.active && session.age > duration("0s") && second_factor.present && proof.method == '
                '"pwd" && tenant.name == "acme"'
            ),
            0,
        ),
        (
            (
                'request.ip != "" && request.kind == "device" && size(request.scopes) > 0 && '
                "request.time.getFullYear() == 2026"
            ),
            0,
        ),
    ],
)
def test_a_row_is_asked_for_once(
    acme: Tenant,
    clock: time_machine.Traveller,
    django_assert_num_queries: DjangoAssertNumQueries,
    source: str,
    queries: int,
) -> None:
    """Several variables of one row cost one query, and facts of the run cost none.

    That holds when the next condition asks again, too.
    """
    clock.move_to(NOW)
    here = about(alice() | asked())
    with django_assert_num_queries(queries):
        assert applies(source, here)
        assert applies(source, here)


def test_a_missing_key_and_an_unknown_zone_refuse(acme: Tenant) -> None:
    """The condition is neither true nor false, so the run is refused."""
    for source in (
        'person.attributes["nothing"] == ""',
        "request.time.getHours(person.username) == 1",
    ):
        with pytest.raises(ConditionFailed):
            applies(source, about(alice()))


def test_a_session_from_the_future_has_no_age(acme: Tenant) -> None:
    """The clocks of two servers differ, and nothing is younger than new."""
    facts = alice(proved_at=NOW + timedelta(seconds=2))
    assert applies('session.age == duration("0s")', about(facts))


def test_zones_come_with_the_product_where_the_system_has_none() -> None:
    """A process on a slim machine without /usr/share/zoneinfo still knows the hour in Berlin."""
    program = (
        "from pathlib import Path; from idp.runtime import env; env.provide_time_zones(Path('/nonexistent'));"
        " import os, django; django.setup();"
        "from flows.conditions.expressions import compile_condition; from "
        "idp.foundation.condition_variables import EvaluationContext;"
        "from idp.foundation.facts import Facts;"
        "from datetime import datetime, UTC;"
        "about = EvaluationContext(Facts(), '', '', datetime(2026, 7, 1, 12, tzinfo=UTC));"
        "print(os.environ['TZDIR'], compile_condition('request.time.getHours(\"Europe/Berlin\") == "
        "14').evaluate(about)[0])"
    )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    environment.pop("TZDIR", None)
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env=environment
    )
    assert ran.stdout.split()[-1:] == ["True"], ran.stderr
    assert "tzdata" in ran.stdout


# --- request.country ----------------------------------------------------------------------------------------


@pytest.fixture
def write_geo(tmp_path: Path, settings: Settings) -> Iterator[Callable[..., Path]]:
    """Write a GeoIP file and name it as FOYER_GEOIP does."""

    def write(records: dict[str, Any], kind: str = "GeoLite2-Country", version: int = 6) -> Path:
        writer = MMDBWriter(ip_version=version, database_type=kind, ipv4_compatible=version == 6)
        for network, record in records.items():
            writer.insert_network(IPSet([network]), record)
        draft = tmp_path / "draft.mmdb"
        writer.to_db_file(str(draft))
        settings.GEOIP = str(tmp_path / "geo.mmdb")
        return draft.rename(settings.GEOIP)

    compile_condition.cache_clear()  # a missing file is checked when a condition is compiled
    yield write
    compile_condition.cache_clear()


GERMAN, AUSTRIAN = {"country": {"iso_code": "DE"}}, {"country": {"iso_code": "AT"}}


def country(address: str, expected: str) -> bool:
    """Return whether a condition sees this country."""
    return applies(f'request.country == "{expected}"', about(address=address))


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("203.0.113.9", "DE"),
        ("::ffff:203.0.113.9", "DE"),
        ("2001:db8::7", "AT"),
        ("198.51.100.1", ""),
        ("127.0.0.1", ""),
        ("2001:db9::1", ""),
    ],
)
def test_the_country_of_an_address(
    acme: Tenant, write_geo: Callable[..., Path], address: str, expected: str
) -> None:
    """The country comes from the file alone, and an address that is not in it has no country."""
    write_geo({"203.0.113.0/24": GERMAN, "2001:db8::/32": AUSTRIAN})
    assert country(address, expected)
    assert not country(address, "CH")


@pytest.mark.parametrize("record", [{"country_code": "de", "country": "Germany"}, {"country": "DE"}, GERMAN])
def test_the_spellings_of_several_makers(
    acme: Tenant, write_geo: Callable[..., Path], record: dict[str, Any]
) -> None:
    """A file of IPv4 addresses only knows no country of an IPv6 address."""
    write_geo({"203.0.113.0/24": record}, kind="acme country lite", version=4)
    assert country("203.0.113.9", "DE")
    assert country("2001:db8::7", "")


def test_a_new_file_counts_at_once(acme: Tenant, write_geo: Callable[..., Path]) -> None:
    """It is replaced while the server runs, and a broken one refuses rather than using a cached value."""
    write_geo({"203.0.113.0/24": GERMAN})
    assert country("203.0.113.9", "DE")
    path = write_geo({"203.0.113.0/24": AUSTRIAN})
    assert country("203.0.113.9", "AT")
    path.write_bytes(b"not a database")
    with pytest.raises(ConditionFailed):
        country("203.0.113.9", "AT")
    path.unlink()
    with pytest.raises(ConditionFailed):
        country("203.0.113.9", "AT")


def test_a_file_that_cannot_be_used_stops_the_start(
    write_geo: Callable[..., Path], settings: Settings
) -> None:
    """foyer.E014: a missing or broken file, or one not about countries, is an error.

    No file at all is none.
    """
    assert check_geoip(None) == []
    path = write_geo({"203.0.113.0/24": GERMAN})
    assert check_geoip(None) == []
    path.write_bytes(b"not a database")
    assert [error.id for error in check_geoip(None)] == ["foyer.E014"]
    path.unlink()
    assert [error.id for error in check_geoip(None)] == ["foyer.E014"]
    write_geo({"203.0.113.0/24": {"autonomous_system_number": 64496}}, kind="GeoLite2-ASN")
    assert "GeoLite2-ASN" in check_geoip(None)[0].msg


def test_without_a_file_the_word_refuses_and_the_flow_is_not_published(
    acme: Tenant, write_geo: Callable[..., Path], settings: Settings
) -> None:
    """An installation that cannot know the country never guesses."""
    flow = drawing("identification", "password", {"stage": "deny", "when": 'request.country != "DE"'}, *REST)
    settings.GEOIP = ""
    compile_condition.cache_clear()
    with pytest.raises(ConditionFailed, match="FOYER_GEOIP"):
        country("203.0.113.9", "DE")
    assert [finding.message for finding in lint(flow) if finding.level == "error"] == [
        "request.country needs FOYER_GEOIP, the path of a GeoIP file in MMDB format."
    ]
    write_geo({"203.0.113.0/24": GERMAN})
    compile_condition.cache_clear()
    assert lint(flow) == []


# --- over HTTP ----------------------------------------------------------------------------------------------


def test_new_words_decide_in_a_drawn_flow(acme: Tenant, door: Doors) -> None:
    """A device in another network is refused after its code was entered.

    One in the same network reaches consent.
    """
    draw(
        "identification",
        "password",
        "login",
        "device_code",
        {"stage": "deny", "when": "!device.same_network"},
        "consent",
    )
    near, far = door(), door(address="203.0.113.9")
    assert near.sign_in().submit(user_code=near.start().user_code).step == "consent"
    refused = near.page().submit(user_code=far.start().user_code)
    assert refused.title == "Access denied"
    unread = door(address="unknown")
    asked = unread.start().user_code
    assert unread.sign_in().submit(user_code=asked).title == "Access denied"


@pytest.fixture
def behind_a_proxy(settings: Settings) -> None:
    """Read X-Forwarded-For from this machine."""
    settings.TRUSTED_PROXIES = (ip_network("127.0.0.0/8"),)


JUNK = [
    "",
    "evil",
    "evil, 203.0.113.9, evil",
    "999.1.1.1",
    "::%<script>",
    "127.0.0.1:x",
    "," * 500,
    "1" * 5000,
    "fe80::1%eth0",
]


def test_junk_in_the_headers_skips_nothing(
    acme: Tenant, write_geo: Callable[..., Path], behind_a_proxy: None, live: LiveServer
) -> None:
    """CVE-2024-47070: X-Forwarded-For that cannot be parsed skips no step.

    In that CVE it made a policy fail and skipped the password stage. Here the address is then in no network
    and no country, and each condition about it can still be evaluated.
    """
    write_geo({"203.0.113.0/24": GERMAN})
    office = 'request.country == "DE" && request.ip.within(["203.0.113.0/24"])'
    draw(
        "identification",
        {"stage": "password", "when": f"!({office})"},
        {"stage": "deny", "when": office},
        *REST,
    )
    assert _after_the_name(live, "203.0.113.9") == "Access denied"
    for junk in JUNK:
        assert _after_the_name(live, junk) == "Enter your password", junk


def _after_the_name(live: LiveServer, forwarded: str) -> str:
    headers = {"Host": "acme.test", "X-Forwarded-For": forwarded}
    with httpx.Client(
        base_url=f"http://127.0.0.1:{live.port}", headers=headers, follow_redirects=True
    ) as client:
        page = client.get("/device")
        hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page.text))
        answered = client.post(page.url.path, data={**hidden, "name": "alice"})
    heading = re.search(r"<h1[^>]*>(.*?)</h1>", answered.text)
    assert heading is not None
    return heading[1]
