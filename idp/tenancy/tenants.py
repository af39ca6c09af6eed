"""Reading and changing tenants and their domains."""

from collections.abc import Collection, Iterable

from django.conf import settings
from django.core.exceptions import ValidationError

from idp.tenancy.models import DEFAULT, Domain, Tenant


def validate_tenant(tenant: Tenant) -> Tenant:
    """Return the tenant unchanged, or raise ValidationError for a value that no tenant may have."""
    tenant.clean_fields()
    return tenant


def save_tenant(name: str, **values: object) -> Tenant:
    """Create or change a tenant; raise ValidationError."""
    tenant = Tenant.objects.filter(name=name).first() or Tenant(
        name=name, title="Foyer" if name == DEFAULT else name
    )
    for key, value in values.items():
        setattr(tenant, key, value)
    tenant.full_clean()
    tenant.save()
    return tenant


def set_domains(tenant: Tenant, names: Iterable[str], *, approved: bool) -> None:
    """Make these the host names of ``tenant``; raise ValidationError when another tenant has one.

    ``approved``: the caller may approve them. Then they take effect at once, and other pending ones stay
    pending. Otherwise new ones are pending, and those that are left out are deleted.
    """
    requested = set(names)
    removed = tenant.domains.filter(approved=True) if approved else tenant.domains.all()
    removed.exclude(name__in=requested).delete()
    for name in sorted(requested - set(tenant.domains.values_list("name", flat=True))):
        domain = Domain(tenant=tenant, name=name, approved=approved)
        try:
            domain.full_clean()
        except ValidationError as error:
            raise ValidationError({"domains": [f"{name}: {text}" for text in error.messages]}) from None
        domain.save()
    if approved:
        tenant.domains.filter(name__in=requested, approved=False).update(approved=True)


def released_domains(tenant: Tenant, domains: Iterable[str]) -> set[str]:
    """Return the host names that this tenant loses when ``domains`` become all of its own."""
    return set(approved_domains(tenant)).difference(domains)


def release_domains(tenant: Tenant, domains: Iterable[str]) -> None:
    """Free the host names that this tenant loses when ``domains`` become all of its own."""
    tenant.domains.filter(name__in=released_domains(tenant, domains)).delete()


def decide_pending_domain(tenant: Tenant, name: str, *, approve: bool) -> bool:
    """Approve or delete a pending host name; return whether it was still pending."""
    waiting = tenant.domains.filter(name=name, approved=False)
    return bool(waiting.update(approved=True) if approve else waiting.delete()[0])


def approved_domains(tenant: Tenant) -> list[str]:
    """Return the sorted approved host names of this tenant."""
    return sorted(tenant.domains.filter(approved=True).values_list("name", flat=True))


def pending_domains(tenant: Tenant) -> list[str]:
    """Return the sorted host names of this tenant that are pending approval."""
    return sorted(tenant.domains.filter(approved=False).values_list("name", flat=True))


def may_send_from(tenant: Tenant) -> bool:
    """Return whether mail may be sent from the tenant's ``mail_from``.

    It must be granted, or be at one of the tenant's own host names.
    """
    domain = tenant.mail_from.rpartition("@")[2].lower()
    names = [*approved_domains(tenant), *(settings.DEFAULT_HOSTS if tenant.name == DEFAULT else ())]
    return bool(domain) and (
        tenant.mail_granted or any(domain == each or _covers(each, domain) for each in names)
    )


def check_domains(
    name: str, domains: Iterable[str], *, show_owner: bool, released: Collection[str] = ()
) -> None:
    """Raise ValidationError for invalid host names, and for those of tenants other than ``name``.

    ``show_owner``: the message may name the other tenant. ``released``: host names that another tenant gives
    up first.
    """
    requested = list(domains)
    owners = dict(
        Domain.objects.filter(name__in=set(requested).difference(released))
        .exclude(tenant__name=name)
        .values_list("name", "tenant__name")
    )
    message = (
        "{} is already used by the tenant {}." if show_owner else "{} is already used by another tenant."
    )
    problems = [message.format(each, owner) for each, owner in sorted(owners.items())]
    for each in requested:
        try:
            Domain(name=each, tenant=Tenant(name=name)).clean()
        except ValidationError as error:
            problems += [f"{each}: {text}" for text in error.messages]
    if problems:
        raise ValidationError({"domains": problems})


def overlapping_domains(name: str, domains: Iterable[str]) -> list[str]:
    """Return those of these new domains of ``name`` that would take visitors of another tenant.

    Such a domain is below another tenant's wildcard, over which it has priority, or a wildcard above another
    tenant's domain, whose new subdomains would then lead elsewhere.

    The names in FOYER_HOSTS belong to the default tenant, like its rows. A wildcard of another tenant that is
    only requested does not count.
    """
    rows = [
        *Domain.objects.values_list("name", "tenant__name", "approved"),
        *((each, DEFAULT, True) for each in settings.DEFAULT_HOSTS),
    ]
    own = {each for each, owner, _approved in rows if owner == name}
    others = {each for each, owner, approved in rows if owner != name and approved}
    return [
        each
        for each in domains
        if each not in own and any(_covers(each, other) or _covers(other, each) for other in others)
    ]


def _covers(wide: str, narrow: str) -> bool:
    return wide.startswith("*.") and wide != narrow and narrow.removeprefix("*").endswith(wide[1:])


def by_name(name: str) -> Tenant | None:
    """Return the tenant with this name, or None."""
    return Tenant.objects.filter(name=name).first()
