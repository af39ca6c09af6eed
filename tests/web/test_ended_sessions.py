"""What ends when an account is deactivated, reset or signed out everywhere, through every interface.

Nothing that was stolen stays valid.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from idp.accounts.models import Credential, Person
from idp.tenancy.models import Tenant
from tests.support.client import Doors
from tests.support.flows import draw
from tests.support.oauth import EVERYTHING, refresh, tokens_of, userinfo
from tests.web.api.conftest import Program, mint
from tests.web.console.signed_in import posted, signed_in

BOB = {"name": "bob", "password": "bob-password-22"}
Act = Callable[["Interfaces"], object]


class Interfaces:
    """Every interface through which an administrator reaches bob's account."""

    def __init__(self, door: Doors, folder: Path) -> None:
        self.page = signed_in(door, "admin")
        self.api = Program(mint("admin"))
        self.folder = folder

    def call(self, method: str, path: str, body: Any = None) -> None:
        """Call the API, which must succeed."""
        response = (
            self.api(method, path, body, if_match="*")
            if method in ("PUT", "PATCH")
            else self.api(method, path, body)
        )
        assert response.status_code == 200, response.content

    def press(self, action: str) -> None:
        """Run an action of the console's list of people."""
        posted(
            self.page,
            f"/console/people/do/{action}",
            {"key": ["inactive", "bob"] if "activate" in action else ["bob"], "sure": "1"},
        )

    def apply(self, text: str) -> None:
        """Apply a blueprint from a file."""
        path = self.folder / "change.yaml"
        path.write_text(f"tenant: acme\n---\n{text}")
        call_command("blueprint", "apply", str(path))

    def credential(self) -> int:
        """Return the key of bob's app."""
        return Credential.objects.get(person__username="bob").pk


OFF, ON = "person: bob\nactive: false\n", "person: bob\nactive: true\n"
SWITCHED: dict[str, tuple[Act, Act]] = {
    "a change by the API": (
        lambda on: on.call("PATCH", "people/bob", {"active": False}),
        lambda on: on.call("PATCH", "people/bob", {"active": True}),
    ),
    "an action of the API": (
        lambda on: on.call("POST", "people/bob/actions/deactivate"),
        lambda on: on.call("POST", "people/bob/actions/activate"),
    ),
    "a bulk action of the API": (
        lambda on: on.call("POST", "people/actions/deactivate", {"keys": ["inactive", "bob"]}),
        lambda on: on.call("POST", "people/actions/activate", {"keys": ["inactive", "bob"]}),
    ),
    "the console's list": (lambda on: on.press("deactivate"), lambda on: on.press("activate")),
    "an uploaded blueprint": (
        lambda on: on.call("POST", "blueprints/apply", {"text": OFF}),
        lambda on: on.call("POST", "blueprints/apply", {"text": ON}),
    ),
    "a blueprint from a file": (lambda on: on.apply(OFF), lambda on: on.apply(ON)),
}
ENDED: dict[str, Act] = {
    "resetting by the console": lambda on: posted(on.page, "/console/people/reset/bob", {"sure": "1"}),
    "resetting by the API": lambda on: on.call("POST", "people/bob/forget-factors"),
    "resetting by the command": lambda on: call_command(
        "person", "forget-factors", "bob", "--tenant", "acme"
    ),
    "removing the app by the API": lambda on: on.call(
        "POST", f"credentials/{on.credential()}/actions/remove"
    ),
    "a new password by the API": lambda on: on.call("PATCH", "people/bob", {"password": "bob-password-23"}),
    "a new password by a blueprint": lambda on: on.apply("person: bob\npassword: bob-password-23\n"),
    "signing out everywhere, devices too": lambda on: on.call("POST", "people/bob/actions/sign-out-devices"),
    "the same by the console": lambda on: on.press("sign-out-devices"),
}


class Stolen:
    """What a thief may have of bob: his session, a connected device, a sign-in past the password."""

    def __init__(self, door: Doors) -> None:
        self.device, self.browser, self.half = door(), door(), door()
        started = self.device.start(scope=EVERYTHING)
        self.waiting = self.device.start(scope=EVERYTHING)
        self.browser.approve(started, **BOB)
        self.tokens = tokens_of(self.device.poll(started))
        self.browser.approve(self.waiting, **BOB)
        Credential.objects.create(person=Person.objects.get(username="bob"), kind="totp")
        assert self.lives()

    def lives(self) -> set[str]:
        """Return what of it is still valid."""
        found = set()
        if "Signed in as" in self.browser.page("/").text:
            found.add("session")
        if userinfo(self.device, self.tokens["access_token"]).status_code == 200:
            found.add("access token")
        return found

    def revived(self) -> set[str]:
        """Return what of it is valid once bob may sign in, including what a check consumes."""
        found = self.lives()
        if refresh(self.device, self.tokens["refresh_token"]).status_code == 200:
            found.add("refresh token")
        if self.device.poll(self.waiting).status_code == 200:
            found.add("approved device")
        return found


@pytest.mark.parametrize("way", SWITCHED)
def test_activating_again_revives_nothing(acme: Tenant, door: Doors, tmp_path: Path, way: str) -> None:
    """Deactivating and activating again revives neither the cookie, the tokens nor the approval."""
    on = Interfaces(door, tmp_path)
    stolen = Stolen(door)
    deactivate, activate = SWITCHED[way]
    deactivate(on)
    assert stolen.lives() == set()
    activate(on)
    assert stolen.revived() == set()


@pytest.mark.parametrize("way", ENDED)
def test_what_was_stolen_ends(acme: Tenant, door: Doors, tmp_path: Path, way: str) -> None:
    """B15: the sessions and devices of a stolen phone end; the other tenant's bob is not affected."""
    on = Interfaces(door, tmp_path)
    stolen = Stolen(door)
    elsewhere = door("other.test")
    elsewhere.sign_in(**BOB)
    ENDED[way](on)
    assert stolen.revived() == set()
    assert "Signed in as" in elsewhere.page("/").text


def test_a_sign_in_under_way_ends(acme: Tenant, door: Doors, tmp_path: Path) -> None:
    """A run between password and session does not continue after bob was deactivated and activated."""
    on, half = Interfaces(door, tmp_path), door()
    draw(
        "identification", "password", {"stage": "prompt", "settings": {"fields": [{"name": "word"}]}}, "login"
    )
    seen = half.sign_in(**BOB)
    assert seen.step == "prompt"
    on.call("PATCH", "people/bob", {"active": False})
    on.call("PATCH", "people/bob", {"active": True})
    assert seen.submit(word="go on").title == "This request has expired"
