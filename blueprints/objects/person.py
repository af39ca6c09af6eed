"""People, with the groups that they belong to."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from blueprints.objects.document import PersonDocument
from blueprints.objects.kind import (
    Kind,
    ObjectChange,
    Reference,
    filter_by_names,
    find_duplicates,
    select_names,
)
from idp.accounts import bulk
from idp.accounts.credentials import find_weaknesses, hash_password, is_current_password, store_password
from idp.accounts.models import ADMINISTRATORS, Group, Person
from idp.accounts.people import administrators, by_username
from idp.foundation import mailboxes
from idp.foundation.errors import message_of
from idp.foundation.sealing import digest
from idp.foundation.text import fold

_COLUMNS = {"name": "name", "email": "email", "email_verified": "email_verified", "attributes": "attributes"}
_COLUMNS |= {"active": "is_active", "role": "role"}


class PersonKind(Kind):
    """The kind of people who sign in.

    A password is compared and stored as its hash, and is never read back.
    """

    name = "person"
    secret_key = "password"  # noqa: S105 the name of a key
    unordered_keys = frozenset({"groups"})

    def normalize_name(self, name: str) -> str:
        return fold(name)

    def current(self, names: Collection[str] | None) -> dict[str, dict[str, Any]]:
        groups = defaultdict(list)
        memberships = Person.groups.through.objects.filter(group__in=Group.objects.all())
        for pk, name in filter_by_names(memberships, names, "person__username").values_list(
            "person_id", "group__name"
        ):
            groups[pk].append(name)
        found, people = {}, filter_by_names(Person.objects.all(), names, "username")
        for pk, username, password, written, *values in people.values_list(
            "pk", "username", "password", "email_written", *_COLUMNS.values()
        ):
            keys = dict(zip(_COLUMNS, values, strict=True))
            keys["email"] = mailboxes.original_spelling(keys["email"], written)
            found[username] = {
                **keys,
                "groups": sorted(groups[pk]),
                "$secret": digest(password)[:16] if password else "",
            }
        return select_names(found, names)

    def references(self, document: PersonDocument) -> Iterable[Reference]:
        return (Reference("group", name, ("groups", at)) for at, name in enumerate(document.groups))

    def possible_referrers(self, gone: Mapping[str, Collection[str]]) -> Collection[str] | None:
        groups = Group.objects.filter(name__in=gone.get("group", ()))
        return (
            set(Person.objects.filter(groups__in=groups).values_list("username", flat=True))
            if "group" in gone
            else ()
        )

    def stored_document(self, keys: Mapping[str, Any]) -> Any:
        return super().stored_document({"groups": (), **keys})

    def secret_matches(self, change: ObjectChange, value: str) -> bool:
        person = by_username(change.name)
        return person is not None and is_current_password(person, value)

    def prepare(self, change: ObjectChange, secret: str | None) -> None:
        given = {key: column for key, column in _COLUMNS.items() if key in change.desired}
        bulk.validate_person(
            _person(change.name, {column: change.desired[key] for key, column in given.items()})
        )
        change.prepared = (
            {column: change.desired[key] for key, column in given.items() if change.writes(key)},
            "",
        )

    def secret_weaknesses(self, change: ObjectChange, secret: str) -> list[str]:
        values = {
            column: change.desired.get(key, (change.before or {}).get(key, ""))
            for key, column in _COLUMNS.items()
        }
        return find_weaknesses(
            _person(change.name, {"name": values["name"], "email": values["email"]}), secret
        )

    def find_conflicts(
        self, changes: Sequence[ObjectChange]
    ) -> Iterable[tuple[ObjectChange, tuple[str | int, ...], str]]:
        for change, owner in find_duplicates(changes, "email", bulk.owners_of_emails, mailboxes.lookup_key):
            yield (
                change,
                ("email",),
                f"The email address {change.desired['email']} is already used by {owner}.",
            )
        remaining = [change for change in changes if change.action != "delete"]
        demoted = [
            change
            for change in remaining
            if change.before and _administers(change.before) and not _administers(_values_after(change))
        ]
        if demoted and not administrators_after(changes):
            key = "role" if demoted[0].desired.get("role", "admin") not in ADMINISTRATORS else "active"
            yield demoted[0], (key,), message_of(bulk.LastAdministrator)

    def hash_secret(self, change: ObjectChange, secret: str) -> None:
        change.prepared = (change.prepared[0], hash_password(secret))

    def write(self, changes: Sequence[ObjectChange], *, by: str) -> None:
        updated = [change for change in changes if change.action == "update"]
        new = [change for change in changes if change.action == "create"]
        people = [
            _person(change.name, {**change.prepared[0], "password": change.prepared[1]}) for change in new
        ]
        bulk.save_people(
            people, {change.name: change.prepared[0] for change in updated}, _memberships(changes), by=by
        )
        for change in updated:
            person = by_username(change.name) if change.prepared[1] else None
            if person:
                store_password(person, change.prepared[1], by=by)

    def release(self, names: Collection[str]) -> None:
        bulk.release_emails(Person.objects.filter(username__in=names))

    def delete(self, names: Collection[str], *, by: str) -> None:
        bulk.delete_people(names, by=by)


def _person(username: str, columns: Mapping[str, Any]) -> Person:
    person = Person(username=username, **columns)
    person.set_email(columns.get("email", ""))
    return person


def administrators_after(changes: Sequence[ObjectChange]) -> set[str]:
    """Return the usernames of the tenant's administrators after these changes of people."""
    others = set(administrators()) - {change.name for change in changes}
    return others | {
        change.name for change in changes if change.action != "delete" and _administers(_values_after(change))
    }


def _values_after(change: ObjectChange) -> dict[str, Any]:
    return {"active": True, "role": "", **(change.before or {}), **change.desired}


def _administers(keys: dict[str, Any]) -> bool:
    return bool(keys["active"] and keys["role"] in ADMINISTRATORS)


def _memberships(changes: Iterable[ObjectChange]) -> dict[str, list[str]]:
    return {
        change.name: change.desired["groups"]
        for change in changes
        if "groups" in change.desired and change.writes("groups")
    }
