"""The lists of people, groups, sessions and credentials."""

from typing import Any

from django.db.models import Count, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from idp.accounts.models import Credential, Group, Person, Role, Session
from idp.listing import Column, Filter, Listing

_YES_NO = (("yes", _("Yes")), ("no", _("No")))


def _is(path: str) -> Any:
    return lambda rows, value: rows.filter(**{path: value == "yes"})


def _sessions(rows: QuerySet[Session], value: str) -> QuerySet[Session]:
    alive = {"ended_at": None, "expires_at__gt": timezone.now()}
    return rows.filter(**alive) if value == "yes" else rows.exclude(**alive)


PEOPLE = Listing(
    "people",
    _("People"),
    lambda: Person.objects.prefetch_related("groups"),
    (
        Column("username", _("Username"), lambda row: row.username, "username"),
        Column("name", _("Name"), lambda row: row.name, "name"),
        Column("email", _("Email address"), lambda row: row.email, "email"),
        Column("groups", _("Groups"), lambda row: sorted(group.name for group in row.groups.all()), kind="list"),
        Column("role", _("Role"), lambda row: row.role, "role"),
        Column("active", _("Active"), lambda row: row.is_active, "is_active", "flag"),
        Column("created", _("Since"), lambda row: row.created_at.isoformat(), "created_at", "time"),
    ),
    search=("username", "name", "email"),
    filters=(
        Filter("active", _("Active"), _is("is_active"), lambda: _YES_NO),
        Filter("group", _("Group"), lambda rows, value: rows.filter(groups__name=value)),
        Filter("role", _("Role"), lambda rows, value: rows.filter(role=value), lambda: [(role.value, role.label) for role in Role]),
    ),
    order="username",
    key="username",
)

GROUPS = Listing(
    "groups",
    _("Groups"),
    lambda: Group.objects.annotate(people_count=Count("people")),
    (
        Column("name", _("Name"), lambda row: row.name, "name"),
        Column("people", _("People"), lambda row: row.people_count, "people_count", "number"),
    ),
    search=("name",),
    order="name",
    key="name",
)

SESSIONS = Listing(
    "sessions",
    _("Sessions"),
    lambda: Session.objects.select_related("person"),
    (
        Column("person", _("Person"), lambda row: row.person.username, "person__username"),
        Column("methods", _("Proved by"), lambda row: list(row.methods), kind="list"),
        Column("address", _("Address"), lambda row: row.address, "address", "code"),
        Column("agent", _("Browser"), lambda row: row.agent),
        Column("authenticated", _("Signed in"), lambda row: row.authenticated_at.isoformat(), "authenticated_at", "time"),
        Column("expires", _("Until"), lambda row: row.expires_at.isoformat(), "expires_at", "time"),
        Column("ended", _("Ended"), lambda row: row.ended_at.isoformat() if row.ended_at else None, "ended_at", "time"),
    ),
    search=("person__username", "address"),
    filters=(
        Filter("alive", _("Alive"), _sessions, lambda: _YES_NO),
        Filter("person", _("Person"), lambda rows, value: rows.filter(person__username=value)),
    ),
    order="-authenticated_at",
)

CREDENTIALS = Listing(
    "credentials",
    _("Credentials"),
    lambda: Credential.objects.select_related("person"),
    (
        Column("person", _("Person"), lambda row: row.person.username, "person__username"),
        Column("kind", _("Kind"), lambda row: row.kind, "kind"),
        Column("name", _("Name"), lambda row: row.name, "name"),
        Column("created", _("Since"), lambda row: row.created_at.isoformat(), "created_at", "time"),
        Column("used", _("Last used"), lambda row: row.used_at.isoformat() if row.used_at else None, "used_at", "time"),
    ),
    search=("person__username", "kind"),
    filters=(Filter("person", _("Person"), lambda rows, value: rows.filter(person__username=value)),),
    order="-created_at",
)
