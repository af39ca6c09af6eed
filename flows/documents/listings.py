"""The lists of flows, of their versions and of runs in progress."""

from django.utils.translation import gettext_lazy as _

from flows.documents.designations import DESIGNATIONS
from flows.models import Flow, Run, Version
from idp.foundation.listing import Column, Filter, Listing, filter_by_reference

FLOWS = Listing(
    "flows",
    _("Flows"),
    lambda: Flow.objects.select_related("live", "draft"),
    (
        Column("name", _("ID"), lambda row: row.name, "name"),
        Column("for", _("Purpose"), lambda row: row.designation, "designation"),
        Column("default", _("Default"), lambda row: row.is_default, "is_default", "flag"),
        Column(
            "version",
            _("Published version"),
            lambda row: row.live.number if row.live else None,
            "live__number",
            "number",
        ),
        Column(
            "published",
            _("Published"),
            lambda row: row.live.created_at.isoformat() if row.live else None,
            "live__created_at",
            "time",
        ),
        Column("by", _("Published by"), lambda row: row.live.author if row.live else "", "live__author"),
        Column(
            "draft",
            _("Unpublished changes"),
            lambda row: hasattr(row, "draft") and row.draft.has_changes,
            kind="flag",
        ),
    ),
    search=("name",),
    filters=(
        Filter(
            "for",
            _("Purpose"),
            lambda rows, value: rows.filter(designation=value),
            lambda: [(each.name, each.title) for each in DESIGNATIONS.values()],
        ),
    ),
    order="name",
    key="name",
)

RUNS = Listing(
    "runs",
    _("Runs"),
    lambda: Run.objects.select_related("version__flow"),
    (
        Column("run", _("Run"), lambda row: row.identifier, kind="code"),
        Column(
            "flow", _("Flow"), lambda row: row.version.flow.name, "version__flow__name", short_lists_only=True
        ),
        Column(
            "version",
            _("Version"),
            lambda row: row.version.number,
            "version__number",
            "number",
            short_lists_only=True,
        ),
        Column("at", _("Current step"), lambda row: row.state.get("at") or "", kind="code"),
        Column("end", _("Result"), lambda row: (row.state.get("end") or {}).get("kind", "")),
        Column("started", _("Started"), lambda row: row.started_at.isoformat(), "started_at", "time"),
        Column(
            "expires",
            _("Expires"),
            lambda row: row.expires_at.isoformat(),
            "expires_at",
            "time",
            short_lists_only=True,
        ),
    ),
    search=("identifier",),
    filters=(
        Filter("flow", _("Flow"), filter_by_reference("version__flow__name")),
        Filter(
            "over",
            _("Ended"),
            lambda rows, value: rows.filter(ended_at__isnull=value == "no"),
            lambda: [("yes", _("Yes")), ("no", _("No"))],
        ),
    ),
    order="-started_at",
    key="identifier",
)

VERSIONS = Listing(
    "versions",
    _("Versions"),
    lambda: Version.objects.select_related("flow").defer("document", "parts"),
    (
        Column("number", _("Version"), lambda row: row.number, "number", "number"),
        Column("live", _("Live"), lambda row: row.flow.live_id == row.pk, kind="flag"),
        Column("created", _("Published"), lambda row: row.created_at.isoformat(), "created_at", "time"),
        Column("by", _("Published by"), lambda row: row.author, "author"),
        Column("note", _("Note"), lambda row: row.note),
    ),
    search=("note", "author"),
    filters=(Filter("flow", _("Flow"), lambda rows, value: rows.filter(flow__name=value)),),
    order="-number",
    key="number",
)
