"""The audit log as a list."""

from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from idp.events.bus import known_kinds
from idp.events.models import Event
from idp.foundation.listing import Column, Filter, InvalidListQuery, Listing

AREAS = (
    ("session", _("Sign-ins and sessions")),
    ("device", _("Devices")),
    ("tokens", _("Tokens")),
    ("client", _("Application secrets")),
    ("flow", _("Flows")),
    *(("person", _("People")), ("group", _("Groups"))),
    *(("application", _("Applications")), ("scope", _("Scopes"))),
    *(("tenant", _("Tenant")), ("mail", _("Email templates")), ("key", _("Signing keys"))),
    *(("blueprint", _("Blueprints")), ("secret", _("Blueprint secrets"))),
    ("events", _("Dropped events")),
)


def _time_filter(path: str) -> Any:
    def narrow(rows: QuerySet[Event], value: str) -> QuerySet[Event]:
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise InvalidListQuery("Enter a time like 2026-11-21T10:00:00Z.") from None
        if moment.tzinfo is None:
            raise InvalidListQuery("Enter a time with its time zone, like 2026-11-21T10:00:00Z.")
        # near the ends of the calendar a time cannot be converted to every time zone
        if not 1970 <= moment.year < 3000:
            raise InvalidListQuery("Enter a time between 1970 and 2999.")
        return rows.filter(**{path: moment})

    return narrow


def _filter_area(rows: QuerySet[Event], value: str) -> QuerySet[Event]:
    """Filter by the existing kinds: a prefix uses no index, regardless of the database's collation."""
    return rows.filter(kind__in=[kind for kind in known_kinds() if kind.startswith(f"{value}.")])


def _one_of_filter(path: str) -> Any:
    """Filter by one value, or by several separated by commas."""
    return lambda rows, value: rows.filter(**{f"{path}__in": value.split(",")})


EVENTS = Listing(
    "events",
    _("Audit log"),
    lambda: Event.objects.all(),
    (
        Column("at", _("Time"), lambda row: row.at.isoformat(), "at", "time"),
        Column("kind", _("Event"), lambda row: row.kind, "kind", "code", short_lists_only=True),
        Column("actor", _("Actor"), lambda row: row.actor),
        Column("target", _("Target"), lambda row: row.target),
        Column("application", _("Application"), lambda row: row.application),
        Column("address", _("IP address"), lambda row: row.address, kind="code"),
        Column("data", _("Details"), lambda row: dict(row.data)),
    ),
    filters=(
        Filter("kind", _("Event"), _one_of_filter("kind")),
        Filter("area", _("Category"), _filter_area, lambda: AREAS),
        Filter("actor", _("Actor"), lambda rows, value: rows.filter(actor=value)),
        Filter("target", _("Target"), lambda rows, value: rows.filter(target=value)),
        Filter("topic", _("Related to"), _one_of_filter("topic")),
        Filter("since", _("From"), _time_filter("at__gte")),
        Filter("until", _("Until"), _time_filter("at__lt")),
    ),
    order="-at",
)
