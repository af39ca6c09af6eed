"""Who the client is: authentication at the token and the device endpoint, and whom it may serve."""

from collections.abc import Iterable

from django.db import transaction

from idp.accounts.models import Person
from idp.accounts.people import groups_of
from idp.events.bus import publish
from idp.oauth.errors import InvalidClient, UnauthorizedClient
from idp.oauth.forms import Credentials
from idp.oauth.models import Application, Scope
from idp.sealing import digest, new_token, same
from idp.tenancy.scope import current_tenant

STANDARD_SCOPES = {
    "openid": "Know who you are",
    "profile": "See your name and username",
    "email": "See your email address",
    "offline_access": "Stay signed in when you are away",
}


def authenticate(credentials: Credentials) -> Application:
    """The active application with these credentials; raises InvalidClient.

    A confidential client must show its secret, a public one has none to show (RFC 6749 section 3.2.1). Which of unknown,
    inactive and wrong it was is not told.
    """
    application = Application.objects.filter(client_id=credentials.client_id, is_active=True).first()
    if application is None or not _authentic(application, credentials.secret):
        raise InvalidClient
    return application


def _authentic(application: Application, secret: str | None) -> bool:
    if not application.confidential:
        return secret is None
    return secret is not None and same(application.secret_hash, digest(secret))


def require_grant(application: Application, grant_type: str) -> None:
    """Raises UnauthorizedClient unless this grant is switched on for the application (checklist D28)."""
    if grant_type not in application.grants:
        raise UnauthorizedClient


def allowed_scopes(application: Application, wanted: Iterable[str]) -> list[str]:
    """Those of the wanted scopes that the application may have, in the order asked; the others fall away silently (D29)."""
    return [scope for scope in wanted if scope in application.scopes]


def may_use(person: Person, application: Application) -> bool:
    """Whether this person may use this application now: both active, and in one of its groups where it names any."""
    if not (person.is_active and application.is_active):
        return False
    return not application.groups or bool(set(application.groups) & set(groups_of(person.pk)))


def find(pk: int) -> Application | None:
    """The active application of this tenant with this key."""
    return Application.objects.filter(pk=pk, is_active=True).first()


def by_name(name: str) -> Application | None:
    """The active application of this tenant with this name."""
    return Application.objects.filter(name=name, is_active=True).first()


def scope_names() -> list[str]:
    """Every scope that an application may be given: the standard ones and the tenant's own."""
    return [*STANDARD_SCOPES, *Scope.objects.order_by("name").values_list("name", flat=True)]


def describe_scopes(names: Iterable[str]) -> list[dict[str, str]]:
    """The scopes in plain words, for the consent page."""
    known = {scope.name: scope for scope in Scope.objects.filter(name__in=list(names))}
    return [
        {
            "name": name,
            "title": known[name].title if name in known else STANDARD_SCOPES.get(name, name),
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
        publish("application.created" if created else "application.changed", actor=by, target=name, keys=sorted(changed))
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


def new_secret() -> tuple[str, str]:
    """A client secret of 256 bits and the hash that is stored of it."""
    secret = new_token()
    return secret, digest(secret)
