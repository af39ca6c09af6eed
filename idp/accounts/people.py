"""The verbs of people and groups."""

import unicodedata
from collections.abc import Iterable

from django.db import transaction

from idp.accounts.models import Group, Person
from idp.events.bus import publish
from idp.tenancy.scope import current_tenant


def fold(name: str) -> str:
    """One spelling for what people type as the same name (NFKC, case folded, trimmed)."""
    return unicodedata.normalize("NFKC", name).casefold().strip()


def claim(name: str, fields: Iterable[str]) -> dict[str, object]:
    """The ``person`` fact of somebody who says that this is their name: whether such a person exists shows nowhere else."""
    folded = fold(name)
    person = next((found for field in fields if folded and (found := Person.objects.filter(**{field: folded}).first())), None)
    return {"id": person.pk if person else None, "name": name.strip()[:150]}


def find(pk: int | None) -> Person | None:
    """The person of this tenant with this key, active or not."""
    return Person.objects.filter(pk=pk).first() if pk else None


def active(pk: int | None) -> Person | None:
    """The same, if active."""
    return Person.objects.filter(pk=pk, is_active=True).first() if pk else None


def by_username(username: str) -> Person | None:
    """The person with this username."""
    return Person.objects.filter(username=fold(username)).first()


def groups_of(pk: int | None) -> list[str]:
    """The names of the person's groups, sorted."""
    return sorted(Group.objects.filter(people__pk=pk).values_list("name", flat=True)) if pk else []


def save_group(name: str) -> Group:
    """The group with this name, made when missing."""
    return Group.objects.get_or_create(name=name, tenant=current_tenant())[0]


@transaction.atomic
def save_person(username: str, *, groups: Iterable[str] | None = None, by: str, **values: object) -> Person:
    """Creates or changes a person; ``password`` among the values is a hash.

    Raises ValidationError; writes nothing when all is so already.
    """
    person = by_username(username)
    created = person is None
    person = person or Person(username=fold(username), tenant=current_tenant())
    changed = {key: value for key, value in values.items() if getattr(person, key) != value}
    for key, value in changed.items():
        setattr(person, key, value)
    if created or changed:
        person.full_clean()
        person.save()
        publish("person.created" if created else "person.changed", actor=by, target=person.username, keys=sorted(changed))
    if groups is not None and sorted(groups) != groups_of(person.pk):
        person.groups.set([save_group(name) for name in groups])
        publish("person.groups_changed", actor=by, target=person.username, groups=sorted(groups))
    return person


def has_admin() -> bool:
    """Whether the tenant has an active administrator."""
    return Person.objects.filter(is_admin=True, is_active=True).exists()
