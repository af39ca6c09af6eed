"""From a Host header to a tenant: exact, wildcard, this machine's own names, and no tenant."""

from collections.abc import Callable

import pytest
from django.test import Client
from pytest_django import Settings

from idp.tenancy.hosts import find_tenant, host_name
from idp.tenancy.models import Tenant
from idp.tenancy.tenants import save_tenant, set_domains


@pytest.fixture
def domains(tenants: dict[str, Tenant], settings: Settings) -> Callable[[str], str | None]:
    """Both tenants with names that overlap, and a default one with a wildcard of the operator's.

    Returns a function from a host name to its tenant.
    """
    save_tenant("default", title="Foyer")
    set_domains(
        tenants["acme"], ["acme.test", "*.acme.test", "shared.example", "*.deep.example"], approved=True
    )
    set_domains(tenants["other"], ["login.acme.test", "*.example", "*.very.deep.example"], approved=True)
    settings.DEFAULT_HOSTS = frozenset(
        {"localhost", "127.0.0.1", "[::1]", "foyer.example", "*.foyer.example"}
    )

    def tenant_of(name: str) -> str | None:
        found = find_tenant(name)
        return found.name if found else None

    return tenant_of


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("acme.test", "acme"),
        ("www.acme.test", "acme"),
        ("a.b.acme.test", "acme"),
        ("login.acme.test", "other"),
        ("x.login.acme.test", "acme"),
        ("shared.example", "acme"),
        ("else.example", "other"),
        ("example", None),
        ("test", None),
        ("notacme.test", None),
        ("acme.test.evil", None),
        ("x.deep.example", "acme"),
        ("x.very.deep.example", "other"),
        ("deep.example", "other"),
        ("localhost", "default"),
        ("127.0.0.1", "default"),
        ("[::1]", "default"),
        ("foyer.example", "default"),
        ("x.foyer.example", "default"),
        ("nowhere.invalid", None),
    ],
)
def test_exact_before_the_nearest_wildcard(
    domains: Callable[[str], str | None], name: str, expected: str | None
) -> None:
    """A wildcard covers every depth below it and not the name itself."""
    assert domains(name) == expected


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("acme.test", "acme.test"),
        ("ACME.Test:8000", "acme.test"),
        ("[::1]:8000", "[::1]"),
        ("127.0.0.1", "127.0.0.1"),
        ("a" * 63 + ".test", "a" * 63 + ".test"),
        ("acme.test.", "acme.test"),
        ("Acme.TEST.:443", "acme.test"),
        ("[0:0:0:0:0:0:0:1]", "[::1]"),
        ("[2001:0DB8::0001]:443", "[2001:db8::1]"),
    ],
)
def test_a_good_header(header: str, name: str) -> None:
    """Any case, with or without a port and the dot of the root."""
    assert host_name(header) == name


BAD = [
    "",
    " ",
    "acme.test..",
    "acme.test.:",
    "acme.test:0",
    "acme.test:65536",
    "acme.test:٤٤٣",
    ".",
    "[::1].",
    "[::1%lo]",
    "[1:2]",
    "[127.0.0.1]",
    "acme.test,acme.test",
    ".acme.test",
    "acme..test",
    "acme.test:",
    "acme.test:port",
    "acme.test:123456",
    "acme.test/x",
    "user@acme.test",
    "acme.test, other.test",
    "acme.test#",
    "acme.test\n",
    "*.acme.test",
    "äcme.test",
    "[::1",
    "::1",
    "a" * 300,
    "acme_test.test",
    "<script>",
]


@pytest.mark.parametrize("header", BAD)
def test_a_malformed_header_is_no_name(header: str) -> None:
    """Not cleaned up, refused."""
    assert host_name(header) is None


@pytest.mark.parametrize("header", [*BAD, "unknown.test", "acme.test.evil"])
@pytest.mark.parametrize("path", ["/device", "/nothing", "/"])
def test_an_unknown_or_malformed_host_is_a_plain_404(
    tenants: dict[str, Tenant], header: str, path: str
) -> None:
    """No other component sees the request, and the response repeats nothing of it."""
    response = Client(HTTP_HOST=header).get(path)
    assert (response.status_code, response["Content-Type"]) == (404, "text/plain")
    assert response.content == b"Nothing is served under this host name.\n"
    assert not response.cookies


def test_a_forwarded_host_means_nothing_by_itself(tenants: dict[str, Tenant]) -> None:
    """B20: only a trusted proxy's, and that is decided before Django."""
    response = Client(
        HTTP_HOST="unknown.test", HTTP_X_FORWARDED_HOST="acme.test", HTTP_FORWARDED="host=acme.test"
    ).get("/device")
    assert response.status_code == 404


def test_each_host_has_an_issuer_of_its_own(tenants: dict[str, Tenant]) -> None:
    """K4, O19: byte for byte the host of the request, the port included."""
    for host in ("acme.test", "www.acme.test", "acme.test:8443", "other.test"):
        assert (
            Client(HTTP_HOST=host).get("/.well-known/openid-configuration").json()["issuer"]
            == f"http://{host}"
        )
