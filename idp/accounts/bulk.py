"""Bulk changes of people and groups in a handful of statements, for blueprints."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet

from idp.accounts.models import Group, Person
from idp.accounts.people import has_admin
from idp.accounts.sessions import end_everything, end_sessions
from idp.events.bus import publish_bulk
from idp.foundation import mailboxes
from idp.foundation.errors import Conflict
from idp.tenancy.rows import write_columns

_BATCH = 1000


class LastAdministrator(Conflict):
    """Without this person, the tenant would have no administrator."""


def validate_person(person: Person) -> Person:
    """Return the person unchanged, or raise ValidationError for a value that no person may have.

    The database checks whether the names are taken.
    """
    person.clean_fields(exclude=["tenant"])
    return person


@transaction.atomic
def create_groups(names: Collection[str], *, by: str) -> None:
    """Create the groups that are missing."""
    Group.objects.bulk_create([Group(name=name) for name in names], ignore_conflicts=True, batch_size=_BATCH)
    publish_bulk("group.created", [(name, "", "") for name in names], actor=by)


@transaction.atomic
def delete_groups(names: Collection[str], *, by: str) -> None:
    """Delete the groups but not their members."""
    Group.objects.filter(name__in=names).delete()
    publish_bulk("group.deleted", [(name, "", "") for name in names], actor=by)


@transaction.atomic
def save_people(
    new: Sequence[Person],
    changes: Mapping[str, Mapping[str, Any]],
    memberships: Mapping[str, Collection[str]],
    *,
    by: str,
) -> None:
    """Change existing people, then create new ones; raise LastAdministrator.

    New people may receive usernames and addresses that the changed ones give up. The check for an
    administrator covers all changes together.

    ``changes``: columns by username. ``memberships``: all groups of a person, by username.
    """
    administered, added = has_admin(), {person.username for person in new}
    _change(changes, {name: groups for name, groups in memberships.items() if name not in added}, by=by)
    _create(new, {name: groups for name, groups in memberships.items() if name in added}, by=by)
    if administered:
        _require_administrator()


def _create(people: Sequence[Person], memberships: Mapping[str, Collection[str]], *, by: str) -> None:
    """Store people that passed :func:`validate_person`, each in the groups listed under their username."""
    Person.objects.bulk_create(people, batch_size=_BATCH)
    _add_memberships({person.username: person.pk for person in people}, memberships)
    publish_bulk("person.created", [(person.username, "", "") for person in people], actor=by)


def _change(
    changes: Mapping[str, Mapping[str, Any]], memberships: Mapping[str, Collection[str]], *, by: str
) -> None:
    """Set these columns of people, by username, and replace all of their groups by ``memberships``."""
    people = {
        person.username: person
        for person in Person.objects.select_for_update().filter(username__in=[*changes, *memberships])
    }
    columns: set[str] = set()
    toggled = [
        people[name]
        for name, values in changes.items()
        if values.get("is_active") is (not people[name].is_active)
    ]
    for username, values in changes.items():
        for column, value in values.items():
            setattr(people[username], column, value)
            columns.add(column)
        if "email" in values:
            people[username].set_email(values["email"])
            columns.add("email_written")
    if "email" in columns:  # freed first, because two people may swap addresses
        release_emails(
            Person.objects.filter(
                pk__in=[people[name].pk for name, values in changes.items() if "email" in values]
            )
        )
    write_columns((people[username] for username in changes), columns)
    # on reactivation too: an earlier release may have left sessions and tokens
    end_everything(*toggled, why="deactivated", by=by)
    through = Person.groups.through.objects
    through.filter(person__in=[people[username].pk for username in memberships]).delete()
    _add_memberships({username: people[username].pk for username in memberships}, memberships)
    keys = {name: [*changes.get(name, ()), *(["groups"] if name in memberships else [])] for name in people}
    publish_bulk("person.changed", [(username, "", "") for username in people], actor=by, keys=keys)


@transaction.atomic
def delete_people(usernames: Collection[str], *, by: str) -> None:
    """End the sessions of these people and delete them; raise LastAdministrator."""
    people, administered = (
        list(Person.objects.select_for_update().filter(username__in=usernames)),
        has_admin(),
    )
    end_sessions(*people, why="person deleted", by=by)
    Person.objects.filter(pk__in=[person.pk for person in people]).delete()
    if administered:
        _require_administrator()
    publish_bulk("person.deleted", [(person.username, "", "") for person in people], actor=by)


def _require_administrator() -> None:
    if not has_admin():
        raise LastAdministrator


def _add_memberships(keys: Mapping[str, int], memberships: Mapping[str, Collection[str]]) -> None:
    groups = dict(Group.objects.values_list("name", "pk"))
    if missing := sorted({name for names in memberships.values() for name in names} - groups.keys()):
        raise ValidationError({"groups": [f"There is no group {name}." for name in missing]})
    through: Any = Person.groups.through
    rows = [
        through(person_id=keys[username], group_id=groups[name])
        for username, names in memberships.items()
        for name in names
    ]
    through.objects.bulk_create(rows, batch_size=_BATCH)


def release_emails(people: QuerySet[Person]) -> None:
    """Free the email addresses of these people for others, until the people are saved or deleted."""
    people.update(email="")


def owners_of_emails(emails: Collection[str]) -> dict[str, str]:
    """Return the usernames of the people who have these addresses, by folded address."""
    folded = {mailboxes.lookup_key(email) for email in emails} - {""}
    if len(folded) > _BATCH:  # compare in Python, because the condition would be too long
        return {
            email: name
            for email, name in Person.objects.exclude(email="").values_list("email", "username")
            if email in folded
        }
    return dict(Person.objects.filter(email__in=folded).values_list("email", "username")) if folded else {}
