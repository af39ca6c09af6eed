"""The interface of a grant, and the common steps of the token endpoint around it.

The endpoint performs these steps, so that no grant can omit one.
"""

from datetime import datetime
from functools import lru_cache
from typing import ClassVar

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.module_loading import import_string

from idp.accounts.credentials import is_proof_outdated
from idp.events.bus import publish, publish_once
from idp.oauth import clients, retries, tokens
from idp.oauth.errors import AccessDenied, InvalidGrant, UnsupportedGrantType
from idp.oauth.forms import Form, parse_credentials
from idp.oauth.models import Application, TokenFamily
from idp.oauth.retries import PreviousResponse
from idp.oauth.tokens import Entitlement, TokenResponse


class Grant:
    """A way to obtain tokens: one file, one class, listed in ``settings.OAUTH_GRANTS``."""

    grant_type: ClassVar[str]

    def find(self, application: Application, form: Form, issuer: str) -> Entitlement:
        """Return what the request is entitled to, or raise an error of the protocol.

        A code or token of another application or issuer does not exist.
        """
        raise NotImplementedError

    def redeem(self, found: Entitlement, now: datetime) -> TokenFamily:
        """Use up the code or token by one compare-and-set, inside the endpoint's transaction.

        Raises InvalidGrant for a concurrent request that comes second.
        """
        raise NotImplementedError

    def find_concurrent_response(self, found: Entitlement) -> PreviousResponse | None:
        """Return the response that a concurrent request with the same code or token has just received.

        Both requests may come from the same client.
        """
        return None

    def revoke(self, found: Entitlement, why: str) -> None:
        """Revoke the code or token: the person or the application may no longer have it."""
        raise NotImplementedError

    def refusal_error(self) -> Exception:
        """Return the error for the client in that case."""
        return AccessDenied()


@lru_cache(maxsize=1)
def load_grants() -> dict[str, Grant]:
    """Return the grants of this server by ``grant_type``."""
    found = [import_string(path)() for path in settings.OAUTH_GRANTS]
    return {grant.grant_type: grant for grant in found}


def exchange(authorization: str, form: Form, issuer: str) -> TokenResponse:
    """Return the response of the token endpoint (RFC 6749 section 3.2).

    The client, the grant, the person and the scopes are checked in this order, for every grant.
    """
    application = clients.authenticate(parse_credentials(authorization, form))
    grant = load_grants().get(form.require("grant_type"))
    if grant is None:
        raise UnsupportedGrantType
    clients.require_grant(application, grant.grant_type)
    found = grant.find(application, form, issuer)
    if why := _refusal_reason(found):
        grant.revoke(found, why)
        publish("tokens.refused", actor=found.actor, application=application.name, why=why)
        raise grant.refusal_error()
    if found.previous:
        return _reissue(found, found.previous)
    try:
        return _issue(grant, found)
    except InvalidGrant:
        if previous := grant.find_concurrent_response(found):
            return _reissue(found, previous)
        raise


@transaction.atomic
def _issue(grant: Grant, found: Entitlement) -> TokenResponse:
    now = timezone.now()
    family = grant.redeem(found, now)
    response = tokens.issue(found, family, now)
    context = {"application": found.application.name, "topic": tokens.topic_of(family)}
    publish("tokens.issued", actor=found.actor, grant=grant.grant_type, scope=response.scope, **context)
    return response


def _reissue(found: Entitlement, previous: PreviousResponse) -> TokenResponse:
    """Return the same response again.

    The audit log records it once for each address, because the client may not be the same.
    """
    topic, application = tokens.topic_of(previous.family), found.application.name
    target = f"family {previous.family.pk}"
    publish_once(
        "tokens.repeated",
        retries.GRACE,
        actor=found.actor,
        target=target,
        application=application,
        topic=topic,
    )
    return tokens.reissue(found, previous)


def _refusal_reason(found: Entitlement) -> str:
    """Return why the person or the application may not have these tokens now, or "" (checklist D33, B15)."""
    if found.person and not clients.may_use(found.person, found.application):
        return "person may not use the application"
    if found.person and is_proof_outdated(found.person, found.authenticated_at):
        return "credentials were changed since"
    if not set(found.scopes) <= set(found.application.scopes):
        return "application lost a scope"
    return ""
