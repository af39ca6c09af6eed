"""The contract of a grant, and the shared phases of the token endpoint around it, so that no grant can forget
one.
"""

from datetime import datetime
from functools import lru_cache
from typing import ClassVar

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.module_loading import import_string

from idp.accounts.credentials import outdated
from idp.events.bus import publish, publish_once
from idp.oauth import clients, retries, tokens
from idp.oauth.errors import AccessDenied, InvalidGrant, UnsupportedGrantType
from idp.oauth.forms import Form, parse_credentials
from idp.oauth.models import Application, TokenFamily
from idp.oauth.retries import Given
from idp.oauth.tokens import Entitlement, TokenAnswer


class Grant:
    """One way to obtain tokens: one file, one class, named in ``settings.OAUTH_GRANTS``."""

    grant_type: ClassVar[str]

    def find(self, application: Application, form: Form, issuer: str) -> Entitlement:
        """What the request entitles to, or the protocol's error.

        It belongs to this application and issuer, or it is not found.
        """
        raise NotImplementedError

    def redeem(self, found: Entitlement, now: datetime) -> TokenFamily:
        """Uses it up by one compare-and-set, inside the endpoint's transaction; raises InvalidGrant for
        whoever came second.
        """
        raise NotImplementedError

    def overtaken(self, found: Entitlement) -> Given | None:
        """What another request with the same code or token has just been given, before this one could; it may
        be of the same client.
        """
        return None

    def refuse(self, found: Entitlement, why: str) -> None:
        """Ends it: the person or the application may not have it any more."""
        raise NotImplementedError

    def refusal(self) -> Exception:
        """What the client is told then."""
        return AccessDenied()


@lru_cache(maxsize=1)
def grants() -> dict[str, Grant]:
    """Every grant of this server by its ``grant_type``."""
    found = [import_string(path)() for path in settings.OAUTH_GRANTS]
    return {grant.grant_type: grant for grant in found}


def exchange(authorization: str, form: Form, issuer: str) -> TokenAnswer:
    """The token endpoint (RFC 6749 section 3.2): client, grant, person and scopes in this order, whatever the
    grant.
    """
    application = clients.authenticate(parse_credentials(authorization, form))
    grant = grants().get(form.need("grant_type"))
    if grant is None:
        raise UnsupportedGrantType
    clients.require_grant(application, grant.grant_type)
    found = grant.find(application, form, issuer)
    if why := _objection(found):
        grant.refuse(found, why)
        publish("tokens.refused", actor=found.actor, application=application.name, why=why)
        raise grant.refusal()
    if found.given:
        return _repeated(found, found.given)
    try:
        return _issued(grant, found)
    except InvalidGrant:
        if given := grant.overtaken(found):
            return _repeated(found, given)
        raise


@transaction.atomic
def _issued(grant: Grant, found: Entitlement) -> TokenAnswer:
    now = timezone.now()
    family = grant.redeem(found, now)
    answer = tokens.issue(found, family, now)
    about = {"application": found.application.name, "topic": tokens.topic_of(family)}
    publish("tokens.issued", actor=found.actor, grant=grant.grant_type, scope=answer.scope, **about)
    return answer


def _repeated(found: Entitlement, given: Given) -> TokenAnswer:
    """The answer once more; the audit trail hears of it once for each address, for it may have been somebody
    else.
    """
    topic, application = tokens.topic_of(given.family), found.application.name
    target = f"family {given.family.pk}"
    publish_once(
        "tokens.repeated",
        retries.GRACE,
        actor=found.actor,
        target=target,
        application=application,
        topic=topic,
    )
    return tokens.repeat(found, given)


def _objection(found: Entitlement) -> str:
    """Why these tokens may not be had now, by this person or by the application itself; "" when they may
    (checklist D33, B15).
    """
    if found.person and not clients.may_use(found.person, found.application):
        return "person may not use the application"
    if found.person and outdated(found.person, found.authenticated_at):
        return "credentials were changed since"
    if not set(found.scopes) <= set(found.application.scopes):
        return "application lost a scope"
    return ""
