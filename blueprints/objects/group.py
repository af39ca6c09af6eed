"""Groups of people."""

from collections.abc import Collection, Sequence
from typing import Any

from blueprints.objects.kind import Change, Kind, named, only
from idp.accounts import bulk
from idp.accounts.models import Group


class GroupKind(Kind):
    """The kind of groups. A group is only a name; its members are listed in the documents of people."""

    name = "group"

    def current(self, names: Collection[str] | None) -> dict[str, dict[str, Any]]:
        return only(
            {name: {} for name in named(Group.objects.all(), names).values_list("name", flat=True)}, names
        )

    def write(self, changes: Sequence[Change], *, by: str) -> None:
        bulk.create_groups([change.name for change in changes], by=by)

    def delete(self, names: Collection[str], *, by: str) -> None:
        bulk.delete_groups(names, by=by)
