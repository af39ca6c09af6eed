"""Issues the tokens of a family: access token (RFC 9068), ID token (OpenID Connect), refresh token."""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from django.db import transaction
from django.utils import timezone

from idp.accounts.models import Person
from idp.events.bus import publish, publish_bulk
from idp.foundation.sealing import digest
from idp.oauth import keys, retries
from idp.oauth.models import Application, RefreshToken, TokenFamily
from idp.oauth.retries import PreviousResponse

REFRESH = "refresh_token"
SECOND_FACTORS = {"otp", "hwk", "swk", "mfa"}


@dataclass(frozen=True)
class Entitlement:
    """What a grant found: ``application`` may act for ``person`` within ``scopes``.

    ``methods`` and ``authenticated_at`` say how and when the person was proved. ``person`` is None where the
    application acts for itself, as its service account. ``subject`` is the row of the grant itself (a device
    code, a refresh token), for its compare-and-set; ``presented`` is that code or token. ``previous``: its
    recent response, which is repeated.
    """

    application: Application
    person: Person | None
    scopes: tuple[str, ...]
    issuer: str
    methods: tuple[str, ...]
    authenticated_at: datetime
    subject: Any
    nonce: str | None = None
    presented: str = field(default="", repr=False)
    previous: PreviousResponse | None = field(default=None, repr=False)

    @property
    def actor(self) -> str:
        """Return who acts, as in the audit log."""
        return self.person.username if self.person else self.application.service_account


@dataclass(frozen=True)
class TokenResponse:
    """The successful response of the token endpoint (RFC 6749 section 5.1)."""

    expires_in: int
    scope: str
    access_token: str = field(repr=False)
    id_token: str | None = field(default=None, repr=False)
    refresh_token: str | None = field(default=None, repr=False)

    def as_json(self) -> dict[str, Any]:
        """Return the members that have a value."""
        members = {
            "access_token": self.access_token,
            "token_type": "Bearer",
            "expires_in": self.expires_in,
            "scope": self.scope or None,
            "id_token": self.id_token,
            "refresh_token": self.refresh_token,
        }
        return {name: value for name, value in members.items() if value is not None}


def create_family(found: Entitlement) -> TokenFamily:
    """Create the family of an approval that has just been redeemed."""
    now = timezone.now()
    lifetime = found.application.access_token_lifetime  # a refresh token extends it
    return TokenFamily.objects.create(
        identifier=uuid4().hex,
        application=found.application,
        person=found.person,
        issuer=found.issuer,
        scopes=list(found.scopes),
        methods=list(found.methods),
        authenticated_at=found.authenticated_at,
        expires_at=now + timedelta(seconds=lifetime),
        unused_answer=retries.new_response_number(found.presented) if found.presented else "",
    )


def issue(found: Entitlement, family: TokenFamily, at: datetime) -> TokenResponse:
    """Sign the tokens of this entitlement; ``found.scopes`` may be narrower than the family's."""
    return _sign(found, family, at, _refresh_token(found, family, at))


def reissue(found: Entitlement, previous: PreviousResponse) -> TokenResponse:
    """Return the same tokens again, with the rest of their lifetime; nothing is written."""
    return _sign(found, previous.family, previous.at, previous.refresh_token)


def topic_of(family: TokenFamily) -> str:
    """Return the topic of the events about a family's tokens."""
    return f"family:{family.pk}"


@transaction.atomic
def revoke_family(family: TokenFamily, *, why: str, by: str = "") -> bool:
    """Revoke every token of a family, and return whether it was active.

    ``by``: the administrator who did it, "" for the protocol.
    """
    if not TokenFamily.objects.filter(pk=family.pk, revoked_at=None).update(revoked_at=timezone.now()):
        return False
    context = {"application": family.application.name, "topic": topic_of(family)}
    publish("tokens.revoked", actor=by, target=family.subject, why=why, **context)
    return True


@transaction.atomic
def revoke_service_tokens(applications: Collection[int], *, by: str) -> None:
    """Revoke the tokens of these applications' service accounts after a change of the secret.

    An event is published for each family.
    """
    now = timezone.now()
    rows = TokenFamily.objects.filter(
        application__in=applications, person=None, revoked_at=None, expires_at__gt=now
    )
    for application in Application.objects.filter(pk__in=rows.values("application")):
        rows.filter(application=application).update(revoked_at=now)
        ended = TokenFamily.objects.filter(application=application, person=None, revoked_at=now).order_by(
            "pk"
        )
        subjects = [
            (application.service_account, application.name, topic_of(family)) for family in ended.only("pk")
        ]
        publish_bulk("tokens.revoked", subjects, actor=by, why="new secret")


def find_active_family(identifier: str) -> TokenFamily | None:
    """Return the family with this identifier, with person and application loaded.

    Returns None if it is revoked or expired.
    """
    rows = TokenFamily.objects.filter(identifier=identifier, revoked_at=None, expires_at__gt=timezone.now())
    return rows.select_related("person", "application").first()


def _sign(found: Entitlement, family: TokenFamily, at: datetime, refresh_token: str | None) -> TokenResponse:
    lifetime, key = found.application.access_token_lifetime, keys.current_key()
    access_token = keys.sign(key, _access_claims(found, family, at, lifetime), typ="at+jwt")
    has_id_token = found.person is not None and "openid" in found.scopes
    id_token = (
        keys.sign(key, _id_claims(found, at, lifetime, access_token), typ="JWT") if has_id_token else None
    )
    left = max(lifetime - max(int((timezone.now() - at).total_seconds()), 0), 1)
    return TokenResponse(left, " ".join(found.scopes), access_token, id_token, refresh_token)


def acr(methods: tuple[str, ...]) -> str:
    """Return the authentication context class: ``mfa`` with a second factor, otherwise ``single``."""
    return "mfa" if SECOND_FACTORS & set(methods) else "single"


def _common_claims(found: Entitlement, now: datetime, lifetime: int) -> dict[str, Any]:
    """Return the claims of both tokens.

    Those about the authentication are only present for a person (RFC 9068 section 2.2.1).
    """
    issued = int(now.timestamp())
    claims = {
        "iss": found.issuer,
        "sub": (found.person or found.application).subject,
        "iat": issued,
        "exp": issued + lifetime,
    }
    if found.person is None:
        return claims
    return {
        **claims,
        "auth_time": int(found.authenticated_at.timestamp()),
        "acr": acr(found.methods),
        "amr": list(found.methods),
    }


def _access_claims(found: Entitlement, family: TokenFamily, now: datetime, lifetime: int) -> dict[str, Any]:
    """Return the claims of the access token (RFC 9068 section 2.2).

    The ``jti`` begins with the family, so that a revocation is effective without a row for each token.

    The number of its response follows, then a hash that distinguishes narrower scopes in a repeated response.
    """
    scope = " ".join(found.scopes)
    claims = {
        **_common_claims(found, now, lifetime),
        "aud": found.issuer,
        "client_id": found.application.client_id,
        "jti": f"{family.identifier}.{family.unused_answer or uuid4().hex}{digest(scope)[:8]}",
    }
    return {**claims, "scope": scope} if scope else claims


def _id_claims(found: Entitlement, now: datetime, lifetime: int, access_token: str) -> dict[str, Any]:
    """Return the claims of the ID token (OpenID Connect Core section 2).

    A refreshed one keeps auth_time and has no nonce (section 12.2).
    """
    half = hashlib.sha256(access_token.encode()).digest()[:16]
    claims = {
        **_common_claims(found, now, lifetime),
        "aud": found.application.client_id,
        "azp": found.application.client_id,
        "at_hash": urlsafe_b64encode(half).rstrip(b"=").decode(),
    }
    return {**claims, "nonce": found.nonce} if found.nonce else claims


def _refresh_token(found: Entitlement, family: TokenFamily, now: datetime) -> str | None:
    """Create a new generation of the refresh token, or return None.

    It requires consent to offline access (Core section 11) and the application's grant.
    """
    if (
        found.person is None
        or "offline_access" not in family.scopes
        or REFRESH not in found.application.grants
    ):
        return None
    token = retries.new_refresh_token(family.unused_answer, found.presented)
    expires = now + timedelta(seconds=found.application.refresh_token_lifetime)
    TokenFamily.objects.filter(pk=family.pk).update(expires_at=expires)
    RefreshToken.objects.create(family=family, token_hash=digest(token), expires_at=expires)
    return token
