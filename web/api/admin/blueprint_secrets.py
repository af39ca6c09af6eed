"""Secrets that blueprints reference with ``!secret``. They can be set and never read."""

from django.http import HttpResponse
from pydantic import BaseModel, Field

from blueprints.files import secrets
from web.api.admin.failures import InvalidDocument, ResourceNotFound
from web.api.admin.operations import OperationRouter
from web.api.admin.requests import ApiRequest
from web.api.admin.responses import empty_response, json_response
from web.api.schemas import RequestBody

operations = OperationRouter("blueprints")


class SecretValue(RequestBody):
    """A value that blueprints reference by name."""

    value: str = Field(
        min_length=1, repr=False, description="At most 64 KiB.", json_schema_extra={"writeOnly": True}
    )


class SecretNames(BaseModel):
    """The names of stored secrets. Files of `FOYER_SECRETS` are not included."""

    names: list[str]


@operations.add(
    "GET",
    "/",
    permission="blueprints.see",
    name="list_blueprint_secrets",
    title="List blueprint secrets",
    responses={200: SecretNames},
)
def list_secrets(request: ApiRequest) -> HttpResponse:
    """Return the names of stored secrets. Values are never returned."""
    return json_response({"names": secrets.names()})


@operations.add(
    "PUT",
    "/{any:key}",
    permission="blueprints.apply",
    name="set_blueprint_secret",
    title="Set a blueprint secret",
    responses={204: None},
)
def set_secret(request: ApiRequest, key: str, body: SecretValue) -> HttpResponse:
    """Store a secret under this name, replacing an earlier value.

    Blueprints use it the next time they are applied.
    """
    for key_name, value in (("name", "-"), ("value", body.value)):
        try:
            secrets.check(key, value)
        except secrets.BadSecret as bad:
            raise InvalidDocument({key_name: [str(bad)]}) from None
    secrets.save(key, body.value, by=request.auth.username)
    return empty_response(204)


@operations.add(
    "DELETE",
    "/{any:key}",
    permission="blueprints.apply",
    name="delete_blueprint_secret",
    title="Delete a blueprint secret",
    responses={204: None},
)
def delete_secret(request: ApiRequest, key: str) -> HttpResponse:
    """Delete a stored secret. Objects that were configured with it don't change."""
    if not secrets.remove(key, by=request.auth.username):
        raise ResourceNotFound
    return empty_response(204)


router = operations.router
