"""Fixtures of the console tests: the default tenant beside the two others, and objects in acme."""

import pytest

from idp.tenancy.models import Tenant
from tests.support.client import Doors
from tests.web.console.pages import default_tenant, inhabit


@pytest.fixture
def default(tenants: dict[str, Tenant]) -> Tenant:
    """The tenant from which an owner manages the others."""
    return default_tenant()


@pytest.fixture
def inhabited(acme: Tenant, default: Tenant, door: Doors) -> None:
    """The tenant acme has something of every kind."""
    inhabit(door())
