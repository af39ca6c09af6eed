"""Who the client is: authentication at the token and the device endpoint, and whom it may serve."""

from collections.abc import Collection, Iterable
from datetime import timedelta
from itertools import islice

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from idp.accounts.credentials import outdated
from idp.accounts.models import Person
from idp.accounts.people import groups_of
from idp.accounts.roles import may
from idp.events.bus import publish, publish_once
from idp.events.origin import current_origin
from idp.foundation.errors import Conflict
from idp.foundation.sealing import digest, new_token, same
from idp.oauth import tokens
from idp.oauth.errors import InvalidClient, TooManyRequests, UnauthorizedClient
from idp.oauth.forms import Credentials
from idp.oauth.models import CLIENT_CREDENTIALS, Application, Scope, TokenFamily
from idp.oauth.scopes import STANDARD_SCOPES, administrative, is_reserved
from idp.ratelimit.budgets import Budget, Spend, address_key, charge, exhausted_until
from idp.tenancy.scope import current_tenant

WRONG_SECRETS = Budget("client.secret", 30, timedelta(minutes=10))
UNGUESSABLE = 32  # characters: RFC 6749 section 10.10 asks for 128 bits, which a generated secret has twice


class NotRenewed(Conflict):
    """The secret was just changed, or there is none. Reload the application."""


def authenticate(credentials: Credentials) -> Application:
    """The active application with these credentials; raises InvalidClient, or TooManyRequests after thirty
    wrong secrets.

    A confidential client must show its secret, a public one has none to show (RFC 6749 section 3.2.1). Which
    of unknown, inactive and wrong it was is not told.
    """
    application = Application.objects.filter(client_id=credentials.client_id, is_active=True).first()
    if application is None or (credentials.secret is None) is application.confidential:
        raise InvalidClient
    if credentials.secret is not None:
        _judge_secret(application, credentials.secret)
    return application


def _judge_secret(application: Application, secret: str) -> None:
    """Guards secrets that somebody chose; generated ones need no guard (RFC 6749 section 2.3.1).

    Wrong ones count for this client from one address, so that nobody locks out a client from elsewhere, and a
    right one costs no write. Once they are used up a short right one is refused too, or the guard would guard
    nothing; one of 32 characters or more is out of reach of guesses, so others behind the same address cannot
    shut the client out.
    """
    right = same(application.secret_hash, digest(secret))
    if right and len(secret) >= UNGUESSABLE:
        return
    address = current_origin().address
    guess = Spend(WRONG_SECRETS, f"{application.pk} {address and address_key(address)}")
    if exhausted_until(guess):
        publish_once(
            "client.throttled",
            WRONG_SECRETS.window,
            application=application.name,
            why="too many wrong secrets",
        )
        raise TooManyRequests("Too many wrong client secrets from your IP address.", retry_after=60)
    if not right:
        charge([guess])
        raise InvalidClient


def require_grant(application: Application, grant_type: str) -> None:
    """Raises UnauthorizedClient unless this grant is switched on for the application (checklist D28)."""
    if grant_type not in application.grants:
        raise UnauthorizedClient


def allowed_scopes(application: Application, wanted: Iterable[str]) -> list[str]:
    """Those of the wanted scopes that the application may have, in the order asked; the others fall away
    silently (D29).

    What opens the administration falls away too unless an owner approved the application for it.
    """
    own = set(application.scopes)
    if not application.administers:
        own -= {*administrative(own)}
    return [scope for scope in wanted if scope in own]


def may_use(person: Person, application: Application) -> bool:
    """Whether this person may use this application now: both active, and in one of its groups where it names
    any.
    """
    if not (person.is_active and application.is_active):
        return False
    return not application.groups or bool(set(application.groups) & set(groups_of(person.pk)))


def still_good(family: TokenFamily) -> bool:
    """Whether whoever acts with these tokens still may: the person, or the application for itself."""
    if family.person is None:
        application = family.application
        return application.is_active and application.confidential and CLIENT_CREDENTIALS in application.grants
    return may_use(family.person, family.application) and not outdated(family.person, family.authenticated_at)


def find(pk: int) -> Application | None:
    """The active application of this tenant with this key."""
    return Application.objects.filter(pk=pk, is_active=True).first()


def by_name(name: str) -> Application | None:
    """The active application of this tenant with this name."""
    return Application.objects.filter(name=name, is_active=True).first()


def with_grants(wanted: Collection[str], *, most: int = 100, besides: str = "") -> list[Application]:
    """The first active applications, by title, that have one of these grants; and the one with the name
    ``besides`` if it is not among them.
    """
    rows = Application.objects.filter(is_active=True).order_by("title", "name").defer("logo")
    found = list(islice((row for row in rows.iterator() if set(wanted) & set(row.grants)), most))
    if besides and besides not in [row.name for row in found]:
        found += [row for row in rows.filter(name=besides) if set(wanted) & set(row.grants)]
    return found


def application_names() -> list[str]:
    """Every application of the tenant, active or not."""
    return list(Application.objects.order_by("name").values_list("name", flat=True))


def client_ids() -> list[str]:
    """The client id of each of them."""
    return list(Application.objects.order_by("name").values_list("client_id", flat=True))


def scope_names() -> list[str]:
    """Every scope that an application may be given: the standard ones and the tenant's own."""
    return [
        *STANDARD_SCOPES,
        *(
            name
            for name in Scope.objects.order_by("name").values_list("name", flat=True)
            if not is_reserved(name)
        ),
    ]


def describe_scopes(names: Iterable[str]) -> list[dict[str, str]]:
    """The scopes in plain words, for the consent page.

    No row of a tenant words a scope of ours, however it came there.
    """
    known = {
        scope.name: scope
        for scope in Scope.objects.filter(name__in=list(names))
        if not is_reserved(scope.name)
    }
    return [
        {
            "name": name,
            "title": STANDARD_SCOPES.get(name) or (known[name].title if name in known else name),
            "description": known[name].description if name in known else "",
        }
        for name in names
    ]


@transaction.atomic
def save_application(name: str, *, by: str, **values: object) -> Application:
    """Creates or changes an application. Raises ValidationError; writes nothing when all is so already."""
    application = Application.objects.filter(name=name).first()
    created = application is None
    application = application or Application(name=name, tenant=current_tenant(), title=name)
    changed = {key: value for key, value in values.items() if getattr(application, key) != value}
    for key, value in changed.items():
        setattr(application, key, value)
    if created or changed:
        application.full_clean()
        application.save()
        publish(
            "application.created" if created else "application.changed",
            actor=by,
            target=name,
            keys=sorted(changed),
        )
        if "secret_hash" in changed:
            tokens.revoke_service_tokens([application.pk], by=by)
    return application


@transaction.atomic
def save_scope(name: str, *, by: str, **values: str) -> Scope:
    """Creates or changes a scope; raises ValidationError. Writes nothing when all is so already."""
    found = Scope.objects.filter(name=name).first()
    scope = found or Scope(name=name, tenant=current_tenant())
    changed = {key: value for key, value in values.items() if getattr(scope, key) != value}
    for key, value in changed.items():
        setattr(scope, key, value)
    if changed or found is None:
        scope.full_clean()
        scope.save()
        publish("scope.changed" if found else "scope.created", actor=by, target=name, keys=sorted(changed))
    return scope


@transaction.atomic
def renew_secret(name: str, *, by: Person) -> str:
    """A new secret of a confidential application, told this once; raises NotRenewed, also where only an owner
    may have it.

    The old one ends at once, and with it whatever the application obtained for itself: who renews a secret
    may have lost it.
    """
    application = Application.objects.filter(name=name, confidential=True).first()
    if application is None:
        raise NotRenewed(_("No application with this ID has a secret."))
    if application.administers and not may(by, "applications.approve"):
        raise NotRenewed(
            _("This application has administrator access, so only an owner can rotate its secret.")
        )
    secret, hashed = new_secret()
    if not Application.objects.filter(pk=application.pk, secret_hash=application.secret_hash).update(
        secret_hash=hashed
    ):
        raise NotRenewed(_("Someone else just rotated the secret. Reload the application."))
    publish("application.changed", actor=by.username, target=name, keys=["secret_hash"])
    tokens.revoke_service_tokens([application.pk], by=by.username)
    return secret


def new_secret() -> tuple[str, str]:
    """A client secret of 256 bits and the hash that is stored of it."""
    secret = new_token()
    return secret, digest(secret)
