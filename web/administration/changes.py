"""Changes of objects in the console and the API; each checks who asks."""

from collections.abc import Callable, Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from blueprints.objects import edit
from idp.accounts import credentials, sessions
from idp.accounts.people import by_username
from idp.accounts.roles import operations_of, require, require_over, require_own_page
from idp.foundation.listing import Text
from idp.oauth import keys, tokens
from web.administration.declarations import Action, Resource


def guard(person: Any, kind: str, name: str, said: Mapping[str, Any] | None) -> None:
    """Raises NotAllowed where changing this object would let somebody do more than they may (``said`` None:
    deleting it).
    """
    if kind != "person":
        return
    known = by_username(name)
    if said and said.get("password"):
        require_own_page(person, name)
    if known:
        require_over(person, known.role)
    role = (said or {}).get("role", known.role if known else "")
    if role != (known.role if known else ""):
        require(person, "people.roles")
        require_over(person, str(role))


def delete(resource: Resource, name: str, person: Any, expect: str | None = None) -> None:
    """Deletes one object by hand; raises what blueprints.objects.edit.delete does, or NotAllowed."""
    guard(person, resource.kind, name, None)
    edit.delete(resource.kind, name, by=person.username, expect=expect)


def save(
    resource: Resource,
    said: Mapping[str, Any],
    person: Any,
    *,
    expect: str | None = None,
    new: bool | None = None,
) -> edit.Saved:
    """Writes one object by hand; raises what blueprints.objects.edit.save does, or NotAllowed."""
    guard(
        person,
        resource.kind,
        edit.checked(resource.kind, said, rights=operations_of(person)).model_dump()[resource.kind],
        said,
    )
    return edit.save(
        resource.kind, said, by=person.username, expect=expect, new=new, rights=operations_of(person)
    )


def activate(active: bool) -> Callable[[Any, Any], bool]:
    def run(row: Any, person: Any) -> bool:
        guard(person, "person", row.username, None)
        return bool(
            edit.save(
                "person", {"person": row.username, "active": active}, by=person.username, new=False
            ).keys
        )

    return run


def sign_out(row: Any, person: Any) -> bool:
    require_over(person, row.role)
    return bool(sessions.end_all(row, why="ended by an administrator", by=person.username))


def sign_out_devices(row: Any, person: Any) -> bool:
    require_over(person, row.role)
    sessions.end_everything(row, why="ended by an administrator", by=person.username)
    return True


def end_session(row: Any, person: Any) -> bool:
    require_over(person, row.person.role)
    return sessions.end(row.pk, why="ended by an administrator", by=person.username)


def remove_credential(row: Any, person: Any) -> bool:
    # else a stolen session would be enough to take away what guards its person
    if row.person_id == person.pk:
        raise edit.Refused(
            {"": [str(_("Remove your own second factor from your home page, where you confirm it's you."))]}
        )
    require_over(person, row.person.role)
    return credentials.take_away(row.pk, of=row.person_id, by=person.username)


def revoke_consent(row: Any, person: Any) -> bool:
    if row.person:
        require_over(person, row.person.role)
    return tokens.revoke_family(row, why="revoked by an administrator", by=person.username)


def application_active(active: bool) -> Callable[[Any, Any], bool]:
    return lambda row, person: bool(
        edit.save("application", {"application": row.name, "active": active}, by=person.username).keys
    )


def deletes(kind: str) -> Callable[[Any, Any], bool]:
    def run(row: Any, person: Any) -> bool:
        name = row.username if kind == "person" else row.name
        guard(person, kind, name, None)
        edit.delete(kind, name, by=person.username)
        return True

    return run


def delete_action(kind: str, operation: str, asks: Text, done: Text) -> Action:
    return Action("delete", _("Delete"), operation, deletes(kind), asks, done, danger=True)


def counted(one: str, many: str) -> Text:
    return ngettext_lazy(one, many, "count")


def rotate_keys(person: Any, *, keep_old: bool) -> str:
    """A new signing key; answers its id.

    ``keep_old`` False: whatever the old ones signed is refused at once.
    """
    return keys.rotate(by=person.username, keep_old=keep_old).kid
