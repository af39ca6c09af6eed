"""The scopes of the administration API: described by the product, approved by an owner, shown on consent."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.checks import run_checks

from blueprints.files.apply import apply
from blueprints.files.problems import BadBlueprint
from blueprints.objects import edit
from idp.accounts.models import Person
from idp.oauth.models import Application, Scope
from idp.tenancy.models import Tenant
from tests.journeys.shipped import ship
from tests.support.client import Doors
from tests.web.api.conftest import Programs
from tests.web.console.signed_in import posted, signed_in

RESERVED = [
    "foyer:write",
    "Foyer:write",
    "FOYER:READ",
    "foyer:anything",
    "openid",
    "OpenID",
    "profile",
    "email",
    "Offline_Access",
]
LOOKALIKES = ["\uff46oyer:write", "f\u043eyer:write", "foyer\uff1awrite", "fo\u200byer:write"]


@pytest.mark.parametrize("name", [*RESERVED, *LOOKALIKES])
@pytest.mark.parametrize("role", ["owner", "admin"])
def test_no_door_takes_a_scope_with_a_name_of_ours(
    program: Programs, door: Doors, acme: Tenant, write_blueprint: Callable[..., Path], name: str, role: str
) -> None:
    """The API, the console, an uploaded blueprint and a file refuse a scope with a reserved name.

    The consent page never shows a tenant's text for it, in whichever case the name is written.
    """
    admin = program(role)
    assert admin("PUT", f"scopes/{name}", {"title": "See your name and username"}).status_code in (400, 409)
    blueprint = f'scope: "{name}"\ntitle: See your name\n'
    for way in ("plan", "apply"):
        assert admin("POST", f"blueprints/{way}", {"text": blueprint}).status_code == 400
    with pytest.raises(BadBlueprint):
        apply([write_blueprint("tenant: acme\n---\n" + blueprint)])
    posted(
        signed_in(door, role), "/console/scopes/add", {"scope": name, "title": "See your name"}, status=400
    )
    assert list(Scope.objects.values_list("name", flat=True)) == ["acme:read"]


def test_a_row_that_was_there_before_words_nothing(acme: Tenant, door: Doors) -> None:
    """An older row does not change the default text on the consent page, and the check names the row."""
    Scope.objects.create(name="foyer:write", title="See your name and username")
    Application.objects.filter(name="tv").update(scopes=["openid", "foyer:write"], administers=True)
    Person.objects.filter(username="alice").update(role="owner")
    browser = door()
    page = browser.sign_in().submit(user_code=browser.start(scope="openid foyer:write").user_code)
    assert "Change everything you can change as an administrator" in page.text
    assert "See your name and username" not in page.text
    assert "foyer.W013" in {message.id for message in run_checks(databases=["default"])}


@pytest.mark.parametrize(("role", "may"), [("owner", True), ("admin", False)])
def test_only_an_owner_lets_an_application_ask_for_the_administration(
    program: Programs, door: Doors, acme: Tenant, role: str, may: bool
) -> None:
    """The API, an uploaded blueprint, a recipe and the console's form require an owner for these scopes."""
    person, wanted = program(role), {"scopes": ["openid", "foyer:write"], "administers": True}
    assert person("PATCH", "applications/tv", {"scopes": ["foyer:write"]}, if_match="*").status_code == 409, (
        "a scope that is not shown is not approved"
    )
    assert person("PATCH", "applications/tv", wanted, if_match="*").status_code == (200 if may else 409)
    assert person("PUT", "applications/mine", {"client_id": "mine", **wanted}).status_code == (
        201 if may else 409
    )
    sent = 'application: sent\nclient_id: sent\nscopes: ["foyer:read"]\nadministers: true\n'
    assert person("POST", "blueprints/apply", {"text": sent}).status_code == (200 if may else 400)
    made = person("POST", "recipes/cli", {"title": "Cli", "scopes": ["foyer:write"]})
    assert made.status_code == (201 if may else 409)
    assert ("foyer:write" in str(person.get("recipes/"))) is may
    known = edit.load("application", "staff-console")
    assert known
    values = {name: value for name, value in known.document.items() if isinstance(value, str | int | list)}
    form = {**values, **{f"device.{name}": value for name, value in known.document["device"].items()}}
    form |= {"etag": known.digest, "scopes": ["foyer:read"], "administers": "on", "active": "on"}
    said = posted(
        signed_in(door, role), "/console/applications/one/staff-console", form, status=303 if may else 400
    )
    assert may or "Only an owner can approve" in said


def test_an_approval_is_for_the_scopes_that_were_approved(program: Programs, acme: Tenant) -> None:
    """A role that may not approve adds none of these scopes, keeps the existing ones, and may remove them."""
    Application.objects.filter(name="tv").update(scopes=["openid", "foyer:read"], administers=True)
    admin, path = program("admin"), "applications/tv"
    assert (
        admin("PATCH", path, {"scopes": ["openid", "foyer:read", "foyer:write"]}, if_match="*").status_code
        == 409
    )
    assert (
        admin("PATCH", path, {"scopes": ["openid", "email", "foyer:read"]}, if_match="*").status_code == 200
    )
    assert (
        program("owner")("PATCH", path, {"scopes": ["foyer:read", "foyer:write"]}, if_match="*").status_code
        == 200
    )
    assert admin("PATCH", path, {"scopes": ["openid"], "administers": False}, if_match="*").status_code == 200
    assert (
        admin("PATCH", path, {"scopes": ["foyer:read"], "administers": True}, if_match="*").status_code == 409
    )


@pytest.mark.parametrize(
    "another",
    [
        {"title": "Acme TV"},
        {"owner": "Acme"},
        {"verified": True},
        {"client_id": "another"},
        {"client_secret": "a-secret-that-somebody-else-knows"},
        {"type": "public"},
        {"grants": ["device_code", "refresh_token", "client_credentials"]},
    ],
)
def test_an_approval_is_for_the_application_that_was_approved(
    program: Programs, door: Doors, acme: Tenant, another: dict[str, Any]
) -> None:
    """A role that may not approve cannot turn the application into another one.

    This holds for the API, an uploaded blueprint and the console's form.
    """
    Application.objects.filter(name="kiosk").update(scopes=["openid", "foyer:write"], administers=True)
    admin, owner, path = program("admin"), program("owner"), "applications/kiosk"
    before = Application.objects.filter(name="kiosk").values().get()
    assert admin("PATCH", path, another, if_match="*").status_code == 409
    assert (
        admin(
            "POST", "blueprints/apply", {"text": json.dumps({"application": "kiosk", **another})}
        ).status_code
        == 400
    )
    assert admin("POST", f"{path}/secret").status_code == 409
    browser = signed_in(door, "admin")
    assert browser.post("/console/applications/secret/kiosk", {}).status_code == 409
    assert Application.objects.filter(name="kiosk").values().get() == before
    assert admin("PATCH", path, {"groups": ["staff"], "active": False}, if_match="*").status_code == 200
    assert owner("PATCH", path, {"owner": "By the owner"}, if_match="*").status_code == 200
    assert (
        admin(
            "PATCH", path, {"administers": False, "scopes": ["openid"], **another}, if_match="*"
        ).status_code
        == 200
    )


def test_an_approval_that_was_withdrawn_ends_at_once(program: Programs, acme: Tenant) -> None:
    """Withdrawing an approval affects issued tokens at once."""
    owner = program("owner")
    assert owner.get("me")["role"] == "owner"
    Application.objects.filter(name="admin-cli").update(administers=False)
    assert owner("GET", "me").status_code == 403
    assert "foyer.W014" in {message.id for message in run_checks(databases=["default"])}


def test_an_unapproved_scope_is_not_even_asked(acme: Tenant, door: Doors) -> None:
    """The scope is dropped (D29), like every other one that an application may not have."""
    Application.objects.filter(name="tv").update(scopes=["openid", "foyer:write"])
    browser = door()
    started = browser.start(scope="openid foyer:write")
    page = browser.sign_in().submit(user_code=started.user_code)
    assert "administer in your name" not in page.text
    page.submit(decision="approve")
    assert browser.poll(started).json()["scope"] == "openid"


def test_the_demo_application_never_administers(
    program: Programs, write_blueprint: Callable[..., Path]
) -> None:
    """The demo application never gets these scopes: not by an owner, by a file, or under another name.

    Its client id is the same in every installation.
    """
    wanted = {"client_id": "demo-device", "scopes": ["foyer:write"], "administers": True}
    assert program("owner")("PUT", "applications/another", wanted).status_code == 409
    with pytest.raises(BadBlueprint, match="can't have administrator access"):
        apply([write_blueprint("tenant: acme\n---\napplication: demo-device\nadministers: true\n")])


@pytest.mark.parametrize(
    ("role", "said"), [("owner", "owner"), ("helpdesk", "help desk"), ("", "You don't have a role")]
)
def test_the_consent_page_says_what_is_handed_over(acme: Tenant, door: Doors, role: str, said: str) -> None:
    """D17: the consent page names the person's role in a separate box."""
    Application.objects.filter(name="tv").update(scopes=["openid", "foyer:write"], administers=True)
    Person.objects.filter(username="alice").update(role=role)
    browser = door()
    page = browser.sign_in().submit(user_code=browser.start(scope="openid foyer:write").user_code)
    assert "This application asks for administrator access on your behalf." in page.text
    assert said in page.text
    assert (
        "administer in your name"
        not in browser.page().submit(user_code=browser.start(scope="openid").user_code).text
    )


@pytest.mark.parametrize("shipped", [False, True])
def test_a_session_that_was_left_open_administers_nothing(
    acme: Tenant, door: Doors, clock: time_machine.Traveller, shipped: bool
) -> None:
    """After ten minutes the shipped flow asks for the password again, and any other flow refuses."""
    if shipped:
        ship()
    Application.objects.filter(name="tv").update(scopes=["openid", "foyer:write"], administers=True)
    browser = door()
    browser.sign_in()
    clock.shift(timedelta(minutes=11))
    page = browser.page().submit(user_code=browser.start(scope="openid foyer:write").user_code)
    if shipped:
        assert page.step == "reauthenticate"
        assert page.submit(password="alice-password-1").step == "consent"
    else:
        assert "Sign out, sign in again and enter the code." in page.text
    assert browser.page().submit(user_code=browser.start(scope="openid").user_code).step == "consent"
