"""The token endpoint, userinfo and the metadata documents, as a client of the protocol sees them."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import pytest
import time_machine
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.utils import timezone

from idp.accounts.credentials import hash_password, store_password
from idp.accounts.models import Person
from idp.accounts.people import save_person
from idp.events.models import Event
from idp.foundation.sealing import digest
from idp.oauth import keys
from idp.oauth.models import RefreshToken, TokenFamily
from idp.tenancy.models import Tenant
from tests.support.applications import save_application
from tests.support.client import DEVICE_CODE, Doors, LiveServer
from tests.support.oauth import (
    DEVICE,
    EVERYTHING,
    KIOSK_SECRET,
    TOKEN,
    USERINFO,
    basic,
    begun,
    claims_of,
    connect,
    forged,
    outcome,
    refresh,
    tokens_of,
    userinfo,
    verified,
)

# --- client authentication: every grant × every client × every mistake --------------------------------------


def _nothing(client_id: str) -> Any:
    return {"client_id": client_id}, {}


def _post(client_id: str, secret: str) -> Any:
    return {"client_id": client_id, "client_secret": secret}, {}


def _basic(client_id: str, secret: str) -> Any:
    return {}, basic(client_id, secret)


def _basic_and_id(client_id: str, secret: str) -> Any:
    return {"client_id": client_id}, basic(client_id, secret)


MISTAKES = {
    "confidential: no secret": _nothing("kiosk"),
    "confidential: wrong secret in the body": _post("kiosk", "wrong"),
    "confidential: wrong secret by Basic": _basic("kiosk", "wrong"),
    "confidential: no secret by Basic": _basic("kiosk", ""),
    "confidential: Basic that was not form-encoded": ({}, basic("kiosk", KIOSK_SECRET, encoded=False)),
    "confidential: the hash instead of the secret": _post("kiosk", digest(KIOSK_SECRET)),
    "public with a secret in the body": _post("tv", "secret"),
    "public with the secret of another client": _post("tv", KIOSK_SECRET),
    "public with a secret by Basic": _basic("tv", KIOSK_SECRET),
    "unknown": _nothing("nobody"),
    "unknown with a secret": _basic("nobody", KIOSK_SECRET),
}


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize("grant", ["device", DEVICE_CODE, "client_credentials", "refresh_token", "unknown"])
def test_wrong_credentials_at_every_grant(door: Doors, grant: Any, mistake: Any) -> None:
    """B17, B25, O17, D20: wrong credentials are a 401 with invalid_client and WWW-Authenticate.

    They are checked before anything else (authentik #20828).
    """
    body, header = MISTAKES[mistake]
    form = {"grant_type": grant, "device_code": "x", "refresh_token": "x"}
    response = door().post(DEVICE if grant == "device" else TOKEN, {**form, **body}, **header)
    assert outcome(response) == (401, "invalid_client")
    assert response["WWW-Authenticate"].startswith("Basic realm=")
    assert response["Cache-Control"] == "no-store"


@pytest.mark.parametrize("mistake", [name for name in MISTAKES if name.startswith("confidential")])
def test_secret_is_checked_on_the_device_exchange(door: Doors, mistake: Any) -> None:
    """B17: an approved code of a confidential client is worthless without the secret.

    See authentik #20828 and PR #21700.
    """
    device = door()
    started = begun(
        device.post(DEVICE, {"scope": "openid offline_access"}, **basic("kiosk", KIOSK_SECRET)), "kiosk"
    )
    door().approve(started)
    body, header = MISTAKES[mistake]
    form = {"grant_type": DEVICE_CODE, "device_code": started.device_code}
    assert outcome(device.post(TOKEN, {**form, **body}, **header)) == (401, "invalid_client")
    tokens = tokens_of(device.post(TOKEN, form, **basic("kiosk", KIOSK_SECRET)))
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    assert outcome(device.post(TOKEN, {**form, **body}, **header)) == (401, "invalid_client")
    tokens_of(device.post(TOKEN, form, **basic("kiosk", KIOSK_SECRET)))


@pytest.mark.parametrize("present", [_post, _basic, _basic_and_id])
def test_each_way_to_authenticate_works(door: Doors, present: Any) -> None:
    """O17, K1, D2: clients authenticate in the body or by Basic, with or without a client_id in the body."""
    device = door()
    body, header = present("kiosk", KIOSK_SECRET)
    started = begun(device.post(DEVICE, {"scope": "openid", **body}, **header), "kiosk")
    door().approve(started)
    assert outcome(
        device.post(TOKEN, {"grant_type": DEVICE_CODE, "device_code": started.device_code, **body}, **header)
    ) == (200, "")


def test_public_client_by_basic_without_a_secret(door: Doors) -> None:
    """D2: some libraries send a public client's id by Basic, with nothing after the colon."""
    device = door()
    started = begun(device.post(DEVICE, {"scope": "openid"}, **basic("tv", "")))
    assert outcome(
        device.post(TOKEN, {"grant_type": DEVICE_CODE, "device_code": started.device_code}, **basic("tv", ""))
    ) == (
        400,
        "authorization_pending",
    )


def test_one_way_of_authentication_at_a_time(door: Doors) -> None:
    """B25: two authentication methods are an error, even if both are right.

    A client_id that contradicts the header is an error too.
    """
    form = {"grant_type": "refresh_token", "refresh_token": "x"}
    right = basic("kiosk", KIOSK_SECRET)
    both = {**form, "client_id": "kiosk", "client_secret": KIOSK_SECRET}
    assert outcome(door().post(TOKEN, both, **right)) == (400, "invalid_request")
    assert outcome(door().post(TOKEN, {**form, "client_id": "tv"}, **right)) == (400, "invalid_request")


@pytest.mark.parametrize(
    "header",
    [
        "Basic",
        "Basic ",
        "Basic !!!",
        "Basic a2lvc2s=",
        "Basic OnNlY3JldA==",
        "Basic /w==",
        "Basic é",
        "basic \xff\xfe",
    ],
)
def test_malformed_basic(door: Doors, header: str) -> None:
    """B25: every malformed header is an error with a code."""
    response = door().post(
        TOKEN, {"grant_type": "refresh_token", "refresh_token": "x"}, HTTP_AUTHORIZATION=header
    )
    assert outcome(response) in [(400, "invalid_request"), (401, "invalid_client")]


def test_clients_of_another_tenant_do_not_exist(door: Doors, acme: Tenant) -> None:
    """B17: a client exists in its own tenant only, and so does its secret."""
    save_application("only-here", by="test", client_id="only-here", grants=[DEVICE_CODE])
    save_application("kiosk", by="test", secret_hash=digest("another secret"))
    assert outcome(door().post(DEVICE, {"client_id": "only-here"})) == (200, "")
    assert outcome(door("other.test").post(DEVICE, {"client_id": "only-here"})) == (401, "invalid_client")
    assert outcome(door().post(DEVICE, {"scope": ""}, **basic("kiosk", KIOSK_SECRET))) == (
        401,
        "invalid_client",
    )
    assert outcome(door("other.test").post(DEVICE, {"scope": ""}, **basic("kiosk", KIOSK_SECRET))) == (
        200,
        "",
    )


def test_client_secrets_never_meet_the_password_hasher(
    door: Doors, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Client secrets are not hashed with the password hasher.

    In django-oauth-toolkit, generated secrets behind the password hasher allowed 6.8 requests a second
    instead of 325.
    """
    hashed = list[tuple[str, ...]]()
    verify, encode = Argon2PasswordHasher.verify, Argon2PasswordHasher.encode

    def verifying(self: Argon2PasswordHasher, *given: str) -> bool:
        hashed.append(given)
        return verify(self, *given)

    def encoding(self: Argon2PasswordHasher, *given: str) -> str:
        hashed.append(given)
        return encode(self, *given)

    monkeypatch.setattr(Argon2PasswordHasher, "verify", verifying)
    monkeypatch.setattr(Argon2PasswordHasher, "encode", encoding)
    started = begun(door().post(DEVICE, {}, **basic("kiosk", KIOSK_SECRET)), "kiosk")
    door().post(
        TOKEN, {"grant_type": DEVICE_CODE, "device_code": started.device_code}, **basic("kiosk", KIOSK_SECRET)
    )
    door().post(
        TOKEN, {"grant_type": DEVICE_CODE, "device_code": started.device_code}, **basic("kiosk", "wrong")
    )
    assert hashed == []


# --- the token endpoint -------------------------------------------------------------------------------------


def test_unsupported_grants(door: Doors) -> None:
    """B13, B25: an unsupported grant has its own error, and the password grant is never supported."""
    for grant in (
        "password",
        "authorization_code",
        "implicit",
        "x",
        "urn:ietf:params:oauth:grant-type:DEVICE_CODE",
    ):
        assert outcome(door().post(TOKEN, {"grant_type": grant, "client_id": "tv"})) == (
            400,
            "unsupported_grant_type",
        )
    assert outcome(door().post(TOKEN, {"client_id": "tv"})) == (400, "invalid_request")


def test_token_answer(door: Doors) -> None:
    """B25, O16: members and headers of a success are those of RFC 6749 section 5.1."""
    device = door()
    started = device.start(scope=EVERYTHING)
    door().approve(started)
    response = device.poll(started)
    answer = tokens_of(response)
    assert set(answer) == {"access_token", "token_type", "expires_in", "scope", "id_token", "refresh_token"}
    assert (answer["token_type"], answer["expires_in"], answer["scope"]) == ("Bearer", 600, EVERYTHING)
    assert response["Cache-Control"] == "no-store"


def test_parameters_in_the_address_do_not_count(door: Doors) -> None:
    """B24: nothing is read from the query string."""
    device = door()
    started = device.start()
    door().approve(started)
    query = f"grant_type={DEVICE_CODE}&client_id=tv&device_code={started.device_code}"
    assert outcome(device.post(f"{TOKEN}?{query}", {"unknown": "1"})) == (400, "invalid_request")
    assert outcome(device.poll(started)) == (200, "")


def test_tokens_verify_with_another_library(door: Doors) -> None:
    """J1, J2, J3, J4, J5, J6, O8, O9: the claims of both tokens are verified against the published keys.

    A third-party library verifies them.
    """
    device = door()
    tokens = connect(door)
    access, identity = verified(device, tokens["access_token"]), verified(device, tokens["id_token"])
    assert (access.header["typ"], access.header["alg"]) == ("at+jwt", "RS256")
    assert (identity.header["typ"], identity.header["alg"]) == ("JWT", "RS256")
    assert access.header["kid"] == identity.header["kid"]
    assert {"iss", "exp", "aud", "sub", "client_id", "iat", "jti", "scope", "auth_time", "acr", "amr"} == set(
        access.claims
    )
    assert {"iss", "exp", "aud", "azp", "sub", "iat", "auth_time", "acr", "amr", "at_hash"} == set(
        identity.claims
    )
    assert access.claims["iss"] == access.claims["aud"] == identity.claims["iss"] == device.issuer
    assert identity.claims["aud"] == identity.claims["azp"] == access.claims["client_id"] == "tv"
    assert access.claims["scope"] == EVERYTHING
    assert access.claims["exp"] - access.claims["iat"] == tokens["expires_in"]
    assert access.claims["sub"] == identity.claims["sub"]
    assert access.claims["sub"].isascii()
    assert len(access.claims["sub"]) <= 255


def test_subject_is_not_reassigned_and_differs_between_tenants(door: Doors, acme: Tenant) -> None:
    """O8, B18: the same name in another tenant is another person; a new person of an old name is too."""
    here, there = (
        claims_of(connect(door, host=host)["id_token"])["sub"] for host in ("acme.test", "other.test")
    )
    assert here != there
    Person.objects.get(username="alice").delete()
    save_person("alice", by="test", password=hash_password("alice-password-1"))
    assert claims_of(connect(door)["id_token"])["sub"] != here


# --- refreshing ---------------------------------------------------------------------------------------------


def test_rotation(door: Doors) -> None:
    """B15, O14: each refresh returns a new refresh token.

    The ID token has the same iss, sub, aud and auth_time, and no nonce.
    """
    device = door()
    first = connect(door, nonce="once")
    second = tokens_of(refresh(device, first["refresh_token"]))
    third = tokens_of(refresh(device, second["refresh_token"]))
    assert len({tokens["refresh_token"] for tokens in (first, second, third)}) == 3
    before, after = claims_of(first["id_token"]), claims_of(third["id_token"])
    assert {name: before[name] for name in ("iss", "sub", "aud", "azp", "auth_time", "acr", "amr")} == {
        name: after[name] for name in ("iss", "sub", "aud", "azp", "auth_time", "acr", "amr")
    }
    assert before["nonce"] == "once"
    assert "nonce" not in after
    assert userinfo(device, third["access_token"]).status_code == 200


def test_refreshes_of_a_family_are_bounded(door: Doors, clock: time_machine.Traveller) -> None:
    """B15: a family has sixty refreshes in ten minutes, because each one leaves a row.

    The refused token is valid afterwards, and another family is not affected.
    """
    device = door()
    token, other = connect(door)["refresh_token"], connect(door)["refresh_token"]
    for _ in range(60):
        token = tokens_of(refresh(device, token))["refresh_token"]
    refused = refresh(device, token)
    assert (outcome(refused)[0], refused["Retry-After"]) == (429, "60")
    tokens_of(refresh(device, other))
    clock.shift(601)
    tokens_of(refresh(device, token))


def test_refresh_token_is_bound_to_client_tenant_and_issuer(
    door: Doors, clock: time_machine.Traveller
) -> None:
    """B15: no other client, tenant or issuer can use a refresh token, and their attempts are no reuse."""
    device = door()
    tokens = connect(door)
    stolen = tokens["refresh_token"]
    assert outcome(refresh(device, stolen, "kiosk", client_secret=KIOSK_SECRET)) == (400, "invalid_grant")
    assert outcome(refresh(device, stolen, "no-devices")) == (400, "invalid_grant")
    assert outcome(refresh(door("other.test"), stolen)) == (400, "invalid_grant")
    assert outcome(refresh(door("login.acme.test"), stolen)) == (400, "invalid_grant")
    clock.shift(60)
    assert outcome(refresh(device, stolen)) == (200, "")
    clock.shift(60)
    assert outcome(refresh(door("other.test"), stolen)) == (400, "invalid_grant")
    assert outcome(refresh(device, stolen, "no-devices")) == (400, "invalid_grant")
    assert userinfo(device, tokens["access_token"]).status_code == 200


def test_refresh_scope_is_within_the_original(door: Doors) -> None:
    """B25: a refresh may request fewer scopes but never more (CVE-2024-52287).

    Fewer scopes narrow these tokens, not the family.
    """
    device = door()
    tokens = connect(door, scope="openid email offline_access")
    assert outcome(refresh(device, tokens["refresh_token"], scope="openid profile")) == (400, "invalid_scope")
    less = tokens_of(refresh(device, tokens["refresh_token"], scope="email"))
    assert less["scope"] == claims_of(less["access_token"])["scope"] == "email"
    assert "id_token" not in less
    assert userinfo(device, less["access_token"]).status_code == 403
    assert tokens_of(refresh(device, less["refresh_token"]))["scope"] == "openid email offline_access"


def test_no_refresh_token_without_offline_access(door: Doors) -> None:
    """O15: a refresh token requires the requested and approved scope, and an application with the grant."""
    assert "refresh_token" not in connect(door, scope="openid")
    device = door()
    started = device.start(client_id="staff-console", scope="openid offline_access")
    door().approve(started)
    assert "refresh_token" not in tokens_of(device.poll(started))


def test_refresh_token_expires(door: Doors, acme: Tenant, clock: time_machine.Traveller) -> None:
    """B15: a refresh token expires by inactivity without a sweep (CVE-2025-64708).

    Each use restarts the period.
    """
    save_application("tv", by="test", refresh_token_lifetime=3600)
    device = door()
    tokens = connect(door)
    clock.shift(3599)
    tokens = tokens_of(refresh(device, tokens["refresh_token"]))
    clock.shift(3599)
    tokens = tokens_of(refresh(device, tokens["refresh_token"]))
    clock.shift(3600)
    assert outcome(refresh(device, tokens["refresh_token"])) == (400, "invalid_grant")


def _inactive() -> None:
    save_person("alice", by="test", is_active=False)


def _other_groups() -> None:
    save_application("tv", by="test", groups=["nobody"])


def _new_password() -> None:
    store_password(Person.objects.get(username="alice"), hash_password("another-password-1"), by="test")


def _no_client() -> None:
    save_application("tv", by="test", is_active=False)


@pytest.mark.parametrize("change", [_inactive, _other_groups, _new_password, _no_client])
def test_refresh_and_userinfo_ask_again_who_may(
    door: Doors, acme: Tenant, clock: time_machine.Traveller, change: Callable[[], None]
) -> None:
    """B15: person, groups, password and client are checked on every path.

    See CVE-2025-53942, CVE-2025-64521 and CVE-2024-38371.
    """
    device = door()
    tokens = connect(door)
    clock.shift(1)
    change()
    assert outcome(userinfo(device, tokens["access_token"])) == (401, "invalid_token")
    expected = (401, "invalid_client") if change is _no_client else (400, "invalid_grant")
    assert outcome(refresh(device, tokens["refresh_token"])) == expected


def test_refused_refresh_is_final(door: Doors, acme: Tenant) -> None:
    """CVE-2025-53942: a person who was inactive at a refresh does not get the family back."""
    device = door()
    tokens = connect(door)
    _inactive()
    assert outcome(refresh(device, tokens["refresh_token"])) == (400, "invalid_grant")
    save_person("alice", by="test", is_active=True)
    assert outcome(refresh(device, tokens["refresh_token"])) == (400, "invalid_grant")
    assert userinfo(device, tokens["access_token"]).status_code == 401


def test_scope_taken_from_the_application_ends_refreshing(door: Doors, acme: Tenant) -> None:
    """B15: a scope that was removed from the application is not refreshed (CVE-2024-52287)."""
    device = door()
    tokens = connect(door)
    save_application("tv", by="test", scopes=["openid", "offline_access"])
    assert outcome(refresh(device, tokens["refresh_token"])) == (400, "invalid_grant")


def test_refresh_grant_switched_off(door: Doors, acme: Tenant) -> None:
    """D28, B25: a refresh requires that the application still has the grant."""
    device = door()
    tokens = connect(door)
    save_application("tv", by="test", grants=[DEVICE_CODE])
    assert outcome(refresh(device, tokens["refresh_token"])) == (400, "unauthorized_client")


# --- userinfo -----------------------------------------------------------------------------------------------


def test_userinfo_by_get_and_post(door: Doors) -> None:
    """O13: both methods work with the token in the header; sub is always there, claims depend on scopes."""
    device = door()
    tokens = connect(door)
    header = {"HTTP_AUTHORIZATION": f"Bearer {tokens['access_token']}"}
    for response in (device.get(USERINFO, **header), device.post(USERINFO, {}, **header)):
        assert response.json() == {
            "sub": claims_of(tokens["id_token"])["sub"],
            "name": "Alice",
            "preferred_username": "alice",
            "email": "alice@acme.test",
            "email_verified": True,
        }
        assert response["Cache-Control"] == "no-store"
    assert set(userinfo(device, connect(door, scope="openid")["access_token"]).json()) == {"sub"}


def test_userinfo_refuses(door: Doors, clock: time_machine.Traveller) -> None:
    """O13, J7, B24: userinfo refuses everything but a valid access token in the header.

    That is no token, one in the body or in the address, an ID token, a refresh token, one of another tenant
    and a malformed one.
    """
    device = door()
    tokens = connect(door)
    stranger = connect(door, host="other.test")
    assert outcome(device.get(f"{USERINFO}?access_token={tokens['access_token']}")) == (401, "invalid_token")
    assert outcome(device.post(USERINFO, {"access_token": tokens["access_token"]})) == (401, "invalid_token")
    broken = tokens["access_token"][:-4] + ("AAAA" if tokens["access_token"][-4:] != "AAAA" else "BBBB")
    for token in (
        tokens["id_token"],
        tokens["refresh_token"],
        stranger["access_token"],
        broken,
        "x",
        "x.y.z",
        "é",
    ):
        response = userinfo(device, token)
        assert outcome(response) == (401, "invalid_token")
        assert response["WWW-Authenticate"].startswith('Bearer error="invalid_token"')
    assert userinfo(door("login.acme.test"), tokens["access_token"]).status_code == 401
    clock.shift(600)
    assert userinfo(device, tokens["access_token"]).status_code == 401


def test_userinfo_needs_openid(door: Doors) -> None:
    """O13: an access token without openid is valid, but not for userinfo (RFC 6750 section 3.1)."""
    response = userinfo(door(), connect(door, scope="email")["access_token"])
    assert outcome(response) == (403, "insufficient_scope")
    assert "insufficient_scope" in response["WWW-Authenticate"]


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
def test_forged_tokens(door: Doors, algorithm: str) -> None:
    """J2: unsigned tokens and tokens that use the public key as a secret are refused."""
    device = door()
    token = connect(door)["access_token"]
    assert outcome(userinfo(device, forged(device, token, algorithm))) == (401, "invalid_token")


# --- documents ----------------------------------------------------------------------------------------------

DOCUMENTS = ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"]


@pytest.mark.parametrize("path", DOCUMENTS)
def test_documents_describe_exactly_what_is_there(door: Doors, path: str) -> None:
    """M1, M2, M3, M4, O18, O19, O20, D23, O9: the metadata documents have exactly these members.

    The only empty array is the required one, and nothing describes an authorization endpoint.
    """
    response = door().get(path)
    assert (response.status_code, response["Content-Type"]) == (200, "application/json")
    document = response.json()
    assert document["issuer"] == "http://acme.test"
    assert document["token_endpoint"] == "http://acme.test/application/o/token/"
    assert document["device_authorization_endpoint"] == "http://acme.test/application/o/device/"
    assert document["userinfo_endpoint"] == "http://acme.test/application/o/userinfo/"
    assert document["jwks_uri"] == "http://acme.test/application/o/jwks/"
    assert document["response_types_supported"] == []
    assert document["grant_types_supported"] == ["refresh_token", DEVICE_CODE]
    assert document["subject_types_supported"] == ["public"]
    assert document["id_token_signing_alg_values_supported"] == ["RS256"]
    assert document["token_endpoint_auth_methods_supported"] == [
        "client_secret_basic",
        "client_secret_post",
        "none",
    ]
    assert set(document["scopes_supported"]) == {
        "openid",
        "profile",
        "email",
        "offline_access",
        "foyer:read",
        "foyer:write",
        "acme:read",
    }
    assert [name for name, value in document.items() if value == []] == ["response_types_supported"]
    assert not [
        name
        for name in document
        if name.startswith(
            ("authorization_", "response_modes", "code_challenge", "revocation", "introspection")
        )
    ]


def test_every_address_in_the_document_answers(door: Doors) -> None:
    """M3: every endpoint in the document exists."""
    document = door().get(DOCUMENTS[0]).json()
    for name, address in document.items():
        if name.endswith(("_endpoint", "_uri")):
            assert door().get(address.removeprefix("http://acme.test")).status_code in (200, 401, 405), name


def test_every_claim_described_is_there(door: Doors) -> None:
    """O20: claims_supported names exactly the claims of the tokens and of userinfo."""
    device = door()
    tokens = connect(door, nonce="n")
    carried = set(claims_of(tokens["id_token"])) | set(userinfo(device, tokens["access_token"]).json())
    assert set(device.get(DOCUMENTS[0]).json()["claims_supported"]) == carried


def test_issuer_is_that_of_each_host_byte_for_byte(door: Doors) -> None:
    """O19, K4, M2: the issuer is per tenant, host and scheme, and equals the iss of the tokens."""
    for host in ("acme.test", "login.acme.test", "other.test"):
        issuer = door(host).get(DOCUMENTS[0]).json()["issuer"]
        assert issuer == f"http://{host}"
        assert claims_of(connect(door, host=host)["id_token"])["iss"] == issuer
    assert door().http.get(DOCUMENTS[0], secure=True).json()["issuer"] == "https://acme.test"
    assert door("ACME.test").get(DOCUMENTS[0]).json()["issuer"] == "http://acme.test"


def test_device_grant_is_described_only_where_it_is_switched_on(door: Doors, acme: Tenant) -> None:
    """D23: the endpoint is omitted with the last application that may use it; the other tenant has it."""
    for name in ("tv", "kiosk", "staff-console"):
        save_application(name, by="test", grants=["refresh_token"])
    document = door().get(DOCUMENTS[0]).json()
    assert "device_authorization_endpoint" not in document
    assert document["grant_types_supported"] == ["refresh_token"]
    assert "device_authorization_endpoint" in door("other.test").get(DOCUMENTS[0]).json()


def test_keys_are_public_per_tenant_and_rotate(
    door: Doors, acme: Tenant, clock: time_machine.Traveller
) -> None:
    """O21, O9: a new key signs, the old one verifies for two more days, and no private member is shown."""
    device = door()
    save_application("tv", by="test", access_token_lifetime=86_400)
    old = connect(door)["access_token"]
    keys.rotate(by="test")
    new = connect(door)["access_token"]
    published = device.get("/application/o/jwks/").json()["keys"]
    assert [set(key) for key in published] == [{"kty", "n", "e", "kid", "use", "alg"}] * 2
    assert verified(device, old).header["kid"] != verified(device, new).header["kid"]
    assert userinfo(device, old).status_code == userinfo(device, new).status_code == 200
    theirs = {key["kid"] for key in door("other.test").get("/application/o/jwks/").json()["keys"]}
    assert not theirs & {key["kid"] for key in published}
    clock.shift(timedelta(days=2))
    assert [key["kid"] for key in device.get("/application/o/jwks/").json()["keys"]] == [published[0]["kid"]]


# --- races, over HTTP ---------------------------------------------------------------------------------------


def race(live: LiveServer, forms: Sequence[dict[str, str]], path: str = TOKEN) -> list[httpx.Response]:
    """Post all forms at the same moment, each in a thread and over a connection of its own."""
    barrier = threading.Barrier(len(forms))
    limits = httpx.Limits(max_connections=len(forms))
    with httpx.Client(
        base_url=f"http://127.0.0.1:{live.port}", headers={"Host": "acme.test"}, limits=limits, timeout=60
    ) as client:

        def send(form: dict[str, str]) -> httpx.Response:
            barrier.wait()
            return client.post(path, data=form)

        with ThreadPoolExecutor(len(forms)) as pool:
            return list(pool.map(send, forms))


def test_fifty_racing_redemptions(live: LiveServer, door: Doors, acme: Tenant) -> None:
    """D24, D27: fifty racing redemptions result in one family, and all served responses are the same.

    The tokens work (django-oauth-toolkit 3.4.1).
    """
    device = door()
    started = device.start(scope=EVERYTHING)
    door().approve(started)
    form = {"grant_type": DEVICE_CODE, "client_id": "tv", "device_code": started.device_code}
    answers = race(live, [form] * 50)
    won = _one_answer(answers)
    assert TokenFamily.objects.count() == RefreshToken.objects.count() == 1
    kinds = Event.objects.filter(kind__in=("device.redeemed", "tokens.issued", "device.revoked")).order_by(
        "kind"
    )
    assert list(kinds.values_list("kind", flat=True)) == ["device.redeemed", "tokens.issued"]
    assert userinfo(device, won["access_token"]).status_code == 200
    again = tokens_of(refresh(device, won["refresh_token"]))
    assert userinfo(device, again["access_token"]).status_code == 200


def _one_answer(answers: list[httpx.Response]) -> dict[str, str]:
    """Return the one set of tokens in all served responses; the other requests lost the race."""
    served = [answer.json() for answer in answers if answer.status_code == 200]
    assert (
        len({(tokens["access_token"], tokens["id_token"], tokens["refresh_token"]) for tokens in served}) == 1
    )
    assert {answer.json()["error"] for answer in answers if answer.status_code != 200} <= {"invalid_grant"}
    first: dict[str, str] = served[0]
    return first


def test_fifty_racing_refreshes(live: LiveServer, door: Doors, acme: Tenant) -> None:
    """B15: of fifty concurrent uses of one refresh token exactly one rotates it.

    There is one response, and the family stays valid.
    """
    device = door()
    tokens = connect(door)
    form = {"grant_type": "refresh_token", "client_id": "tv", "refresh_token": tokens["refresh_token"]}
    answers = race(live, [form] * 50)
    won = _one_answer(answers)
    assert TokenFamily.objects.count() == 1
    assert RefreshToken.objects.count() == 2
    assert userinfo(device, won["access_token"]).status_code == 200
    assert outcome(refresh(device, won["refresh_token"])) == (200, "")


def test_redeemed_code_that_comes_back_later_ends_the_tokens(
    live: LiveServer, door: Doors, acme: Tenant
) -> None:
    """D27: a code that is redeemed again more than ten seconds after a race revokes all tokens of it.

    The request uses the same connection.
    """
    device = door()
    started = device.start(scope=EVERYTHING)
    door().approve(started)
    form = {"grant_type": DEVICE_CODE, "client_id": "tv", "device_code": started.device_code}
    won = _one_answer(race(live, [form] * 10))
    with time_machine.travel(timezone.now() + timedelta(seconds=11)):
        assert [(answer.status_code, answer.json()["error"]) for answer in race(live, [form])] == [
            (400, "invalid_grant")
        ]
    assert userinfo(device, won["access_token"]).status_code == 401
    assert outcome(refresh(device, won["refresh_token"])) == (400, "invalid_grant")
