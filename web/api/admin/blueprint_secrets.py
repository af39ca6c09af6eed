"""Secrets that blueprints name as ``!secret``: entered here, and never read back."""

from django.http import HttpResponse
from pydantic import BaseModel
from pydantic import Field as say

from blueprints.files import secrets
from web.api.admin.failures import InvalidDocument, NoSuchThing
from web.api.admin.operations import Calls
from web.api.admin.requests import ApiRequest
from web.api.admin.responses import answer, empty
from web.api.schemas import Sent

calls = Calls("blueprints")


class SecretValue(Sent):
    """A value that a blueprint only names."""

    value: str = say(
        min_length=1, repr=False, description="64 KiB at most.", json_schema_extra={"writeOnly": True}
    )


class SecretNames(BaseModel):
    """The names of those that were entered here; files of `FOYER_SECRETS` are not among them."""

    names: list[str]


@calls.add("GET", "/", needs="blueprints.see", name="list-blueprint-secrets", answers={200: SecretNames})
def listed(request: ApiRequest) -> HttpResponse:
    """Which there are. No answer tells what they are."""
    return answer({"names": secrets.names()})


@calls.add("PUT", "/{any:key}", needs="blueprints.apply", name="put-blueprint-secret", answers={204: None})
def enter(request: ApiRequest, key: str, body: SecretValue) -> HttpResponse:
    """Keeps the secret with this name, in place of an earlier one.

    Blueprints that are applied from now on use it.
    """
    for about, value in (("name", "-"), ("value", body.value)):
        try:
            secrets.check(key, value)
        except secrets.BadSecret as bad:
            raise InvalidDocument({about: [str(bad)]}) from None
    secrets.keep(key, body.value, by=request.auth.username)
    return empty(204)


@calls.add(
    "DELETE", "/{any:key}", needs="blueprints.apply", name="delete-blueprint-secret", answers={204: None}
)
def forget(request: ApiRequest, key: str) -> HttpResponse:
    """Forgets it. What was applied with it stays as it is."""
    if not secrets.forget(key, by=request.auth.username):
        raise NoSuchThing
    return empty(204)


router = calls.router
