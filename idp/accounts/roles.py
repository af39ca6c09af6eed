"""Who may do what in a tenant: the matrix of roles and operations, for pages and the API."""

from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from django.utils.translation import gettext

from idp.accounts.models import Person, Role
from idp.foundation.errors import Forbidden
from idp.tenancy.models import DEFAULT
from idp.tenancy.scope import current_tenant

MATRIX = """
                     owner  admin  editor  helpdesk  auditor
overview.see         x      x      x       x         x
people.see           x      x      .       x         x
people.edit          x      x      .       .         .
people.help          x      x      .       x         .
people.roles         x      x      .       .         .
groups.see           x      x      x       x         x
groups.edit          x      x      .       .         .
applications.see     x      x      x       x         x
applications.edit    x      x      .       .         .
applications.approve x      .      .       .         .
scopes.see           x      x      x       x         x
scopes.edit          x      x      .       .         .
flows.see            x      x      x       .         x
flows.edit           x      x      x       .         .
flows.publish        x      x      x       .         .
runs.count           x      x      x       x         x
runs.inspect         x      x      .       x         x
sessions.see         x      x      .       x         x
sessions.end         x      x      .       x         .
devices.see          x      x      .       x         x
devices.revoke       x      x      .       x         .
keys.see             x      x      .       .         x
keys.rotate          x      x      .       .         .
branding.see         x      x      x       x         x
branding.edit        x      x      .       .         .
events.see           x      x      .       x         x
blueprints.see       x      x      .       .         x
blueprints.apply     x      x      .       .         .
playground.use       x      x      x       .         .
tenants.see          x      .      .       .         .
tenants.edit         x      .      .       .         .
"""


_READ_ONLY = ("see", "count", "inspect")  # the names of operations that change nothing
_INSTALLATION = "tenants."  # the prefix of operations on the whole installation
ROLES = ("", *Role.values)  # "" is no role: the person can sign in and nothing more
if TYPE_CHECKING:
    RoleName = str
else:
    RoleName = Literal[ROLES]  # a literal type for schemas


class NotAllowed(Forbidden):
    """This person's role lacks the required permission."""


class OwnPassword(NotAllowed):
    """People change their own password only on the page where they confirm their identity first."""

    def __init__(self) -> None:
        super().__init__(
            gettext("Change your own password at /password, where you confirm your identity first.")
        )


@lru_cache(maxsize=1)
def roles_by_operation() -> dict[str, frozenset[str]]:
    """Return the roles that may perform each operation, by operation."""
    header, *rows = [line.split() for line in MATRIX.strip().splitlines()]
    return {
        row[0]: frozenset(role for role, mark in zip(header, row[1:], strict=True) if mark == "x")
        for row in rows
    }


def role_titles() -> dict[str, str]:
    """Return the title of each role, in the order of the matrix."""
    return {role.value: str(role.label) for role in Role}


def writing_roles() -> frozenset[str]:
    """Return the roles that may change something, as opposed to only reading."""
    return frozenset(
        role
        for operation, roles in roles_by_operation().items()
        if operation.rpartition(".")[2] not in _READ_ONLY
        for role in roles
    )


SHARED_SECRETS = "secrets.shared"  # the files of FOYER_SECRETS of no tenant; no role has it
# the permissions of the installation's own files and commands
EVERYTHING = frozenset({*roles_by_operation(), SHARED_SECRETS})


def may(person: Person | None, operation: str) -> bool:
    """Return whether this person may now perform this operation.

    An operation outside the matrix is a programming error and raises KeyError.
    """
    roles = roles_by_operation()[operation]
    if person is None or not person.is_active or person.role not in roles:
        return False
    # operations on the installation are only allowed on the default tenant's host
    return not operation.startswith(_INSTALLATION) or current_tenant().name == DEFAULT


def require(person: Person | None, operation: str) -> None:
    """Raise NotAllowed unless this person may perform the operation."""
    if not may(person, operation):
        raise NotAllowed


def require_authority_over(person: Person, role: str) -> None:
    """Raise NotAllowed if ``role`` may do anything that this person may not.

    No one changes, helps or creates a person with more permissions than their own: otherwise a recovery link
    would escalate their privileges.
    """
    if any(role in roles and person.role not in roles for roles in roles_by_operation().values()):
        raise NotAllowed


def require_may_recover(person: Person, whom: Person) -> None:
    """Raise NotAllowed where this person may not give the other one access.

    That is so for a person with more permissions, and for oneself. One's own account is changed only after
    reauthentication, so that a stolen session or token is not enough.
    """
    require_authority_over(person, whom.role)
    if person.pk == whom.pk:
        raise NotAllowed


def refuse_own_password(person: Person, username: str) -> None:
    """Raise OwnPassword where the person would set their own password.

    A stolen session or token must not be enough for that.
    """
    if person.username == username:
        raise OwnPassword


def operations_of(person: Person | None) -> list[str]:
    """Return all operations that this person may perform here, in the order of the matrix."""
    return [operation for operation in roles_by_operation() if may(person, operation)]
