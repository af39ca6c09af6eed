"""Operations besides the generic ones: current user, keys, secrets, recovery, branding and emails."""

from dataclasses import asdict
from typing import Any

from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from ninja import Router

from blueprints.objects import edit
from idp.accounts import credentials, recovery
from idp.accounts.people import by_username
from idp.accounts.roles import operations_of, require_may_recover
from idp.oauth.clients import rotate_secret
from idp.outbox.listings import MAILS
from idp.outbox.placeholders import shipped_templates
from idp.tenancy.scope import current_tenant
from idp.tenancy.tenants import approved_domains, pending_domains
from web.administration.changes import rotate_keys
from web.administration.declarations import Resource
from web.administration.resources import RESOURCES
from web.api import schemas
from web.api.admin.failures import ResourceNotFound
from web.api.admin.object_schemas import body_schema, document_schema
from web.api.admin.objects import build_router, document_response, read_document
from web.api.admin.operations import OperationRouter
from web.api.admin.preconditions import check_preconditions, conditional_response
from web.api.admin.requests import ApiRequest
from web.api.admin.responses import json_response

CUSTOM_MAILS = Resource(
    MAILS,
    _("Email template"),
    "branding.see",
    "branding.edit",
    kind="mail",
    about=_("Email templates that this tenant has customized."),
)
_ME, _KEYS, _PEOPLE, _APPLICATIONS = (
    OperationRouter("me"),
    OperationRouter("keys"),
    OperationRouter("people"),
    OperationRouter("applications"),
)
_BRANDING, _DEFAULT_MAILS = OperationRouter("branding"), OperationRouter("mails")


@_ME.add(
    "GET",
    "",
    permission="overview.see",
    name="get_me",
    title="Get the current user",
    responses={200: schemas.CurrentUser},
)
def get_me(request: ApiRequest) -> HttpResponse:
    """Return the person who owns the access token, with their role and permissions."""
    person = request.auth
    return json_response(
        {"person": person.username, "role": person.role, "operations": operations_of(person)}
    )


@_KEYS.add(
    "POST",
    "/rotate",
    permission="keys.rotate",
    name="rotate_key",
    title="Rotate the signing key",
    responses={200: schemas.RotatedKey},
)
def rotate_key(request: ApiRequest, body: schemas.KeyRotation) -> HttpResponse:
    """Create a new signing key. Old keys stay valid for 2 days, or are revoked immediately."""
    return json_response({"kid": rotate_keys(request.auth, keep_old=body.keep_old)})


@_APPLICATIONS.add(
    "POST",
    "/{any:key}/secret",
    permission="applications.edit",
    name="rotate_client_secret",
    title="Rotate a client secret",
    responses={200: schemas.NewClientSecret},
    errors=(409,),
)
def rotate_client_secret(request: ApiRequest, key: str) -> HttpResponse:
    """Create a new client secret, shown only in this response.

    The old secret stops working immediately, and tokens that the application got for itself are revoked.
    """
    if RESOURCES["applications"].listing.get(key) is None:
        raise ResourceNotFound
    return json_response({"client_secret": rotate_secret(key, by=request.auth)})


@_PEOPLE.add(
    "POST",
    "/{any:key}/recovery-link",
    permission="people.help",
    name="create_recovery_link",
    title="Create a recovery link",
    responses={200: schemas.CreatedRecoveryLink},
)
def create_recovery_link(request: ApiRequest, key: str) -> HttpResponse:
    """Create a one-time link to set a new password, shown only in this response."""
    token = recovery.create_link(_person_to_help(request, key), by=request.auth.username)
    return json_response({"recovery_url": request.build_absolute_uri(reverse("recover", args=[token]))})


@_PEOPLE.add(
    "POST",
    "/{any:key}/recovery-mail",
    permission="people.help",
    name="send_recovery_link",
    title="Email a recovery link",
    responses={200: schemas.ActionResult},
    errors=(409, 429),
)
def send_recovery_link(request: ApiRequest, key: str) -> HttpResponse:
    """Email a one-time link to set a new password to the person. The response doesn't contain it."""
    recovery.mail_link(
        _person_to_help(request, key), request.build_absolute_uri("/").rstrip("/"), by=request.auth.username
    )
    return json_response({"changed": True})


@_PEOPLE.add(
    "POST",
    "/{any:key}/forget-factors",
    permission="people.help",
    name="reset_second_factors",
    title="Reset a person's second factors",
    responses={200: schemas.ActionResult},
)
def reset_second_factors(request: ApiRequest, key: str) -> HttpResponse:
    """Remove all second factors of a person who lost them. They are signed out everywhere, devices too."""
    return json_response(
        {"changed": bool(credentials.remove_all(_person_to_help(request, key), by=request.auth.username))}
    )


@_BRANDING.add(
    "GET",
    "",
    permission="branding.see",
    name="get_branding",
    title="Get the branding",
    responses={200: document_schema("tenant"), 304: None},
    headers=("If-None-Match",),
)
def get_branding(request: ApiRequest) -> HttpResponse:
    """Return the tenant's title, logo, color, trusted networks, from address and domains."""
    return conditional_response(request, document_response("tenant", current_tenant().name))


@_BRANDING.add(
    "PATCH",
    "",
    permission="branding.edit",
    name="update_branding",
    title="Update the branding",
    responses={200: document_schema("tenant")},
    errors=(409, 412),
    body=body_schema("tenant", change=True).__name__,
    headers=("If-Match",),
)
def update_branding(request: ApiRequest) -> HttpResponse:
    """Change the given keys. All other keys keep their values."""
    name = current_tenant().name
    current = edit.load("tenant", name)
    expect = check_preconditions(request, current.digest if current else None)
    data = read_document(request, "tenant", name)
    edit.save(
        "tenant", data, by=request.auth.username, expect=expect, new=False, rights=operations_of(request.auth)
    )
    return document_response("tenant", name)


@_BRANDING.add(
    "GET",
    "/domains",
    permission="branding.see",
    name="list_domains",
    title="List domains",
    responses={200: schemas.DomainList},
)
def list_domains(request: ApiRequest) -> HttpResponse:
    """Return the tenant's approved domains, and those that await approval by the installation's owner."""
    return json_response(
        {"approved": approved_domains(current_tenant()), "waiting": pending_domains(current_tenant())}
    )


@_DEFAULT_MAILS.add(
    "GET",
    "/",
    permission="branding.see",
    name="list_default_mails",
    title="List default email templates",
    responses={200: schemas.DefaultMailList},
)
def list_default_mails(request: ApiRequest) -> HttpResponse:
    """Return the default template of every email, with the variables it may use."""
    mails = [
        {"mail": name, **asdict(each), "words": sorted(each.variables)}
        for name, each in shipped_templates().items()
    ]
    return json_response({"mails": mails})


def _person_to_help(request: ApiRequest, key: str) -> Any:
    """Return the person if the caller may help them to sign in; raise ResourceNotFound or NotAllowed."""
    person = by_username(key)
    if person is None:
        raise ResourceNotFound
    require_may_recover(request.auth, person)
    return person


ROUTERS: tuple[tuple[str, Router], ...] = (
    ("/me", _ME.router),
    ("/keys", _KEYS.router),
    ("/applications", _APPLICATIONS.router),
    ("/people", _PEOPLE.router),
    ("/branding", _BRANDING.router),
    ("/shipped-mails", _DEFAULT_MAILS.router),
    ("/mails", build_router(CUSTOM_MAILS)),
)
