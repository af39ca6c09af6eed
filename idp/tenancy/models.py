"""Tenant, Domain, and the base of every table that belongs to a tenant."""

import re
from typing import ClassVar, Self, TypeVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models

from idp.foundation.colors import DARK, LIGHT, ensure_contrast, text_on
from idp.tenancy.scope import current_tenant

DEFAULT = "default"
_DOMAIN = re.compile(r"\A(\*\.)?[a-z0-9]([a-z0-9-]{0,62})(\.[a-z0-9]([a-z0-9-]{0,62}))*\Z")
_Row = TypeVar("_Row", bound=models.Model)

slug = RegexValidator(
    r"\A[a-z0-9]([a-z0-9-]{0,48}[a-z0-9])?\Z", "Lower-case letters, digits and dashes, 50 at most."
)
picture = RegexValidator(
    r"\A(/(?!/)[\x21-\x5b\x5d-\x7e]{0,200}|data:image/(png|jpeg|webp|svg\+xml);base64,[A-Za-z0-9+/=]{1,65536})\Z",
    (
        "A path on this server, or a data: address of a PNG, JPEG, WebP or SVG picture of 48 KiB at most; "
        "no page loads from elsewhere."
    ),
)
colour = RegexValidator(r"\A#[0-9a-f]{6}\Z", "A color as #rrggbb, in lower case.")


def current_tenant_id() -> int:
    """Return the default of every ``tenant`` column: new rows belong to the tenant in scope."""
    return current_tenant().pk


class Tenant(models.Model):
    """One customer of the installation, with its own people, applications, flows and branding.

    ``mail_granted``: the operator of the installation set ``mail_from``, so that it may be at any domain.
    """

    name = models.CharField(max_length=50, unique=True, validators=[slug])
    title = models.CharField(max_length=100)
    logo = models.TextField(blank=True, default="", validators=[picture])
    accent = models.CharField(max_length=7, default="#4f46e5", validators=[colour])
    networks = models.JSONField(default=list, blank=True)
    mail_from = models.EmailField(blank=True, default="")
    mail_granted = models.BooleanField(default=False, db_default=False, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = models.Manager()

    def __str__(self) -> str:
        return self.name

    @property
    def accent_text(self) -> str:
        """Return black or white, whichever is easier to read on the accent."""
        return text_on(self.accent)

    @property
    def accent_on_light(self) -> str:
        """Return the accent with the contrast that selection marks and borders need on a light page."""
        return ensure_contrast(self.accent, LIGHT)

    @property
    def accent_on_dark(self) -> str:
        """Return the accent with the contrast that selection marks and borders need on a dark page."""
        return ensure_contrast(self.accent, DARK)


class Domain(models.Model):
    """A host name of a tenant: exact (``login.acme.example``) or a wildcard (``*.acme.example``).

    Until the operator of the installation has ``approved`` it, it is only requested and has no effect.
    """

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="domains")
    name = models.CharField(max_length=253, unique=True)
    approved = models.BooleanField(default=False, db_default=False)

    objects = models.Manager()

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if not _DOMAIN.match(self.name):
            raise ValidationError(
                {"name": f"{self.name} isn't a valid lowercase host name. Write wildcards as *.example.com."}
            )
        if self.name in settings.DEFAULT_HOSTS and self.tenant.name != DEFAULT:
            raise ValidationError({"name": f"{self.name} is reserved for the default tenant (FOYER_HOSTS)."})


class TenantManager(models.Manager[_Row]):
    """A manager that only sees the rows of the tenant in scope, and raises NoTenant without one."""

    def get_queryset(self) -> models.QuerySet[_Row]:
        return super().get_queryset().filter(tenant_id=current_tenant().pk)


class TenantModel(models.Model):
    """Base of every table that belongs to a tenant.

    ``objects`` is scoped; ``unscoped`` is for the few listed modules.

    The column has no index of its own: in an installation with one large tenant it would lead to every row,
    and SQLite, which collects no statistics by itself, would prefer it to a better one. Large tables have
    indexes that begin with the tenant.
    """

    tenant = models.ForeignKey(
        Tenant,
        on_delete=models.CASCADE,
        default=current_tenant_id,
        editable=False,
        related_name="+",
        db_index=False,
    )

    objects: ClassVar[models.Manager[Self]] = TenantManager()
    unscoped: ClassVar[models.Manager[Self]] = models.Manager()

    class Meta:
        abstract = True
