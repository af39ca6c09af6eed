"""Flow, Version and Run."""

from django.db import models

from idp.tenancy.models import TenantModel


class Designation(models.TextChoices):
    """What a flow is for."""

    AUTHENTICATION = "authentication", "Signing in"
    DEVICE_CODE = "device_code", "Connecting a device"


class Flow(TenantModel):
    """What an administrator draws. ``live`` points at the version that new runs walk."""

    name = models.CharField(max_length=50)
    designation = models.CharField(max_length=30, choices=Designation.choices)
    is_default = models.BooleanField(default=True)
    live = models.ForeignKey("flows.Version", null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "name"], name="one_flow_per_name"),
            models.UniqueConstraint(
                fields=["tenant", "designation"],
                condition=models.Q(is_default=True, live__isnull=False),
                name="one_live_flow_per_designation",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Version(TenantModel):
    """One published, immutable state of a flow: the whole document."""

    flow = models.ForeignKey(Flow, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    document = models.JSONField()
    note = models.CharField(max_length=300, blank=True)
    author = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["flow", "number"], name="one_version_per_number")]

    def __str__(self) -> str:
        return f"{self.flow_id}/{self.number}"


class Run(TenantModel):
    """One browser's (or one JSON client's) walk through one version. ``state`` is JSON, written only by the engine."""

    identifier = models.CharField(max_length=32, unique=True)
    nonce_hash = models.CharField(max_length=64, db_index=True)
    version = models.ForeignKey(Version, on_delete=models.CASCADE, related_name="runs")
    state = models.JSONField(default=dict)
    revision = models.PositiveIntegerField(default=0)
    person = models.PositiveBigIntegerField(null=True)
    session = models.ForeignKey("accounts.Session", null=True, on_delete=models.SET_NULL, related_name="+")
    network = models.CharField(max_length=50)
    started_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["tenant", "network"], condition=models.Q(ended_at=None), name="flows_runs_under_way")]

    def __str__(self) -> str:
        return self.identifier
