"""Client authentication at the token and the device endpoint, and what a client may do."""

from collections.abc import Collection, Iterable
from datetime import timedelta
from itertools import islice

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from idp.accounts.credentials import is_proof_outdated
from idp.accounts.models import Person
from idp.accounts.people import groups_of
from idp.accounts.roles import may
from idp.events.bus import publish, publish_once
from idp.events.origin import current_origin
from idp.foundation.errors import Conflict
from idp.foundation.sealing import constant_time_equal, digest, new_token
from idp.oauth import tokens
from idp.oauth.errors import InvalidClient, TooManyRequests, UnauthorizedClient
from idp.oauth.forms import Credentials
from idp.oauth.models import CLIENT_CREDENTIALS, Application, Scope, TokenFamily
from idp.oauth.scopes import STANDARD_SCOPES, administrative_scopes, is_reserved
from idp.ratelimit.budgets import Budget, Spend, address_key, charge, exhausted_until

WRONG_SECRET_BUDGET = Budget("client.secret", 30, timedelta(minutes=10))
UNGUESSABLE_LENGTH = 32  # characters; RFC 6749 section 10.10 requires 128 bits, a generated secret has 256


class SecretRotationConflict(Conflict):
    """The secret was just changed, or there is none. Reload the application."""


def authenticate(credentials: Credentials) -> Application:
    """Return the active application with these credentials.

    Raises InvalidClient, or TooManyRequests after thirty wrong secrets. A confidential client must present
    its secret, a public one has none (RFC 6749 section 3.2.1). The error does not reveal whether the client
    is unknown, inactive or has another secret.
    """
    application = Application.objects.filter(client_id=credentials.client_id, is_active=True).first()
    if application is None or (credentials.secret is None) is application.confidential:
        raise InvalidClient
    if credentials.secret is not None:
        _check_secret(application, credentials.secret)
    return application


def _check_secret(application: Application, secret: str) -> None:
    """Check a client secret and throttle guesses (RFC 6749 section 2.3.1).

    This protects secrets that people chose; generated ones need no protection. Wrong secrets count for this
    client from one address, so that no other address can lock the client out, and a right one costs no write.
    Once the budget is exhausted, a short secret is refused even if it is right, or the limit would have no
    effect. A secret of 32 characters or more cannot be guessed, so others behind the same address cannot lock
    the client out.
    """
    right = constant_time_equal(application.secret_hash, digest(secret))
    if right and len(secret) >= UNGUESSABLE_LENGTH:
        return
    address = current_origin().address
    guess = Spend(WRONG_SECRET_BUDGET, f"{application.pk} {address and address_key(address)}")
    if exhausted_until(guess):
        publish_once(
            "client.throttled",
            WRONG_SECRET_BUDGET.window,
            application=application.name,
            why="too many wrong secrets",
        )
        raise TooManyRequests("Too many wrong client secrets from your IP address.", retry_after=60)
    if not right:
        charge([guess])
        raise InvalidClient


def require_grant(application: Application, grant_type: str) -> None:
    """Raise UnauthorizedClient unless this grant is enabled for the application (checklist D28)."""
    if grant_type not in application.grants:
        raise UnauthorizedClient


def allowed_scopes(application: Application, requested: Iterable[str]) -> list[str]:
    """Return the requested scopes that the application may have, in that order.

    The others are dropped silently (D29). Scopes for administration are dropped too unless an owner approved
    the application for them.
    """
    own = set(application.scopes)
    if not application.administers:
        own -= {*administrative_scopes(own)}
    return [scope for scope in requested if scope in own]


def may_use(person: Person, application: Application) -> bool:
    """Return whether this person may use this application now.

    Both must be active, and the person must be in one of the application's groups if it has any.
    """
    if not (person.is_active and application.is_active):
        return False
    return not application.groups or bool(set(application.groups) & set(groups_of(person.pk)))


def is_family_valid(family: TokenFamily) -> bool:
    """Return whether the person or service account of these tokens may still use them."""
    if family.person is None:
        application = family.application
        return application.is_active and application.confidential and CLIENT_CREDENTIALS in application.grants
    return may_use(family.person, family.application) and not is_proof_outdated(
        family.person, family.authenticated_at
    )


def find(pk: int) -> Application | None:
    """Return the tenant's active application with this key."""
    return Application.objects.filter(pk=pk, is_active=True).first()


def by_name(name: str) -> Application | None:
    """Return the tenant's active application with this name."""
    return Application.objects.filter(name=name, is_active=True).first()


def find_by_grants(wanted: Collection[str], *, most: int = 100, include: str = "") -> list[Application]:
    """Return the first active applications, by title, that have one of these grants.

    The application with the name ``include`` is included even if it is not among the first.
    """
    rows = Application.objects.filter(is_active=True).order_by("title", "name").defer("logo")
    found = list(islice((row for row in rows.iterator() if set(wanted) & set(row.grants)), most))
    if include and include not in [row.name for row in found]:
        found += [row for row in rows.filter(name=include) if set(wanted) & set(row.grants)]
    return found


def application_names() -> list[str]:
    """Return the names of all applications of the tenant, active or not."""
    return list(Application.objects.order_by("name").values_list("name", flat=True))


def client_ids() -> list[str]:
    """Return the client IDs of all applications of the tenant, active or not."""
    return list(Application.objects.order_by("name").values_list("client_id", flat=True))


def scope_names() -> list[str]:
    """Return all scopes that an application may have: the standard ones and the tenant's own."""
    return [
        *STANDARD_SCOPES,
        *(
            name
            for name in Scope.objects.order_by("name").values_list("name", flat=True)
            if not is_reserved(name)
        ),
    ]


def describe_scopes(names: Iterable[str]) -> list[dict[str, str]]:
    """Return the name, title and description of each scope, for the consent page.

    A tenant's row never describes a reserved scope, even if one exists.
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
def rotate_secret(name: str, *, by: Person) -> str:
    """Return a new secret of a confidential application, which is shown only once.

    Raises SecretRotationConflict, also where only an owner may rotate it. The old secret ends at once, with
    all tokens that the application obtained for itself: a secret is often rotated because it was lost.
    """
    application = Application.objects.filter(name=name, confidential=True).first()
    if application is None:
        raise SecretRotationConflict(_("No application with this ID has a secret."))
    if application.administers and not may(by, "applications.approve"):
        raise SecretRotationConflict(
            _("This application has administrator access, so only an owner can rotate its secret.")
        )
    secret, hashed = new_secret()
    if not Application.objects.filter(pk=application.pk, secret_hash=application.secret_hash).update(
        secret_hash=hashed
    ):
        raise SecretRotationConflict(_("Someone else just rotated the secret. Reload the application."))
    publish("application.changed", actor=by.username, target=name, keys=["secret_hash"])
    tokens.revoke_service_tokens([application.pk], by=by.username)
    return secret


def new_secret() -> tuple[str, str]:
    """Return a client secret of 256 bits and the hash to store."""
    secret = new_token()
    return secret, digest(secret)
