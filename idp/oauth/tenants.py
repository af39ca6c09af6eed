"""The list of all tenants with their counts, for the operator of the installation only."""

from django.db.models import Count, IntegerField, OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from idp.accounts.models import Person
from idp.foundation.listing import Column, Listing
from idp.foundation.sealing import Unsealable
from idp.oauth.models import Application, SigningKey
from idp.tenancy.models import Tenant


def _count_rows(model: type[Person | Application]) -> Coalesce:
    """Return the number of these rows in a tenant.

    This is the only place that counts across tenants.
    """
    rows = (
        model.unscoped.filter(tenant=OuterRef("pk"))
        .order_by()
        .values("tenant")
        .annotate(many=Count("*"))
        .values("many")
    )
    return Coalesce(Subquery(rows, output_field=IntegerField()), 0)


def _domains(row: Tenant, *, approved: bool) -> list[str]:
    return sorted(domain.name for domain in row.domains.all() if domain.approved is approved)


def can_decrypt_keys() -> bool:
    """Return whether the newest signing key of any tenant can be decrypted.

    It cannot after a restore without the secret key.
    """
    try:
        SigningKey.unscoped.order_by("-pk").first()
    except Unsealable:
        return False
    return True


TENANTS = Listing(
    "tenants",
    _("Tenants"),
    lambda: Tenant.objects.prefetch_related("domains").annotate(
        people=_count_rows(Person), applications=_count_rows(Application)
    ),
    (
        Column("name", _("ID"), lambda row: row.name, "name"),
        Column("title", _("Display name"), lambda row: row.title, "title"),
        Column("domains", _("Domains"), lambda row: _domains(row, approved=True), kind="list"),
        Column("asked", _("Pending approval"), lambda row: _domains(row, approved=False), kind="list"),
        Column("people", _("People"), lambda row: row.people, "people", "number"),
        Column("applications", _("Applications"), lambda row: row.applications, "applications", "number"),
        Column("created", _("Created"), lambda row: row.created_at.isoformat(), "created_at", "time"),
    ),
    search=("name", "title", "domains__name"),
    order="name",
    key="name",
)
