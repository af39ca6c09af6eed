"""Codes that people type: any decimal digit counts; dashes, blanks and invisible characters do not.

This holds wherever a code is requested.
"""

from collections.abc import Iterator

import pytest
from django.core.management import call_command

from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import Doors
from tests.support.credentials import code, codes_on, give_codes, give_totp, secret_on
from tests.support.flows import draw
from tests.web.api.conftest import Program, mint

ZEROS = {
    "arabic": "٠",
    "persian": "۰",
    "devanagari": "०",
    "thai": "๐",
    "full width": "０",
    "mathematical": "𝟎",
}
DASHES = {
    "hyphen": "-",
    "no-break": "\u2011",
    "en dash": "–",
    "minus": "−",
    "katakana": "ー",
    "blank": "\u3000",
    "soft": "\u00ad",
    "mark": "\u200f",
}


def spellings(plain: str) -> Iterator[str]:
    """Yield the code in other digits, and with characters inserted and around it."""
    for zero in ZEROS.values():
        yield "".join(chr(ord(zero) + int(letter)) if letter.isdecimal() else letter for letter in plain)
    half = len(plain) // 2
    for dash in DASHES.values():
        yield f"\u200e{plain[:half]}{dash}{plain[half:]}\ufeff "
    yield "".join(chr(ord(letter) + 0xFEE0) for letter in plain)


@pytest.mark.parametrize("at", range(len(ZEROS) + len(DASHES) + 1))
def test_of_an_authenticator_app(tenants: dict[str, Tenant], door: Doors, at: int) -> None:
    """A sign-in accepts a code of the app in every spelling, in each tenant."""
    for name, tenant in tenants.items():
        with tenant_scope(tenant):
            draw("identification", "password", "totp", "login", "device_code", "consent", "finish")
            give_totp()
            typed = list(spellings(code()))[at]
            assert door(f"{name}.test").sign_in().submit(code=typed).step == "device_code", ascii(typed)


@pytest.mark.parametrize("at", range(len(ZEROS) + len(DASHES) + 1))
def test_recovery_codes(tenants: dict[str, Tenant], door: Doors, at: int) -> None:
    """Each recovery code works once, with letters in any width and case."""
    for name, tenant in tenants.items():
        with tenant_scope(tenant):
            draw("identification", "password", "recovery_code", "login", "device_code", "consent", "finish")
            plain = give_codes()[0].replace("-", "")
            typed = list(spellings(plain))[at]
            for step in ("device_code", "recovery_code"):
                assert door(f"{name}.test").sign_in().submit(code=typed).step == step, ascii(typed)


@pytest.mark.parametrize("at", range(len(ZEROS), len(ZEROS) + len(DASHES) + 1))
def test_of_a_device(tenants: dict[str, Tenant], door: Doors, at: int) -> None:
    """The page accepts a device's user code in every spelling, and no code of another tenant."""
    for name, other in (("acme", "other"), ("other", "acme")):
        browser, started, foreign = (
            door(f"{name}.test"),
            door(f"{name}.test").start(),
            door(f"{other}.test").start(),
        )
        typed, theirs = (
            list(spellings(each.user_code.replace("-", "").lower()))[at] for each in (started, foreign)
        )
        page = browser.sign_in()
        assert page.submit(user_code=theirs).step == "device_code"
        assert page.submit(user_code=typed).title == "Connect this device?", ascii(typed)


def test_setting_an_app_up_and_proving_again(acme: Tenant, door: Doors) -> None:
    """Setting up an app and verifying it again accept every spelling."""
    draw(
        "identification",
        "password",
        {"stage": "totp", "settings": {"missing": "set_up"}},
        "login",
        "device_code",
        "consent",
        "finish",
    )
    page = door().sign_in()
    typed = next(spellings(code(secret=secret_on(page))))
    assert page.submit(code=typed).step == "device_code"
    assert codes_on(page) == []


@pytest.mark.parametrize("typed", ["ALICE", "ali\u200bce", "\ufeffAlice", "ａｌｉｃｅ", "alice\u00ad"])
def test_names_are_found_in_every_spelling(tenants: dict[str, Tenant], door: Doors, typed: str) -> None:
    """They are found at the sign-in, in addresses and filters of the API, and by commands."""
    for name, tenant in tenants.items():
        with tenant_scope(tenant):
            assert door(f"{name}.test").sign_in(typed).step == "device_code"
            admin = Program(mint("admin", host=f"{name}.test"), f"{name}.test")
            assert admin.get(f"people/{typed}")["person"] == "alice"
            assert {row["person"] for row in admin.get(f"sessions/?person={typed}")["rows"]} == {"alice"}
            call_command("person", "recovery-link", typed, "--tenant", name)
            assert admin("POST", f"people/{typed}/actions/deactivate").json() == {"changed": True}


def test_the_field_asks_for_no_one_time_code(acme: Tenant, door: Doors) -> None:
    """The field is not marked as a one-time code, which phones fill in from an app or a message."""
    field = door().sign_in().text.split('name="user_code"')[1].split(">")[0]
    assert 'autocomplete="off"' in field
