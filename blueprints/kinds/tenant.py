"""Tenants with their domains and their face."""

from collections.abc import Collection, Sequence
from typing import Any

from blueprints.kinds.kind import Change, Kind
from idp.events.changes import change_tenant
from idp.tenancy import tenants
from idp.tenancy.models import Tenant
from idp.tenancy.scope import current_tenant

_COLUMNS = ("title", "logo", "accent", "networks", "mail_from")


class TenantKind(Kind):
    """The tenant in scope; its row is made before anything else of it."""

    name = "tenant"
    in_any_order = frozenset({"domains"})

    def current(self, names: Collection[str] | None) -> dict[str, dict[str, Any]]:
        tenant = current_tenant()
        row = tenants.by_name(tenant.name)
        if row is None or (names is not None and row.name not in names):
            return {}
        domains = sorted(row.domains.values_list("name", flat=True))
        return {row.name: {**{column: getattr(row, column) for column in _COLUMNS}, "domains": domains}}

    def defaults(self) -> dict[str, Any]:
        fresh = Tenant()
        return {**{column: getattr(fresh, column) for column in _COLUMNS}, "domains": []}

    def prepare(self, change: Change, secret: str | None) -> None:
        tenants.checked(Tenant(**{"name": change.name, "title": change.name, **_columns(change)}))
        tenants.check_domains(change.name, change.given.get("domains", ()))

    def write(self, changes: Sequence[Change], *, by: str) -> None:
        for change in changes:
            change_tenant(by=by, domains=change.given.get("domains"), **_columns(change))


def _columns(change: Change) -> dict[str, Any]:
    return {column: change.given[column] for column in _COLUMNS if column in change.given}
