"""The objects that an administrator looks after, each declared once: the console and the API read the same
declarations.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

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
from web.administration.choices import OF_APPLICATION, OF_PERSON, PURPOSES, Choices


@dataclass(frozen=True)
class Action:
    """Something that is done to one object or to many.

    ``run``: the row and whoever does it; answers whether anything changed.

    ``asks``: what will be lost, said before it is done. ``fits``: whether it is offered for a row, as JSON.
    ``done``: what is said of it afterwards, with ``%(count)d`` objects.
    """

    name: str
    title: Text
    operation: str
    run: Callable[[Any, Any], bool]
    asks: Text = ""
    done: Text = ""
    danger: bool = False
    fits: Callable[[Mapping[str, Any]], bool] = lambda told: True


@dataclass(frozen=True)
class Resource:
    """One kind of object.

    ``see`` and ``edit``: the operations for it; ``edit`` "" where it is not written by hand.

    ``kind``: its kind of document (blueprints/objects/document.py), "" where it has none; ``titles``: labels
    of fields that its document does not name, by dotted key. ``shown``: the columns of its table, in order.
    ``page``: the address of its own page where the ordinary one does not do; ``add``: where a new one is
    made; ``create``: the button that leads there. ``concerning``: which events tell the history of a row, as
    filters of the list of events; None where none do, or its page says so itself.
    """

    listing: Listing
    noun: Text
    see: str
    edit: str = ""
    kind: str = ""
    shown: tuple[str, ...] = ()
    choices: Choices = field(default_factory=dict)
    titles: Mapping[str, Text] = field(default_factory=dict)
    actions: tuple[Action, ...] = ()
    page: str = ""
    add: str = ""
    create: Text = ""
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
            {"": [str(_("Remove your own second factor from your home page, where you confirm it's you."))]}
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


def _delete_action(kind: str, operation: str, asks: Text, done: Text) -> Action:
    return Action("delete", _("Delete"), operation, _deletes(kind), asks, done, danger=True)


def _counted(one: str, many: str) -> Text:
    return ngettext_lazy(one, many, "count")


_ALL = (
    Resource(
        PEOPLE,
        _("Person"),
        "people.see",
        "people.edit",
        kind="person",
        shown=("username", "name", "email", "groups", "role", "active"),
        choices=OF_PERSON,
        create=_("Create person"),
        concerning=lambda row: {"area": "person", "target": row.username},
        about=_("Everyone with an account."),
        empty=_("Create the first person, or import all of them with a blueprint."),
        actions=(
            Action(
                "activate",
                _("Activate"),
                "people.edit",
                _activate(True),
                done=_counted("%(count)d person activated.", "%(count)d people activated."),
                fits=lambda told: not told["active"],
            ),
            Action(
                "deactivate",
                _("Deactivate"),
                "people.edit",
                _activate(False),
                _(
                    "They are signed out everywhere, including devices, and can't sign in until you activate "
                    "them again."
                ),
                _counted("%(count)d person deactivated.", "%(count)d people deactivated."),
                fits=lambda told: bool(told["active"]),
            ),
            Action(
                "sign-out",
                _("Sign out everywhere"),
                "sessions.end",
                _sign_out,
                _("All their sessions end immediately. They can sign in again."),
                _counted("%(count)d person signed out.", "%(count)d people signed out."),
            ),
            Action(
                "sign-out-devices",
                _("Sign out everywhere and disconnect devices"),
                "devices.revoke",
                _sign_out_devices,
                _(
                    "All their sessions end immediately, and every device they connected must be connected "
                    "again."
                ),
                _counted(
                    "%(count)d person signed out, including devices.",
                    "%(count)d people signed out, including devices.",
                ),
            ),
            _delete_action(
                "person",
                "people.edit",
                _(
                    "Their sessions, second factors and connected devices are deleted too. This can't be "
                    "undone."
                ),
                _counted("%(count)d person deleted.", "%(count)d people deleted."),
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
        create=_("Create group"),
        concerning=lambda row: {"area": "group", "target": row.name},
        about=_("Used in application access and flow conditions."),
        empty=_("Create a group to limit who can use an application or which flow steps apply."),
        actions=(
            _delete_action(
                "group",
                "groups.edit",
                _("Groups that are still used by people, applications or conditions aren't deleted."),
                _counted("%(count)d group deleted.", "%(count)d groups deleted."),
            ),
        ),
    ),
    Resource(
        SESSIONS,
        _("Session"),
        "sessions.see",
        shown=("person", "methods", "address", "agent", "authenticated", "expires", "ended"),
        concerning=lambda row: {"topic": sessions.topic_of(row.pk)},
        about=_("Active sign-ins. Ending a session takes effect immediately."),
        empty=_("No one is signed in."),
        actions=(
            Action(
                "end",
                _("Sign out"),
                "sessions.end",
                _end_session,
                _("The person is signed out on this browser immediately."),
                _counted("%(count)d session ended.", "%(count)d sessions ended."),
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
        about=_("Second factors people have set up."),
        empty=_("No one has set up a second factor yet. People set them up at /credentials."),
        actions=(
            Action(
                "remove",
                _("Remove"),
                "people.help",
                _remove_credential,
                _(
                    "The person can't sign in with it anymore, and is signed out everywhere, including "
                    "devices. They can set up a new one."
                ),
                _counted("%(count)d second factor removed.", "%(count)d second factors removed."),
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
        about=_("Permissions granted to applications."),
        empty=_("No permissions granted yet."),
        actions=(
            Action(
                "revoke",
                _("Revoke"),
                "devices.revoke",
                _revoke_consent,
                _("All tokens issued for it are revoked immediately."),
                _counted("%(count)d consent revoked.", "%(count)d consents revoked."),
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
        about=_("Device sign-in requests."),
        empty=_("No device requests yet. Try one in the playground."),
        actions=(
            Action(
                "revoke",
                _("Revoke access"),
                "devices.revoke",
                lambda row, person: timeline.revoke(row.pk, by=person),
                _("All tokens of the device are revoked immediately. The device must sign in again."),
                _counted("%(count)d device revoked.", "%(count)d devices revoked."),
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
        titles=PURPOSES,
        add="application-new",
        create=_("Create application"),
        concerning=lambda row: {"area": "application", "target": row.name},
        about=_("What people sign in to: devices, command-line tools and services."),
        empty=_("Create your first application: choose a template and answer three questions."),
        actions=(
            Action(
                "activate",
                _("Activate"),
                "applications.edit",
                _application_active(True),
                done=_counted("%(count)d application activated.", "%(count)d applications activated."),
                fits=lambda told: not told["active"],
            ),
            Action(
                "deactivate",
                _("Deactivate"),
                "applications.edit",
                _application_active(False),
                _("No one can sign in to it, and its tokens are rejected, until you activate it again."),
                _counted("%(count)d application deactivated.", "%(count)d applications deactivated."),
                fits=lambda told: bool(told["active"]),
            ),
            _delete_action(
                "application",
                "applications.edit",
                _("Every device connected to it must be connected again. This can't be undone."),
                _counted("%(count)d application deleted.", "%(count)d applications deleted."),
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
        create=_("Create scope"),
        concerning=lambda row: {"area": "scope", "target": row.name},
        about=_("What applications can request, as described on the consent page."),
        empty=_(
            "Only the standard scopes exist: openid, profile, email, offline_access. Create scopes for your "
            "own services."
        ),
        actions=(
            _delete_action(
                "scope",
                "scopes.edit",
                _(
                    "Applications can't request it anymore. Scopes that are still used by applications or "
                    "conditions aren't deleted."
                ),
                _counted("%(count)d scope deleted.", "%(count)d scopes deleted."),
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
        create=_("Create flow"),
        about=_("The steps people go through to sign in, connect a device or sign out."),
        empty=_("No one can sign in until you publish a flow. Start from a template."),
        actions=(
            Action(
                "delete",
                _("Delete"),
                "flows.publish",
                _deletes("flow"),
                _(
                    "All its versions and its draft are deleted, and people who are in the middle of it must "
                    "start over. This can't be undone."
                ),
                _counted("%(count)d flow deleted.", "%(count)d flows deleted."),
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
        empty=_("No runs yet."),
    ),
    Resource(
        EVENTS,
        _("Event"),
        "events.see",
        shown=("at", "kind"),
        about=_("Audit log. Entries can't be edited or deleted."),
        empty=_("No activity yet."),
    ),
    Resource(
        KEYS,
        _("Signing key"),
        "keys.see",
        shown=("kid", "algorithm", "created", "retires"),
        concerning=lambda row: {"area": "key", "target": row.kid},
        about=_(
            "The newest key signs tokens. Older keys stay valid for 2 more days, so that existing tokens "
            "keep working."
        ),
        empty=_("The first key is created with the first token."),
        add="keys-rotate",
        create=_("Rotate key"),
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
        create=_("Create tenant"),
    ),
)

RESOURCES: dict[str, Resource] = {each.name: each for each in _ALL}


def rotate_keys(person: Any, *, keep_old: bool) -> str:
    """A new signing key; answers its id.

    ``keep_old`` False: whatever the old ones signed is refused at once.
    """
    return keys.rotate(by=person.username, keep_old=keep_old).kid
