"""The tenant of a Host header: exact names before wildcards, the default tenant for local names."""

from django.conf import settings

from idp.foundation import addresses
from idp.tenancy.models import DEFAULT, Domain, Tenant


def host_name(header: str) -> str | None:
    """Return the normalized name in a Host header without the port; None where it is malformed."""
    found = addresses.parse_host(header)
    return found[0] if found else None


def find_tenant(name: str) -> Tenant | None:
    """Return the tenant of this host name, or None; a name that is not approved has no tenant."""
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
