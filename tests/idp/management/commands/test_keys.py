"""Commands about keys: rotating them, changing the server's own, and going on after it was lost."""

from io import StringIO
from typing import Any

import jwt
import pytest
import time_machine
from django.core.management import CommandError, call_command
from pytest_django import Settings

from idp.oauth.models import SigningKey
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import Door, Doors, Started
from tests.support.flows import device_state

NEW = "a new secret key of the server, long enough"


def tokens(browser: Door) -> dict[str, str]:
    """The tokens of a device that was approved."""
    started = browser.start(scope="openid offline_access")
    browser.approve(started)
    return dict(browser.poll(started).json())


def opens(browser: Door, access_token: str) -> int:
    """The status of userinfo."""
    return int(
        browser.get("/application/o/userinfo/", HTTP_AUTHORIZATION=f"Bearer {access_token}").status_code
    )


def refreshed(browser: Door, token: str) -> Any:
    """The response to a refresh."""
    return browser.post(
        "/application/o/token/", {"grant_type": "refresh_token", "client_id": "tv", "refresh_token": token}
    )


def run(action: str) -> str:
    """What the command says."""
    out = StringIO()
    call_command("keys", action, stdout=out)
    return out.getvalue()


def kids(browser: Door) -> list[str]:
    """The published keys, newest first."""
    return [key["kid"] for key in browser.get("/application/o/jwks/").json()["keys"]]


def test_rotating_makes_a_new_key_and_breaks_no_token(door: Doors, tenants: dict[str, Tenant]) -> None:
    """O21: old tokens stay good, new ones are signed by the new key, both are published; in every tenant."""
    browser, other_browser = door(), door("other.test")
    before, old = tokens(browser), kids(browser)
    foreign = kids(other_browser)
    said = run("rotate")
    after = kids(browser)
    assert (len(after), after[1:]) == (2, old)
    assert after[0] in said
    assert len(kids(other_browser)) == 2
    assert kids(other_browser)[1:] == foreign
    assert opens(browser, before["access_token"]) == 200
    new = refreshed(browser, before["refresh_token"]).json()
    assert jwt.get_unverified_header(new["access_token"])["kid"] == after[0]
    assert opens(browser, new["access_token"]) == 200


def test_an_old_key_goes_after_the_last_token_it_signed(door: Doors, clock: time_machine.Traveller) -> None:
    """Two days later it is not published and verifies nothing."""
    browser = door()
    before = kids(browser)
    run("rotate")
    clock.shift(2 * 86_400 - 1)
    assert before[0] in kids(browser)
    clock.shift(1)
    assert before[0] not in kids(browser)


def test_changing_the_secret_key_breaks_nothing(
    door: Doors, tenants: dict[str, Tenant], settings: Settings
) -> None:
    """With FOYER_SECRET_KEY_FALLBACKS codes, pages, sessions and tokens go on.

    After ``reencrypt`` the old key can be removed.
    """
    browser = door()
    held = tokens(browser)
    started = browser.start()
    consent = browser.page().submit(user_code=started.user_code)
    other_code = browser.start()
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], NEW
    assert browser.page(consent.path).step == "consent"
    assert consent.submit(decision="approve").title == "Approved – return to your device"
    assert browser.page().submit(user_code=other_code.user_code).step == "consent"
    assert opens(browser, held["access_token"]) == 200
    assert "oauth_signingkey.private_key: 2 re-encrypted" in run("reencrypt")
    settings.SECRET_KEY_FALLBACKS = []
    assert browser.poll(started).status_code == 200
    assert refreshed(browser, held["refresh_token"]).status_code == 200
    for tenant in tenants.values():
        with tenant_scope(tenant):
            assert all("PRIVATE KEY" in key.private_key for key in SigningKey.objects.all())


def test_after_the_secret_key_was_lost_the_server_goes_on(
    door: Doors, tenants: dict[str, Tenant], settings: Settings
) -> None:
    """There are new signing keys, waiting devices start again, and refresh tokens and sessions stay.

    The command reports all of it.
    """
    browser = door()
    run("rotate")
    held = tokens(browser)
    waiting = browser.start()
    consent = browser.page().submit(user_code=waiting.user_code)
    settings.SECRET_KEY = NEW
    said = run("lost")
    assert "oauth_signingkey.private_key: 4 values can no longer be read" in said
    assert "acme: new signing key" in said
    assert "1 waiting device must start again" in said
    assert "refresh tokens" in said
    assert opens(browser, held["access_token"]) == 401
    assert len(kids(browser)) == 1
    polled = browser.poll(waiting)
    assert (polled.status_code, polled.json()["error"]) == (400, "expired_token")
    stale = browser.page(consent.path)
    assert stale.title == "This page has expired", "which browser began it was signed with the old key"
    assert (
        browser.page(f"/device?user_code={waiting.user_code}").submit(user_code=waiting.user_code).step
        == "device_code"
    )
    again = refreshed(browser, held["refresh_token"])
    assert again.status_code == 200
    assert opens(browser, again.json()["access_token"]) == 200
    fresh = browser.start()
    browser.approve(fresh)
    assert browser.poll(fresh).status_code == 200


def test_where_nothing_was_lost_nothing_is_done(door: Doors, tenants: dict[str, Tenant]) -> None:
    """A command that was run by mistake, or a node with the right key, must not end every token."""
    browser = door()
    held, known, waiting = tokens(browser), kids(browser), browser.start()
    with pytest.raises(CommandError, match="No key is lost"):
        run("lost")
    assert kids(browser) == known
    assert opens(browser, held["access_token"]) == 200
    assert browser.poll(waiting).json()["error"] == "authorization_pending"


def test_a_key_that_was_rotated_before_the_loss_is_not_believed_either(
    door: Doors, settings: Settings
) -> None:
    """A person with the old secret key may have its private keys: all of them are revoked at once."""
    browser = door()
    held = tokens(browser)
    run("rotate")
    settings.SECRET_KEY = NEW
    run("lost")
    assert opens(browser, held["access_token"]) == 401
    assert len(kids(browser)) == 1


def test_reencrypting_without_the_old_key_changes_nothing(
    tenants: dict[str, Tenant], settings: Settings
) -> None:
    """It says what is missing instead of destroying what another key could still read."""
    before = list(SigningKey.unscoped.defer("private_key").values_list("pk", "kid"))
    settings.SECRET_KEY = NEW
    with pytest.raises(CommandError, match="FOYER_SECRET_KEY_FALLBACKS"):
        run("reencrypt")
    assert list(SigningKey.unscoped.defer("private_key").values_list("pk", "kid")) == before


def test_a_code_that_was_lost_is_not_decided(door: Doors, settings: Settings) -> None:
    """Under another secret key a user code is unknown: nothing is approved by accident."""
    browser = door()
    started: Started = browser.start()
    settings.SECRET_KEY = NEW
    run("lost")
    seen = browser.sign_in().submit(user_code=started.user_code)
    assert (seen.step, device_state(started)) == ("device_code", "expired")
