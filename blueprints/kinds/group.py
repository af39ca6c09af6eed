"""Groups of people."""

from collections.abc import Collection, Sequence
from typing import Any

from blueprints.kinds.kind import BY, Change, Kind, only
from idp.accounts import many
from idp.accounts.models import Group


class GroupKind(Kind):
    """A group is its name; who is in it is said by the people."""

    name = "group"

    def current(self, names: Collection[str] | None) -> dict[str, dict[str, Any]]:
        return only({name: {} for name in Group.objects.values_list("name", flat=True)}, names)

    def write(self, changes: Sequence[Change]) -> None:
        many.create_groups([change.name for change in changes], by=BY)

    def delete(self, names: Collection[str]) -> None:
        many.delete_groups(names, by=BY)
