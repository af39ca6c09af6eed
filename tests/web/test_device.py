"""RFC 8628 at the public interface: what the device gets, what the person sees, and who may decide."""

from base64 import urlsafe_b64encode
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from blueprints.files.apply import apply
from idp.accounts import sessions
from idp.accounts.credentials import hash_password, store_password
from idp.accounts.models import Person
from idp.accounts.people import save_person
from idp.devices.models import DeviceCode, DeviceState
from idp.events.models import Event
from idp.oauth.models import Application
from idp.tenancy.models import Tenant
from tests.support.applications import save_application
from tests.support.client import DEVICE_CODE, Doors, Seen, Started, Write
from tests.support.oauth import (
    DEVICE,
    KIOSK_SECRET,
    TOKEN,
    basic,
    begun,
    claims_of,
    connect,
    outcome,
    userinfo,
)

CODE_FIRST = """
tenant: acme
---
flow: connect-a-device
title: Connect a device
for: device_code
steps: [{stage: device_code}, {stage: identification}, {stage: password}, {stage: login}, {stage: consent}, {stage: finish}]
"""  # noqa: E501


def state() -> Any:
    """Return the state of the one device."""
    return DeviceCode.objects.get().state


def asked(door: Doors, started: Started, **browser: str) -> Seen:
    """Return a page where alice has entered the code and is asked for consent."""
    seen = door(**browser).sign_in().submit(user_code=started.user_code)
    assert seen.step == "consent", seen.text
    return seen


# --- the device asks ----------------------------------------------------------------------------------------


def test_answer_has_every_member(door: Doors) -> None:
    """D3, D4, D5, D6, D8, D19: the response has codes, addresses, lifetime and interval as uncached JSON."""
    response = door().post(DEVICE, {"client_id": "tv", "scope": "openid"})
    answer = response.json()
    members = {
        "device_code",
        "user_code",
        "verification_uri",
        "verification_uri_complete",
        "expires_in",
        "interval",
        "events_uri",
    }
    assert set(answer) == members
    assert answer["verification_uri"] == "http://acme.test/device"
    assert answer["verification_uri_complete"] == f"http://acme.test/device?user_code={answer['user_code']}"
    assert answer["user_code"] not in answer["verification_uri"]
    assert (answer["expires_in"], answer["interval"]) == (600, 5)
    assert response["Content-Type"] == "application/json"
    assert response["Cache-Control"] == "no-store"


def test_unknown_parameters_are_ignored_and_empty_ones_are_absent(door: Doors) -> None:
    """D1, K3: an unknown parameter is ignored, and an empty one counts as not sent."""
    response = door().post(
        DEVICE,
        {"client_id": "tv", "scope": "", "nonce": "", "audience": "x", "foo[]": "1", "client_secret": ""},
    )
    assert outcome(response) == (200, "")
    assert outcome(door().post(DEVICE, {"client_id": ""})) == (400, "invalid_request")


def test_repeated_parameter_is_refused(door: Doors) -> None:
    """D1: a repeated parameter is refused, even with the same value."""
    assert outcome(door().post(DEVICE, "client_id=tv&client_id=tv")) == (400, "invalid_request")
    assert outcome(door().post(DEVICE, "client_id=tv&nonce=1&nonce=2")) == (400, "invalid_request")


@pytest.mark.parametrize(
    "content_type",
    ["application/x-www-form-urlencoded; charset=UTF-8", "Application/X-WWW-Form-URLEncoded;charset=utf8"],
)
def test_charset_in_the_content_type(door: Doors, content_type: Any) -> None:
    """K3: a charset in the content type is accepted, because several clients send it."""
    assert outcome(door().post(DEVICE, {"client_id": "tv"}, content_type=content_type)) == (200, "")


def test_unknown_and_inactive_clients(door: Doors, acme: Tenant) -> None:
    """D2: an unknown client and an inactive one get the same error."""
    assert outcome(door().post(DEVICE, {"client_id": "nobody"})) == (401, "invalid_client")
    save_application("tv", by="test", is_active=False)
    assert outcome(door().post(DEVICE, {"client_id": "tv"})) == (401, "invalid_client")


def test_confidential_client_authenticates(door: Doors) -> None:
    """D2, K1, K3: the client authenticates by Basic or in the body, and never without its secret.

    Basic works alone, form-encoded as RFC 6749 says.
    """
    device = door()
    assert outcome(device.post(DEVICE, {"scope": "openid"}, **basic("kiosk", KIOSK_SECRET))) == (200, "")
    assert outcome(
        device.post(DEVICE, {"client_id": "kiosk", "scope": "openid"}, **basic("kiosk", KIOSK_SECRET))
    ) == (200, "")
    assert outcome(device.post(DEVICE, {"client_id": "kiosk", "client_secret": KIOSK_SECRET})) == (200, "")
    assert outcome(device.post(DEVICE, {"client_id": "kiosk"})) == (401, "invalid_client")
    assert outcome(device.post(DEVICE, {"client_id": "kiosk", "client_secret": "wrong"})) == (
        401,
        "invalid_client",
    )
    assert outcome(device.post(DEVICE, {}, **basic("kiosk", "wrong"))) == (401, "invalid_client")


def test_client_must_own_the_grant_at_both_endpoints(door: Doors, acme: Tenant) -> None:
    """D28: the grant is checked at the start and at each poll, so that disabling it stops pending devices."""
    device = door()
    assert outcome(device.post(DEVICE, {"client_id": "no-devices"})) == (400, "unauthorized_client")
    form = {"grant_type": DEVICE_CODE, "client_id": "no-devices", "device_code": "x"}
    assert outcome(device.post(TOKEN, form)) == (400, "unauthorized_client")
    started = device.start()
    door().approve(started)
    save_application("tv", by="test", grants=["refresh_token"])
    assert outcome(device.poll(started)) == (400, "unauthorized_client")


def test_scopes_are_filtered_by_the_client(door: Doors, acme: Tenant) -> None:
    """D29: scopes that the application may not have are dropped at the start (CVE-2024-52287).

    They appear nowhere later.
    """
    device = door()
    started = device.start(scope="openid other:read admin acme:read")
    assert DeviceCode.objects.get().scopes == ["openid", "acme:read"]
    seen = asked(door, started)
    assert "Read your Acme data" in seen.text
    assert "other:read" not in seen.text
    seen.submit(decision="approve")
    tokens = device.poll(started).json()
    assert tokens["scope"] == claims_of(tokens["access_token"])["scope"] == "openid acme:read"


def test_empty_scope_is_legal(door: Doors) -> None:
    """D29, D39: a device may request no scope; it gets an access token only.

    There is neither an ID token nor a refresh token.
    """
    tokens = connect(door, scope="")
    assert "id_token" not in tokens
    assert "refresh_token" not in tokens
    assert claims_of(tokens["access_token"])["sub"]


def test_scopes_is_an_alias_of_scope(door: Doors, acme: Tenant) -> None:
    """Some clients send ``scopes``; ``scope`` wins if both are present."""
    door().post(DEVICE, {"client_id": "tv", "scopes": "openid email"})
    assert DeviceCode.objects.get().scopes == ["openid", "email"]
    door().post(DEVICE, {"client_id": "tv", "scopes": "openid email", "scope": "openid"})
    assert DeviceCode.objects.latest("pk").scopes == ["openid"]


@pytest.mark.parametrize("scope", ["öpenid", 'open"id', "a\\b", "a\tb", " ".join(f"s{n}" for n in range(51))])
def test_malformed_scope(door: Doors, scope: str) -> None:
    """RFC 6749 section 3.3: invalid characters in a scope are refused."""
    assert outcome(door().post(DEVICE, {"client_id": "tv", "scope": scope})) == (400, "invalid_scope")


def test_a_device_gets_its_tenant_behind_tls(door: Doors) -> None:
    """K4: every address has the scheme of the client's request."""
    answer = (
        door()
        .http.post(DEVICE, "client_id=tv", content_type="application/x-www-form-urlencoded", secure=True)
        .json()
    )
    assert answer["verification_uri"] == "https://acme.test/device"


# --- the device polls ---------------------------------------------------------------------------------------


def test_pending_then_tokens_then_nothing(door: Doors, acme: Tenant, clock: time_machine.Traveller) -> None:
    """D11, D12, D27: a public client with its client_id in the body redeems a code exactly once."""
    device = door()
    started = device.start()
    assert outcome(device.poll(started)) == (400, "authorization_pending")
    door().approve(started)
    assert state() == DeviceState.APPROVED
    assert outcome(device.poll(started)) == (200, "")
    assert state() == DeviceState.REDEEMED
    clock.shift(11)
    assert outcome(device.poll(started)) == (400, "invalid_grant")


def test_unknown_and_missing_device_code(door: Doors) -> None:
    """D14: it is a 400 with the right code, not a 404 and not a 500 (django-oauth-toolkit 3.4.1)."""
    form = {"grant_type": DEVICE_CODE, "client_id": "tv"}
    assert outcome(door().post(TOKEN, {**form, "device_code": "unknown"})) == (400, "invalid_grant")
    assert outcome(door().post(TOKEN, {**form, "device_code": ""})) == (400, "invalid_request")
    assert outcome(door().post(TOKEN, form)) == (400, "invalid_request")


def test_poll_without_client_id(door: Doors) -> None:
    """D11: a client that does not authenticate must send its client_id."""
    device = door()
    started = device.start()
    assert outcome(device.poll(started, client_id=None)) == (400, "invalid_request")


def test_code_is_bound_to_its_client(door: Doors, acme: Tenant) -> None:
    """D25: another public client can neither redeem a code nor damage it by trying.

    See django-oauth-toolkit 3.4.1.
    """
    device = door()
    started = device.start(scope="openid")
    door().approve(started)
    assert outcome(device.poll(started, client_id="staff-console")) == (400, "invalid_grant")
    assert outcome(device.poll(started, client_id="kiosk", client_secret=KIOSK_SECRET)) == (
        400,
        "invalid_grant",
    )
    assert outcome(device.poll(started)) == (200, "")


def test_code_is_bound_to_its_tenant(door: Doors) -> None:
    """D25: at another tenant the same code with the same client id does not exist, nor as a user code."""
    device = door()
    started = device.start()
    assert outcome(door("other.test").poll(started)) == (400, "invalid_grant")
    stranger = door("other.test")
    assert (
        "valid or has expired. Check it, or get a new one"
        in stranger.sign_in().submit(user_code=started.user_code).text
    )
    door().approve(started)
    assert outcome(door("other.test").poll(started)) == (400, "invalid_grant")
    assert outcome(device.poll(started)) == (200, "")


def test_code_is_bound_to_its_issuer(door: Doors) -> None:
    """D25, K4: a code is redeemed only under the host name and scheme where it was started."""
    device = door()
    started = device.start()
    door().approve(started)
    assert outcome(door("login.acme.test").poll(started)) == (400, "invalid_grant")
    form = {"grant_type": DEVICE_CODE, "client_id": "tv", "device_code": started.device_code}
    assert (
        outcome(device.http.post(TOKEN, form, content_type="application/x-www-form-urlencoded", secure=True))[
            0
        ]
        == 400
    )
    assert outcome(device.poll(started)) == (200, "")


@pytest.mark.parametrize("decision", ["approve", "deny"])
def test_device_hears_of_the_decision_at_once(door: Doors, decision: str) -> None:
    """D12, D32: a denial is stored and returned like an approval, at the very next poll (Hydra #4110)."""
    device = door()
    started = device.start()
    asked(door, started).submit(decision=decision)
    expected = {"approve": (200, ""), "deny": (400, "access_denied")}[decision]
    assert outcome(device.poll(started)) == expected


def test_pkce_both_ways(door: Doors) -> None:
    """D40, B7, B8: a missing verifier, a wrong one, and one without a challenge are refused.

    See CVE-2023-48228 and CVE-2024-23647.
    """
    device = door()
    verifier = "v" * 43
    started = device.start(code_challenge=_s256(verifier), code_challenge_method="S256")
    door().approve(started)
    assert outcome(device.poll(started)) == (400, "invalid_grant")
    assert outcome(device.poll(started, code_verifier="w" * 43)) == (400, "invalid_grant")
    assert outcome(device.poll(started, code_verifier="v" * 42)) == (400, "invalid_request")
    assert outcome(device.poll(started, code_verifier=verifier)) == (200, "")
    plain = device.start()
    door().approve(plain)
    assert outcome(device.poll(plain, code_verifier=verifier)) == (400, "invalid_grant")
    assert outcome(device.poll(plain)) == (200, "")


@pytest.mark.parametrize("method", ["plain", "", "s256"])
def test_only_s256(door: Doors, method: str) -> None:
    """B10: another method is refused, and so is a missing one, which would mean plain."""
    form = {"client_id": "tv", "code_challenge": _s256("v" * 43), "code_challenge_method": method}
    assert outcome(door().post(DEVICE, form)) == (400, "invalid_request")


def _s256(verifier: Any) -> Any:
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()


# --- the person decides -------------------------------------------------------------------------------------


def test_page_says_what_is_approved_and_by_whom_it_was_asked(
    door: Doors, clock: time_machine.Traveller
) -> None:
    """D9, D10, D17, D18, D20, D21: the page shows application, code, address, agent, age and both choices.

    It marks the application as unverified.
    """
    device = door(address="203.0.113.9", agent="SmartTV/7")
    started = device.start(scope="openid email", device_name="Living room")
    clock.shift(90)
    seen = asked(door, started)
    for shown in (
        "Acme TV",
        started.user_code,
        "203.0.113.9",
        "a different network from yours",
        "SmartTV/7",
        "Living room",
        "1\xa0minute ago",
    ):
        assert shown in seen.text
    assert "Unverified app" in seen.text
    assert "Only continue if you can see this code on a device in front of you." in seen.text
    assert 'name="decision" value="approve"' in seen.text
    assert 'name="decision" value="deny"' in seen.text


def test_verification_starts_at_the_address_that_the_device_shows(door: Doors, acme: Tenant) -> None:
    """D7, D8: verification_uri without a query leads to the page that asks for the code."""
    started = door().start()
    seen = door().sign_in(path=started.answer["verification_uri"].removeprefix("http://acme.test"))
    assert (seen.title, seen.step) == ("Connect a device", "device_code")
    assert 'name="user_code"' in seen.text
    assert seen.submit(user_code=started.user_code.lower().replace("-", " ")).step == "consent"


def test_complete_link_fills_in_and_submits_nothing(door: Doors, acme: Tenant) -> None:
    """D5, D10: even with a session and an earlier consent the complete link waits for two POSTs.

    See Keycloak #26100.
    """
    device, person = door(), door()
    person.approve(device.start())
    started = device.start()
    seen = person.page(f"/device?user_code={started.user_code}")
    assert f'value="{started.user_code}"' in seen.text
    assert "Check that this is the code on your device" in seen.text
    assert DeviceCode.objects.latest("pk").state == DeviceState.PENDING
    consent = seen.submit(user_code=started.user_code)
    assert consent.step == "consent"
    assert started.user_code in consent.text
    assert DeviceCode.objects.latest("pk").state == DeviceState.PENDING


def test_no_get_changes_anything(door: Doors, acme: Tenant) -> None:
    """D30: no GET of any page of the run decides anything, with any parameters (Keycloak #26100)."""
    started = door().start()
    seen = asked(door, started)
    for query in ("", "?decision=approve", f"?decision=approve&token={seen.hidden['token']}&step=consent"):
        for method in (seen.door.http.get, seen.door.http.head):
            method(seen.path + query)
    seen.door.page(f"/device?user_code={started.user_code}&decision=approve")
    assert state() == DeviceState.PENDING


def test_post_needs_the_forms_own_token(door: Doors, acme: Tenant) -> None:
    """D30: no token, another run's token and another step's token decide nothing; the right one does."""
    device = door()
    started = device.start()
    seen = asked(door, started)
    elsewhere = seen.door.page("/device")
    for token in ("", "x" * 64, elsewhere.hidden["token"]):
        response = seen.door.http.post(seen.path, {"token": token, "step": "consent", "decision": "approve"})
        assert response.status_code == 200
    assert state() == DeviceState.PENDING
    seen.submit(decision="approve")
    assert state() == DeviceState.APPROVED


def test_only_the_browser_that_entered_the_code_decides(door: Doors, acme: Tenant) -> None:
    """D30: the same form posted from another browser is a 404, even for the same person."""
    started = door().start()
    seen = asked(door, started)
    thief = door()
    thief.sign_in()
    for browser in (door(), thief, door("other.test")):
        assert browser.http.post(seen.path, {**seen.hidden, "decision": "approve"}).status_code == 404
    assert state() == DeviceState.PENDING


def test_no_answer_or_a_strange_one_decides_nothing(door: Doors, acme: Tenant) -> None:
    """D30: an empty POST is no approval (CVE-2026-49448)."""
    started = door().start()
    seen = asked(door, started)
    for fields in ({}, {"decision": ""}, {"decision": "yes"}, {"approve": "approve"}):
        seen.submit(**fields)
    assert state() == DeviceState.PENDING


@pytest.mark.parametrize(("first", "second"), [("deny", "approve"), ("approve", "deny")])
def test_a_decision_is_final(door: Doors, acme: Tenant, first: str, second: str) -> None:
    """D31: going back and pressing the other button changes nothing (Hydra #4110, Keycloak #36811)."""
    device = door()
    started = device.start()
    seen = asked(door, started)
    elsewhere = asked(door, started)
    seen.submit(decision=first)
    decided = state()
    seen.submit(decision=second)
    assert "already used or has expired" in elsewhere.submit(decision=second).text
    assert state() == decided
    assert outcome(device.poll(started)) == {"deny": (400, "access_denied"), "approve": (200, "")}[first]


def test_pressing_twice_is_pressing_once(door: Doors, acme: Tenant) -> None:
    """D31: a double click approves once."""
    seen = asked(door, door().start())
    seen.submit(decision="approve")
    again = seen.submit(decision="approve")
    assert again.title == "Approved – return to your device"
    assert Event.objects.filter(kind="device.approved").count() == 1


def test_ended_session_cannot_decide(door: Doors, acme: Tenant) -> None:
    """D30: a session that has ended decides nothing from a page that is still open (CVE-2025-29928)."""
    seen = asked(door, door().start())
    sessions.end_sessions(Person.objects.get(username="alice"), why="test")
    assert "You were signed out" in seen.submit(decision="approve").text
    assert state() == DeviceState.PENDING


def test_inactive_person_cannot_decide(door: Doors, acme: Tenant) -> None:
    """D33: a person who was deactivated in between decides nothing (CVE-2025-53942)."""
    seen = asked(door, door().start())
    save_person("alice", by="test", is_active=False)
    seen.submit(decision="approve")
    assert state() == DeviceState.PENDING


def test_groups_of_the_application_hold_on_the_device_path(door: Doors, acme: Tenant) -> None:
    """D33: only a member may approve, on the page and in the API (CVE-2024-38371).

    The device is not notified.
    """
    device = door()
    started = device.start(client_id="staff-console", scope="openid")
    bob = door().sign_in("bob", "bob-password-22").submit(user_code=started.user_code)
    assert "have access to" in bob.text
    alice = asked(door, started)
    save_person("alice", by="test", groups=[])
    assert "have permission to connect this device" in alice.submit(decision="approve").text
    assert outcome(device.poll(started)) == (400, "authorization_pending")


def _inactive() -> None:
    save_person("alice", by="test", is_active=False)


def _left_the_group() -> None:
    save_person("alice", by="test", groups=[])


def _new_password() -> None:
    store_password(Person.objects.get(username="alice"), hash_password("another-password-1"), by="test")


def _lost_a_scope() -> None:
    save_application("staff-console", by="test", scopes=[])


@pytest.mark.parametrize("change", [_inactive, _left_the_group, _new_password, _lost_a_scope])
def test_person_is_checked_again_at_redemption(
    door: Doors, acme: Tenant, clock: time_machine.Traveller, change: Callable[[], None]
) -> None:
    """D33: a change between approval and redemption counts, and the refusal is final.

    See CVE-2024-38371, CVE-2025-53942 and CVE-2025-64521.
    """
    device = door()
    started = device.start(client_id="staff-console", scope="openid")
    door().approve(started)
    clock.shift(1)
    change()
    assert outcome(device.poll(started)) == (400, "access_denied")
    assert state() == DeviceState.REVOKED
    save_person("alice", by="test", is_active=True, groups=["staff"])
    assert outcome(device.poll(started)) == (400, "access_denied")
    assert Event.objects.filter(kind="tokens.refused").count() == 1


def test_application_is_checked_again_at_redemption(door: Doors, acme: Tenant) -> None:
    """D33: an inactive application redeems nothing."""
    device = door()
    started = device.start()
    door().approve(started)
    Application.objects.filter(client_id="tv").update(is_active=False)
    assert outcome(device.poll(started)) == (401, "invalid_client")
    assert (
        "valid or has expired. Check it, or get a new one"
        in door().sign_in().submit(user_code=started.user_code).text
    )


def test_application_with_a_flow_of_its_own(door: Doors, acme: Tenant, write_blueprint: Write) -> None:
    """D33: typing its code at /device does not bypass the application's own, stricter flow."""
    strict = CODE_FIRST.replace("connect-a-device", "strict").replace(
        "for: device_code", "for: device_code\ndefault: false"
    )
    strict = strict.replace("{stage: consent}", "{stage: deny}, {stage: consent}")
    apply([write_blueprint(strict)])
    save_application("tv", by="test", flows={"device_code": "strict"})
    device = door()
    started = device.start()
    seen = door().sign_in().submit(user_code=started.user_code)
    assert "have permission to sign in." in seen.text
    assert state() == DeviceState.PENDING


@pytest.mark.parametrize("path", ["approved", "denied"])
def test_audit_trail(door: Doors, acme: Tenant, path: str) -> None:
    """D18: the events have the person, the action, the object, the application and the address."""
    device, browser = door(address="203.0.113.9"), "192.0.2.44"
    started = device.start()
    asked(door, started, address=browser).submit(decision={"approved": "approve", "denied": "deny"}[path])
    event = Event.objects.get(kind=f"device.{path}")
    assert (event.actor, event.application, event.address) == ("alice", "tv", browser)
    assert Event.objects.get(kind="device.started").address == "203.0.113.9"


def test_tokens_carry_the_approving_session(door: Doors, acme: Tenant, clock: time_machine.Traveller) -> None:
    """D39, J6: auth_time and amr are those of the approving session, however old; the nonce is returned."""
    person, device = door(), door()
    person.sign_in()
    signed_in = int(timezone.now().timestamp())
    clock.shift(timedelta(hours=1))
    started = device.start(scope="openid", nonce="n-0S6_WzA2Mj")
    person.approve(started)
    clock.shift(30)
    tokens = device.poll(started).json()
    for token in (claims_of(tokens["id_token"]), claims_of(tokens["access_token"])):
        assert (token["auth_time"], token["amr"], token["acr"]) == (signed_in, ["pwd"], "single")
    assert claims_of(tokens["id_token"])["nonce"] == "n-0S6_WzA2Mj"
    assert "nonce" not in claims_of(tokens["access_token"])
    assert userinfo(device, tokens["access_token"]).json()["sub"] == claims_of(tokens["id_token"])["sub"]


def test_nonce_has_a_limit(door: Doors) -> None:
    """D39: a nonce has at most 255 characters, and a longer one is an error."""
    assert outcome(door().post(DEVICE, {"client_id": "tv", "nonce": "n" * 256})) == (400, "invalid_request")
    assert outcome(door().post(DEVICE, {"client_id": "tv", "nonce": "n" * 255})) == (200, "")


# --- what it costs ------------------------------------------------------------------------------------------

# A start counts the events of its kind in the last minute, because anyone can start a device and the number
# of rows must be bounded.
COSTS = {"start": 9, "poll": 3, "poll too early": 4, "approve": 11, "redeem": 12}


def test_queries_per_request(door: Doors, acme: Tenant, capsys: pytest.CaptureFixture[str]) -> None:
    """The number of statements of each request of a usual flow; raise a number only with a reason."""
    device, found = door(), {}
    warm = device.start()
    door().approve(warm)
    device.poll(warm)

    def counted(name: str, call: Any) -> Any:
        with CaptureQueriesContext(connection) as queries:
            answer = call()
        bookkeeping = ("SAVEPOINT", "RELEASE", "BEGIN", "COMMIT")
        found[name] = sum(not query["sql"].startswith(bookkeeping) for query in queries)
        return answer

    started = begun(
        counted("start", lambda: device.post(DEVICE, {"client_id": "tv", "scope": "openid offline_access"}))
    )
    counted("poll", lambda: device.poll(started))
    counted("poll too early", lambda: device.poll(started))
    seen = asked(door, started)
    decided = counted(
        "approve", lambda: seen.door.http.post(seen.path, {**seen.hidden, "decision": "approve"})
    )
    assert decided.status_code == 303
    assert counted("redeem", lambda: device.poll(started)).status_code == 200
    with capsys.disabled():
        print(f"\nqueries per request: {found}")  # noqa: T201
    assert {name: found[name] for name in COSTS if found[name] > COSTS[name]} == {}
