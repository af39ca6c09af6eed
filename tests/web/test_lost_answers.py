"""A lost response of the token endpoint costs nothing: the same request gets it again.

This holds until any of its tokens was used.
"""

from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from hashlib import sha256
from typing import Any

import pytest
import time_machine

from idp.accounts.people import save_person
from idp.devices.grant import DeviceGrant
from idp.devices.models import DeviceCode
from idp.events.models import Event
from idp.oauth import keys
from idp.oauth.grant import Grant
from idp.oauth.grants.refresh import Refresh
from idp.oauth.models import CLIENT_CREDENTIALS, RefreshToken, TokenFamily
from idp.oauth.retries import GRACE
from idp.oauth.tokens import TokenResponse
from idp.tenancy.models import Tenant
from tests.support.applications import save_application
from tests.support.client import Door, Doors, Started
from tests.support.oauth import (
    EVERYTHING,
    KIOSK_SECRET,
    TOKEN,
    basic,
    claims_of,
    outcome,
    refresh,
    tokens_of,
    userinfo,
)

Clock = time_machine.Traveller
ISSUED = ("tokens.issued", "device.redeemed", "tokens.revoked", "device.revoked")
SECRET = {"client_secret": KIOSK_SECRET}


@contextmanager
def cut_off(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the process die when everything is committed and nothing is sent yet."""

    def die(answer: TokenResponse) -> None:
        raise RuntimeError("cut off")

    with monkeypatch.context() as patched:
        patched.setattr(TokenResponse, "as_json", die)
        yield


def lost(monkeypatch: pytest.MonkeyPatch, door: Door, ask: Callable[[], Any]) -> None:
    """Send a request whose response is lost."""
    door.http.raise_request_exception = False
    with cut_off(monkeypatch):
        assert ask().status_code == 500


def approved(
    door: Doors, host: str = "acme.test", scope: str = EVERYTHING, **more: str
) -> tuple[Door, Started]:
    """Return a device whose code was approved and not yet redeemed."""
    device = door(host)
    started = device.start(scope=scope, **more)
    door(host).approve(started)
    return device, started


def happened() -> list[str]:
    """Return the kinds of events about tokens, in order."""
    return list(Event.objects.filter(kind__in=ISSUED).order_by("pk").values_list("kind", flat=True))


@pytest.mark.parametrize("host", ["acme.test", "other.test"])
@pytest.mark.parametrize("scope", [EVERYTHING, "openid", ""])
def test_a_device_asks_again(
    door: Doors, clock: Clock, monkeypatch: pytest.MonkeyPatch, host: str, scope: str
) -> None:
    """D24, D27: a device may repeat the request as often as it takes, until the end of the grace period.

    It does so with and without a refresh token.
    """
    device, started = approved(door, host, scope)
    lost(monkeypatch, device, lambda: device.poll(started))
    lost(monkeypatch, device, lambda: device.poll(started))
    clock.shift(GRACE)
    tokens = tokens_of(device.poll(started))
    assert tokens["expires_in"] == 590
    if "openid" in scope:
        assert userinfo(device, tokens["access_token"]).status_code == 200
    if "offline_access" in scope:
        tokens_of(refresh(device, tokens["refresh_token"]))


def test_it_is_the_same_answer(door: Doors, acme: Tenant, clock: Clock) -> None:
    """D24: the repeated response is byte for byte the same, from another address and under a newer key.

    There is one family, one redemption and one issue.
    """
    device, started = approved(door, nonce="once")
    first = tokens_of(device.poll(started))
    clock.shift(3)
    again = tokens_of(door(address="198.51.100.7").poll(started))
    assert again == {**first, "expires_in": 597}
    assert happened() == ["device.redeemed", "tokens.issued"]
    assert TokenFamily.objects.count() == RefreshToken.objects.count() == 1
    event = Event.objects.get(kind="tokens.repeated")
    assert (event.actor, event.application, event.address) == ("alice", "tv", "198.51.100.7")
    assert first["refresh_token"] not in str(list(Event.objects.values()))
    keys.rotate(by="test")
    rotated = tokens_of(device.poll(started))
    assert claims_of(rotated["access_token"]) == claims_of(first["access_token"])
    assert rotated["refresh_token"] == first["refresh_token"]


def _userinfo(device: Door, tokens: dict[str, Any]) -> None:
    assert userinfo(device, tokens["access_token"]).status_code == 200


def _userinfo_refused(device: Door, tokens: dict[str, Any]) -> None:
    save_application("tv", by="test", scopes=["offline_access"])
    assert userinfo(device, tokens["access_token"]).status_code == 403
    save_application("tv", by="test", scopes=EVERYTHING.split())


def _api(device: Door, tokens: dict[str, Any]) -> None:
    assert device.get(
        "/api/applications/", HTTP_AUTHORIZATION=f"Bearer {tokens['access_token']}"
    ).status_code in (401, 403)


def _refreshed(device: Door, tokens: dict[str, Any]) -> None:
    tokens_of(refresh(device, tokens["refresh_token"]))


USES = [_userinfo, _userinfo_refused, _api, _refreshed]


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("how", ["device", "refresh"])
def test_once_anything_was_used_two_have_it(
    door: Doors, acme: Tenant, clock: Clock, use: Callable[..., None], how: str
) -> None:
    """D27, B15: once any token was used, a repeated request within the grace period ends the family.

    It does not matter which token was used or why its use was refused.
    """
    device, started = approved(door)
    first = tokens_of(device.poll(started))
    tokens = first if how == "device" else tokens_of(refresh(device, first["refresh_token"]))
    use(device, tokens)
    clock.shift(1)
    replay = device.poll(started) if how == "device" else refresh(device, first["refresh_token"])
    assert outcome(replay) == (400, "invalid_grant")
    assert outcome(userinfo(device, tokens["access_token"])) == (401, "invalid_token")
    assert outcome(refresh(device, tokens["refresh_token"])) == (400, "invalid_grant")
    assert Event.objects.get(kind="tokens.revoked").data["why"].endswith("used twice")


@pytest.mark.parametrize("how", ["device", "refresh"])
def test_later_it_was_stolen(door: Doors, acme: Tenant, clock: Clock, how: str) -> None:
    """D27, B15: a second after the grace period the whole family ends with an event, used or not."""
    device, started = approved(door)
    first = tokens_of(device.poll(started))
    tokens = first if how == "device" else tokens_of(refresh(device, first["refresh_token"]))
    clock.shift(GRACE + timedelta(seconds=1))
    replay = device.poll(started) if how == "device" else refresh(device, first["refresh_token"])
    assert outcome(replay) == (400, "invalid_grant")
    assert userinfo(device, tokens["access_token"]).status_code == 401
    assert outcome(refresh(device, tokens["refresh_token"])) == (400, "invalid_grant")
    assert Event.objects.filter(kind="tokens.revoked").count() == 1
    assert Event.objects.filter(kind="device.revoked").exists() is (how == "device")


@pytest.mark.parametrize("used", [False, True])
@pytest.mark.parametrize("how", ["device", "refresh"])
def test_an_impatient_client(
    door: Doors, acme: Tenant, monkeypatch: pytest.MonkeyPatch, how: str, used: bool
) -> None:
    """D24, B15: a client that overtakes itself with a second request gets the same response.

    A request that is too late is refused and ends nothing.
    """
    device, started = approved(door)
    grant: type[Grant] = DeviceGrant
    first = dict[str, Any]()
    if how == "refresh":
        grant, first = Refresh, tokens_of(device.poll(started))
    find, seen = grant.find, list[dict[str, Any]]()

    def ask() -> Any:
        return door().poll(started) if how == "device" else refresh(door(), first["refresh_token"])

    def find_slowly(*given: Any) -> Any:
        found = find(*given)
        monkeypatch.setattr(grant, "find", find)
        seen.append(tokens_of(ask()))
        if used:
            assert userinfo(device, seen[0]["access_token"]).status_code == 200
        return found

    monkeypatch.setattr(grant, "find", find_slowly)
    answer = ask()
    assert outcome(answer) == ((400, "invalid_grant") if used else (200, ""))
    assert used or answer.json() == seen[0]
    assert userinfo(device, seen[0]["access_token"]).status_code == 200
    tokens_of(refresh(device, seen[0]["refresh_token"]))
    assert TokenFamily.objects.count() == 1
    assert not Event.objects.filter(kind__endswith=".revoked").exists()


def test_a_refresh_asks_again(
    door: Doors, acme: Tenant, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """B15: a lost generation is returned again three times in a row, and the previous one stays valid.

    From then on everything is as usual.
    """
    device, started = approved(door)
    tokens = tokens_of(device.poll(started))
    for _ in range(3):
        before = dict(tokens)
        lost(monkeypatch, device, partial(refresh, device, before["refresh_token"]))
        clock.shift(GRACE)
        assert userinfo(device, before["access_token"]).status_code == 200
        tokens = tokens_of(refresh(device, before["refresh_token"]))
        assert tokens_of(refresh(device, before["refresh_token"])) == tokens
        assert len({tokens["access_token"], before["access_token"]}) == 2
    assert userinfo(device, tokens["access_token"]).status_code == 200
    assert TokenFamily.objects.count() == 1
    assert RefreshToken.objects.filter(rotated_at=None).count() == 1
    assert not Event.objects.filter(kind="tokens.revoked").exists()


def test_fewer_scopes_the_second_time(door: Doors, acme: Tenant) -> None:
    """B25: a repeated request may narrow the scopes; its access token has another identifier."""
    device, started = approved(door)
    token = tokens_of(device.poll(started))["refresh_token"]
    whole, less = tokens_of(refresh(device, token)), tokens_of(refresh(device, token, scope="email"))
    assert less["scope"] == "email"
    assert less["refresh_token"] == whole["refresh_token"]
    assert claims_of(less["access_token"])["jti"] != claims_of(whole["access_token"])["jti"]
    assert userinfo(device, less["access_token"]).status_code == 403
    assert outcome(refresh(device, token)) == (400, "invalid_grant")


def test_an_older_code_is_no_lost_answer(door: Doors, acme: Tenant) -> None:
    """D27, B15: a token older than the last used one has a response that was used, however recent it is."""
    device, started = approved(door)
    first = tokens_of(device.poll(started))
    second = tokens_of(refresh(device, first["refresh_token"]))
    third = tokens_of(refresh(device, second["refresh_token"]))
    assert tokens_of(refresh(device, second["refresh_token"])) == third
    assert outcome(refresh(device, first["refresh_token"])) == (400, "invalid_grant")
    assert outcome(refresh(device, third["refresh_token"])) == (400, "invalid_grant")


def test_no_one_else_gets_it(door: Doors, acme: Tenant) -> None:
    """D25, B15, B17: other clients, tenants and hosts, and a client without its secret, get no response.

    They do not end it for its owner either.
    """
    device, started = approved(door, scope="openid offline_access")
    kiosk, theirs = approved(door, scope="openid offline_access", client_id="kiosk", **SECRET)
    mine, tokens = tokens_of(device.poll(started)), tokens_of(kiosk.poll(theirs, **SECRET))
    for stranger in (device, door("other.test"), door("login.acme.test")):
        assert outcome(stranger.poll(started, client_id="kiosk", **SECRET)) == (400, "invalid_grant")
        assert outcome(stranger.poll(theirs, client_id="tv")) == (400, "invalid_grant")
    for stranger in (door("other.test"), door("login.acme.test")):
        assert outcome(stranger.poll(started)) == (400, "invalid_grant")
        assert outcome(stranger.poll(theirs, **SECRET)) == (400, "invalid_grant")
    assert outcome(kiosk.poll(theirs)) == (401, "invalid_client")
    assert outcome(kiosk.poll(theirs, client_secret="wrong")) == (401, "invalid_client")
    assert tokens_of(device.poll(started))["access_token"] == mine["access_token"]
    assert tokens_of(kiosk.poll(theirs, **SECRET))["access_token"] == tokens["access_token"]
    for token, client in ((mine["refresh_token"], "tv"), (tokens["refresh_token"], "kiosk")):
        more = SECRET if client == "kiosk" else {}
        answer = tokens_of(refresh(device, token, client, **more))
        other, secret = ("tv", {}) if client == "kiosk" else ("kiosk", SECRET)
        assert outcome(refresh(device, token, other, **secret)) == (400, "invalid_grant")
        assert outcome(refresh(door("other.test"), token, client, **more)) == (400, "invalid_grant")
        assert tokens_of(refresh(device, token, client, **more))["access_token"] == answer["access_token"]
    assert not Event.objects.filter(kind__endswith=".revoked").exists()


def test_no_one_gets_it_without_the_verifier(door: Doors, acme: Tenant) -> None:
    """D40, B7: the response to a code with PKCE is repeated only with its verifier.

    A request without it ends nothing.
    """
    verifier = "v" * 43
    challenge = urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    device, started = approved(door, code_challenge=challenge, code_challenge_method="S256")
    first = tokens_of(device.poll(started, code_verifier=verifier))
    for wrong in ({}, {"code_verifier": "w" * 43}):
        assert outcome(device.poll(started, **wrong)) == (400, "invalid_grant")
    assert tokens_of(device.poll(started, code_verifier=verifier))["refresh_token"] == first["refresh_token"]
    assert userinfo(device, first["access_token"]).status_code == 200


def test_a_client_that_acts_for_itself_asks_again(
    door: Doors, acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """B17: a client with a secret gets other tokens on a new request, and nothing counts as reuse."""
    save_application("kiosk", by="test", grants=[CLIENT_CREDENTIALS], scopes=["acme:read"])
    service = door()
    form, secret = {"grant_type": CLIENT_CREDENTIALS}, basic("kiosk", KIOSK_SECRET)
    lost(monkeypatch, service, lambda: service.post(TOKEN, form, **secret))
    tokens = tokens_of(service.post(TOKEN, form, **secret))
    assert outcome(userinfo(service, tokens["access_token"])) == (403, "insufficient_scope")
    assert outcome(service.post(TOKEN, form, **secret)) == (200, "")
    assert happened() == ["tokens.issued"] * 3


def _inactive(device: DeviceCode) -> None:
    save_person("alice", by="test", is_active=False)


def _fewer_scopes(device: DeviceCode) -> None:
    save_application("tv", by="test", scopes=["openid"])


@pytest.mark.parametrize("change", [_inactive, _fewer_scopes])
def test_the_person_is_asked_about_again(door: Doors, acme: Tenant, change: Callable[..., None]) -> None:
    """D33: a repeated response is checked like the first one, and a refusal ends it."""
    device, started = approved(door)
    tokens = tokens_of(device.poll(started))
    change(DeviceCode.objects.get())
    assert outcome(device.poll(started)) == (400, "access_denied")
    save_person("alice", by="test", is_active=True)
    save_application("tv", by="test", scopes=EVERYTHING.split())
    assert userinfo(device, tokens["access_token"]).status_code == 401
    assert outcome(device.poll(started)) == (400, "access_denied")


def test_the_key_changes_in_between(door: Doors, acme: Tenant, settings: Any) -> None:
    """D27: servers repeat each other's responses during a rolling change of the secret key."""
    device, started = approved(door)
    first, old = tokens_of(device.poll(started)), settings.SECRET_KEY
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "n" * 64, [old]
    assert tokens_of(device.poll(started))["refresh_token"] == first["refresh_token"]
