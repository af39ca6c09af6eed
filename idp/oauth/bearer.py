"""Access tokens as bearer tokens for this server's own resources (RFC 6750)."""

from dataclasses import dataclass

from idp.accounts.models import Person
from idp.oauth import clients, keys, retries, tokens
from idp.oauth.errors import InvalidToken
from idp.oauth.models import Application


@dataclass(frozen=True)
class TokenPrincipal:
    """Who acts, through which application and within which scopes.

    ``person`` is None where the application acts for itself.
    """

    person: Person | None
    application: Application
    scopes: frozenset[str]


def authenticate_token(access_token: str, issuer: str) -> TokenPrincipal:
    """Return what this access token of the tenant in scope permits now; raise InvalidToken.

    A token of a revoked family or of an inactive person permits nothing, even before it expires. A scope that
    was removed from the application is removed from all its tokens.
    """
    claims = keys.verify(access_token, typ="at+jwt", issuer=issuer)
    family = tokens.find_active_family(str(claims.get("jti", "")).partition(".")[0]) if claims else None
    if claims is None or family is None or family.issuer != issuer:
        raise InvalidToken
    retries.record_use(family, retries.parse_response_number(claims["jti"]))
    if not clients.is_family_valid(family):
        raise InvalidToken
    scopes = clients.allowed_scopes(family.application, str(claims.get("scope", "")).split())
    return TokenPrincipal(family.person, family.application, frozenset(scopes))
