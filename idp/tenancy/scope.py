"""The tenant in scope: set only by a ``with`` block that resets it, read everywhere, never passed as an
argument.
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
    """Runs the block for ``tenant``; the earlier scope returns even after an exception."""
    token = _current.set(tenant)
    try:
        yield tenant
    finally:
        _current.reset(token)


def current_tenant() -> "Tenant":
    """The tenant in scope; raises :class:`NoTenant`."""
    tenant = _current.get()
    if tenant is None:
        raise NoTenant
    return tenant


def tenant_or_none() -> "Tenant | None":
    """The tenant in scope, or None: only for what is shown outside any tenant (error pages, logs)."""
    return _current.get()
