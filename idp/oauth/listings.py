"""The lists of applications, scopes, signing keys and consents."""

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from idp.foundation.listing import Column, Filter, Listing, filter_by_reference
from idp.foundation.text import fold
from idp.oauth.models import Application, Scope, SigningKey, TokenFamily

_YES_NO = (("yes", _("Yes")), ("no", _("No")))
_DEVICE = "urn:ietf:params:oauth:grant-type:"


def _filter_active(rows: QuerySet[TokenFamily], value: str) -> QuerySet[TokenFamily]:
    alive = {"revoked_at": None, "expires_at__gt": timezone.now()}
    return rows.filter(**alive) if value == "yes" else rows.exclude(**alive)


def _filter_granted_by(rows: QuerySet[TokenFamily], value: str) -> QuerySet[TokenFamily]:
    return rows.filter(person__isnull=value == "service")


APPLICATIONS = Listing(
    "applications",
    _("Applications"),
    lambda: Application.objects.all(),
    (
        Column("name", _("ID"), lambda row: row.name, "name"),
        Column("title", _("Display name"), lambda row: row.title, "title"),
        Column("client_id", _("Client ID"), lambda row: row.client_id, "client_id", "code"),
        Column(
            "type", _("Type"), lambda row: "confidential" if row.confidential else "public", "confidential"
        ),
        Column(
            "grants",
            _("Grants"),
            lambda row: [grant.removeprefix(_DEVICE) for grant in row.grants],
            kind="list",
        ),
        Column("groups", _("Groups"), lambda row: list(row.groups), kind="list"),
        Column("active", _("Active"), lambda row: row.is_active, "is_active", "flag"),
    ),
    search=("name", "title", "client_id"),
    filters=(
        Filter(
            "active", _("Active"), lambda rows, value: rows.filter(is_active=value == "yes"), lambda: _YES_NO
        ),
        Filter(
            "type",
            _("Type"),
            lambda rows, value: rows.filter(confidential=value == "confidential"),
            lambda: [("public", _("Public")), ("confidential", _("Confidential"))],
        ),
    ),
    order="name",
    key="name",
)

SCOPES = Listing(
    "scopes",
    _("Scopes"),
    lambda: Scope.objects.all(),
    (
        Column("name", _("Scope"), lambda row: row.name, "name", "code"),
        Column("title", _("Display name"), lambda row: row.title, "title"),
        Column("description", _("Description"), lambda row: row.description),
    ),
    search=("name", "title"),
    order="name",
    key="name",
)

KEYS = Listing(
    "keys",
    _("Signing keys"),
    lambda: SigningKey.objects.defer("private_key"),  # do not decrypt what is not shown
    (
        Column("kid", _("Key ID"), lambda row: row.kid, kind="code"),
        Column("algorithm", _("Algorithm"), lambda row: row.algorithm, "algorithm"),
        Column("created", _("Created"), lambda row: row.created_at.isoformat(), "created_at", "time"),
        Column(
            "retires",
            _("Expires"),
            lambda row: row.retires_at.isoformat() if row.retires_at else None,
            "retires_at",
            "time",
        ),
    ),
    order="-created_at",
    key="kid",
)

CONSENTS = Listing(
    "consents",
    _("Consents"),
    lambda: TokenFamily.objects.select_related("person", "application"),
    (
        Column("person", _("Person"), lambda row: row.subject, "person__username", short_lists_only=True),
        Column(
            "application",
            _("Application"),
            lambda row: row.application.name,
            "application__name",
            short_lists_only=True,
        ),
        Column("scopes", _("Scopes"), lambda row: list(row.scopes), kind="list"),
        Column("created", _("Granted"), lambda row: row.created_at.isoformat(), "created_at", "time"),
        Column(
            "expires",
            _("Expires"),
            lambda row: row.expires_at.isoformat(),
            "expires_at",
            "time",
            short_lists_only=True,
        ),
        Column(
            "revoked",
            _("Revoked"),
            lambda row: row.revoked_at.isoformat() if row.revoked_at else None,
            "revoked_at",
            "time",
            short_lists_only=True,
        ),
    ),
    search=("person__username", "application__name"),
    filters=(
        Filter("alive", _("Status"), _filter_active, lambda: (("yes", _("Active")), ("no", _("Ended")))),
        Filter(
            "given",
            _("Granted by"),
            _filter_granted_by,
            lambda: (("person", _("Person")), ("service", _("Service account"))),
        ),
        Filter("person", _("Person"), filter_by_reference("person__username", fold)),
        Filter("application", _("Application"), filter_by_reference("application__name")),
    ),
    order="-created_at",
    key="identifier",
)
