"""Reading and changing people and groups."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from idp.accounts import simulated
from idp.accounts.models import (
    ADMINISTRATORS,
    Group,
)
from idp.accounts.models import (
    Person as Person,  # also for web, which imports no models
)
from idp.accounts.sessions import end_everything
from idp.events.bus import publish
from idp.foundation import mailboxes
from idp.foundation.effects import Effect, EffectConflict
from idp.foundation.facts import ClaimedPerson
from idp.foundation.text import clean_line, fold
from idp.tenancy.scope import current_tenant

MAX_ATTRIBUTES, MAX_ATTRIBUTE_BYTES = 50, 4096
FIRST_ADMINISTRATOR = "admin"
"""The username that setup creates in the default tenant if that has no administrator."""


def identify(name: str, fields: Iterable[str]) -> ClaimedPerson:
    """Return the fact that a person who enters this name is claimed.

    Nothing else in the response reveals whether such a person exists.
    """
    folded, simulated_person = fold(name), simulated.current_person()
    conditions = {field: mailboxes.lookup_key(name) if field == "email" else folded for field in fields}
    if (
        simulated_person
        and folded
        and any(getattr(simulated_person.as_person(), field) == value for field, value in conditions.items())
    ):
        return ClaimedPerson(simulated.PK, clean_line(name, 150))
    # always one query, so that the time does not reveal which field matched
    query = reduce(or_, (Q(**{field: value}) for field, value in conditions.items()), Q(pk__in=[]))
    rows = Person.objects.filter(query) if folded else Person.objects.none()
    person = min(
        rows,
        key=lambda each: [getattr(each, field) != value for field, value in conditions.items()],
        default=None,
    )
    return ClaimedPerson(person.pk if person else None, clean_line(name, 150))


def find(pk: int | None) -> Person | None:
    """Return the tenant's person with this key, active or not.

    The query also runs without a key, so that it takes the same time.
    """
    if simulated_person := simulated.by_key(pk):
        return simulated_person.as_person()
    return Person.objects.filter(pk=pk or 0).first()


def find_active(pk: int | None) -> Person | None:
    """Return the tenant's active person with this key."""
    if simulated_person := simulated.by_key(pk):
        return simulated_person.as_person()
    return Person.objects.filter(pk=pk, is_active=True).first() if pk else None


def by_username(username: str) -> Person | None:
    """Return the person with this username, or None."""
    return Person.objects.filter(username=fold(username)).first()


def groups_of(pk: int | None) -> list[str]:
    """Return the sorted names of the person's groups."""
    if simulated_person := simulated.by_key(pk):
        return sorted(simulated_person.groups)
    return sorted(Group.objects.filter(people__pk=pk).values_list("name", flat=True)) if pk else []


def save_group(name: str, *, by: str) -> Group:
    """Return the group with this name, and create it if it is missing."""
    group, created = Group.objects.get_or_create(name=name, tenant=current_tenant())
    if created:
        publish("group.created", actor=by, target=name)
    return group


@transaction.atomic
def save_person(username: str, *, groups: Iterable[str] | None = None, by: str, **values: object) -> Person:
    """Create or change a person; ``password`` among the values is a hash.

    Raises ValidationError. Writes nothing when nothing changes.
    """
    person = by_username(username)
    created = person is None
    person = person or Person(username=fold(username), tenant=current_tenant())
    if "email" in values:
        written = str(values["email"])
        if mailboxes.display_address(written) != mailboxes.display_address(person.mailbox) and not created:
            values.setdefault("email_verified", False)  # the new address is not verified
        values |= {"email": mailboxes.lookup_key(written), "email_written": written}
    changed = {key: value for key, value in values.items() if getattr(person, key) != value}
    for key, value in changed.items():
        setattr(person, key, value)
    if created or changed:
        person.full_clean()
        person.save()
        if not created and "is_active" in changed:
            end_everything(person, why="deactivated", by=by)
        publish(
            "person.created" if created else "person.changed",
            actor=by,
            target=person.username,
            keys=_changed_fields(changed),
        )
    if groups is not None and sorted(groups) != groups_of(person.pk):
        person.groups.set([save_group(name, by=by) for name in groups])
        publish("person.groups_changed", actor=by, target=person.username, groups=sorted(groups))
    return person


def _changed_fields(columns: Iterable[str]) -> list[str]:
    """Return the changed fields as the event lists them: the two columns of an address are one field."""
    return sorted({column.removesuffix("_written") for column in columns})


@dataclass(frozen=True)
class KeepAttributes(Effect):
    """Saves a person's answers as attributes besides the existing ones.

    ``values`` are JSON and never secret.
    """

    person: int
    values: Mapping[str, Any]

    def apply(self) -> None:
        save_attributes(self.person, self.values)


@transaction.atomic
def save_attributes(pk: int, values: Mapping[str, Any]) -> None:
    """Merge ``values`` into the person's attributes, up to 50 names and 4 KB of JSON in all.

    The event lists only the names. Raises EffectConflict when there would be too much, and a final one when
    the person is not active.
    """
    person = lock_active(pk)
    merged = {**person.attributes, **values}
    changed = sorted(
        name for name in values if name not in person.attributes or person.attributes[name] != values[name]
    )
    if not changed:
        return
    if (
        len(merged) > MAX_ATTRIBUTES
        or len(json.dumps(merged, ensure_ascii=False).encode()) > MAX_ATTRIBUTE_BYTES
    ):
        raise EffectConflict(_("That's too much to store."))
    Person.objects.filter(pk=pk).update(attributes=merged)
    publish("person.attributes_changed", actor=person.username, target=person.username, keys=changed)


def lock_active(pk: int) -> Person:
    """Return the active person, locked until the transaction ends; raise a final EffectConflict."""
    person = Person.objects.select_for_update().filter(pk=pk, is_active=True).first()
    if person is None:
        raise EffectConflict(_("This account can't be used right now."), final=True)
    return person


def has_admin() -> bool:
    """Return whether the tenant has an active administrator."""
    return Person.objects.filter(role__in=ADMINISTRATORS, is_active=True).exists()


def group_names() -> list[str]:
    """Return the sorted names of all groups of the tenant."""
    return list(Group.objects.order_by("name").values_list("name", flat=True))


def administrators() -> list[str]:
    """Return the sorted usernames of the tenant's active administrators."""
    return list(
        Person.objects.filter(role__in=ADMINISTRATORS, is_active=True)
        .order_by("username")
        .values_list("username", flat=True)
    )
