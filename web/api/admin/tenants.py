"""The tenants of the installation, for its owner on the default tenant's host.

The owner creates tenants, changes their domains and creates recovery links for their administrators.
"""

from typing import Any

from django.http import HttpResponse
from django.urls import reverse
from pydantic import BaseModel, Field

from blueprints.objects import edit, new_tenants
from blueprints.objects.new_tenants import TenantSpec, create_recovery_token
from idp.accounts.people import administrators
from idp.accounts.roles import operations_of
from idp.events.changes import decide_domain
from idp.tenancy.scope import tenant_scope
from web.administration.resources import RESOURCES
from web.api.admin.failures import ResourceNotFound
from web.api.admin.object_schemas import row_schema
from web.api.admin.objects import object_response
from web.api.admin.operations import OperationRouter
from web.api.admin.requests import ApiRequest
from web.api.admin.responses import json_response
from web.api.schemas import ActionResult, CreatedRecoveryLink, NewTenant, RequestBody
from web.pages.oauth import tenant_origin

operations = OperationRouter("tenants")


class TenantDomains(RequestBody):
    """The domains of a tenant."""

    domains: list[str] = Field(max_length=100, examples=[["login.example.com", "*.login.example.com"]])


class RequestedDomain(RequestBody):
    """A domain that the tenant requested."""

    domain: str = Field(min_length=1, max_length=253, examples=["login.example.com"])


class AdministratorSelection(RequestBody):
    """The administrator who gets the link."""

    person: str = Field(
        min_length=1, max_length=150, description="The username of an administrator of that tenant."
    )


class Administrators(BaseModel):
    """The usernames of a tenant's administrators."""

    people: list[str]


@operations.add(
    "POST",
    "/",
    permission="tenants.edit",
    name="create_tenant",
    title="Create a tenant",
    responses={201: CreatedRecoveryLink},
    errors=(409,),
)
def create_tenant(request: ApiRequest, body: NewTenant) -> HttpResponse:
    """Create a complete tenant, with a one-time setup link for its first administrator.

    Only on the default tenant's host, for its owner.
    """
    created = new_tenants.create_tenant(
        TenantSpec(**{name: value.replace("\0", "") for name, value in body.model_dump().items()}),
        by=request.auth.username,
    )
    return json_response({"recovery_url": _recovery_url(request, body.domain, created.token)}, 201)


@operations.add(
    "PATCH",
    "/{any:key}",
    permission="tenants.edit",
    name="update_tenant",
    title="Update a tenant",
    responses={200: row_schema(RESOURCES["tenants"].listing, "Tenant")},
    errors=(409, 412),
)
def update_tenant(request: ApiRequest, key: str, body: TenantDomains) -> HttpResponse:
    """Change the domains of a tenant, for example if its own console is no longer reachable."""
    row = _row(key)
    person: Any = request.auth
    rights = operations_of(person)  # rights in this tenant, not in the other one
    with tenant_scope(row):
        edit.save(
            "tenant",
            {"tenant": row.name, "domains": body.domains},
            by=person.username,
            new=False,
            rights=rights,
        )
    return object_response(RESOURCES["tenants"], row.name)


@operations.add(
    "POST",
    "/{any:key}/domains/approve",
    permission="tenants.edit",
    name="approve_domain",
    title="Approve a domain",
    responses={200: ActionResult},
)
def approve_domain(request: ApiRequest, key: str, body: RequestedDomain) -> HttpResponse:
    """Approve a domain that the tenant requested. The domain then leads to this tenant."""
    return _decide(request, key, body.domain, approve=True)


@operations.add(
    "POST",
    "/{any:key}/domains/refuse",
    permission="tenants.edit",
    name="reject_domain",
    title="Reject a domain",
    responses={200: ActionResult},
)
def reject_domain(request: ApiRequest, key: str, body: RequestedDomain) -> HttpResponse:
    """Reject a domain that the tenant requested."""
    return _decide(request, key, body.domain, approve=False)


@operations.add(
    "GET",
    "/{any:key}/administrators",
    permission="tenants.see",
    name="list_tenant_administrators",
    title="List a tenant's administrators",
    responses={200: Administrators},
)
def list_administrators(request: ApiRequest, key: str) -> HttpResponse:
    """Return the administrators of a tenant, for whom a recovery link can be created."""
    with tenant_scope(_row(key)):
        return json_response({"people": administrators()})


@operations.add(
    "POST",
    "/{any:key}/recovery-link",
    permission="tenants.edit",
    name="create_tenant_recovery_link",
    title="Create a recovery link for a tenant's administrator",
    responses={200: CreatedRecoveryLink},
    errors=(409,),
)
def create_recovery_link(request: ApiRequest, key: str, body: AdministratorSelection) -> HttpResponse:
    """Create a one-time recovery link for an administrator, shown only in this response."""
    row = _row(key)
    domain = next(
        (each for each in RESOURCES["tenants"].listing.as_json(row)["domains"] if not each.startswith("*")),
        "",
    )
    if not domain:
        raise edit.InvalidObject({"": ["Add a domain first: the link needs one."]})
    token = create_recovery_token(row.name, body.person, by=request.auth)
    if not token:
        raise ResourceNotFound
    return json_response({"recovery_url": _recovery_url(request, domain, token)})


router = operations.router


def _decide(request: ApiRequest, key: str, name: str, *, approve: bool) -> HttpResponse:
    with tenant_scope(_row(key)):
        return json_response({"changed": decide_domain(name, approve=approve, by=request.auth.username)})


def _row(key: str) -> Any:
    row = RESOURCES["tenants"].listing.get(key)
    if row is None:
        raise ResourceNotFound
    return row


def _recovery_url(request: ApiRequest, domain: str, token: str) -> str:
    return tenant_origin(request, domain) + reverse("recover", args=[token])
