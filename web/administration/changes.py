"""Changes of objects in the console and the API, each with its permission check."""

from collections.abc import Callable, Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from blueprints.objects import edit
from idp.accounts import credentials, sessions
from idp.accounts.people import by_username
from idp.accounts.roles import operations_of, refuse_own_password, require, require_authority_over
from idp.foundation.listing import Text
from idp.oauth import keys, tokens
from web.administration.declarations import Action, Resource


def authorize_change(person: Any, kind: str, name: str, document: Mapping[str, Any] | None) -> None:
    """Raise NotAllowed if this change of an object exceeds what the person may do.

    ``document``: the new values of the object, None to delete it. Only changes of people are limited in this
    way: neither the old nor the new role may allow more than the person's own, and a new role requires
    ``people.roles``. Raise OwnPassword if the person would set their own password.
    """
    if kind != "person":
        return
    known = by_username(name)
    if document and document.get("password"):
        refuse_own_password(person, name)
    if known:
        require_authority_over(person, known.role)
    role = (document or {}).get("role", known.role if known else "")
    if role != (known.role if known else ""):
        require(person, "people.roles")
        require_authority_over(person, str(role))


def delete(resource: Resource, name: str, person: Any, expected: str | None = None) -> None:
    """Delete one object manually.

    Raise NotAllowed, or what ``blueprints.objects.edit.delete`` raises.
    """
    authorize_change(person, resource.kind, name, None)
    edit.delete(resource.kind, name, by=person.username, expect=expected)


def save(
    resource: Resource,
    document: Mapping[str, Any],
    person: Any,
    *,
    expected: str | None = None,
    new: bool | None = None,
) -> edit.SaveResult:
    """Save one object manually and return the result.

    Raise NotAllowed, or what ``blueprints.objects.edit.save`` raises.
    """
    authorize_change(
        person,
        resource.kind,
        edit.validate(resource.kind, document, rights=operations_of(person)).model_dump()[resource.kind],
        document,
    )
    return edit.save(
        resource.kind, document, by=person.username, expect=expected, new=new, rights=operations_of(person)
    )


def make_set_active(active: bool) -> Callable[[Any, Any], bool]:
    """Return the function of an action that activates or deactivates a person."""

    def run(row: Any, person: Any) -> bool:
        authorize_change(person, "person", row.username, None)
        return bool(
            edit.save(
                "person", {"person": row.username, "active": active}, by=person.username, new=False
            ).keys
        )

    return run


def sign_out(row: Any, person: Any) -> bool:
    """End all sessions of a person and return whether there were any."""
    require_authority_over(person, row.role)
    return bool(sessions.end_sessions(row, why="ended by an administrator", by=person.username))


def sign_out_devices(row: Any, person: Any) -> bool:
    """End all sessions and revoke all devices of a person."""
    require_authority_over(person, row.role)
    sessions.end_everything(row, why="ended by an administrator", by=person.username)
    return True


def end_session(row: Any, person: Any) -> bool:
    """End one session and return whether it was active."""
    require_authority_over(person, row.person.role)
    return sessions.end(row.pk, why="ended by an administrator", by=person.username)


def remove_credential(row: Any, person: Any) -> bool:
    # otherwise a stolen session would be enough to remove the person's second factor
    """Remove another person's credential and return whether it existed; raise InvalidObject for one's own."""
    if row.person_id == person.pk:
        raise edit.InvalidObject(
            {"": [str(_("Remove your own second factor from your home page, where you confirm it's you."))]}
        )
    require_authority_over(person, row.person.role)
    return credentials.remove_and_sign_out(row.pk, of=row.person_id, by=person.username)


def revoke_consent(row: Any, person: Any) -> bool:
    """Revoke the tokens of one approval and return whether anything changed."""
    if row.person:
        require_authority_over(person, row.person.role)
    return tokens.revoke_family(row, why="revoked by an administrator", by=person.username)


def make_set_application_active(active: bool) -> Callable[[Any, Any], bool]:
    """Return the function of an action that activates or deactivates an application."""
    return lambda row, person: bool(
        edit.save("application", {"application": row.name, "active": active}, by=person.username).keys
    )


def make_delete(kind: str) -> Callable[[Any, Any], bool]:
    """Return the function of an action that deletes an object of this kind."""

    def run(row: Any, person: Any) -> bool:
        name = row.username if kind == "person" else row.name
        authorize_change(person, kind, name, None)
        edit.delete(kind, name, by=person.username)
        return True

    return run


def make_delete_action(kind: str, operation: str, confirmation: Text, success_message: Text) -> Action:
    """Return the action that deletes an object of this kind."""
    return Action(
        "delete", _("Delete"), operation, make_delete(kind), confirmation, success_message, danger=True
    )


def plural_text(one: str, many: str) -> Text:
    """Return a lazy text in singular or plural, by its ``count``."""
    return ngettext_lazy(one, many, "count")


def rotate_keys(person: Any, *, keep_old: bool) -> str:
    """Create a new signing key and return its ID.

    ``keep_old`` False: everything that the old keys signed is refused immediately.
    """
    return keys.rotate(by=person.username, keep_old=keep_old).kid
