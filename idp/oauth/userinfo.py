"""The response of the UserInfo endpoint (OpenID Connect Core section 5.3)."""

from collections.abc import Collection
from typing import Any

from idp.accounts.models import Person
from idp.oauth.bearer import authenticate_token
from idp.oauth.errors import InsufficientScope


def claims_for(access_token: str, issuer: str) -> dict[str, Any]:
    """Return the claims that this access token permits; raise InvalidToken or InsufficientScope.

    A token of a revoked family or of an inactive person permits nothing, even before it expires. One of a
    service account has no person.
    """
    principal = authenticate_token(access_token, issuer)
    if principal.person is None or "openid" not in principal.scopes:
        raise InsufficientScope
    return person_claims(principal.person, principal.scopes)


def person_claims(person: Person, scopes: Collection[str]) -> dict[str, Any]:
    """Return the standard claims of the granted scopes (Core section 5.4), without empty ones."""
    claims: dict[str, Any] = {"sub": person.subject}
    if "profile" in scopes:
        claims |= {"name": person.display_name, "preferred_username": person.username}
    if "email" in scopes and person.mailbox:
        claims |= {"email": person.mailbox, "email_verified": person.email_verified}
    return claims
