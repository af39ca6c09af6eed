"""Tenants with their domains and branding."""

from collections.abc import Collection, Sequence
from typing import Any

from blueprints.objects.kind import KeyChange, Kind, ObjectChange, run_checks
from idp.accounts.roles import NotAllowed
from idp.events.changes import change_tenant
from idp.tenancy import tenants
from idp.tenancy.models import Tenant
from idp.tenancy.scope import current_tenant

_COLUMNS = ("title", "logo", "accent", "networks", "mail_from")


class TenantKind(Kind):
    """The kind of tenants: the tenant in scope, whose row is created before its other objects."""

    name = "tenant"
    unordered_keys = frozenset({"domains", "networks"})

    def current(self, names: Collection[str] | None) -> dict[str, dict[str, Any]]:
        tenant = current_tenant()
        row = tenants.by_name(tenant.name)
        if row is None or (names is not None and row.name not in names):
            return {}
        domains = sorted(row.domains.values_list("name", flat=True))
        return {row.name: {**{column: getattr(row, column) for column in _COLUMNS}, "domains": domains}}

    def defaults(self) -> dict[str, Any]:
        blank = Tenant()
        return {**{column: getattr(blank, column) for column in _COLUMNS}, "domains": []}

    def difference(self, change: ObjectChange) -> list[KeyChange]:
        """Return the changes key by key.

        For a person who may approve host names and senders, values that still wait for approval count as
        absent.
        """
        keys, row = super().difference(change), tenants.by_name(change.name)
        if row is None or not change.may("tenants.edit"):
            return keys
        approved = {
            "domains": tenants.approved_domains(row),
            "mail_from": row.mail_from if row.mail_granted else "",
        }
        declared = [(key, old, change.desired[key]) for key, old in approved.items() if key in change.desired]
        others = [key for key in keys if key.key not in approved]
        return others + [
            KeyChange(key, old, new) for key, old, new in declared if not self.is_equal(key, old, new)
        ]

    def prepare(self, change: ObjectChange, secret: str | None) -> None:
        domains = change.desired.get("domains", ())
        run_checks(
            lambda: tenants.validate_tenant(
                Tenant(**{"name": change.name, "title": change.name, **_columns(change)})
            ),
            lambda: tenants.check_domains(
                change.name, domains, show_owner=change.may("tenants.see"), released=change.released_domains
            ),
        )
        if not change.may("tenants.edit") and tenants.overlapping_domains(change.name, domains):
            raise NotAllowed

    def write(self, changes: Sequence[ObjectChange], *, by: str) -> None:
        for change in changes:
            columns = {column: value for column, value in _columns(change).items() if change.writes(column)}
            change_tenant(
                by=by, domains=change.desired.get("domains"), approved=change.may("tenants.edit"), **columns
            )


def _columns(change: ObjectChange) -> dict[str, Any]:
    return {column: change.desired[column] for column in _COLUMNS if column in change.desired}
