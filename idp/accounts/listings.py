"""The lists of people, groups, sessions and credentials."""

from typing import Any

from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from idp.accounts.models import Credential, Group, Person, Role, Session
from idp.foundation.listing import Column, Filter, Listing, filter_by_reference
from idp.foundation.text import fold

_YES_NO = (("yes", _("Yes")), ("no", _("No")))


def _boolean_filter(path: str) -> Any:
    return lambda rows, value: rows.filter(**{path: value == "yes"})


def _filter_active(rows: QuerySet[Session], value: str) -> QuerySet[Session]:
    alive = {"ended_at": None, "expires_at__gt": timezone.now()}
    return rows.filter(**alive) if value == "yes" else rows.exclude(**alive)


def _groups_with_counts() -> QuerySet[Group]:
    """Return the groups, each with the number of its people.

    The people are counted in the index of the membership table instead of joining all of them.
    """
    through: Any = Person.groups.through.objects.filter(group=OuterRef("pk")).order_by().values("group")
    return Group.objects.annotate(
        people_count=Coalesce(Subquery(through.annotate(many=Count("pk")).values("many")), 0)
    )


PEOPLE = Listing(
    "people",
    _("People"),
    lambda: Person.objects.prefetch_related("groups"),
    (
        Column("username", _("Username"), lambda row: row.username, "username"),
        Column("name", _("Display name"), lambda row: row.name, "name", short_lists_only=True),
        Column("email", _("Email address"), lambda row: row.mailbox, "email", short_lists_only=True),
        Column(
            "groups", _("Groups"), lambda row: sorted(group.name for group in row.groups.all()), kind="list"
        ),
        Column("role", _("Role"), lambda row: row.role, "role", short_lists_only=True),
        Column("active", _("Active"), lambda row: row.is_active, "is_active", "flag", short_lists_only=True),
        Column("created", _("Created"), lambda row: row.created_at.isoformat(), "created_at", "time"),
    ),
    search=("username", "name", "email"),
    filters=(
        Filter("active", _("Active"), _boolean_filter("is_active"), lambda: _YES_NO),
        Filter(
            "group", _("Group"), lambda rows, value: rows.filter(groups__in=Group.objects.filter(name=value))
        ),
        Filter(
            "role",
            _("Role"),
            lambda rows, value: rows.filter(role=value),
            lambda: [(role.value, role.label) for role in Role],
        ),
    ),
    order="username",
    key="username",
    normalize_key=fold,
)

GROUPS = Listing(
    "groups",
    _("Groups"),
    _groups_with_counts,
    (
        Column("name", _("Name"), lambda row: row.name, "name"),
        Column(
            "people",
            _("People"),
            lambda row: row.people_count,
            "people_count",
            "number",
            counts=("people", "group"),
        ),
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
        Column(
            "person", _("Person"), lambda row: row.person.username, "person__username", short_lists_only=True
        ),
        Column("methods", _("Methods"), lambda row: list(row.methods), kind="list"),
        Column("address", _("IP address"), lambda row: row.address, "address", "code", short_lists_only=True),
        Column("agent", _("Browser"), lambda row: row.agent, kind="agent"),
        Column(
            "authenticated",
            _("Signed in"),
            lambda row: row.authenticated_at.isoformat(),
            "authenticated_at",
            "time",
        ),
        Column(
            "expires",
            _("Expires"),
            lambda row: row.expires_at.isoformat(),
            "expires_at",
            "time",
            short_lists_only=True,
        ),
        Column(
            "ended",
            _("Ended"),
            lambda row: row.ended_at.isoformat() if row.ended_at else None,
            "ended_at",
            "time",
            short_lists_only=True,
        ),
    ),
    search=("person__username", "address"),
    filters=(
        Filter("alive", _("Status"), _filter_active, lambda: (("yes", _("Active")), ("no", _("Ended")))),
        Filter("person", _("Person"), filter_by_reference("person__username", fold)),
    ),
    order="-authenticated_at",
)

CREDENTIALS = Listing(
    "credentials",
    _("Second factors"),
    lambda: Credential.objects.select_related("person").defer("secret"),  # do not decrypt what is not shown
    (
        Column(
            "person", _("Person"), lambda row: row.person.username, "person__username", short_lists_only=True
        ),
        Column("kind", _("Type"), lambda row: row.kind, "kind", short_lists_only=True),
        Column("name", _("Name"), lambda row: row.name, "name", short_lists_only=True),
        Column("created", _("Created"), lambda row: row.created_at.isoformat(), "created_at", "time"),
        Column(
            "used",
            _("Last used"),
            lambda row: row.used_at.isoformat() if row.used_at else None,
            "used_at",
            "time",
            short_lists_only=True,
        ),
    ),
    search=("person__username", "kind"),
    filters=(Filter("person", _("Person"), filter_by_reference("person__username", fold)),),
    order="-created_at",
)
