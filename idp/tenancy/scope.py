"""The tenant in scope, which is read everywhere and never passed as an argument.

It is set only by a ``with`` block, which resets it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from idp.foundation.errors import message_of

if TYPE_CHECKING:
    from idp.tenancy.models import Tenant

_current: ContextVar["Tenant | None"] = ContextVar("tenant", default=None)


class NoTenant(Exception):
    """No tenant is in scope; wrap the call in ``tenant_scope(tenant)``."""

    def __init__(self) -> None:
        super().__init__(message_of(type(self)))


@contextmanager
def tenant_scope(tenant: "Tenant") -> Iterator["Tenant"]:
    """Run the block for ``tenant``; the earlier scope is restored even after an exception."""
    token = _current.set(tenant)
    try:
        yield tenant
    finally:
        _current.reset(token)


def current_tenant() -> "Tenant":
    """Return the tenant in scope; raise :class:`NoTenant`."""
    tenant = _current.get()
    if tenant is None:
        raise NoTenant
    return tenant


def tenant_or_none() -> "Tenant | None":
    """Return the tenant in scope, or None: only for output outside any tenant (error pages, logs)."""
    return _current.get()
