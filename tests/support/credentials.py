"""Second factors in tests: an authenticator app whose secret is known, and recovery codes."""

import re
import time
from collections.abc import Callable

import pyotp
from django.db import transaction

from idp.accounts.models import Credential, Person
from idp.accounts.recovery_codes import SaveRecoveryCodes, new_codes
from idp.accounts.totp import SaveTotp
from tests.support.client import Seen

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
_KEY = re.compile(r'class="key"[^>]*>([A-Z2-7 ]+)<')
_CODE = re.compile(r"<li>([0-9a-z]{5}-[0-9a-z]{5})</li>")


def person(name: str = "alice") -> Person:
    """The person of the tenant in scope with this username."""
    return Person.objects.get(username=name)


def give_totp(name: str = "alice", secret: str = SECRET) -> Credential:
    """An app that was set up long ago, in place of an earlier one."""
    with transaction.atomic():
        SaveTotp(person(name).pk, secret, 0, first=False).apply()
    return Credential.objects.defer("secret").get(person__username=name, kind="totp")


def give_codes(name: str = "alice") -> list[str]:
    """Ten recovery codes, in place of earlier ones."""
    codes = new_codes()
    with transaction.atomic():
        SaveRecoveryCodes(person(name).pk, tuple(codes), first=False).apply()
    return codes


def code(away: int = 0, secret: str = SECRET) -> str:
    """What the app shows now, or ``away`` time steps from now."""
    return pyotp.TOTP(secret).at(int(time.time()), counter_offset=away)


def secret_on(page: Seen) -> str:
    """The secret that a set-up page shows, as one would type it off."""
    found = _KEY.search(page.text)
    assert found, page.text
    return found[1].replace(" ", "")


def codes_on(page: Seen) -> list[str]:
    """The recovery codes that a page shows."""
    return _CODE.findall(page.text)


def kinds(name: str = "alice") -> list[str]:
    """The kinds of the credentials that a person of this name holds, in any tenant."""
    return sorted(Credential.unscoped.filter(person__username=name).values_list("kind", flat=True))


CODE = "abcde-fgh23"


def equip(kind: str) -> None:
    """Give alice what a stage of this kind asks for; setting up is for people who have nothing yet."""
    if kind == "totp":
        give_totp()
    if kind == "recovery_code":
        SaveRecoveryCodes(person().pk, (CODE,), first=True).apply()


RIGHT: dict[str, Callable[[Seen], dict[str, str]]] = {
    "totp": lambda seen: {"code": code()},
    "totp_setup": lambda seen: {"code": code(0, secret_on(seen))},
    "recovery_code": lambda seen: {"code": CODE},
    "recovery_code_setup": lambda seen: {"saved": "yes"},
    "reauthenticate": lambda seen: {"password": "alice-password-1"},
}
"""The right answer of a person who was equipped, on the page that asks."""
