"""Recovery codes: fifty bits each, only macs in the table, read in any spelling."""

import contextlib
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from pytest_django import Settings

from idp.accounts.models import Credential
from idp.accounts.recovery_codes import (
    CODE_COUNT,
    SaveRecoveryCodes,
    UseRecoveryCode,
    count_unused,
    format_code,
    new_codes,
    normalize_recovery_code,
    verify,
)
from idp.events.models import Event
from idp.foundation.effects import EffectConflict
from idp.foundation.sealing import mac
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.concurrency import at_once
from tests.support.credentials import give_codes, person


def test_each_has_fifty_bits() -> None:
    """Ten of 32 letters, none of which looks like another; no two alike."""
    codes = [code for _ in range(100) for code in new_codes()]
    assert len(set(codes)) == 100 * CODE_COUNT
    letters = set("".join(codes)) - {"-"}
    assert len(letters) == 32
    assert not letters & set("ilou")
    assert all(
        len(code) == 11 and code[5] == "-" and format_code(normalize_recovery_code(code)) == code
        for code in codes
    )


@pytest.mark.parametrize(
    "typed", ["ab0l2-3wxyz", "AB012-3WXYZ", "abo123wxyz", " ab 0i2 – 3w.xyz", "ａｂ０１２３ｗｘｙｚ"]
)
def test_any_spelling_reads_the_same(typed: str) -> None:
    """Case, width, separators, and letters that look like digits."""
    assert normalize_recovery_code(typed) == "ab0123wxyz"


def test_only_macs_are_stored(acme: Tenant) -> None:
    """No one who reads the table can use one, or guess fifty bits without the server's key."""
    codes = give_codes()
    rows = str(list(Credential.objects.values()))
    assert not [code for code in codes if code in rows or normalize_recovery_code(code) in rows]
    assert Credential.objects.filter(kind="recovery_code").values("lookup").distinct().count() == 10
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret, lookup FROM accounts_credential")
        assert not [code for code in codes if code in str(cursor.fetchall())]


def test_they_outlive_a_change_of_the_secret_key(acme: Tenant, settings: Settings) -> None:
    """After the re-encryption the old key is not needed.

    Without it, they are lost like all that is sealed, and raise nothing.
    """
    codes, old = give_codes(), settings.SECRET_KEY
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "a new key that is long enough for everything", [old]
    assert verify(person().pk, codes[0])
    settings.SECRET_KEY_FALLBACKS = []
    assert verify(person().pk, codes[0]) is None
    settings.SECRET_KEY_FALLBACKS = [old]
    call_command("keys", "reencrypt", stdout=StringIO())
    settings.SECRET_KEY_FALLBACKS = []
    assert verify(person().pk, codes[0])
    assert verify(person("bob").pk, codes[0]) is None


def test_codes_of_an_older_version_are_found_while_their_key_is_accepted(
    acme: Tenant, settings: Settings
) -> None:
    """They were hashed under the server's key itself."""
    codes, old = give_codes(), settings.SECRET_KEY
    Credential.objects.filter(kind="recovery_code").update(
        secret="", lookup=mac("recovery_code", normalize_recovery_code(codes[0]))
    )
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "a new key that is long enough for everything", [old]
    assert verify(person().pk, codes[0])
    out = StringIO()
    call_command("keys", "reencrypt", stdout=out)
    assert "10 recovery codes were created by an older version" in out.getvalue()
    settings.SECRET_KEY_FALLBACKS = []
    assert verify(person().pk, codes[0]) is None


def test_a_code_is_used_once_by_many_at_once(transactional_db: None, acme: Tenant) -> None:
    """Compare and set: of six attempts at the same moment one succeeds."""
    effect, won = verify(person().pk, give_codes()[0]), []
    assert effect

    def spend() -> None:
        with tenant_scope(acme), contextlib.suppress(EffectConflict), transaction.atomic():
            effect.apply()
            won.append(True)

    at_once(*[spend] * 6)
    assert (won, count_unused(person().pk), Event.objects.filter(kind="person.credential_used").count()) == (
        [True],
        9,
        1,
    )


def test_of_the_other_tenant_there_are_none(acme: Tenant, other: Tenant) -> None:
    """As if they did not exist."""
    codes = give_codes()
    Credential.unscoped.update(tenant=other)
    assert (verify(person().pk, codes[0]), count_unused(person().pk)) == (None, 0)
    with pytest.raises(EffectConflict):
        UseRecoveryCode(Credential.unscoped.earliest("pk").pk).apply()


@pytest.mark.parametrize("junk", ["", "-", "ilo", "x" * 5000, "\x00", "é", "0" * 11])
def test_junk_is_no_code(acme: Tenant, junk: str) -> None:
    """And raises nothing."""
    give_codes()
    assert verify(person().pk, junk) is None


def test_inactive_people_get_none_and_use_none(acme: Tenant) -> None:
    """CVE-2025-53942: for good."""
    effect = verify(person("bob").pk, give_codes("bob")[0])
    assert effect
    type(person("bob")).objects.filter(username="bob").update(is_active=False)
    for refused in (effect, SaveRecoveryCodes(person("inactive").pk, tuple(new_codes()), first=True)):
        with pytest.raises(EffectConflict) as lost:
            refused.apply()
        assert lost.value.final
    assert count_unused(person("bob").pk) == 10
    assert count_unused(person("inactive").pk) == 0


def test_what_is_shown_of_the_effects_holds_no_code() -> None:
    """A dry run lists effects."""
    codes = tuple(new_codes())
    effect = SaveRecoveryCodes(7, codes, first=True)
    assert effect.describe() == {"effect": "SaveRecoveryCodes", "person": 7, "first": True}
    assert codes[0] not in repr(effect)
