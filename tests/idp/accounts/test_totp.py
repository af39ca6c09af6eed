"""The codes of RFC 6238, what an app takes over, and the rule that no time step is accepted twice."""

import contextlib
from datetime import UTC, datetime
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from django.db import transaction

from idp.accounts import totp
from idp.accounts.models import Credential, Person
from idp.accounts.totp import SaveTotp, UseTotp, enrollment, match_step, new_secret
from idp.events.models import Event
from idp.foundation.effects import EffectConflict
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.concurrency import at_once
from tests.support.credentials import SECRET, give_totp, person

RFC_SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # "12345678901234567890"


@pytest.mark.parametrize(
    ("at", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_the_codes_of_the_rfc(at: int, code: str) -> None:
    """RFC 6238 appendix B, SHA-1, the last six digits; the step is the one whose code it is."""
    assert match_step(RFC_SECRET, code, datetime.fromtimestamp(at, UTC)) == at // 30


@pytest.mark.parametrize(
    ("later", "step"), [(0, 37037036), (30, 37037036), (-30, 37037036), (60, None), (-60, None), (3600, None)]
)
def test_one_step_before_and_after_is_near_enough(later: int, step: int | None) -> None:
    """RFC 6238 section 5.2: the step that is accepted is the code's own, not the one of the moment."""
    assert match_step(RFC_SECRET, "081804", datetime.fromtimestamp(1111111109 + later, UTC)) == step


def test_a_secret_has_160_random_bits() -> None:
    """RFC 4226 section 4: at least 128, 160 recommended."""
    secrets = {new_secret() for _ in range(50)}
    assert len(secrets) == 50
    assert all(
        len(secret) == 32 and not set(secret) - set("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") for secret in secrets
    )


@pytest.mark.parametrize("title", ["Acme", "Acme & Söhne: <b>GmbH</b>", 'A"?#/'])
def test_what_the_app_takes_over(acme: Tenant, title: str) -> None:
    """The issuer is the tenant's title, with any characters in it, and the account is the username.

    Everything else is the app's default.
    """
    acme.title = title
    taken = enrollment(SECRET, "alice@example")
    address = urlsplit(taken["address"])
    label, asked = unquote(address.path).lstrip("/"), parse_qs(address.query)
    assert (address.scheme, address.netloc) == ("otpauth", "totp")
    assert label == f"{title.replace(':', ' ')}:alice@example"
    assert asked == {"secret": [SECRET], "issuer": [title.replace(":", " ")]}
    assert taken["secret"] == "JBSW Y3DP EHPK 3PXP JBSW Y3DP EHPK 3PXP"
    assert taken["picture"].startswith("data:image/svg+xml")


def test_a_step_is_used_up_with_all_before_it(acme: Tenant) -> None:
    """RFC 6238 section 5.2."""
    credential = give_totp()
    UseTotp(credential.pk, 100).apply()
    for step in (
        100,
        99,
        96,
    ):  # earlier ones are codes of no clock by now (tests/idp/foundation/test_clocks.py)
        with pytest.raises(EffectConflict, match="already used"):
            UseTotp(credential.pk, step).apply()
    UseTotp(credential.pk, 101).apply()
    assert Credential.objects.get().counter == 101
    assert Event.objects.filter(kind="person.credential_used").count() == 2


def test_a_step_is_used_once_by_many_at_once(transactional_db: None, acme: Tenant) -> None:
    """Compare and set: of six attempts at the same moment one succeeds."""
    credential, won = give_totp(), []

    def use() -> None:
        with tenant_scope(acme), contextlib.suppress(EffectConflict), transaction.atomic():
            UseTotp(credential.pk, 7).apply()
            won.append(True)

    at_once(*[use] * 6)
    assert (won, Event.objects.filter(kind="person.credential_used").count()) == ([True], 1)


def test_the_other_tenants_credential_cannot_be_used(acme: Tenant, other: Tenant) -> None:
    """As if it did not exist."""
    credential = give_totp()
    Credential.unscoped.update(tenant=other)
    with pytest.raises(EffectConflict):
        UseTotp(credential.pk, 100).apply()
    assert totp.verify(person().pk, "000000", datetime.now(UTC)) is None
    assert Credential.unscoped.get().counter == 0


def test_inactive_and_unknown_people_get_none_and_use_none(acme: Tenant) -> None:
    """CVE-2025-53942: the domain function checks the person and refuses for good."""
    bobs = give_totp("bob").pk
    Person.objects.filter(username="bob").update(is_active=False)
    with pytest.raises(EffectConflict) as refused:
        UseTotp(bobs, 100).apply()
    assert (refused.value.final, Credential.objects.defer("secret").get().counter) == (True, 0)
    Credential.objects.all().delete()
    for pk in (person("inactive").pk, 0, 999_999):
        with pytest.raises(EffectConflict) as lost:
            SaveTotp(pk, SECRET, 1, first=False).apply()
        assert lost.value.final
    assert not Credential.unscoped.exists()


def test_what_is_shown_of_the_effects_holds_no_secret() -> None:
    """A dry run lists effects."""
    effect = SaveTotp(7, SECRET, 5, first=True)
    assert effect.describe() == {"effect": "SaveTotp", "person": 7, "step": 5, "first": True, "name": ""}
    assert SECRET not in repr(effect)
