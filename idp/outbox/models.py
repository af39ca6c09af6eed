"""The tables of the outbox and of the tenants' mail templates."""

from uuid import uuid4

from django.core.exceptions import ValidationError
from django.db import models

from idp.foundation.sealing import SealedField
from idp.outbox.placeholders import MailContent, shipped_templates
from idp.tenancy.models import TenantModel


class DeliveryState(models.TextChoices):
    """``waiting → done | failed``; both final states erase the payload."""

    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"


def new_key() -> str:
    """Return a key by which the recipient can recognize a repeated delivery."""
    return uuid4().hex


class Delivery(TenantModel):
    """A delivery that is due; ``attempts`` counts the claims and so identifies the latest one.

    ``due_at``: from then on any worker may claim it. During an attempt, it is the end of the worker's lease.
    """

    key = models.CharField(max_length=32, unique=True, default=new_key, editable=False)
    kind = models.CharField(max_length=50)
    payload = SealedField(blank=True, default="")
    state = models.CharField(max_length=10, choices=DeliveryState.choices, default=DeliveryState.WAITING)
    attempts = models.PositiveIntegerField(default=0)
    due_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    posted_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    why = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        indexes = [
            models.Index(fields=["tenant", "state", "due_at"], name="outbox_due"),
            models.Index(
                fields=["tenant", "ended_at"], condition=models.Q(ended_at__isnull=False), name="outbox_ended"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"


class MailTemplate(TenantModel):
    """A tenant's own text of a mail, in place of the whole shipped one; without ``html`` it is plain text."""

    name = models.CharField(max_length=50)
    subject = models.CharField(max_length=200)
    text = models.TextField(max_length=50_000)
    html = models.TextField(max_length=100_000, blank=True, default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "name"], name="one_mail_per_name")]

    def __str__(self) -> str:
        return self.name

    @property
    def template(self) -> MailContent:
        """Return the template, ready to be rendered."""
        return MailContent(self.subject, self.text, self.html)

    def clean(self) -> None:
        original = shipped_templates().get(self.name)
        if original is None:
            available = ", ".join(sorted(shipped_templates()))
            raise ValidationError({"name": f"Unknown email template {self.name}. Available: {available}."})
        if problems := self.template.problems(original.variables):
            raise ValidationError(problems)
