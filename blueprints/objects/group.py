"""Groups of people."""

from collections.abc import Collection, Sequence
from typing import Any

from blueprints.objects.kind import Kind, ObjectChange, filter_by_names, select_names
from idp.accounts import bulk
from idp.accounts.models import Group


class GroupKind(Kind):
    """The kind of groups. A group is only a name; its members are listed in the documents of people."""

    name = "group"

    def current(self, names: Collection[str] | None) -> dict[str, dict[str, Any]]:
        return select_names(
            {name: {} for name in filter_by_names(Group.objects.all(), names).values_list("name", flat=True)},
            names,
        )

    def write(self, changes: Sequence[ObjectChange], *, by: str) -> None:
        bulk.create_groups([change.name for change in changes], by=by)

    def delete(self, names: Collection[str], *, by: str) -> None:
        bulk.delete_groups(names, by=by)
