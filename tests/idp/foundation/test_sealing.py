"""Secrets at rest: sealed under a key that can be changed, hashed where they need not be read again."""

import pytest
from django.apps import apps
from django.db import connection
from django.db.migrations.writer import MigrationWriter
from pytest_django import Settings

from idp.foundation.sealing import (
    Sealed,
    SealedField,
    Unsealable,
    constant_time_equal,
    digest,
    mac,
    macs,
    new_token,
    seal,
    unseal,
)
from idp.oauth.keys import current_key
from idp.oauth.models import SigningKey
from idp.tenancy.models import Tenant

OLD, NEW = "o" * 40, "n" * 40


def test_what_was_sealed_opens_under_the_same_key_only(settings: Settings) -> None:
    """The same text sealed twice gives two different ciphertexts."""
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = OLD, []
    sealed = seal("süß")
    assert unseal(sealed) == "süß"
    assert seal("süß") != sealed
    assert "süß" not in sealed
    settings.SECRET_KEY = NEW
    with pytest.raises(Unsealable):
        unseal(sealed)
    settings.SECRET_KEY_FALLBACKS = [OLD]
    assert unseal(sealed) == "süß"


@pytest.mark.parametrize("junk", ["", "x", "gAAAAA", "é", "A" * 200])
def test_junk_is_unsealable(junk: str) -> None:
    """One error, never another."""
    with pytest.raises(Unsealable):
        unseal(junk)


def test_a_ciphertext_that_was_touched_does_not_open() -> None:
    """Authenticated encryption."""
    sealed = seal("secret")
    for at in (10, len(sealed) // 2, len(sealed) - 5):
        changed = "A" if sealed[at] != "A" else "B"
        with pytest.raises(Unsealable):
            unseal(sealed[:at] + changed + sealed[at + 1 :])


def test_a_sealed_value_never_shows_what_it_holds() -> None:
    """In logs, tracebacks and templates it is dots."""
    value = Sealed.of("BCDF-GHJK")
    assert value.open() == "BCDF-GHJK"
    assert {str(value), repr(value), f"{value}", f"{[value]}"} == {"Sealed(•••)", "[Sealed(•••)]"}


def test_short_codes_are_hashed_under_the_server_key(settings: Settings) -> None:
    """A plain hash of 35 bits would be guessed in seconds, so the server's key goes in.

    Purposes do not mix, and older keys still find their rows.
    """
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = OLD, []
    before = mac("user_code", "BCDFGHJK")
    assert before != mac("budget", "BCDFGHJK")
    assert before != digest("BCDFGHJK")
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = NEW, [OLD]
    assert macs("user_code", "BCDFGHJK") == [mac("user_code", "BCDFGHJK"), before]
    assert mac("user_code", "BCDFGHJK") != before


def test_tokens_are_256_random_bits_that_no_client_must_encode() -> None:
    """A token is 64 lowercase letters and digits (authentik #13484; D16)."""
    tokens = {new_token() for _ in range(200)}
    assert len(tokens) == 200
    assert all(len(token) == 64 and token.isalnum() and token == token.lower() for token in tokens)


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [("a", "a", True), ("a", "b", False), ("", "", True), ("é", "é", True), ("a", "aa", False)],
)
def test_secrets_are_compared(left: str, right: str, equal: bool) -> None:
    """CVE-2024-52307: in constant time, any text."""
    assert constant_time_equal(left, right) is equal


def test_private_keys_lie_encrypted_in_the_database(acme: Tenant) -> None:
    """No one who reads the table reads a key.

    In migrations the column is plain text, so that the class can be moved.
    """
    key = current_key()
    with connection.cursor() as cursor:
        cursor.execute("SELECT private_key FROM oauth_signingkey WHERE id = %s", [key.pk])
        stored = cursor.fetchone()[0]
    assert "PRIVATE KEY" in key.private_key
    assert "PRIVATE KEY" not in stored
    assert unseal(stored) == SigningKey.objects.get(pk=key.pk).private_key
    sealed = [
        field
        for model in apps.get_models()
        for field in model._meta.local_fields
        if isinstance(field, SealedField)
    ]
    assert sealed
    assert all("SealedField" not in MigrationWriter.serialize(field)[0] for field in sealed)
