"""The client credentials grant: an application acts for itself.

It is requested through the public door and by other projects' client libraries.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
import requests
import time_machine
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.utils import timezone
from joserfc import jwt
from joserfc.jwk import KeySet
from oauthlib.oauth2 import BackendApplicationClient
from oauthlib.oauth2.rfc6749.errors import InvalidScopeError
from requests_oauth2client import OAuth2Client, UnauthorizedClient
from requests_oauthlib import OAuth2Session

from blueprints.files.apply import apply
from idp.accounts.models import Person
from idp.events.models import Event
from idp.foundation.listing import ListQuery
from idp.foundation.sealing import digest
from idp.oauth import clients, tokens
from idp.oauth.clients import WRONG_SECRET_BUDGET, SecretRotationConflict, rotate_secret
from idp.oauth.errors import InvalidClient
from idp.oauth.forms import Form
from idp.oauth.grants.client_credentials import ClientCredentials
from idp.oauth.listings import CONSENTS
from idp.oauth.models import Application, RefreshToken, TokenFamily
from idp.oauth.tasks import sweep_tokens
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.journeys.devices import local
from tests.support.applications import save_application
from tests.support.client import Door, Doors, LiveServer, Write
from tests.support.oauth import (
    DEVICE,
    TOKEN,
    USERINFO,
    basic,
    claims_of,
    outcome,
    tokens_of,
    userinfo,
    verified,
)

SECRETS = {"acme": "backup secret of acme", "other": "backup secret of other"}
GRANT = "client_credentials"
Library = Callable[[str, str, str, list[str]], str]


@pytest.fixture
def services(tenants: dict[str, Tenant]) -> dict[str, Tenant]:
    """The same service in both tenants, under one client id, each with its own secret and tenant's scope."""
    for name, tenant in tenants.items():
        with tenant_scope(tenant):
            values = {
                "confidential": True,
                "grants": [GRANT],
                "scopes": [f"{name}:read"],
                "client_id": "backup",
            }
            save_application("backup", by="test", secret_hash=digest(SECRETS[name]), **values)
    return tenants


@pytest.fixture
def at_acme(services: dict[str, Tenant]) -> Iterator[Tenant]:
    """In acme's scope, with the services there."""
    with tenant_scope(services["acme"]) as tenant:
        yield tenant


def ask(door: Door, secret: str = SECRETS["acme"], client_id: str = "backup", **more: Any) -> Any:
    """The service requests a token."""
    return door.post(TOKEN, {"grant_type": GRANT, **more}, **basic(client_id, secret))


@pytest.mark.parametrize(("tenant", "host"), [("acme", "acme.test"), ("other", "other.test")])
def test_a_service_gets_a_token_of_its_own(
    services: dict[str, Tenant], door: Doors, tenant: str, host: str
) -> None:
    """B18, B25, J1, J3, J5: sub is the service account's and no person's.

    No one signed in, so nothing says how; and nothing but the token is returned.
    """
    machine = door(host)
    response = ask(machine, SECRETS[tenant])
    assert response["Cache-Control"] == "no-store"
    answer = tokens_of(response)
    assert sorted(answer) == ["access_token", "expires_in", "scope", "token_type"]
    assert answer["scope"] == f"{tenant}:read"
    token = verified(machine, answer["access_token"])
    assert token.header["typ"] == "at+jwt"
    with tenant_scope(services[tenant]):
        assert token.claims["sub"] == Application.objects.get(name="backup").subject
        assert not Person.objects.filter(subject=token.claims["sub"]).exists()
    assert token.claims["sub"].startswith("service-")
    assert {
        "iss": f"http://{host}",
        "aud": f"http://{host}",
        "client_id": "backup",
    }.items() <= token.claims.items()
    assert not {"auth_time", "acr", "amr"} & set(token.claims)


def test_the_subject_is_the_same_each_time_and_follows_no_wish(at_acme: Tenant, door: Doors) -> None:
    """B18: the sub stays when the client id changes, even to a person's sub.

    Each application in each tenant has another one.
    """
    first = claims_of(tokens_of(ask(door()))["access_token"])["sub"]
    alice = Person.objects.get(username="alice").subject
    save_application("backup", by="test", client_id=alice)
    again = claims_of(tokens_of(ask(door(), client_id=alice))["access_token"])
    assert (again["sub"], again["client_id"]) == (first, alice)
    others = claims_of(tokens_of(ask(door("other.test"), SECRETS["other"]))["access_token"])
    assert others["sub"] != first


def test_the_trail_says_who_acted(at_acme: Tenant, door: Doors) -> None:
    """The actor of the event is the service account; no username can be spelled like it."""
    ask(door())
    event = Event.objects.get(kind="tokens.issued")
    assert (event.actor, event.application, event.data["grant"]) == (
        "Service account backup",
        "backup",
        GRANT,
    )
    assert event.actor.casefold() != event.actor


def test_scopes(at_acme: Tenant, door: Doors) -> None:
    """B16, B25: CVE-2024-52287: the token has all allowed scopes, or those of them that were requested.

    A scope beyond those is refused and not dropped.
    """
    save_application("backup", by="test", scopes=["acme:read", "acme:write"])
    assert tokens_of(ask(door()))["scope"] == "acme:read acme:write"
    assert tokens_of(ask(door(), scope="acme:write"))["scope"] == "acme:write"
    for scope in ("acme:write acme:admin", "acme:admin", "other:read"):
        assert outcome(ask(door(), scope=scope)) == (400, "invalid_scope")


@pytest.mark.parametrize("scope", ["openid", "profile", "email", "offline_access", "acme:read openid"])
def test_no_scope_about_a_person(at_acme: Tenant, door: Doors, scope: str) -> None:
    """B18: an application that acts for itself is no person.

    That holds even where the application has these scopes for the people who use it.
    """
    save_application(
        "backup", by="test", scopes=["acme:read", "openid", "profile", "email", "offline_access"]
    )
    assert outcome(ask(door(), scope=scope)) == (400, "invalid_scope")
    assert tokens_of(ask(door()))["scope"] == "acme:read"


def test_nothing_to_refresh_and_no_id_token(at_acme: Tenant, door: Doors) -> None:
    """B25: RFC 6749 section 4.4.3: no refresh token is issued.

    That holds even for an application that can refresh what people granted it.
    """
    save_application(
        "backup", by="test", grants=[GRANT, "refresh_token"], scopes=["acme:read", "openid", "offline_access"]
    )
    answer = tokens_of(ask(door()))
    assert not {"refresh_token", "id_token"} & set(answer)
    assert not RefreshToken.objects.exists()


def test_only_confidential_clients(at_acme: Tenant, door: Doors) -> None:
    """B17, B25: RFC 6749 section 4.4: a public client cannot have the grant.

    It cannot be stored for one, and is refused where it is stored nevertheless.
    """
    with pytest.raises(ValidationError, match="require a confidential application"):
        save_application("tv", by="test", grants=[GRANT])
    Application.objects.filter(name="tv").update(grants=[GRANT])
    response = door().post(TOKEN, {"grant_type": GRANT, "client_id": "tv"})
    assert outcome(response) == (400, "unauthorized_client")
    assert not TokenFamily.objects.exists()


def test_only_where_it_is_switched_on(at_acme: Tenant, door: Doors) -> None:
    """D28, B25: a confidential application without the grant gets the error that says so.

    An inactive application is treated as if it were unknown.
    """
    save_application("backup", by="test", grants=["refresh_token"])
    assert outcome(ask(door())) == (400, "unauthorized_client")
    save_application("backup", by="test", grants=[GRANT], is_active=False)
    assert outcome(ask(door())) == (401, "invalid_client")


def test_the_device_grant_is_not_its(at_acme: Tenant, door: Doors) -> None:
    """D28: an application that can act for itself cannot act for people because of that."""
    assert outcome(door().post(DEVICE, {"scope": "acme:read"}, **basic("backup", SECRETS["acme"]))) == (
        400,
        "unauthorized_client",
    )


def test_userinfo_has_no_person_to_describe(at_acme: Tenant, door: Doors) -> None:
    """B18: RFC 6750 section 3.1: insufficient_scope while the token is good, invalid_token once it is not."""
    token = tokens_of(ask(door()))["access_token"]
    response = userinfo(door(), token)
    assert outcome(response) == (403, "insufficient_scope")
    assert 'error="insufficient_scope"' in response["WWW-Authenticate"]
    assert outcome(userinfo(door("other.test"), token)) == (401, "invalid_token")
    save_application("backup", by="test", grants=["refresh_token"])
    assert outcome(userinfo(door(), token)) == (401, "invalid_token")


@pytest.mark.parametrize("change", [{"is_active": False}, {"grants": []}])
def test_tokens_end_with_the_right_to_them(at_acme: Tenant, door: Doors, change: dict[str, Any]) -> None:
    """CVE-2025-53942: an application that is deactivated, or loses the grant, has no good tokens."""
    token = tokens_of(ask(door()))["access_token"]
    save_application("backup", by="test", **change)
    assert outcome(userinfo(door(), token)) == (401, "invalid_token")


def test_it_is_listed_and_can_be_revoked(at_acme: Tenant, door: Doors) -> None:
    """An administrator sees a service's tokens beside those of people, and revokes them."""
    device = door().start()
    door().approve(device)
    tokens_of(door().poll(device))
    token = tokens_of(ask(door()))["access_token"]
    shown = CONSENTS.page(ListQuery(order="person")).rows
    assert sorted(row["person"] for row in shown) == ["Service account backup", "alice"]
    (row,) = CONSENTS.page(ListQuery(filters={"given": "service"})).rows
    assert (row["application"], row["scopes"]) == ("backup", ["acme:read"])
    assert [each["person"] for each in CONSENTS.page(ListQuery(search="backup")).rows] == [
        "Service account backup"
    ]
    assert tokens.revoke_family(CONSENTS.get(row["key"]), why="test")
    assert outcome(userinfo(door(), token)) == (401, "invalid_token")
    assert Event.objects.get(kind="tokens.revoked").target == "Service account backup"


def test_it_is_swept(at_acme: Tenant, door: Doors, clock: time_machine.Traveller) -> None:
    """A day after its end no row of the token is left."""
    ask(door())
    clock.shift(timedelta(minutes=11) + timedelta(days=1))
    sweep_tokens()
    assert not TokenFamily.objects.exists()


def test_another_tenants_service_is_unknown(services: dict[str, Tenant], door: Doors) -> None:
    """CVE-2024-47077: with the same client id, another tenant's secret and token are worth nothing here."""
    assert outcome(ask(door("other.test"), SECRETS["acme"])) == (401, "invalid_client")
    token = tokens_of(ask(door()))["access_token"]
    assert outcome(door("other.test").get(USERINFO, HTTP_AUTHORIZATION=f"Bearer {token}")) == (
        401,
        "invalid_token",
    )


def test_a_new_secret_ends_the_old_one_and_what_it_gave(at_acme: Tenant, other: Tenant, door: Doors) -> None:
    """B15, B17: the old secret and its tokens end at once; the new one is shown once and stored as a hash.

    The tokens of people and of the other tenant stay.
    """
    kept = tokens_of(ask(door("other.test"), SECRETS["other"]))["access_token"]
    token = tokens_of(ask(door()))["access_token"]
    secret = rotate_secret("backup", by=Person.objects.get(username="alice"))
    assert outcome(ask(door())) == (401, "invalid_client")
    assert outcome(userinfo(door(), token)) == (401, "invalid_token")
    tokens_of(ask(door(), secret))
    assert outcome(userinfo(door("other.test"), kept)) == (403, "insufficient_scope")
    changed, revoked = Event.objects.filter(actor="alice").order_by("pk")
    assert (changed.kind, changed.target, changed.data) == (
        "application.changed",
        "backup",
        {"keys": ["secret_hash"]},
    )
    assert (revoked.kind, revoked.data) == ("tokens.revoked", {"why": "new secret"})
    assert not any(secret in str(vars(event)) for event in Event.objects.all())


@pytest.mark.parametrize("name", ["tv", "nobody"])
def test_only_a_confidential_application_has_a_secret_to_renew(at_acme: Tenant, name: str) -> None:
    """A public or unknown application is refused with a message."""
    with pytest.raises(SecretRotationConflict, match="No application with this ID has a secret"):
        rotate_secret(name, by=Person.objects.get(username="alice"))


def test_two_who_renew_at_once(at_acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare and set: the second gets an error, instead of being shown a secret that does not work."""

    def overtaken() -> tuple[str, str]:
        Application.objects.filter(name="backup").update(secret_hash=digest("of another person"))
        return "mine", digest("mine")

    monkeypatch.setattr(clients, "new_secret", overtaken)
    with pytest.raises(SecretRotationConflict, match="Someone else"):
        rotate_secret("backup", by=Person.objects.get(username="alice"))


def test_a_secret_that_is_renewed_meanwhile_leaves_no_token(at_acme: Tenant) -> None:
    """B17: the client was authenticated with the old secret, and comes to its token a moment too late."""
    grant = ClientCredentials()
    found = grant.find(Application.objects.get(name="backup"), Form({}), "http://acme.test")
    rotate_secret("backup", by=Person.objects.get(username="alice"))
    with pytest.raises(InvalidClient):
        grant.redeem(found, timezone.now())
    assert not TokenFamily.objects.exists()


def test_wrong_secrets_do_not_shut_out_a_long_one(at_acme: Tenant, door: Doors) -> None:
    """B17: a client at the same address that guesses is stopped.

    A right secret that cannot be guessed passes nevertheless.
    """
    for _ in range(WRONG_SECRET_BUDGET.limit):
        assert outcome(ask(door(), "wrong")) == (401, "invalid_client")
    assert outcome(ask(door(), "wrong")) == (429, "temporarily_unavailable")
    save_application("backup", by="test", secret_hash=digest("x" * 32))
    tokens_of(ask(door(), "x" * 32))
    save_application("backup", by="test", secret_hash=digest("short secret"))
    assert outcome(ask(door(), "short secret")) == (429, "temporarily_unavailable")


def test_wrong_secrets_are_slowed_down(at_acme: Tenant, door: Doors, clock: time_machine.Traveller) -> None:
    """B17: RFC 6749 section 2.3.1: wrong secrets of one client from one address are limited.

    After thirty in ten minutes a short right secret has to wait, too.
    """
    save_application("backup", by="test", secret_hash=digest("short secret"))
    for _ in range(WRONG_SECRET_BUDGET.limit):
        assert outcome(ask(door(), "wrong")) == (401, "invalid_client")
    refused = ask(door(), "short secret")
    assert outcome(refused) == (429, "temporarily_unavailable")
    assert refused["Retry-After"] == "60"
    assert outcome(ask(door(), "wrong")) == (429, "temporarily_unavailable")
    tokens_of(ask(door(address="198.51.100.7"), "short secret"))
    tokens_of(ask(door("other.test"), SECRETS["other"]))
    assert Event.objects.filter(kind="client.throttled").count() == 1
    clock.shift(WRONG_SECRET_BUDGET.window + timedelta(seconds=1))
    tokens_of(ask(door(), "short secret"))


def test_discovery_names_it_where_it_is_used(at_acme: Tenant, other: Tenant, door: Doors) -> None:
    """D23, M1: offered by the tenant that switched it on for an application, and by no other."""
    with tenant_scope(other):
        save_application("backup", by="test", grants=[])
    offered = {
        host: door(host).get("/.well-known/openid-configuration").json()["grant_types_supported"]
        for host in ("acme.test", "other.test")
    }
    assert (GRANT in offered["acme.test"], GRANT in offered["other.test"]) == (True, False)


BLUEPRINT = """
tenant: acme
---
application: nightly
type: confidential
client_id: nightly
client_secret: {secret}
grants: [client_credentials]
scopes: [acme:read]
"""


def test_by_blueprint(acme: Tenant, door: Doors, write_blueprint: Write) -> None:
    """The short name of the grant is accepted; a secret that changes ends the old one's tokens.

    The export names the grant and its scopes, but never the secret.
    """
    apply([write_blueprint(BLUEPRINT.format(secret="first of nightly"))])
    token = tokens_of(ask(door(), "first of nightly", "nightly"))["access_token"]
    apply([write_blueprint(BLUEPRINT.format(secret="second of nightly"))])
    assert outcome(userinfo(door(), token)) == (401, "invalid_token")
    tokens_of(ask(door(), "second of nightly", "nightly"))
    out = StringIO()
    call_command("blueprint", "export", "--tenant", "acme", stdout=out)
    assert "client_credentials" in out.getvalue()
    assert "of nightly" not in out.getvalue()


# --- other projects' libraries ------------------------------------------------------------------------------


def _by_oauthlib(issuer: str, client_id: str, secret: str, scope: list[str]) -> str:
    session = local(OAuth2Session(client=BackendApplicationClient(client_id, scope=scope)))
    issued = session.fetch_token(f"{issuer}{TOKEN}", client_id=client_id, client_secret=secret, scope=scope)
    return str(issued["access_token"])


def _by_oauth2client(issuer: str, client_id: str, secret: str, scope: list[str]) -> str:
    session = local(requests.Session())
    provider = session.get(f"{issuer}/.well-known/openid-configuration").json()
    client = OAuth2Client.from_discovery_document(
        provider, issuer=issuer, auth=(client_id, secret), session=session, testing=True
    )
    return str(client.client_credentials(scope=" ".join(scope)).access_token)


@pytest.mark.parametrize("library", [_by_oauthlib, _by_oauth2client])
@pytest.mark.parametrize("tenant", ["acme", "other"])
def test_clients_of_others(
    services: dict[str, Tenant],
    live: LiveServer,
    monkeypatch: pytest.MonkeyPatch,
    tenant: str,
    library: Library,
) -> None:
    """B25, K1: requests-oauthlib and requests-oauth2client get tokens that a third library verifies.

    That holds in both tenants.
    """
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    issuer = live.url(f"{tenant}.test")
    token = library(issuer, "backup", SECRETS[tenant], [f"{tenant}:read"])
    keys = KeySet.import_key_set(local(requests.Session()).get(f"{issuer}/application/o/jwks/").json())
    claims = jwt.decode(token, keys, algorithms=["RS256"]).claims
    assert (claims["iss"], claims["scope"]) == (issuer, f"{tenant}:read")
    assert claims["exp"] > timezone.now().timestamp()


def test_errors_are_understood_by_clients_of_others(
    services: dict[str, Tenant], live: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """B25: each library names the mistake by the class that it has for it."""
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    with pytest.raises(InvalidScopeError, match="openid can't be requested"):
        _by_oauthlib(live.url("acme.test"), "backup", SECRETS["acme"], ["openid"])
    with tenant_scope(services["acme"]):
        save_application("backup", by="test", grants=[])
    with pytest.raises(UnauthorizedClient):
        _by_oauth2client(live.url("acme.test"), "backup", SECRETS["acme"], ["acme:read"])
