"""The refresh token grant (RFC 6749 section 6) with rotation and reuse detection (RFC 9700 section 4.14)."""

from datetime import datetime, timedelta

from django.utils import timezone

from idp.foundation.clocks import recent_range
from idp.foundation.sealing import digest
from idp.oauth import retries, tokens
from idp.oauth.errors import InvalidGrant, InvalidScope, TooManyRequests
from idp.oauth.forms import Form, parse_scopes
from idp.oauth.grant import Grant
from idp.oauth.models import Application, RefreshToken, TokenFamily
from idp.oauth.retries import PreviousResponse
from idp.oauth.tokens import Entitlement

REFRESHES, REFRESHES_WITHIN = 60, timedelta(minutes=10)  # per family; each adds a row and an event


class Refresh(Grant):
    """The refresh token grant; each token works once.

    Within ten seconds the same token gets the same response again, because that may have been lost, until a
    token of it was used.

    A token that is reused otherwise is in two hands, and revokes the whole family.
    """

    grant_type = tokens.REFRESH

    def find(self, application: Application, form: Form, issuer: str) -> Entitlement:
        presented = form.require("refresh_token")
        rows = RefreshToken.objects.select_related("family__person")
        row = rows.filter(token_hash=digest(presented), family__application=application).first()
        if row is None or row.family.issuer != issuer or row.family.revoked_at:
            raise InvalidGrant
        previous = retries.find_repeatable_response(row.family, presented, row.rotated_at)
        if not previous:
            _check(row)
        return Entitlement(
            application=application,
            person=row.family.person,
            scopes=_narrow(row.family.scopes, form.get("scope")),
            issuer=issuer,
            methods=tuple(row.family.methods),
            authenticated_at=row.family.authenticated_at,
            subject=row,
            presented=presented,
            previous=previous,
        )

    def redeem(self, found: Entitlement, now: datetime) -> TokenFamily:
        if not RefreshToken.objects.filter(pk=found.subject.pk, rotated_at=None).update(rotated_at=now):
            raise InvalidGrant
        family: TokenFamily = found.subject.family
        family.unused_answer = retries.new_response_number(found.presented)
        if not TokenFamily.objects.filter(pk=family.pk, revoked_at=None).update(
            unused_answer=family.unused_answer
        ):
            raise InvalidGrant
        return family

    def find_concurrent_response(self, found: Entitlement) -> PreviousResponse | None:
        row = RefreshToken.objects.select_related("family").filter(pk=found.subject.pk).first()
        return retries.find_repeatable_response(row.family, found.presented, row.rotated_at) if row else None

    def revoke(self, found: Entitlement, why: str) -> None:
        tokens.revoke_family(found.subject.family, why=why)

    def refusal_error(self) -> Exception:
        return InvalidGrant()


def _check(row: RefreshToken) -> None:
    """Raise an error unless this token may be used now.

    A reused token revokes its family, unless it has expired.
    """
    now = timezone.now()
    if row.expires_at <= now:
        raise InvalidGrant
    if row.rotated_at:
        tokens.revoke_family(row.family, why="refresh token used twice")
        raise InvalidGrant
    if (
        row.family.refresh_tokens.filter(rotated_at__range=recent_range(REFRESHES_WITHIN))[:REFRESHES].count()
        >= REFRESHES
    ):
        raise TooManyRequests("Too many refreshes of these tokens.", retry_after=60)


def _narrow(granted: list[str], text: str | None) -> tuple[str, ...]:
    """Return the requested scopes, none of which may exceed the granted ones; all of these by default."""
    if text is None:
        return tuple(granted)
    requested = parse_scopes(text)
    if not set(requested) <= set(granted):
        raise InvalidScope
    return requested
