"""The tables of the device authorization grant (RFC 8628)."""

from django.db import models

from idp.tenancy.models import TenantModel


class DeviceState(models.TextChoices):
    """The states of a device and their transitions.

    ``pending → approved | denied | expired``, ``approved → redeemed | expired | revoked``, ``redeemed →
    revoked``.
    """

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"
    REDEEMED = "redeemed"
    REVOKED = "revoked"


class DeviceCode(TenantModel):
    """A device authorization request, with every fact that the deciding person must see.

    Both codes are stored only as hashes.
    """

    device_code_hash = models.CharField(max_length=64, unique=True)
    user_code_hash = models.CharField(max_length=64)
    application = models.ForeignKey("oauth.Application", on_delete=models.CASCADE, related_name="+")
    issuer = models.CharField(max_length=300)
    scopes = models.JSONField()
    nonce = models.CharField(max_length=255, blank=True)
    code_challenge = models.CharField(max_length=43, blank=True)
    state = models.CharField(max_length=10, choices=DeviceState.choices, default=DeviceState.PENDING)
    interval = models.PositiveIntegerField()
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)
    address = models.CharField(max_length=45, blank=True)
    network = models.CharField(max_length=50, blank=True)
    agent = models.CharField(max_length=200, blank=True)
    label = models.CharField(max_length=100, blank=True)
    person = models.ForeignKey("accounts.Person", null=True, on_delete=models.CASCADE, related_name="+")
    methods = models.JSONField(default=list)
    authenticated_at = models.DateTimeField(null=True)
    decided_at = models.DateTimeField(null=True)
    redeemed_at = models.DateTimeField(null=True)
    family = models.ForeignKey("oauth.TokenFamily", null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "user_code_hash"], name="one_device_per_user_code")
        ]
        indexes = [
            # Not partial: SQLite does not use a partial index when the state is a query parameter.
            models.Index(fields=["application", "state", "expires_at"], name="devices_of_application"),
            models.Index(fields=["tenant", "network", "state"], name="devices_of_network"),
            models.Index(fields=["tenant", "state", "expires_at"], name="devices_open"),
            models.Index(
                fields=["tenant", "created_at", "application", "person", "label", "address"],
                name="devices_by_age",
            ),
            # for the sweep
            models.Index(
                fields=["tenant", "expires_at"],
                condition=models.Q(family=None),
                name="devices_without_tokens",
            ),
        ]

    def __str__(self) -> str:
        return f"device {self.pk} ({self.state})"
