"""The UserInfo endpoint's answer (OpenID Connect Core section 5.3)."""

from typing import Any

from idp.accounts.credentials import outdated
from idp.accounts.models import Person
from idp.oauth import clients, keys, tokens
from idp.oauth.errors import InsufficientScope, InvalidToken


def claims_for(access_token: str, issuer: str) -> dict[str, Any]:
    """The claims that this access token opens; raises InvalidToken or InsufficientScope.

    A token of a revoked family or of a person who became inactive opens nothing, however long it would still live.
    """
    claims = keys.verify(access_token, typ="at+jwt", issuer=issuer)
    family = tokens.living_family(str(claims.get("jti", "")).partition(".")[0]) if claims else None
    if claims is None or family is None or family.issuer != issuer:
        raise InvalidToken
    if not clients.may_use(family.person, family.application) or outdated(family.person, family.authenticated_at):
        raise InvalidToken
    scopes = str(claims.get("scope", "")).split()
    if "openid" not in scopes:
        raise InsufficientScope
    return person_claims(family.person, scopes)


def person_claims(person: Person, scopes: list[str]) -> dict[str, Any]:
    """The standard claims of the granted scopes (Core section 5.4); a claim without a value is left out."""
    claims: dict[str, Any] = {"sub": person.subject}
    if "profile" in scopes:
        claims |= {"name": person.display_name, "preferred_username": person.username}
    if "email" in scopes and person.email:
        claims |= {"email": person.email, "email_verified": person.email_verified}
    return claims
