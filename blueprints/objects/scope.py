"""Scopes with the texts of the consent page."""

from collections.abc import Collection, Sequence
from typing import Any

from blueprints.objects.kind import Kind, ObjectChange, filter_by_names, select_names
from idp.oauth import bulk
from idp.oauth.models import Scope


class ScopeKind(Kind):
    """The kind of scopes, each with its title and description."""

    name = "scope"

    def current(self, names: Collection[str] | None) -> dict[str, dict[str, Any]]:
        rows = filter_by_names(Scope.objects.all(), names).values_list("name", "title", "description")
        return select_names(
            {name: {"title": title, "description": description} for name, title, description in rows}, names
        )

    def prepare(self, change: ObjectChange, secret: str | None) -> None:
        bulk.validate_row(Scope(name=change.name, **{**(change.before or {}), **change.desired}))

    def write(self, changes: Sequence[ObjectChange], *, by: str) -> None:
        new = [change for change in changes if change.action == "create"]
        bulk.create([Scope(name=change.name, **change.desired) for change in new], by=by)
        bulk.change(
            Scope,
            {change.name: _changed_values(change) for change in changes if change.action == "update"},
            by=by,
        )

    def delete(self, names: Collection[str], *, by: str) -> None:
        bulk.delete(Scope, names, by=by)


def _changed_values(change: ObjectChange) -> dict[str, Any]:
    return {key: value for key, value in change.desired.items() if change.writes(key)}
