"""The models of flows: Flow, Draft, Version, Run, and the statistics of runs."""

from django.db import models

from idp.tenancy.models import TenantModel


class Flow(TenantModel):
    """A flow that administrators design; ``live`` is the version that new runs use."""

    name = models.CharField(max_length=50)
    designation = models.CharField(max_length=30)
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
    """One published, immutable version of a flow: its document, and its sub-flows at that time.

    ``digest``: of both (flows/documents/published.py); "" where an older release wrote the row.
    """

    flow = models.ForeignKey(Flow, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    document = models.JSONField()
    parts = models.JSONField(default=dict)
    digest = models.CharField(max_length=64, db_default="", default="")
    note = models.CharField(max_length=300, blank=True)
    author = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["flow", "number"], name="one_version_per_number")]

    def __str__(self) -> str:
        return f"{self.flow_id}/{self.number}"


class Draft(TenantModel):
    """The unpublished document of a flow; it may be invalid, because only publishing checks it.

    ``revision`` is compared and set, so that of two editors neither overwrites the other unknowingly.
    """

    flow = models.OneToOneField(Flow, on_delete=models.CASCADE, related_name="draft")
    document = models.JSONField()
    base = models.ForeignKey(Version, null=True, on_delete=models.SET_NULL, related_name="+")
    revision = models.PositiveIntegerField(default=1)
    author = models.CharField(max_length=150, blank=True)
    updated_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.flow_id}#{self.revision}"

    @property
    def has_changes(self) -> bool:
        """Whether publishing it would change anything; one that would not is never shown as a draft."""
        return self.flow.live is None or self.document != self.flow.live.document


class Run(TenantModel):
    """One run of a version by one browser (or one JSON client).

    ``state`` is JSON, written only by the engine.
    """

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
    counted = models.BooleanField(default=False)

    class Meta:
        indexes = [
            models.Index(
                fields=["tenant", "network"], condition=models.Q(ended_at=None), name="flows_runs_under_way"
            ),
            models.Index(fields=["tenant", "counted", "expires_at"], name="flows_runs_to_count"),
            models.Index(fields=["tenant", "started_at"], name="flows_runs_by_age"),
        ]

    def __str__(self) -> str:
        return self.identifier


class StepCount(TenantModel):
    """How many runs of a version reached a step and how they left it; nothing about any person.

    ``step`` "": the whole run.

    ``buckets``: how many took up to 1, 2, 4, 8 … seconds.
    """

    version = models.ForeignKey(Version, on_delete=models.CASCADE, related_name="counts")
    step = models.CharField(max_length=400)
    reached = models.PositiveIntegerField(default=0)
    finished = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    left = models.PositiveIntegerField(default=0)
    milliseconds = models.PositiveBigIntegerField(default=0)
    buckets = models.JSONField(default=list)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["version", "step"], name="one_count_per_step")]

    def __str__(self) -> str:
        return f"{self.version_id}/{self.step}: {self.reached}"
