"""Changes of tenants and of their mail templates with an event; the apps below do not know events."""

from collections.abc import Iterable

from django.db import transaction

from idp.events.bus import publish
from idp.outbox.mail import delete_template, save_template
from idp.tenancy.models import Tenant
from idp.tenancy.scope import current_tenant, tenant_scope
from idp.tenancy.tenants import (
    approved_domains,
    by_name,
    decide_pending_domain,
    pending_domains,
    save_tenant,
    set_domains,
)


@transaction.atomic
def change_tenant(
    *, by: str, domains: Iterable[str] | None = None, approved: bool = False, **values: object
) -> Tenant:
    """Create or change the tenant in scope; write nothing when nothing changes.

    Raises ValidationError.

    ``approved``: whether the caller may approve ``domains`` and ``mail_from``.
    """
    name = current_tenant().name
    old = by_name(name)
    changed = sorted(key for key, value in values.items() if old is None or getattr(old, key) != value)
    if "mail_from" in values and (approved or "mail_from" in changed):
        values["mail_granted"] = approved
    tenant = save_tenant(name, **values)
    if domains is not None and (requested := set(domains)) != {
        *approved_domains(tenant),
        *(() if approved else pending_domains(tenant)),
    }:
        set_domains(tenant, requested, approved=approved)
        changed.append("domains")
    with tenant_scope(tenant):
        if old is None or changed:
            publish(
                "tenant.created" if old is None else "tenant.changed", actor=by, target=name, keys=changed
            )
    return tenant


@transaction.atomic
def decide_domain(name: str, *, approve: bool, by: str) -> bool:
    """Approve or reject a host name that the tenant in scope requested.

    Returns whether it was still pending.
    """
    decided = decide_pending_domain(current_tenant(), name, approve=approve)
    if decided:
        publish(
            "tenant.domain_approved" if approve else "tenant.domain_refused",
            actor=by,
            target=current_tenant().name,
            domain=name,
        )
    return decided


@transaction.atomic
def save_mail_template(name: str, *, by: str, **values: str) -> bool:
    """Create or change the tenant's own template of a mail, and return whether anything changed.

    Raises ValidationError.
    """
    changed = save_template(name, **values)
    if changed:
        publish("mail.changed", actor=by, target=name, keys=changed)
    return bool(changed)


@transaction.atomic
def reset_mail_template(name: str, *, by: str) -> bool:
    """Delete the tenant's own template of a mail, and return whether there was one."""
    deleted = delete_template(name)
    if deleted:
        publish("mail.deleted", actor=by, target=name)
    return deleted
