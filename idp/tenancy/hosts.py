"""From a Host header to a tenant: exact names before wildcards, the default tenant for this machine's own names."""

import re

from django.conf import settings

from idp.tenancy.models import DEFAULT, Domain, Tenant

_HOST = re.compile(r"\A(?P<name>[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:.]{2,45}\])(:\d{1,5})?\Z")


def host_name(header: str) -> str | None:
    """The lower-case name of a Host header without its port; None where the header is malformed."""
    match = _HOST.match(header.lower())
    if not match or ".." in match["name"]:
        return None
    return match["name"]


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
