"""One Unicode form of passwords at every interface, however a keyboard composes letters."""

import unicodedata
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from django.contrib.auth.hashers import make_password

from blueprints.files.apply import apply
from blueprints.files.plan import make_plan
from idp.accounts.models import Person
from idp.accounts.recovery import create_link
from idp.runtime.installation import install
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import Doors
from tests.web.api.conftest import Program, mint

WORDS = "Ärger mit ẛ̣ 한국"
COMPOSED, APART = (unicodedata.normalize(form, WORDS) for form in ("NFC", "NFD"))
SPACED = APART.replace(" ", "\u3000")
WRITTEN = [COMPOSED, APART, SPACED, COMPOSED.replace(" ", "\u00a0")]


def _by_api(door: Doors, password: str, host: str) -> None:
    assert (
        Program(mint("admin", host=host), host)(
            "PUT", "people/bob", {"password": password}, if_match="*"
        ).status_code
        == 200
    )


def _by_blueprint(door: Doors, password: str, host: str) -> None:
    sent = {"text": f'person: bob\npassword: "{password}"\n'}
    assert Program(mint("owner", host=host), host)("POST", "blueprints/apply", sent).status_code == 200


def _by_link(door: Doors, password: str, host: str) -> None:
    link = create_link(Person.objects.get(username="bob"), by="test")
    assert (
        "Password changed"
        in door(host).http.post(f"/recover/{link}", {"password": password}, follow=True).content.decode()
    )


def _by_themselves(door: Doors, password: str, host: str) -> None:
    browser = door(host)
    browser.sign_in("bob", "bob-password-22")
    assert (
        "Password changed"
        in browser.http.post("/password", {"new_password": password}, follow=True).content.decode()
    )


@pytest.mark.parametrize("typed", [COMPOSED, SPACED])
@pytest.mark.parametrize("given", [COMPOSED, SPACED])
@pytest.mark.parametrize("way", [_by_api, _by_blueprint, _by_link, _by_themselves])
def test_one_password_however_it_is_written(
    tenants: dict[str, Tenant], door: Doors, way: Callable[[Doors, str, str], None], given: str, typed: str
) -> None:
    """A password that is set at any interface works at another.

    That of the other tenant's person of the same name stays.
    """
    for name, neighbour in (("acme", "other"), ("other", "acme")):
        with tenant_scope(tenants[name]):
            before = Person.unscoped.get(username="bob", tenant=tenants[neighbour]).password
            way(door, given, f"{name}.test")
            assert door(f"{name}.test").sign_in("bob", typed).step == "device_code"
            assert Person.unscoped.get(username="bob", tenant=tenants[neighbour]).password == before
            assert door(f"{name}.test").sign_in("bob", typed.swapcase()).step == "password"


def test_the_first_administrator(db: None, monkeypatch: pytest.MonkeyPatch, door: Doors) -> None:
    """FOYER_ADMIN_PASSWORD may be composed or decomposed in its file."""
    monkeypatch.setenv("FOYER_ADMIN_PASSWORD", SPACED)
    install(lambda line: None)
    for typed in WRITTEN:
        assert door("localhost").sign_in("admin", typed).step == "device_code"


def test_it_is_asked_for_again_in_any_form(acme: Tenant, door: Doors, clock: time_machine.Traveller) -> None:
    """The page before a change of credentials accepts the password in any form."""
    _by_link(door, COMPOSED, "acme.test")
    browser = door()
    browser.sign_in("bob", APART)
    clock.shift(timedelta(minutes=20))
    assert "Confirm it&#x27;s you" in browser.page("/password").text
    assert "Change your password" in browser.page("/password").submit(password=SPACED).text


def test_a_hash_of_what_was_typed_is_replaced(
    tenants: dict[str, Tenant], door: Doors, write_blueprint: Callable[..., Path]
) -> None:
    """An older hash accepts the password as typed once, and then in every form.

    It dates from before there was one form. A wrong password changes nothing.
    """
    for name, tenant in tenants.items():
        with tenant_scope(tenant):
            people = Person.objects.filter(username="bob")
            old = make_password(SPACED)
            people.update(password=old)
            blueprint = write_blueprint(f'tenant: {name}\n---\nperson: bob\npassword: "{SPACED}"\n')
            assert not make_plan([blueprint]).effective, "an unchanged password is not written"
            assert door(f"{name}.test").sign_in("bob", COMPOSED).step == "password"
            assert people.get().password == old
            assert door(f"{name}.test").sign_in("bob", SPACED).step == "device_code"
            assert people.get().password != old
            for typed in WRITTEN:
                assert door(f"{name}.test").sign_in("bob", typed).step == "device_code"


@pytest.mark.parametrize(
    ("password", "said"),
    [
        ("A\u0308" * 5, "too short"),
        ("A\u0308" * 9, "too short"),
        ("\u00e4 \u3000" * 334, "at most 1000 characters"),
        ("x" * 1001, "at most 1000 characters"),
        ("x" + "\u0301" * 5_000, "at most 1000 characters"),
        ("password12", "too common"),
    ],
)
def test_it_is_measured_in_its_one_form(acme: Tenant, door: Doors, password: str, said: str) -> None:
    """The rules measure the normalized password in the API, by a link, and for a signed-in person.

    A password that no one could type again is not stored.
    """
    program = Program(mint("admin"))
    assert said in str(program("PUT", "people/bob", {"password": password}, if_match="*").json())
    link = create_link(Person.objects.get(username="bob"), by="test")
    assert said in door().http.post(f"/recover/{link}", {"password": password}, follow=True).content.decode()
    browser = door()
    browser.sign_in("bob", "bob-password-22")
    assert said in browser.http.post("/password", {"new_password": password}, follow=True).content.decode()
    assert door().sign_in("bob", password).step == "password"


def test_the_longest_one(acme: Tenant, door: Doors) -> None:
    """A password of a thousand letters may be typed as two thousand code points."""
    _by_link(door, "A\u0308b" * 500, "acme.test")
    assert door().sign_in("bob", "Äb" * 500).step == "device_code"
    assert door().sign_in("bob", "A\u0308b" * 500).step == "device_code"


def test_a_file_of_the_server(acme: Tenant, door: Doors, write_blueprint: Callable[..., Path]) -> None:
    """A file that is applied in two forms changes the password once."""
    apply([write_blueprint(f'tenant: acme\n---\nperson: bob\npassword: "{APART}"\n')])
    again = write_blueprint(f'tenant: acme\n---\nperson: bob\npassword: "{COMPOSED}"\n')
    assert not make_plan([again]).effective
    assert door().sign_in("bob", COMPOSED).step == "device_code"
