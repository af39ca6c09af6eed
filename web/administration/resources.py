"""The objects that administrators manage, each declared once for the console and the API."""

from django.utils.translation import gettext_lazy as _

from blueprints.files import drift
from blueprints.objects.listings import OWNED
from flows.documents.listings import FLOWS, RUNS
from idp.accounts import credentials, sessions
from idp.accounts.listings import CREDENTIALS, GROUPS, PEOPLE, SESSIONS
from idp.devices import timeline
from idp.devices.listings import DEVICES
from idp.events.listings import EVENTS
from idp.oauth import tokens
from idp.oauth.listings import APPLICATIONS, CONSENTS, KEYS, SCOPES
from idp.oauth.tenants import TENANTS
from web.administration.changes import (
    end_session,
    make_delete,
    make_delete_action,
    make_set_active,
    make_set_application_active,
    plural_text,
    remove_credential,
    revoke_consent,
    sign_out,
    sign_out_devices,
)
from web.administration.choices import APPLICATION_CHOICES, PERSON_CHOICES, PURPOSE_TITLES
from web.administration.declarations import Action, Resource

_ALL = (
    Resource(
        PEOPLE,
        _("Person"),
        "people.see",
        "people.edit",
        kind="person",
        visible_columns=("username", "name", "email", "groups", "role", "active"),
        choices=PERSON_CHOICES,
        create_label=_("Create person"),
        event_filters=lambda row: {"area": "person", "target": row.username},
        about=_("Everyone with an account."),
        empty=_("Create the first person, or import all of them with a blueprint."),
        actions=(
            Action(
                "activate",
                _("Activate"),
                "people.edit",
                make_set_active(True),
                success_message=plural_text("%(count)d person activated.", "%(count)d people activated."),
                is_offered_for=lambda row: not row["active"],
            ),
            Action(
                "deactivate",
                _("Deactivate"),
                "people.edit",
                make_set_active(False),
                _(
                    "They are signed out everywhere, including devices, and can't sign in until you activate "
                    "them again."
                ),
                plural_text("%(count)d person deactivated.", "%(count)d people deactivated."),
                is_offered_for=lambda row: bool(row["active"]),
            ),
            Action(
                "sign-out",
                _("Sign out everywhere"),
                "sessions.end",
                sign_out,
                _("All their sessions end immediately. They can sign in again."),
                plural_text("%(count)d person signed out.", "%(count)d people signed out."),
            ),
            Action(
                "sign-out-devices",
                _("Sign out everywhere and disconnect devices"),
                "devices.revoke",
                sign_out_devices,
                _(
                    "All their sessions end immediately, and every device they connected must be connected "
                    "again."
                ),
                plural_text(
                    "%(count)d person signed out, including devices.",
                    "%(count)d people signed out, including devices.",
                ),
            ),
            make_delete_action(
                "person",
                "people.edit",
                _(
                    "Their sessions, second factors and connected devices are deleted too. This can't be "
                    "undone."
                ),
                plural_text("%(count)d person deleted.", "%(count)d people deleted."),
            ),
        ),
    ),
    Resource(
        GROUPS,
        _("Group"),
        "groups.see",
        "groups.edit",
        kind="group",
        visible_columns=("name", "people"),
        create_label=_("Create group"),
        event_filters=lambda row: {"area": "group", "target": row.name},
        about=_("Used in application access and flow conditions."),
        empty=_("Create a group to limit who can use an application or which flow steps apply."),
        actions=(
            make_delete_action(
                "group",
                "groups.edit",
                _("Groups that are still used by people, applications or conditions aren't deleted."),
                plural_text("%(count)d group deleted.", "%(count)d groups deleted."),
            ),
        ),
    ),
    Resource(
        SESSIONS,
        _("Session"),
        "sessions.see",
        visible_columns=("person", "methods", "address", "agent", "authenticated", "expires", "ended"),
        event_filters=lambda row: {"topic": sessions.topic_of(row.pk)},
        about=_("Active sign-ins. Ending a session takes effect immediately."),
        empty=_("No one is signed in."),
        actions=(
            Action(
                "end",
                _("Sign out"),
                "sessions.end",
                end_session,
                _("The person is signed out on this browser immediately."),
                plural_text("%(count)d session ended.", "%(count)d sessions ended."),
                danger=True,
                is_offered_for=lambda row: not row["ended"],
            ),
        ),
    ),
    Resource(
        CREDENTIALS,
        _("Credential"),
        "people.see",
        visible_columns=("person", "kind", "name", "created", "used"),
        event_filters=lambda row: {"topic": credentials.topic_of(row.person_id, row.kind)},
        about=_("Second factors people have set up."),
        empty=_("No one has set up a second factor yet. People set them up at /credentials."),
        actions=(
            Action(
                "remove",
                _("Remove"),
                "people.help",
                remove_credential,
                _(
                    "The person can't sign in with it anymore, and is signed out everywhere, including "
                    "devices. They can set up a new one."
                ),
                plural_text("%(count)d second factor removed.", "%(count)d second factors removed."),
                danger=True,
            ),
        ),
    ),
    Resource(
        CONSENTS,
        _("Consent"),
        "devices.see",
        visible_columns=("person", "application", "scopes", "created", "expires", "revoked"),
        event_filters=lambda row: {"topic": tokens.topic_of(row)},
        about=_("Permissions granted to applications."),
        empty=_("No permissions granted yet."),
        actions=(
            Action(
                "revoke",
                _("Revoke"),
                "devices.revoke",
                revoke_consent,
                _("All tokens issued for it are revoked immediately."),
                plural_text("%(count)d consent revoked.", "%(count)d consents revoked."),
                danger=True,
                is_offered_for=lambda row: not row["revoked"],
            ),
        ),
    ),
    Resource(
        DEVICES,
        _("Device"),
        "devices.see",
        visible_columns=("application", "state", "person", "label", "address", "asked", "decided"),
        url_name="device",
        about=_("Device sign-in requests."),
        empty=_("No device requests yet. Try one in the playground."),
        actions=(
            Action(
                "revoke",
                _("Revoke access"),
                "devices.revoke",
                lambda row, person: timeline.revoke(row.pk, by=person),
                _("All tokens of the device are revoked immediately. The device must sign in again."),
                plural_text("%(count)d device revoked.", "%(count)d devices revoked."),
                danger=True,
                is_offered_for=lambda row: row["state"] in ("approved", "redeemed"),
            ),
        ),
    ),
    Resource(
        APPLICATIONS,
        _("Application"),
        "applications.see",
        "applications.edit",
        kind="application",
        visible_columns=("name", "title", "client_id", "type", "grants", "groups", "active"),
        choices=APPLICATION_CHOICES,
        field_titles=PURPOSE_TITLES,
        add_url_name="application-new",
        create_label=_("Create application"),
        event_filters=lambda row: {"area": "application", "target": row.name},
        about=_("What people sign in to: devices, command-line tools and services."),
        empty=_("Create your first application: choose a template and answer three questions."),
        actions=(
            Action(
                "activate",
                _("Activate"),
                "applications.edit",
                make_set_application_active(True),
                success_message=plural_text(
                    "%(count)d application activated.", "%(count)d applications activated."
                ),
                is_offered_for=lambda row: not row["active"],
            ),
            Action(
                "deactivate",
                _("Deactivate"),
                "applications.edit",
                make_set_application_active(False),
                _("No one can sign in to it, and its tokens are rejected, until you activate it again."),
                plural_text("%(count)d application deactivated.", "%(count)d applications deactivated."),
                is_offered_for=lambda row: bool(row["active"]),
            ),
            make_delete_action(
                "application",
                "applications.edit",
                _("Every device connected to it must be connected again. This can't be undone."),
                plural_text("%(count)d application deleted.", "%(count)d applications deleted."),
            ),
        ),
    ),
    Resource(
        SCOPES,
        _("Scope"),
        "scopes.see",
        "scopes.edit",
        kind="scope",
        visible_columns=("name", "title", "description"),
        create_label=_("Create scope"),
        event_filters=lambda row: {"area": "scope", "target": row.name},
        about=_("What applications can request, as described on the consent page."),
        empty=_(
            "Only the standard scopes exist: openid, profile, email, offline_access. Create scopes for your "
            "own services."
        ),
        actions=(
            make_delete_action(
                "scope",
                "scopes.edit",
                _(
                    "Applications can't request it anymore. Scopes that are still used by applications or "
                    "conditions aren't deleted."
                ),
                plural_text("%(count)d scope deleted.", "%(count)d scopes deleted."),
            ),
        ),
    ),
    Resource(
        FLOWS,
        _("Flow"),
        "flows.see",
        visible_columns=("name", "for", "default", "version", "published", "by", "draft"),
        url_name="builder",
        add_url_name="flow-new",
        create_label=_("Create flow"),
        about=_("The steps people go through to sign in, connect a device or sign out."),
        empty=_("No one can sign in until you publish a flow. Start from a template."),
        actions=(
            Action(
                "delete",
                _("Delete"),
                "flows.publish",
                make_delete("flow"),
                _(
                    "All its versions and its draft are deleted, and people who are in the middle of it must "
                    "start over. This can't be undone."
                ),
                plural_text("%(count)d flow deleted.", "%(count)d flows deleted."),
                danger=True,
            ),
        ),
    ),
    Resource(
        RUNS,
        _("Run"),
        "runs.inspect",
        visible_columns=("flow", "version", "at", "end", "started", "expires"),
        url_name="run",
        empty=_("No runs yet."),
    ),
    Resource(
        EVENTS,
        _("Event"),
        "events.see",
        visible_columns=("at", "kind"),
        about=_("Audit log. Entries can't be edited or deleted."),
        empty=_("No activity yet."),
    ),
    Resource(
        KEYS,
        _("Signing key"),
        "keys.see",
        visible_columns=("kid", "algorithm", "created", "retires"),
        event_filters=lambda row: {"area": "key", "target": row.kid},
        about=_(
            "The newest key signs tokens. Older keys stay valid for 2 more days, so that existing tokens "
            "keep working."
        ),
        empty=_("The first key is created with the first token."),
        add_url_name="keys-rotate",
        create_label=_("Rotate key"),
    ),
    Resource(
        OWNED,
        _("Object of a blueprint"),
        "blueprints.see",
        visible_columns=("name", "kind", "blueprint", "applied", "drifted"),
        event_filters=lambda row: {"topic": drift.topic_of(row.pk)},
    ),
    Resource(
        TENANTS,
        _("Tenant"),
        "tenants.see",
        visible_columns=("name", "title", "domains", "asked", "people", "applications"),
        url_name="tenant",
        add_url_name="tenant-new",
        create_label=_("Create tenant"),
    ),
)

RESOURCES: dict[str, Resource] = {each.name: each for each in _ALL}
