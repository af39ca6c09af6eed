"""Proxy headers: trusted from the configured proxies only, and never an error when malformed."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, nullcontext
from functools import wraps
from ipaddress import ip_network
from typing import Any

import httpx
import pytest
from django.conf import settings as django_settings
from django.core.checks import run_checks
from django.db import connections

from idp.events.models import Event
from idp.tenancy.hosts import host_name
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from idp.tenancy.tenants import save_tenant
from tests.support.flows import draw
from web.server.proxies import ProxyHeaders
from web.server.server import build_application

TRUSTED = [ip_network("10.0.0.0/8"), ip_network("2001:db8:5::/48")]
REST = ("identification", "password", "login", "device_code", "consent", "finish")
JUNK = [
    "",
    "junk",
    "1.2.3.4.5",
    "::::",
    ",",
    ", ,",
    "é",
    "x" * 5000,
    "10.0.0.1%eth0",
    "fe80::1%<script>",
    "[::1",
    "[10.0.0.1]",
    "010.0.0.1",
    "10.0.0.1:port",
    "-1",
    "unix:",
    "unknown",
    "_hidden",
]


async def seen(
    peer: Any, *headers: tuple[str, str], scheme: str = "http", forwarded_host: bool = False
) -> dict[str, Any]:
    """Return what the application behind the middleware sees."""
    found: dict[str, Any] = {}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        found.update(scope)

    pairs = [
        (b"host", b"acme.test"),
        *((name.lower().encode(), value.encode("latin-1")) for name, value in headers),
    ]
    edge = ProxyHeaders(app, TRUSTED, forwarded_host=forwarded_host)
    await edge({"type": "http", "scheme": scheme, "client": peer, "headers": pairs}, None, None)
    names = [name.decode() for name, _ in found["headers"]]
    assert not {"x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded", "x-real-ip"} & set(
        names
    )
    assert names.count("host") == 1
    return {
        "client": found["client"][0],
        "scheme": found["scheme"],
        "host": dict(found["headers"])[b"host"].decode("latin-1"),
    }


def in_a_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Turn a coroutine into a test."""

    @wraps(test)
    def run(*arguments: Any, **named: Any) -> None:
        asyncio.run(test(*arguments, **named))

    return run


FORWARDED = (
    ("X-Forwarded-For", "198.51.100.7"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "other.test"),
)


@in_a_loop
async def test_a_trusted_proxy_is_believed() -> None:
    """B20, K4: a trusted proxy sets the client and the scheme, and the host only with a setting."""
    found = {"client": "198.51.100.7", "scheme": "https", "host": "acme.test"}
    assert await seen(("10.0.0.5", 1), *FORWARDED) == found
    assert await seen(("10.0.0.5", 1), *FORWARDED, forwarded_host=True) == {**found, "host": "other.test"}
    assert (await seen(("2001:db8:5::1", 1), *FORWARDED))["client"] == "198.51.100.7"
    assert (await seen(("::ffff:10.0.0.5", 1), *FORWARDED))["client"] == "198.51.100.7"


@pytest.mark.parametrize("peer", ["203.0.113.9", "127.0.0.1", "11.0.0.1", "2001:db8:6::1", "::1"])
@in_a_loop
async def test_no_other_address_is(peer: str) -> None:
    """B20: headers of other peers are dropped, even those of this machine unless it is listed."""
    found = {"client": peer, "scheme": "http", "host": "acme.test"}
    for switch in (False, True):
        assert await seen((peer, 1), *FORWARDED, ("Forwarded", "for=1.1.1.1"), forwarded_host=switch) == found


@pytest.mark.parametrize(
    ("peer", "logged"),
    [
        (("172.17.0.1", 1), True),
        (("::ffff:192.168.1.2", 1), True),
        (("127.0.0.1", 1), True),
        (("100.64.0.3", 1), True),
        (("fd00::2", 1), True),
        (None, True),
        (("8.8.8.8", 1), False),
        (("2a00:1450::1", 1), False),
        (("10.0.0.5", 1), False),
    ],
)
def test_a_private_peer_that_forwards_and_is_not_listed_is_logged_once(
    peer: Any, logged: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """An unlisted peer in a private network that forwards is logged once.

    It is usually a proxy that is missing in the list. A header from a public address is not logged.
    """

    async def app(scope: Any, receive: Any, send: Any) -> None:
        pass

    edge = ProxyHeaders(app, TRUSTED)
    for headers in ([], [(b"x-forwarded-for", b"198.51.100.7")], [(b"x-forwarded-for", b"198.51.100.8")]):
        _run(edge({"type": "http", "scheme": "http", "client": peer, "headers": headers}, None, None))
    assert ["FOYER_TRUSTED_PROXIES" in record.message for record in caplog.records] == [True] * logged


@in_a_loop
async def test_what_a_client_writes_as_host_is_dropped_and_reported(caplog: pytest.LogCaptureFixture) -> None:
    """B20: a client's X-Forwarded-Host is dropped and logged, unless it equals Host.

    Proxies that do not know the header pass it on.
    """
    for host in ("acme.test", "ACME.test", ""):
        assert (await seen(("10.0.0.5", 1), ("X-Forwarded-Host", host)))["host"] == "acme.test"
    assert not caplog.records
    for hosts in ("localhost", "acme.test, localhost", "acme.test:443"):
        assert (await seen(("10.0.0.5", 1), ("X-Forwarded-Host", hosts)))["host"] == "acme.test"
        assert "FOYER_FORWARDED_HOST" in caplog.records.pop().message


@pytest.mark.parametrize(
    ("chain", "client"),
    [
        ("1.1.1.1, 198.51.100.7", "198.51.100.7"),
        ("1.1.1.1, 198.51.100.7, 10.0.0.9", "198.51.100.7"),
        ("10.0.0.8, 10.0.0.9", "10.0.0.8"),
        ("junk, 198.51.100.7", "198.51.100.7"),
        ("198.51.100.7, junk", "unknown"),
        ("198.51.100.7, junk, 10.0.0.9", "unknown"),
        ("10.0.0.8, unknown", "unknown"),
        ("10.0.0.8, _hidden, 10.0.0.9", "unknown"),
        ("10.0.0.7,2001:db8::9", "2001:db8::9"),
    ],
)
@in_a_loop
async def test_a_forged_chain_changes_no_address(chain: str, client: str) -> None:
    """The client is the rightmost address that no trusted proxy has.

    Anyone can write the addresses to its left.
    """
    assert (await seen(("10.0.0.5", 1), ("X-Forwarded-For", chain)))["client"] == client


@in_a_loop
async def test_repeated_headers_are_one_chain() -> None:
    """RFC 9110 section 5.3: repeated header lines are one list, even with an empty line.

    Some proxies add a line instead of appending to the last one.
    """
    lines = (
        ("X-Forwarded-For", "1.1.1.1"),
        ("X-Forwarded-For", "198.51.100.7"),
        ("X-Forwarded-For", "10.0.0.9"),
    )
    assert (await seen(("10.0.0.5", 1), *lines))["client"] == "198.51.100.7"
    assert (await seen(("10.0.0.5", 1), ("X-Forwarded-For", "10.1.1.1"), ("X-Forwarded-For", "")))[
        "client"
    ] == "unknown"


SPELLINGS = [
    ("198.51.100.7:51544", "198.51.100.7"),
    ("\t198.51.100.7 , ,", "198.51.100.7"),
    ("::ffff:198.51.100.7", "198.51.100.7"),
    ("::ffff:c633:6407", "198.51.100.7"),
    ("0:0:0:0:0:FFFF:198.51.100.7", "198.51.100.7"),
    ("[::ffff:198.51.100.7]:443", "198.51.100.7"),
    ("198.51.100.7, ::ffff:10.0.0.9", "198.51.100.7"),
    ("198.51.100.7, 10.0.0.9:443", "198.51.100.7"),
    ("198.51.100.7,[2001:DB8:5::9]:443", "198.51.100.7"),
    ("[2001:db8::1]:443", "2001:db8::1"),
    ("[2001:db8::1]", "2001:db8::1"),
    ("2001:0DB8:0:0::1", "2001:db8::1"),
    ("fe80::1%eth0", "fe80::1"),
    ("[fe80::1%25eth0]:443", "fe80::1"),
    ("198.51.100.7,,10.0.0.9", "198.51.100.7"),
]


@pytest.mark.parametrize(("written", "client"), SPELLINGS)
@in_a_loop
async def test_an_address_has_one_spelling(written: str, client: str) -> None:
    """A proxy may write an address with a port, in brackets, as IPv4 in IPv6, or with a zone."""
    assert (await seen(("10.0.0.5", 1), ("X-Forwarded-For", written)))["client"] == client


@in_a_loop
async def test_the_connection_has_the_same_spelling() -> None:
    """A dual-stack socket and a link-local address with a zone are normalized too."""
    assert (await seen(("::ffff:198.51.100.7", 1)))["client"] == "198.51.100.7"
    for zone in ("eth0", "2", "br@x"):
        assert (await seen((f"fe80::1%{zone}", 1)))["client"] == "fe80::1"


@pytest.mark.parametrize(
    ("chain", "scheme"),
    [
        ("https,http", "https"),
        (" HTTPS , http", "https"),
        ("Https", "https"),
        (", https", "https"),
        ("wss", "https"),
        ("http, https", "http"),
        ("HTTP", "http"),
        ("ws", "http"),
        ("https:", "http"),
        ("https http", "http"),
        ("on", "http"),
        ("", "http"),
    ],
)
@in_a_loop
async def test_the_first_scheme_of_a_chain(chain: str, scheme: str, caplog: pytest.LogCaptureFixture) -> None:
    """K4: the first scheme is the client's, because proxies append theirs.

    A scheme other than http and https is logged and read as http.
    """
    for connection in ("http", "https"):
        assert (await seen(("10.0.0.5", 1), ("X-Forwarded-Proto", chain), scheme=connection))[
            "scheme"
        ] == scheme
    understood = chain.strip(", ").split(",")[0].strip().lower() in ("http", "https", "ws", "wss")
    assert any("X-Forwarded-Proto" in record.message for record in caplog.records) is not understood


@in_a_loop
async def test_schemes_in_lines_of_their_own() -> None:
    """RFC 9110 section 5.3: repeated scheme lines are one list; without any, the connection decides."""
    lines = (("X-Forwarded-Proto", "https"), ("X-Forwarded-Proto", "http"))
    assert (await seen(("10.0.0.5", 1), *lines))["scheme"] == "https"
    assert (await seen(("10.0.0.5", 1), scheme="https"))["scheme"] == "https"


@pytest.mark.parametrize("junk", JUNK)
@in_a_loop
async def test_junk_raises_nothing(junk: str) -> None:
    """CVE-2024-47070: a malformed address is in no network, and is never the proxy's own.

    A malformed scheme or host is ignored.
    """
    found = await seen(
        ("10.0.0.5", 1), ("X-Forwarded-For", junk), ("X-Forwarded-Proto", junk), ("X-Real-IP", junk)
    )
    assert found == {"client": "unknown", "scheme": "http", "host": "acme.test"}


@in_a_loop
async def test_what_a_proxy_does_not_say_is_the_proxys_own_request() -> None:
    """Without the header, or with trusted hops only, the client is the proxy itself."""
    assert (await seen(("10.0.0.5", 1)))["client"] == "10.0.0.5"
    assert (await seen(("10.0.0.5", 1), ("X-Forwarded-For", "10.0.0.8")))["client"] == "10.0.0.8"


def test_a_hop_that_cannot_be_read_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """A malformed hop is logged once, because a proxy repeats it with each request."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["client"][0] == "unknown"

    edge = ProxyHeaders(app, TRUSTED)
    for number in range(20):
        headers = [(b"x-forwarded-for", b"_hidden%d" % number)]
        _run(
            edge(
                {"type": "http", "scheme": "http", "client": ("10.0.0.5", 1), "headers": headers}, None, None
            )
        )
    logged = [record for record in caplog.records if record.name == "web.server.proxies"]
    assert [(record.levelname, getattr(record, "hop", "")) for record in logged] == [("WARNING", "_hidden0")]


@pytest.mark.parametrize("peer", [None, ("", 0), ("/run/foyer.sock", None), ()])
@in_a_loop
async def test_a_connection_without_an_address_is_this_machine(peer: Any) -> None:
    """A client on a Unix socket is this machine."""
    assert (await seen(peer))["client"] == "127.0.0.1"


@asynccontextmanager
async def _served(app: Any) -> AsyncIterator[None]:
    """Start the application, and shut it down afterwards, which closes what it opened."""
    to_app, from_app = asyncio.Queue[dict[str, str]](), asyncio.Queue[dict[str, str]]()
    lifespan = asyncio.create_task(app({"type": "lifespan"}, to_app.get, from_app.put))
    for event in ("startup", "shutdown"):
        await to_app.put({"type": f"lifespan.{event}"})
        assert (await from_app.get())["type"] == f"lifespan.{event}.complete"
        if event == "startup":
            yield
    await lifespan


@pytest.fixture
def through(transactional_db: None, tenants: dict[str, Tenant], settings: Any) -> Any:
    """Send a GET through the product's whole ASGI stack, as it comes from ``peer``."""
    settings.TRUSTED_PROXIES = tuple(TRUSTED)

    async def get(peer: str, path: str, **headers: str) -> httpx.Response:
        app = build_application(nullcontext)
        transport = httpx.ASGITransport(app=app, client=(peer, 1))
        named = {name.replace("_", "-").encode(): value.encode("latin-1") for name, value in headers.items()}
        async with (
            _served(app),
            httpx.AsyncClient(
                transport=transport, base_url="http://acme.test", follow_redirects=True
            ) as client,
        ):
            return await client.get(path, headers=named)

    yield get
    connections.close_all()


Get = Callable[..., Coroutine[Any, Any, httpx.Response]]


@in_a_loop
async def test_urls_carry_the_public_scheme_and_host(through: Get) -> None:
    """K4: behind a TLS proxy the issuer is https, and an untrusted header changes nothing."""
    path = "/.well-known/openid-configuration"
    proxied = await through("10.0.0.5", path, X_Forwarded_Proto="https", X_Forwarded_Host="other.test")
    assert proxied.json()["issuer"] == "https://acme.test"
    assert "Strict-Transport-Security" in proxied.headers
    chained = await through("10.0.0.5", path, X_Forwarded_Proto="https,http")
    assert chained.json()["issuer"] == "https://acme.test"
    page = await through("10.0.0.5", "/device", X_Forwarded_Proto="https, http")
    cookies = [line.lower() for each in (*page.history, page) for line in each.headers.get_list("set-cookie")]
    assert cookies
    assert all("; secure" in line for line in cookies)
    forged = await through("203.0.113.9", path, X_Forwarded_Proto="https", X_Forwarded_Host="other.test")
    assert forged.json()["issuer"] == "http://acme.test"


@in_a_loop
async def test_the_forwarded_host_chooses_the_tenant_only_with_the_switch(
    through: Get, settings: Any
) -> None:
    """B20, K4: the forwarded host requires the setting, and several hosts are refused."""
    path = "/.well-known/openid-configuration"
    for switch, host, issuer in (
        (False, "other.test", "acme.test"),
        (True, "other.test", "other.test"),
        (True, "", "acme.test"),
    ):
        settings.FORWARDED_HOST = switch
        assert (await through("10.0.0.5", path, X_Forwarded_Host=host)).json()["issuer"] == f"http://{issuer}"
        assert (await through("203.0.113.9", path, X_Forwarded_Host=host)).json()[
            "issuer"
        ] == "http://acme.test"
    for several in ("acme.test, other.test", "other.test, other.test", "unknown.test, acme.test"):
        host = (await seen(("10.0.0.5", 1), ("X-Forwarded-Host", several), forwarded_host=True))["host"]
        assert (host, host_name(host)) == (several, None)


def test_junk_never_decides_a_condition(through: Get, tenants: dict[str, Tenant]) -> None:
    """CVE-2024-47070: a malformed X-Forwarded-For neither skips a stage nor fails, from any peer.

    A step that denies clients outside the trusted networks denies it, although the proxy itself is inside.
    """
    with tenant_scope(tenants["acme"]):
        outside = '!request.ip.within(["10.0.0.0/8"])'
        draw({"stage": "deny", "when": outside}, *REST)

    refused = [(peer, junk, False) for peer in ("10.0.0.5", "203.0.113.9") for junk in JUNK]
    for peer, junk, asked in [("10.0.0.5", "10.0.0.8", True), *refused]:
        page = _run(through(peer, "/device", X_Forwarded_For=junk))
        assert (page.status_code, 'value="identification"' in page.text) == (200, asked), junk
    assert set(Event.unscoped.filter(kind="flow.denied").values_list("address", flat=True)) == {
        "203.0.113.9",
        "unknown",
    }


@pytest.mark.parametrize(
    "networks", ['["198.51.100.0/24"]', '["::ffff:198.51.100.0/120"]', "tenant.networks"]
)
def test_conditions_know_an_address_however_it_is_written(
    through: Get, tenants: dict[str, Tenant], networks: str
) -> None:
    """A deny list matches each spelling of the address and each spelling of the network."""
    with tenant_scope(tenants["acme"]):
        save_tenant("acme", networks=["::ffff:198.51.100.0/120"])
        draw({"stage": "deny", "when": f"request.ip.within({networks})"}, *REST)
    for written, client in [*SPELLINGS, ("198.51.101.7", "198.51.101.7")]:
        page = _run(through("10.0.0.5", "/device", X_Forwarded_For=written))
        assert ('value="identification"' in page.text) is (client != "198.51.100.7"), written


def _run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(coroutine)


def test_trusting_everybody_is_refused_at_start_up(db: None, settings: Any) -> None:
    """foyer.E011 names the variable."""
    assert not [message for message in run_checks() if message.id == "foyer.E011"]
    for everybody in ("0.0.0.0/0", "::/0"):
        settings.TRUSTED_PROXIES = (ip_network(everybody),)
        assert [message.msg for message in run_checks() if message.id == "foyer.E011"] == [
            "FOYER_TRUSTED_PROXIES trusts every address."
        ]


def test_a_unix_socket_without_a_trusted_proxy_is_warned_of(db: None, settings: Any) -> None:
    """foyer.W020: every client of the socket would count as 127.0.0.1."""
    settings.BIND = "unix:/run/foyer.sock"
    for listed, warned in ((), True), (("10.0.0.0/8",), True), (("127.0.0.0/8",), False):
        settings.TRUSTED_PROXIES = tuple(map(ip_network, listed))
        assert any(message.id == "foyer.W020" for message in run_checks()) is warned


def test_no_proxy_is_trusted_unless_one_is_configured() -> None:
    """By default no proxy is trusted."""
    assert django_settings.TRUSTED_PROXIES == ()
