"""Changing the secret key node by node, as docs/operations.md says: no journey fails.

Nothing is lost with the old key.
"""

from io import StringIO
from itertools import cycle

import pytest
from django.core.management import call_command
from pytest_django import Settings

from idp.foundation.sealing import Unsealable
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import Door, Doors, Seen, Started
from tests.support.credentials import give_codes
from tests.support.flows import draw

NEW = "the new secret key of all servers, long enough"
Keys = tuple[str, list[str]]


class Nodes:
    """Two processes in front of one database: each request reaches the next one.

    Each uses the keys that it has at that time.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings, self.at, old = settings, cycle([0, 1]), settings.SECRET_KEY
        self.before: Keys = (old, [])
        self.announced: Keys = (old, [NEW])
        self.changed: Keys = (NEW, [old])
        self.after: Keys = (NEW, [])
        self.keys = (self.before, self.before)

    def next(self) -> None:
        """Send the next request to the other process."""
        self.settings.SECRET_KEY, self.settings.SECRET_KEY_FALLBACKS = self.keys[next(self.at)]


def reencrypt(nodes: Nodes) -> str:
    """What ``keys reencrypt`` says on the first node."""
    nodes.settings.SECRET_KEY, nodes.settings.SECRET_KEY_FALLBACKS = nodes.keys[0]
    out = StringIO()
    call_command("keys", "reencrypt", stdout=out)
    return out.getvalue()


def begin(nodes: Nodes, browser: Door) -> tuple[Started, Seen]:
    """Start a device and go up to the decision as a person, each request at the other node."""
    nodes.next()
    started = browser.start(scope="openid offline_access")
    nodes.next()
    seen = browser.page()
    for answer in ({"name": "alice"}, {"password": "alice-password-1"}, {"user_code": started.user_code}):
        if seen.step == "consent" or (seen.step == "device_code" and "user_code" not in answer):
            continue
        nodes.next()
        seen = seen.submit(**answer)
    assert seen.step == "consent", seen.text
    return started, seen


def finish(nodes: Nodes, browser: Door, started: Started, seen: Seen) -> dict[str, str]:
    """Decide, fetch the tokens, and use them."""
    nodes.next()
    assert seen.submit(decision="approve").title in ("Approved – return to your device", "Connected")
    nodes.next()
    polled = browser.poll(started)
    assert polled.status_code == 200, polled.content
    return use(nodes, browser, polled.json())


def use(nodes: Nodes, browser: Door, tokens: dict[str, str]) -> dict[str, str]:
    """The access token is good, the refresh token brings the next ones."""
    nodes.next()
    assert (
        browser.get(
            "/application/o/userinfo/", HTTP_AUTHORIZATION=f"Bearer {tokens['access_token']}"
        ).status_code
        == 200
    )
    nodes.next()
    form = {"grant_type": "refresh_token", "client_id": "tv", "refresh_token": tokens["refresh_token"]}
    refreshed = browser.post("/application/o/token/", form)
    assert refreshed.status_code == 200, refreshed.content
    return dict(refreshed.json())


def test_no_journey_fails_while_the_key_is_changed_node_by_node(
    door: Doors, tenants: dict[str, Tenant], settings: Settings
) -> None:
    """Journeys within each step and from each step into the next succeed.

    Tokens and recovery codes from before go on.
    """
    nodes, early = Nodes(settings), door()
    pending: list[tuple[Door, Started, Seen]] = []
    before, announced, changed, after = nodes.before, nodes.announced, nodes.changed, nodes.after
    steps = [
        (before, before),
        (announced, before),
        (announced, announced),
        (changed, announced),
        (changed, changed),
    ]
    nodes.next()
    with tenant_scope(tenants["acme"]):
        codes = give_codes()
    held = finish(nodes, early, *begin(nodes, early))
    for number, keys in enumerate(steps):
        nodes.keys = keys
        for browser, started, seen in pending:
            finish(nodes, browser, started, seen)
        within = door(address=f"198.51.100.{number + 1}")
        finish(nodes, within, *begin(nodes, within))
        over = door(address=f"203.0.113.{number + 1}")
        pending = [(over, *begin(nodes, over))]
    finish(nodes, *pending[0])
    said = reencrypt(nodes)
    assert "oauth_signingkey.private_key: 2 re-encrypted" in said
    assert "accounts_credential.secret: 10 re-encrypted" in said
    said = reencrypt(nodes)
    assert "No data is left under an older key." in said
    assert "recovery codes" not in said
    for keys in ((after, changed), (after, after)):
        nodes.keys = keys
        held = use(nodes, early, held)
        late = door(address="192.0.2.9")
        finish(nodes, late, *begin(nodes, late))
    with tenant_scope(tenants["acme"]):
        draw("identification", "password", "login", "recovery_code", "device_code", "consent", "finish")
    for code in codes[:2]:
        nodes.next()
        seen = door().page().submit(name="alice").submit(password="alice-password-1")
        assert seen.step == "recovery_code", seen.text
        nodes.next()
        assert seen.submit(code=code).step == "device_code"


def test_without_the_first_step_it_fails(door: Doors, tenants: dict[str, Tenant], settings: Settings) -> None:
    """A node that does not know the new key cannot go on with what another one has sealed or signed.

    That is why there is a first step.
    """
    nodes, browser = Nodes(settings), door()
    finish(nodes, browser, *begin(nodes, browser))
    nodes.keys = (nodes.changed, nodes.before)
    with pytest.raises((AssertionError, Unsealable)):
        finish(nodes, browser, *begin(nodes, browser))
