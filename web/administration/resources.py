"""The objects that an administrator looks after, each declared once: the console and the API read the same
declarations.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext_lazy as _

from blueprints.files import drift
from blueprints.objects import edit
from blueprints.objects.listings import OWNED
from flows.documents.listings import FLOWS, RUNS
from idp.accounts import credentials, sessions
from idp.accounts.listings import CREDENTIALS, GROUPS, PEOPLE, SESSIONS
from idp.accounts.people import by_username
from idp.accounts.roles import operations_of, require, require_over, require_own_page
from idp.devices import timeline
from idp.devices.listings import DEVICES
from idp.events.listings import EVENTS
from idp.foundation.listing import Listing, Text
from idp.oauth import keys, tokens
from idp.oauth.listings import APPLICATIONS, CONSENTS, KEYS, SCOPES
from idp.oauth.tenants import TENANTS
from web.administration.choices import OF_APPLICATION, OF_PERSON, Choices


@dataclass(frozen=True)
class Action:
    """Something that is done to one object or to many.

    ``run``: the row and whoever does it; answers whether anything changed.

    ``asks``: what will be lost, said before it is done. ``fits``: whether it is offered for a row, as JSON.
    """

    name: str
    title: Text
    operation: str
    run: Callable[[Any, Any], bool]
    asks: Text = ""
    danger: bool = False
    fits: Callable[[Mapping[str, Any]], bool] = lambda told: True


@dataclass(frozen=True)
class Resource:
    """One kind of object.

    ``see`` and ``edit``: the operations for it; ``edit`` "" where it is not written by hand.

    ``kind``: its kind of document (blueprints/objects/document.py), "" where it has none. ``shown``: the
    columns of its table, in order. ``page``: the address of its own page where the ordinary one does not do;
    ``add``: where a new one is made. ``concerning``: which events tell the history of a row, as filters of
    the list of events; None where none do, or its page says so itself.
    """

    listing: Listing
    noun: Text
    see: str
    edit: str = ""
    kind: str = ""
    shown: tuple[str, ...] = ()
    choices: Choices = field(default_factory=dict)
    actions: tuple[Action, ...] = ()
    page: str = ""
    add: str = ""
    concerning: Callable[[Any], Mapping[str, str]] | None = None
    about: Text = ""
    empty: Text = ""

    @property
    def name(self) -> str:
        """As in its address."""
        return self.listing.name

    def action(self, name: str) -> Action | None:
        """The action with this name."""
        return next((each for each in self.actions if each.name == name), None)


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


def _activate(active: bool) -> Callable[[Any, Any], bool]:
    def run(row: Any, person: Any) -> bool:
        guard(person, "person", row.username, None)
        return bool(
            edit.save(
                "person", {"person": row.username, "active": active}, by=person.username, new=False
            ).keys
        )

    return run


def _sign_out(row: Any, person: Any) -> bool:
    require_over(person, row.role)
    return bool(sessions.end_all(row, why="ended by an administrator", by=person.username))


def _sign_out_devices(row: Any, person: Any) -> bool:
    require_over(person, row.role)
    sessions.end_everything(row, why="ended by an administrator", by=person.username)
    return True


def _end_session(row: Any, person: Any) -> bool:
    require_over(person, row.person.role)
    return sessions.end(row.pk, why="ended by an administrator", by=person.username)


def _remove_credential(row: Any, person: Any) -> bool:
    # else a stolen session would be enough to take away what guards its person
    if row.person_id == person.pk:
        raise edit.Refused(
            {"": [str(_("Your own is removed on the start page, once you have proved yourself anew."))]}
        )
    require_over(person, row.person.role)
    return credentials.take_away(row.pk, of=row.person_id, by=person.username)


def _revoke_consent(row: Any, person: Any) -> bool:
    if row.person:
        require_over(person, row.person.role)
    return tokens.revoke_family(row, why="revoked by an administrator", by=person.username)


def _application_active(active: bool) -> Callable[[Any, Any], bool]:
    return lambda row, person: bool(
        edit.save("application", {"application": row.name, "active": active}, by=person.username).keys
    )


def _deletes(kind: str) -> Callable[[Any, Any], bool]:
    def run(row: Any, person: Any) -> bool:
        name = row.username if kind == "person" else row.name
        guard(person, kind, name, None)
        edit.delete(kind, name, by=person.username)
        return True

    return run


def _delete_action(kind: str, operation: str, asks: Text) -> Action:
    return Action("delete", _("Delete"), operation, _deletes(kind), asks, danger=True)


_ALL = (
    Resource(
        PEOPLE,
        _("Person"),
        "people.see",
        "people.edit",
        kind="person",
        shown=("username", "name", "email", "groups", "role", "active"),
        choices=OF_PERSON,
        concerning=lambda row: {"area": "person", "target": row.username},
        about=_("Everybody who signs in here."),
        empty=_("Nobody is here yet. Add the first person, or apply a blueprint with all of them."),
        actions=(
            Action(
                "activate",
                _("Activate"),
                "people.edit",
                _activate(True),
                fits=lambda told: not told["active"],
            ),
            Action(
                "deactivate",
                _("Deactivate"),
                "people.edit",
                _activate(False),
                _(
                    "They are signed out everywhere, devices too, and cannot sign in until they are "
                    "activated again."
                ),
                fits=lambda told: bool(told["active"]),
            ),
            Action(
                "sign-out",
                _("Sign out everywhere"),
                "sessions.end",
                _sign_out,
                _("Every session of theirs ends at once. They may sign in again."),
            ),
            Action(
                "sign-out-devices",
                _("Sign out everywhere, devices too"),
                "devices.revoke",
                _sign_out_devices,
                _(
                    "Every session of theirs ends at once, and every device they connected must be "
                    "connected again."
                ),
            ),
            _delete_action(
                "person",
                "people.edit",
                _("Their sessions, credentials and connected devices go with them. This cannot be undone."),
            ),
        ),
    ),
    Resource(
        GROUPS,
        _("Group"),
        "groups.see",
        "groups.edit",
        kind="group",
        shown=("name", "people"),
        concerning=lambda row: {"area": "group", "target": row.name},
        about=_("Applications and conditions of flows refer to groups by name."),
        empty=_("There is no group yet. A condition such as “in the group staff” needs one."),
        actions=(
            _delete_action(
                "group", "groups.edit", _("One that people, applications or conditions name stays.")
            ),
        ),
    ),
    Resource(
        SESSIONS,
        _("Session"),
        "sessions.see",
        shown=("person", "methods", "address", "agent", "authenticated", "expires", "ended"),
        concerning=lambda row: {"topic": sessions.topic_of(row.pk)},
        about=_("Where people are signed in. A session that is ended ends at once, everywhere."),
        empty=_("Nobody is signed in."),
        actions=(
            Action(
                "end",
                _("End"),
                "sessions.end",
                _end_session,
                _("Whoever uses it is signed out at once."),
                danger=True,
                fits=lambda told: not told["ended"],
            ),
        ),
    ),
    Resource(
        CREDENTIALS,
        _("Credential"),
        "people.see",
        shown=("person", "kind", "name", "created", "used"),
        concerning=lambda row: {"topic": credentials.topic_of(row.person_id, row.kind)},
        about=_("What people prove themselves with beside a password."),
        empty=_("Nobody has set up a second factor yet. People do it themselves, at /credentials."),
        actions=(
            Action(
                "remove",
                _("Remove"),
                "people.help",
                _remove_credential,
                _(
                    "It no longer lets this person in, and they are signed out everywhere, devices too. "
                    "They may set up a new one."
                ),
                danger=True,
            ),
        ),
    ),
    Resource(
        CONSENTS,
        _("Consent"),
        "devices.see",
        shown=("person", "application", "scopes", "created", "expires", "revoked"),
        concerning=lambda row: {"topic": tokens.topic_of(row)},
        about=_("What people, and services, have let applications do."),
        empty=_("Nobody has approved anything yet."),
        actions=(
            Action(
                "revoke",
                _("Revoke"),
                "devices.revoke",
                _revoke_consent,
                _("Every token that came out of it ends at once."),
                danger=True,
                fits=lambda told: not told["revoked"],
            ),
        ),
    ),
    Resource(
        DEVICES,
        _("Device"),
        "devices.see",
        shown=("application", "state", "person", "label", "address", "asked", "decided"),
        page="device",
        about=_("Everything that asked to be signed in with a code."),
        empty=_("No device has asked yet. Try one in the playground."),
        actions=(
            Action(
                "revoke",
                _("Revoke"),
                "devices.revoke",
                lambda row, person: timeline.revoke(row.pk, by=person),
                _("Every token that the device got ends at once. It must ask again."),
                danger=True,
                fits=lambda told: told["state"] in ("approved", "redeemed"),
            ),
        ),
    ),
    Resource(
        APPLICATIONS,
        _("Application"),
        "applications.see",
        "applications.edit",
        kind="application",
        shown=("name", "title", "client_id", "type", "grants", "groups", "active"),
        choices=OF_APPLICATION,
        add="application-new",
        concerning=lambda row: {"area": "application", "target": row.name},
        about=_("What people sign in to: devices, command lines, services."),
        empty=_("There is no application yet. Three questions make one."),
        actions=(
            Action(
                "activate",
                _("Activate"),
                "applications.edit",
                _application_active(True),
                fits=lambda told: not told["active"],
            ),
            Action(
                "deactivate",
                _("Deactivate"),
                "applications.edit",
                _application_active(False),
                _("Nobody can sign in to it, and what it holds is refused, until it is activated again."),
                fits=lambda told: bool(told["active"]),
            ),
            _delete_action(
                "application",
                "applications.edit",
                _("Every device that is connected to it must sign in anew. This cannot be undone."),
            ),
        ),
    ),
    Resource(
        SCOPES,
        _("Scope"),
        "scopes.see",
        "scopes.edit",
        kind="scope",
        shown=("name", "title", "description"),
        concerning=lambda row: {"area": "scope", "target": row.name},
        about=_("What applications may ask for, in the words of the consent page."),
        empty=_(
            "There are only the standard scopes: openid, profile, email, offline_access. Add your own for "
            "your own services."
        ),
        actions=(
            _delete_action(
                "scope",
                "scopes.edit",
                _("Nobody can ask for it any more. One that applications or conditions name stays."),
            ),
        ),
    ),
    Resource(
        FLOWS,
        _("Flow"),
        "flows.see",
        shown=("name", "for", "default", "version", "published", "by", "draft"),
        page="builder",
        add="flow-new",
        about=_("What people walk when they sign in, connect a device or sign out."),
        empty=_("There is no flow yet, so nobody can sign in. Begin with a shipped one."),
        actions=(
            Action(
                "delete",
                _("Delete"),
                "flows.publish",
                _deletes("flow"),
                _(
                    "All of its versions and its draft go, and whoever is walking it must start again. "
                    "This cannot be undone."
                ),
                danger=True,
            ),
        ),
    ),
    Resource(
        RUNS,
        _("Run"),
        "runs.inspect",
        shown=("flow", "version", "at", "end", "started", "expires"),
        page="run",
        empty=_("Nobody is signing in."),
    ),
    Resource(
        EVENTS,
        _("Event"),
        "events.see",
        shown=("at", "kind"),
        about=_("Everything that happened, newest first. Nothing here can be changed."),
        empty=_("Nothing has happened yet."),
    ),
    Resource(
        KEYS,
        _("Signing key"),
        "keys.see",
        shown=("kid", "algorithm", "created", "retires"),
        concerning=lambda row: {"area": "key", "target": row.kid},
        about=_(
            "The newest key signs. Older ones verify for two more days, so that nothing breaks when a key "
            "is changed."
        ),
        empty=_("The first key is made with the first token."),
        add="keys-rotate",
    ),
    Resource(
        OWNED,
        _("Object of a blueprint"),
        "blueprints.see",
        shown=("name", "kind", "blueprint", "applied", "drifted"),
        concerning=lambda row: {"topic": drift.topic_of(row.pk)},
    ),
    Resource(
        TENANTS,
        _("Tenant"),
        "tenants.see",
        shown=("name", "title", "domains", "asked", "people", "applications"),
        page="tenant",
        add="tenant-new",
    ),
)

RESOURCES: dict[str, Resource] = {each.name: each for each in _ALL}


def rotate_keys(person: Any, *, keep_old: bool) -> str:
    """A new signing key; answers its id.

    ``keep_old`` False: whatever the old ones signed is refused at once.
    """
    return keys.rotate(by=person.username, keep_old=keep_old).kid
