"""The verbs of tenants and of their mails that leave a trace: the rooms below know no events."""

from collections.abc import Iterable

from django.db import transaction

from idp.events.bus import publish
from idp.outbox.mail import delete_template, save_template
from idp.tenancy.models import Tenant
from idp.tenancy.scope import current_tenant, tenant_scope
from idp.tenancy.tenants import by_name, save_tenant, set_domains


@transaction.atomic
def change_tenant(*, by: str, domains: Iterable[str] | None = None, **values: object) -> Tenant:
    """Makes the tenant in scope, or changes it; writes nothing when all is so already. Raises ValidationError."""
    name = current_tenant().name
    old = by_name(name)
    tenant = save_tenant(name, **values)
    changed = sorted(key for key, value in values.items() if old is None or getattr(old, key) != value)
    if domains is not None and (wanted := set(domains)) != set(tenant.domains.values_list("name", flat=True)):
        set_domains(tenant, wanted)
        changed.append("domains")
    with tenant_scope(tenant):
        if old is None or changed:
            publish("tenant.created" if old is None else "tenant.changed", actor=by, target=name, keys=changed)
    return tenant


@transaction.atomic
def word_mail(name: str, *, by: str, **values: str) -> bool:
    """Creates or changes the tenant's own wording of a mail; answers whether anything changed. Raises ValidationError."""
    changed = save_template(name, **values)
    if changed:
        publish("mail.changed", actor=by, target=name, keys=changed)
    return bool(changed)


@transaction.atomic
def forget_wording(name: str, *, by: str) -> bool:
    """Goes back to the shipped wording; answers whether there was another."""
    gone = delete_template(name)
    if gone:
        publish("mail.deleted", actor=by, target=name)
    return gone
