"""The verbs of tenants."""

from collections.abc import Iterable

from django.core.exceptions import ValidationError

from idp.tenancy.models import DEFAULT, Domain, Tenant


def ensure_default() -> Tenant:
    """The default tenant, made on the first start."""
    return Tenant.objects.get_or_create(name=DEFAULT, defaults={"title": "Foyer"})[0]


def checked(tenant: Tenant) -> Tenant:
    """The same; raises ValidationError for a value that no tenant may have."""
    tenant.clean_fields()
    return tenant


def save_tenant(name: str, **values: object) -> Tenant:
    """Creates or changes a tenant; raises ValidationError."""
    tenant = Tenant.objects.filter(name=name).first() or Tenant(name=name, title=name)
    for key, value in values.items():
        setattr(tenant, key, value)
    tenant.full_clean()
    tenant.save()
    return tenant


def set_domains(tenant: Tenant, names: Iterable[str]) -> None:
    """Makes exactly these host names lead to ``tenant``; raises ValidationError when another tenant owns one."""
    wanted = set(names)
    tenant.domains.exclude(name__in=wanted).delete()
    for name in sorted(wanted - set(tenant.domains.values_list("name", flat=True))):
        domain = Domain(tenant=tenant, name=name)
        try:
            domain.full_clean()
        except ValidationError as error:
            raise ValidationError({"domains": [f"{name}: {text}" for text in error.messages]}) from None
        domain.save()


def check_domains(name: str, domains: Iterable[str]) -> None:
    """Raises ValidationError for what is no host name, and for one that leads to another tenant than ``name``."""
    wanted = list(domains)
    owners = dict(Domain.objects.filter(name__in=wanted).exclude(tenant__name=name).values_list("name", "tenant__name"))
    problems = [f"{each} leads to the tenant {owner} already." for each, owner in sorted(owners.items())]
    for each in wanted:
        try:
            Domain(name=each, tenant=Tenant(name=name)).clean()
        except ValidationError as error:
            problems += [f"{each}: {text}" for text in error.messages]
    if problems:
        raise ValidationError({"domains": problems})


def taken_over(name: str, domains: Iterable[str]) -> list[str]:
    """Those of these domains that ``name`` has not yet and that would take visitors of another tenant: one below its wildcard, which
    comes before it, or a wildcard above one of its domains, whose new ones would then lead elsewhere.
    """
    rows = Domain.objects.values_list("name", "tenant__name")
    mine, theirs = ({each for each, owner in rows if (owner == name) is own} for own in (True, False))
    return [each for each in domains if each not in mine and any(_covers(each, other) or _covers(other, each) for other in theirs)]


def _covers(wide: str, narrow: str) -> bool:
    return wide.startswith("*.") and wide != narrow and narrow.removeprefix("*").endswith(wide[1:])


def by_name(name: str) -> Tenant | None:
    """The tenant with this name, or None."""
    return Tenant.objects.filter(name=name).first()
