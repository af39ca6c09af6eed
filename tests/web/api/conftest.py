"""Programs of administrators: a client of the API with an access token of a person who has a role."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.serializers.json import DjangoJSONEncoder
from django.test import Client
from django.utils import timezone

from idp.accounts.models import Person
from idp.oauth import tokens
from idp.oauth.models import Application
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope

JSON = "application/json"
BOTH = "openid foyer:read foyer:write"


class Program:
    """A program that acts for one person at one host."""

    def __init__(self, token: str, host: str = "acme.test") -> None:
        self.http, self.token = Client(HTTP_HOST=host), token

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Send one request with its body as JSON; ``headers`` has underscores for hyphens."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token:
            given = {"Authorization": f"Bearer {self.token}", **given}
        if body is None:
            data: bytes | str = ""
        else:
            data = body if isinstance(body, bytes | str) else json.dumps(body, cls=DjangoJSONEncoder)
        return self.http.generic(method, f"/api/{path}", data, content_type=JSON, headers=given)

    def get(self, path: str, status: int = 200, **headers: str) -> Any:
        """Return the JSON of a GET response."""
        response = self("GET", path, **headers)
        assert response.status_code == status, response.content
        return response.json() if response.content else {}


Programs = Callable[..., Program]


def mint(role: str, scope: str = BOTH, host: str = "acme.test") -> str:
    """Return an access token, as from a device, of a person named like their role in the tenant in scope."""
    person = Person.objects.get_or_create(username=role, defaults={"role": role if role != "nobody" else ""})[
        0
    ]
    values = {
        "client_id": "admin-cli",
        "grants": ["refresh_token"],
        "scopes": BOTH.split(),
        "administers": True,
    }
    application = Application.objects.get_or_create(
        name="admin-cli", defaults={"title": "Admin CLI", **values}
    )[0]
    now = timezone.now()
    found = tokens.Entitlement(
        application, person, tuple(scope.split()), f"http://{host}", ("pwd",), now, None
    )
    return tokens.issue(found, tokens.create_family(found), now).access_token


@pytest.fixture
def program(tenants: dict[str, Tenant]) -> Callable[..., Program]:
    """Return a factory of clients, each of which acts for one person.

    ``program("admin")`` acts for acme's administrator, ``program("auditor", "foyer:read", "other.test")`` for
    the other tenant's auditor.
    """

    def start(role: str = "admin", scope: str = BOTH, host: str = "acme.test") -> Program:
        with tenant_scope(tenants[host.partition(".")[0]]):
            return Program(mint(role, scope, host), host)

    return start
