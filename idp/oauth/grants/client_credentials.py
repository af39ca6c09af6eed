"""The client credentials grant (RFC 6749 section 4.4), for service accounts."""

from datetime import datetime

from django.utils import timezone

from idp.oauth import tokens
from idp.oauth.errors import InvalidClient, InvalidGrant, InvalidScope, UnauthorizedClient
from idp.oauth.forms import Form, parse_scopes
from idp.oauth.grant import Grant
from idp.oauth.models import CLIENT_CREDENTIALS, Application, TokenFamily
from idp.oauth.scopes import STANDARD_SCOPES
from idp.oauth.tokens import Entitlement


class ClientCredentials(Grant):
    """The grant for an application that acts for itself.

    Only confidential clients may use it. Its tokens contain nothing about a person and are never refreshed
    (section 4.4.3).
    """

    grant_type = CLIENT_CREDENTIALS

    def find(self, application: Application, form: Form, issuer: str) -> Entitlement:
        if not application.confidential:
            raise UnauthorizedClient("Only a confidential client can act for itself (RFC 6749 section 4.4).")
        return Entitlement(
            application=application,
            person=None,
            scopes=_scopes(application, form.get("scope")),
            issuer=issuer,
            methods=(),
            authenticated_at=timezone.now(),
            subject=None,
        )

    def redeem(self, found: Entitlement, now: datetime) -> TokenFamily:
        """Create the token family while the application is locked.

        So a secret that is rotated at the same time leaves no token behind.
        """
        rows = Application.objects.select_for_update().filter(
            pk=found.application.pk, is_active=True, confidential=True
        )
        if rows.filter(secret_hash=found.application.secret_hash).first() is None:
            raise InvalidClient
        return tokens.create_family(found)

    def revoke(self, found: Entitlement, why: str) -> None:
        """Do nothing: this grant has no code or token to revoke."""

    def refusal_error(self) -> Exception:
        return InvalidGrant()


def _scopes(application: Application, text: str | None) -> tuple[str, ...]:
    """Return the requested scopes, or all of the application without a request (section 3.3).

    Scopes about a person are never included. A scope that the application may not have is refused and not
    dropped: no person is there to notice that something is missing.
    """
    own = tuple(scope for scope in application.scopes if scope not in STANDARD_SCOPES)
    if text is None:
        return own
    requested = parse_scopes(text)
    if personal := [scope for scope in requested if scope in STANDARD_SCOPES]:
        raise InvalidScope(
            f"An application that acts for itself is no person: {' '.join(personal)} can't be requested."
        )
    if not set(requested) <= set(own):
        raise InvalidScope("This application isn't allowed one of these scopes.")
    return requested
