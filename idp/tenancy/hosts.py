"""From a Host header to a tenant: exact names before wildcards, the default tenant for this machine's own
names.
"""

from django.conf import settings

from idp.foundation import addresses
from idp.tenancy.models import DEFAULT, Domain, Tenant


def host_name(header: str) -> str | None:
    """Return the name in a Host header, in its one spelling and without the port; None where the header is
    malformed.
    """
    found = addresses.host(header)
    return found[0] if found else None


def find_tenant(name: str) -> Tenant | None:
    """Return the tenant that owns this host name, or None; a name that nobody has approved leads nowhere."""
    if name in settings.DEFAULT_HOSTS:
        return Tenant.objects.filter(name=DEFAULT).first()
    labels = name.split(".")
    candidates = [name, *("*." + ".".join(labels[at:]) for at in range(1, len(labels)))]
    rows = Domain.objects.filter(name__in=candidates, approved=True).select_related("tenant")
    found = {row.name: row.tenant for row in rows}
    for candidate in candidates:
        if candidate in settings.DEFAULT_HOSTS:
            return Tenant.objects.filter(name=DEFAULT).first()
        if candidate in found:
            return found[candidate]
    return None
