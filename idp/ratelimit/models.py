"""The table of attempts that still count."""

from django.db import models

from idp.tenancy.models import TenantModel


class Attempt(TenantModel):
    """An occupied slot of a budget.

    A bucket has as many slots as its limit, and a slot is free again when it has expired.

    ``judged`` False: the attempt is still being evaluated.
    """

    bucket = models.CharField(max_length=64)
    slot = models.PositiveIntegerField()
    at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)
    judged = models.BooleanField(default=True, db_default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "bucket", "slot"], name="one_attempt_per_slot")
        ]

    def __str__(self) -> str:
        return f"{self.bucket[:8]}/{self.slot}"
