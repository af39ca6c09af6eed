"""A host has several spellings and one meaning: one issuer, one tenant, one origin."""

from http.client import HTTPConnection
from typing import Any

import pytest
from django.test import Client

from idp.tenancy.models import Tenant
from idp.tenancy.tenants import set_domains
from tests.support.client import DEVICE_CODE, Doors, LiveServer, Started
from tests.support.oauth import DEVICE, TOKEN, USERINFO, outcome, tokens_of

METADATA = "/.well-known/openid-configuration"
EVENTS = "/application/o/device/events"
DOCUMENTS = [METADATA, "/.well-known/oauth-authorization-server", "/application/o/jwks/"]
SPELLINGS = [
    "acme.test",
    "ACME.test",
    "acme.test.",
    "Acme.Test.:{port}",
    "acme.test:{port}",
    "acme.test:0{port}",
]


@pytest.mark.parametrize(("secure", "port"), [(True, 443), (False, 80)])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_one_issuer_for_every_spelling(
    tenants: dict[str, Tenant], spelling: str, secure: bool, port: int
) -> None:
    """K4, O19: the default port, the case and a trailing dot do not change the issuer."""
    found = Client(HTTP_HOST=spelling.format(port=port)).get(METADATA, secure=secure).json()
    assert found["issuer"] == f"http{'s' * secure}://acme.test"
    assert all(
        found[name].startswith(found["issuer"] + "/")
        for name in ("token_endpoint", "jwks_uri", "device_authorization_endpoint")
    )


@pytest.mark.parametrize(
    ("host", "secure", "issuer"),
    [
        ("acme.test:80", True, "https://acme.test:80"),
        ("acme.test:443", False, "http://acme.test:443"),
        ("acme.test.:08443", True, "https://acme.test:8443"),
        ("[0:0:0:0:0:0:0:1]:443", True, "https://[::1]"),
        ("[::0001]:8000", False, "http://[::1]:8000"),
    ],
)
def test_other_ports_are_other_issuers(
    tenants: dict[str, Tenant], settings: Any, host: str, secure: bool, issuer: str
) -> None:
    """K4: another port is another issuer, and an IPv6 address is written as in RFC 5952."""
    set_domains(tenants["acme"], ["acme.test"], approved=True)
    Tenant.objects.filter(name="other").update(name="default")  # owns the loopback addresses
    assert Client(HTTP_HOST=host).get(METADATA, secure=secure).json()["issuer"] == issuer


def test_a_device_meets_one_issuer(door: Doors, acme: Tenant) -> None:
    """A device is started, approved and polled under three spellings of one host, with one issuer.

    Another host of the tenant is another issuer.
    """
    started = Started(
        door("acme.test:443").post(DEVICE, {"client_id": "tv", "scope": "openid"}, secure=True).json()
    )
    assert started.answer["verification_uri"] == "https://acme.test/device"
    form = {"grant_type": DEVICE_CODE, "client_id": "tv", "device_code": started.device_code}
    assert outcome(door("ACME.test.").post(TOKEN, form, secure=True)) == (400, "authorization_pending")
    for elsewhere in ("www.acme.test", "acme.test:8443", "other.test"):
        assert outcome(door(elsewhere).post(TOKEN, form, secure=True)) == (400, "invalid_grant")
    assert outcome(door("acme.test").post(TOKEN, form)) == (400, "invalid_grant")
    door("acme.test.").approve(started)
    assert outcome(door("aCME.test.:443").post(TOKEN, form, secure=True)) == (200, "")


def test_tokens_open_under_every_spelling(door: Doors, acme: Tenant) -> None:
    """The issuer in a token is compared with the normalized host."""
    device = door("acme.test:80")
    started = device.start(scope="openid")
    door("ACME.test").approve(started)
    token = tokens_of(door("acme.test.").poll(started))["access_token"]
    for host in ("acme.test", "acme.test.:80", "Acme.Test"):
        assert door(host).get(USERINFO, HTTP_AUTHORIZATION=f"Bearer {token}").status_code == 200
    assert door("www.acme.test").get(USERINFO, HTTP_AUTHORIZATION=f"Bearer {token}").status_code == 401


@pytest.mark.parametrize("origin", ["http://acme.test", "http://acme.test.", "http://ACME.test:80"])
def test_a_form_of_this_site_is_accepted_under_every_spelling(
    tenants: dict[str, Tenant], origin: str
) -> None:
    """An Origin in the spelling of the address bar is accepted, and that of another site is refused."""
    browser = Client(enforce_csrf_checks=True, HTTP_HOST="acme.test.:80")
    cookie = "x" * 32
    browser.cookies["foyer_csrf"] = cookie
    posted = {"csrfmiddlewaretoken": cookie}
    assert browser.post("/sign-out", posted, HTTP_ORIGIN=origin).status_code == 303
    for foreign in (
        "http://other.test",
        "https://acme.test",
        "http://acme.test:8000",
        "null",
        "http://acme.test.evil",
        "://",
    ):
        assert browser.post("/sign-out", posted, HTTP_ORIGIN=foreign).status_code == 403, foreign


@pytest.mark.parametrize("path", DOCUMENTS)
def test_no_shared_cache_keeps_what_differs_by_host(tenants: dict[str, Tenant], path: str) -> None:
    """Clients may cache the documents for a while, but shared caches may not.

    A cache that ignores the host would serve another tenant's keys.
    """
    found = [Client(HTTP_HOST=host).get(path) for host in ("acme.test", "other.test")]
    assert found[0].content != found[1].content
    assert {response["Cache-Control"] for response in found} == {"private, max-age=300"}


def test_a_listener_has_one_host(live: LiveServer, door: Doors) -> None:
    """A stream accepts every spelling of its host, and refuses two hosts (RFC 9112 section 3.2)."""
    proof = {"Authorization": f"Device {door(f'acme.test:{live.port}').start().device_code}"}
    for hosts, status in (
        (["ACME.test."], 200),
        (["acme.test", "other.test"], 401),
        (["acme.test", "acme.test"], 401),
        ([], 401),
    ):
        line = HTTPConnection("127.0.0.1", live.port, timeout=10)
        line.putrequest("GET", EVENTS, skip_host=True)
        for name, value in [*(("Host", host) for host in hosts), *proof.items()]:
            line.putheader(name, value)
        line.endheaders()
        assert line.getresponse().status == status, hosts
        line.close()
