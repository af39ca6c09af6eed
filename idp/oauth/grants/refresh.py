"""The refresh token grant (RFC 6749 section 6) with rotation and reuse detection (RFC 9700 section 4.14)."""

from datetime import timedelta

from django.utils import timezone

from idp.oauth import tokens
from idp.oauth.errors import InvalidGrant, InvalidScope, TooManyRequests
from idp.oauth.forms import Form, parse_scopes
from idp.oauth.grant import Grant
from idp.oauth.models import Application, RefreshToken, TokenFamily
from idp.oauth.tokens import Entitlement
from idp.sealing import digest

REUSE_GRACE = timedelta(seconds=10)
REFRESHES, REFRESHES_WITHIN = 60, timedelta(minutes=10)  # of one family: each leaves a row and an event


class Refresh(Grant):
    """Each token works once; one that comes back more than ten seconds after its rotation ends the whole family.

    Within the ten seconds it is a client that sent its request twice or lost the answer: refused, but nothing is revoked.
    """

    grant_type = tokens.REFRESH

    def find(self, application: Application, form: Form, issuer: str) -> Entitlement:
        now = timezone.now()
        rows = RefreshToken.objects.select_related("family__person")
        row = rows.filter(token_hash=digest(form.need("refresh_token")), family__application=application).first()
        if row is None or row.family.issuer != issuer or row.family.revoked_at or row.expires_at <= now:
            raise InvalidGrant
        if row.rotated_at:
            if now - row.rotated_at > REUSE_GRACE:
                tokens.revoke_family(row.family, why="refresh token used twice")
            raise InvalidGrant
        if row.family.refresh_tokens.filter(rotated_at__gt=now - REFRESHES_WITHIN)[:REFRESHES].count() >= REFRESHES:
            raise TooManyRequests("These tokens were refreshed too often.", retry_after=60)
        return Entitlement(
            application=application,
            person=row.family.person,
            scopes=_narrowed(row.family.scopes, form.get("scope")),
            issuer=issuer,
            methods=tuple(row.family.methods),
            authenticated_at=row.family.authenticated_at,
            subject=row,
        )

    def redeem(self, found: Entitlement) -> TokenFamily:
        if not RefreshToken.objects.filter(pk=found.subject.pk, rotated_at=None).update(rotated_at=timezone.now()):
            raise InvalidGrant
        family: TokenFamily = found.subject.family
        if not TokenFamily.objects.filter(pk=family.pk, revoked_at=None).exists():
            raise InvalidGrant
        return family

    def refuse(self, found: Entitlement, why: str) -> None:
        tokens.revoke_family(found.subject.family, why=why)

    def refusal(self) -> Exception:
        return InvalidGrant()


def _narrowed(granted: list[str], asked: str | None) -> tuple[str, ...]:
    """The scopes asked for, none of which may exceed what was granted; all of them when none is named."""
    if asked is None:
        return tuple(granted)
    wanted = parse_scopes(asked)
    if not set(wanted) <= set(granted):
        raise InvalidScope
    return wanted
