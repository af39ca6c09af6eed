"""The tables of blueprints: owned objects, the result of every attempt to apply, and saved secrets."""

from django.db import models

from idp.foundation.sealing import SealedField
from idp.tenancy.models import TenantModel


class Owned(TenantModel):
    """An object that a blueprint manages, as it was when the blueprint was last applied.

    ``keys`` holds the values of the blueprint by dotted key; of a secret it holds only a keyed hash.
    ``drift`` holds the differences that the last check found. It is None when there were none.
    """

    blueprint = models.CharField(max_length=200)
    kind = models.CharField(max_length=30)
    name = models.CharField(max_length=150)
    keys = models.JSONField()
    applied_at = models.DateTimeField()
    drift = models.JSONField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "kind", "name"], name="one_owner_per_object")
        ]
        indexes = [models.Index(fields=["tenant", "blueprint"], name="blueprints_owned_by")]

    def __str__(self) -> str:
        return f"{self.blueprint}: {self.kind} {self.name}"


class Result(models.Model):
    """One attempt to apply a blueprint, successful or not.

    A result belongs to the installation and not to a tenant, because a blueprint may create tenants.

    ``edition`` is a digest of everything that was read, so that a watched folder is applied again only when
    something in it has changed.
    """

    blueprint = models.CharField(max_length=200)
    edition = models.CharField(max_length=64, blank=True)
    at = models.DateTimeField()
    by = models.CharField(max_length=150)
    succeeded = models.BooleanField()
    counts = models.JSONField(default=dict)
    messages = models.JSONField(default=list)

    objects = models.Manager()

    class Meta:
        indexes = [models.Index(fields=["blueprint", "-at"], name="blueprints_results")]

    def __str__(self) -> str:
        return f"{self.blueprint} at {self.at:%F %T}"


class Secret(TenantModel):
    """A secret value that blueprints refer to by name: ``!secret NAME``."""

    name = models.CharField(max_length=100)
    value = SealedField()
    set_at = models.DateTimeField()
    set_by = models.CharField(max_length=150)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "name"], name="one_secret_per_name")]

    def __str__(self) -> str:
        return self.name
