"""Choices in the forms of objects: names that exist in the tenant, and titles of fixed values."""

from collections.abc import Callable, Mapping, Sequence

from django.utils.translation import gettext_lazy as _

from flows.documents.designations import DESIGNATIONS, SUB_FLOW
from flows.documents.versions import live_names
from idp.accounts.people import group_names
from idp.accounts.roles import ROLES
from idp.foundation.listing import Text
from idp.oauth.clients import scope_names
from idp.oauth.grant import load_grants

Choices = Mapping[str, Callable[[], Sequence[tuple[str, Text]]]]

_GRANT_TITLES: Mapping[str, Text] = {
    "urn:ietf:params:oauth:grant-type:device_code": _(
        "Device code: a TV, a terminal or an appliance shows a code"
    ),
    "refresh_token": _("Refresh token: stays signed in"),
    "client_credentials": _("Client credentials: a service that acts on its own behalf"),
}
_ROLE_TITLES: Mapping[str, Text] = {
    "": _("None: no access to the console"),
    "auditor": _("Auditor: read-only access to everything"),
    "helpdesk": _("Help desk: helps people, ends sessions, revokes devices"),
    "editor": _("Flow editor: designs and publishes flows"),
    "admin": _("Administrator: manages everything in this tenant"),
    "owner": _("Owner: manages everything; on the default tenant, other tenants too"),
}


def _flows_for(designation: str) -> Callable[[], list[tuple[str, Text]]]:
    return lambda: [("", _("Default")), *((name, name) for name in live_names(designation))]


_GROUPS: Choices = {"groups": lambda: [(name, name) for name in group_names()]}
PERSON_CHOICES: Choices = {
    **_GROUPS,
    "role": lambda: [(role, _ROLE_TITLES[role]) for role in sorted(ROLES, key=list(_ROLE_TITLES).index)],
}
APPLICATION_CHOICES: Choices = {
    **_GROUPS,
    "grants": lambda: [(name, _GRANT_TITLES.get(name, name)) for name in load_grants()],
    "scopes": lambda: [(name, name) for name in scope_names()],
    **{
        f"flows.{each.name}": _flows_for(each.name) for each in DESIGNATIONS.values() if each.name != SUB_FLOW
    },
}
PURPOSE_TITLES: Mapping[str, Text] = {f"flows.{each.name}": each.title for each in DESIGNATIONS.values()}
