"""The table of the audit log.

Its rows are append-only plain text, so that the history remains when an object is deleted.
"""

from django.db import models

from idp.tenancy.models import TenantModel


class Event(TenantModel):
    """Who did what to which object, through which application, from where."""

    at = models.DateTimeField()
    kind = models.CharField(max_length=60)
    actor = models.CharField(max_length=150, blank=True)
    target = models.CharField(max_length=200, blank=True)
    application = models.CharField(max_length=100, blank=True)
    topic = models.CharField(max_length=60, blank=True)
    address = models.CharField(max_length=45, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    data = models.JSONField(default=dict)

    class Meta:
        indexes = [
            models.Index(fields=["tenant", "kind", "-at"], name="events_by_kind"),
            models.Index(fields=["tenant", "at"], name="events_by_time"),
            models.Index(fields=["tenant", "topic", "kind"], name="events_by_topic"),  # a device's timeline
            models.Index(fields=["tenant", "actor", "at"], name="events_by_actor"),
            models.Index(fields=["tenant", "target", "at"], name="events_by_target"),  # an object's history
            # the newest event of a quiet tenant among busy ones
            models.Index(fields=["tenant", "id"], name="events_by_number"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.actor} {self.target}".strip()
