"""Hosts whose clocks differ, and a clock that is set back.

No one is refused, slowed down or let in because of that.
"""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from idp.accounts.models import Credential
from idp.devices.models import DeviceCode
from idp.events.models import Event
from idp.foundation.clocks import LEEWAY, age
from idp.foundation.sealing import digest
from idp.oauth import keys
from idp.oauth.clients import WRONG_SECRET_BUDGET
from idp.oauth.models import TokenFamily
from idp.tenancy.models import Tenant
from tests.support.applications import save_application
from tests.support.client import Doors
from tests.support.credentials import code, give_totp
from tests.support.flows import draw
from tests.support.oauth import DEVICE, basic, connect, outcome, refresh, tokens_of, userinfo

Clock = time_machine.Traveller
pytestmark = pytest.mark.usefixtures("acme")
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)


def set_back(clock: Clock, by: timedelta) -> None:
    """The clock was ahead until now."""
    clock.shift(-by)


# --- tokens that another host stamped -----------------------------------------------------------------------


@pytest.mark.parametrize("host", ["acme.test", "other.test"])
@pytest.mark.parametrize("ahead", [SECOND, timedelta(seconds=3), LEEWAY])
def test_a_token_of_a_host_that_is_ahead(door: Doors, clock: Clock, host: str, ahead: timedelta) -> None:
    """J3: a token from up to a minute ahead is good, at userinfo and at the API.

    The API refuses alice for her role and not for her token.
    """
    device, tokens = door(host), connect(door, host=host)
    set_back(clock, ahead)
    assert userinfo(device, tokens["access_token"]).status_code == 200
    api = device.get("/api/applications/", HTTP_AUTHORIZATION=f"Bearer {tokens['access_token']}")
    assert (api.status_code, "insufficient_scope" in api["WWW-Authenticate"]) == (403, True)
    tokens_of(refresh(device, tokens["refresh_token"]))


def test_one_from_further_ahead_is_refused_with_the_reason(door: Doors, clock: Clock) -> None:
    """J3: the response is invalid_token with the reason; other errors keep their own."""
    device, token = door(), connect(door)["access_token"]
    set_back(clock, LEEWAY + SECOND)
    refused = userinfo(device, token)
    assert outcome(refused) == (401, "invalid_token")
    assert "from the future" in refused.json()["error_description"]
    assert "from the future" in refused["WWW-Authenticate"]
    api = device.get("/api/applications/", HTTP_AUTHORIZATION=f"Bearer {token}")
    assert (api.status_code, "from the future" in api["WWW-Authenticate"]) == (401, True)
    assert "malformed" in userinfo(device, token[:-4] + "AAAA").json()["error_description"]


@pytest.mark.parametrize(
    ("name", "seconds", "good"),
    [("nbf", 60, True), ("nbf", 61, False), ("exp", 1, True), ("exp", 0, False), ("exp", -1, False)],
)
def test_leeway_is_for_the_beginning_alone(
    door: Doors, clock: Clock, name: str, seconds: int, good: bool
) -> None:
    """J3: a token lives no second longer than it says, by any clock that issued it."""
    connect(door)
    now, issuer = int(timezone.now().timestamp()), "http://acme.test"
    claims = {
        "iss": issuer,
        "aud": issuer,
        "sub": "x",
        "iat": now - 60,
        "exp": now + 60,
        "jti": f"{TokenFamily.objects.get().identifier}.x",
    }
    token = keys.sign(keys.current_key(), {**claims, "scope": "openid", name: now + seconds}, typ="at+jwt")
    assert userinfo(door(), token).status_code == (200 if good else 401)


def test_an_answer_that_is_lost_between_two_hosts(door: Doors, acme: Tenant, clock: Clock) -> None:
    """D27, B15: the grace period holds where the host that repeats the response is behind.

    From further ahead nothing is repeated.
    """
    device = door()
    for behind, good in ((LEEWAY, True), (LEEWAY + SECOND, False)):
        started = device.start(scope="openid offline_access")
        door().approve(started)
        first = tokens_of(device.poll(started))
        set_back(clock, behind)
        assert outcome(device.poll(started)) == ((200, "") if good else (400, "invalid_grant"))
        assert outcome(refresh(device, first["refresh_token"])) == (
            (200, "") if good else (400, "invalid_grant")
        )


# --- a clock that is set back -------------------------------------------------------------------------------


@pytest.mark.parametrize("back", [timedelta(seconds=90), timedelta(seconds=10), HOUR])
def test_polls_go_on_at_their_interval(door: Doors, clock: Clock, back: timedelta) -> None:
    """D13: a last poll in the future counts as none.

    The interval does not grow, and holds from then on.
    """
    device = door()
    started = device.start()
    assert outcome(device.poll(started)) == (400, "authorization_pending")
    set_back(clock, back)
    for _ in range(5):
        assert outcome(device.poll(started)) == (400, "authorization_pending")
        clock.shift(5)
    assert DeviceCode.objects.get().interval == 5
    device.poll(started)
    assert outcome(device.poll(started)) == (400, "slow_down")


def test_used_up_attempts_do_not_last_longer(door: Doors, clock: Clock) -> None:
    """B17: after the clock was set back an hour, ten minutes of waiting are not seventy.

    The budget itself holds, and is reported again.
    """
    save_application("kiosk", by="test", secret_hash=digest("short secret"))
    device, right, wrong = door(), basic("kiosk", "short secret"), basic("kiosk", "wrong")
    for _ in range(2):
        assert device.post(DEVICE, {}, **right).status_code == 200
        for _ in range(WRONG_SECRET_BUDGET.limit):
            assert outcome(device.post(DEVICE, {}, **wrong)) == (401, "invalid_client")
        assert outcome(device.post(DEVICE, {}, **right)) == (429, "temporarily_unavailable")
        set_back(clock, HOUR)
    assert Event.objects.filter(kind="client.throttled").count() == 2


def test_attempts_of_a_host_that_is_ahead_count(door: Doors, clock: Clock) -> None:
    """B17: within the leeway nothing is forgotten."""
    save_application("kiosk", by="test", secret_hash=digest("short secret"))
    for _ in range(WRONG_SECRET_BUDGET.limit):
        door().post(DEVICE, {}, **basic("kiosk", "wrong"))
    set_back(clock, LEEWAY)
    assert outcome(door().post(DEVICE, {}, **basic("kiosk", "short secret"))) == (
        429,
        "temporarily_unavailable",
    )


def test_refreshes_are_counted_from_zero(door: Doors, clock: Clock) -> None:
    """B15: sixty in ten minutes; those of an hour that is still to come do not refuse the next one."""
    device = door()
    token = connect(door)["refresh_token"]
    for _ in range(60):
        token = tokens_of(refresh(device, token))["refresh_token"]
    assert refresh(device, token).status_code == 429
    set_back(clock, HOUR)
    tokens_of(refresh(device, token))


def test_codes_of_an_app_are_accepted_again(door: Doors, clock: Clock) -> None:
    """RFC 6238 section 5.2: a time step far ahead locks no one out until then.

    A code is still used once, and so is one of a host ahead.
    """
    give_totp()
    draw("identification", "password", "totp", "login", "device_code", "consent", "finish")
    assert door().sign_in().submit(code=code()).step == "device_code"
    set_back(clock, HOUR)
    assert door().sign_in().submit(code=code()).step == "device_code"
    assert "already used" in door().sign_in().submit(code=code()).text
    held = Credential.objects.defer("secret").get()
    Credential.objects.update(counter=held.counter + 4)
    assert "already used" in door().sign_in().submit(code=code()).text


@pytest.mark.parametrize(
    ("back", "asked"), [(timedelta(0), False), (LEEWAY, False), (LEEWAY + SECOND, True), (HOUR, True)]
)
def test_a_proof_is_not_fresh_for_an_hour(door: Doors, clock: Clock, back: timedelta, asked: bool) -> None:
    """NIST SP 800-63B section 4.2.3: what was proved in an hour that is still to come is asked for again."""
    browser = door()
    browser.sign_in()
    set_back(clock, back)
    assert ('name="password"' in browser.page("/password").text) is asked


@pytest.mark.parametrize(("back", "denied"), [(LEEWAY, False), (LEEWAY + SECOND, True)])
def test_a_condition_takes_it_for_old(door: Doors, clock: Clock, back: timedelta, denied: bool) -> None:
    """A flow that turns away old sign-ins lets in no one whose session is from the future."""
    old = {"stage": "deny", "when": 'session.age > duration("8760h")'}
    draw("identification", "password", "login", old, "device_code", "consent", "finish")
    browser = door()
    assert browser.sign_in().step == "device_code"
    set_back(clock, back)
    assert browser.page().step == ("" if denied else "device_code")


def test_how_old_something_is(clock: Clock) -> None:
    """Never less than nothing, and far ahead is long ago."""
    now = timezone.now()
    assert age(now - HOUR) == HOUR
    assert age(now) == age(now + LEEWAY) == timedelta(0)
    assert age(now + LEEWAY + SECOND) == timedelta.max
