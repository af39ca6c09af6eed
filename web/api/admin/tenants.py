"""The tenants of the installation, for its owner on the default tenant's host: made, given domains, and led
back into.
"""

from typing import Any

from django.http import HttpResponse
from django.urls import reverse
from pydantic import BaseModel
from pydantic import Field as say

from blueprints.objects import edit
from blueprints.objects.new_tenants import Wanted, link_for, make
from idp.accounts.people import administrators
from idp.accounts.roles import operations_of
from idp.events.changes import decide_domain
from idp.tenancy.scope import tenant_scope
from web.administration.resources import RESOURCES
from web.api.admin.failures import NoSuchThing
from web.api.admin.object_schemas import row_of
from web.api.admin.objects import told
from web.api.admin.operations import Calls
from web.api.admin.requests import ApiRequest
from web.api.admin.responses import answer
from web.api.schemas import Acted, NewTenant, Sent, WayIn
from web.pages.oauth import site_of

calls = Calls("tenants")


class TenantDomains(Sent):
    """By which hosts it is reached."""

    domains: list[str] = say(max_length=100, examples=[["login.example.com", "*.login.example.com"]])


class AskedDomain(Sent):
    """A host name that the tenant asks for."""

    domain: str = say(min_length=1, max_length=253, examples=["login.example.com"])


class Administrator(Sent):
    """Who is let in."""

    person: str = say(
        min_length=1, max_length=150, description="The username of somebody who administers that tenant."
    )


class Administrators(BaseModel):
    """The usernames of those who administer a tenant."""

    people: list[str]


@calls.add("POST", "/", needs="tenants.edit", name="make-tenant", answers={201: WayIn}, fails=(409,))
def make_tenant(request: ApiRequest, body: NewTenant) -> HttpResponse:
    """Makes a tenant complete; the link lets its first administrator in once.

    Only on the default tenant's host, for its owner.
    """
    made = make(
        Wanted(**{name: value.replace("\0", "") for name, value in body.model_dump().items()}),
        by=request.auth.username,
    )
    return answer({"recovery_url": _way_in(request, body.domain, made.token)}, 201)


@calls.add(
    "PATCH",
    "/{any:key}",
    needs="tenants.edit",
    name="patch-tenant",
    answers={200: row_of(RESOURCES["tenants"].listing, "Tenant")},
    fails=(409, 412),
)
def change_domains(request: ApiRequest, key: str, body: TenantDomains) -> HttpResponse:
    """Gives a tenant other domains: when nobody can reach its own console any more."""
    row = _row(key)
    person: Any = request.auth
    rights = operations_of(person)  # here, not there
    with tenant_scope(row):
        edit.save(
            "tenant",
            {"tenant": row.name, "domains": body.domains},
            by=person.username,
            new=False,
            rights=rights,
        )
    return told(RESOURCES["tenants"], row.name)


@calls.add(
    "POST", "/{any:key}/domains/approve", needs="tenants.edit", name="approve-domain", answers={200: Acted}
)
def approve_domain(request: ApiRequest, key: str, body: AskedDomain) -> HttpResponse:
    """Lets a host name that the tenant asks for lead to it: whoever opens it then meets this tenant."""
    return _decided(request, key, body.domain, approve=True)


@calls.add(
    "POST", "/{any:key}/domains/refuse", needs="tenants.edit", name="refuse-domain", answers={200: Acted}
)
def refuse_domain(request: ApiRequest, key: str, body: AskedDomain) -> HttpResponse:
    """Takes away a host name that the tenant asks for."""
    return _decided(request, key, body.domain, approve=False)


@calls.add(
    "GET",
    "/{any:key}/administrators",
    needs="tenants.see",
    name="list-administrators",
    answers={200: Administrators},
)
def list_administrators(request: ApiRequest, key: str) -> HttpResponse:
    """Who can be led back into it."""
    with tenant_scope(_row(key)):
        return answer({"people": administrators()})


@calls.add(
    "POST",
    "/{any:key}/recovery-link",
    needs="tenants.edit",
    name="make-tenant-link",
    answers={200: WayIn},
    fails=(409,),
)
def make_link(request: ApiRequest, key: str, body: Administrator) -> HttpResponse:
    """A link that lets one of its administrators in once, said only in this answer."""
    row = _row(key)
    domain = next(
        (each for each in RESOURCES["tenants"].listing.told(row)["domains"] if not each.startswith("*")), ""
    )
    if not domain:
        raise edit.Refused({"": ["Give it a domain first: the link leads there."]})
    token = link_for(row.name, body.person, by=request.auth)
    if not token:
        raise NoSuchThing
    return answer({"recovery_url": _way_in(request, domain, token)})


router = calls.router


def _decided(request: ApiRequest, key: str, name: str, *, approve: bool) -> HttpResponse:
    with tenant_scope(_row(key)):
        return answer({"changed": decide_domain(name, approve=approve, by=request.auth.username)})


def _row(key: str) -> Any:
    row = RESOURCES["tenants"].listing.one(key)
    if row is None:
        raise NoSuchThing
    return row


def _way_in(request: ApiRequest, domain: str, token: str) -> str:
    return site_of(request, domain) + reverse("recover", args=[token])
