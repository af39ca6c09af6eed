"""The list of managed objects: which blueprint manages each, and whether it has drifted."""

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from blueprints.models import Owned
from blueprints.objects.registry import KINDS
from idp.foundation.listing import Column, Filter, Listing

_YES_NO = (("yes", _("Yes")), ("no", _("No")))


def _drifted(rows: QuerySet[Owned], value: str) -> QuerySet[Owned]:
    return rows.filter(drift__isnull=value == "no")


OWNED = Listing(
    "owned",
    _("Managed objects"),
    lambda: Owned.objects.all(),
    (
        Column("kind", _("Type"), lambda row: row.kind, "kind"),
        Column("name", _("Name"), lambda row: row.name, "name"),
        Column("blueprint", _("Blueprint"), lambda row: row.blueprint, "blueprint"),
        Column("applied", _("Applied"), lambda row: row.applied_at.isoformat(), "applied_at", "time"),
        Column("drifted", _("Drifted"), lambda row: row.drift is not None, kind="flag"),
    ),
    search=("name", "blueprint"),
    filters=(
        Filter(
            "kind",
            _("Type"),
            lambda rows, value: rows.filter(kind=value),
            lambda: [(kind, kind) for kind in KINDS],
        ),
        Filter("drifted", _("Drifted"), _drifted, lambda: _YES_NO),
        Filter("blueprint", _("Blueprint"), lambda rows, value: rows.filter(blueprint=value)),
    ),
    order="-applied_at",
)
