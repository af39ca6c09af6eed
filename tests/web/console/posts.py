"""Every POST of the console with a form that succeeds; an unlisted page fails the tests that iterate."""

import json
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext

from blueprints.files.uploads import plan_upload
from blueprints.objects import edit
from flows.documents.versions import parse_flow, version_of
from flows.editing.drafts import load
from flows.editing.publishing import publish, roll_back
from idp.accounts.models import Person
from idp.foundation.listing import ListQuery
from idp.outbox.placeholders import shipped_templates
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from idp.tenancy.tenants import set_domains
from tests.support.client import Door
from tests.web.console.pages import OURS, at, entered, of_the_installation
from web.administration.resources import RESOURCES
from web.console.frame import ConsolePage
from web.console.urls import PAGES

ASKS = {  # irreversible: the page of a GET shows what is lost, and a POST acts
    "application-secret",
    "blueprints-secret",
    "device-revoke",
    "flow-discard",
    "flow-publish",  # it is live for people at once
    "flow-roll-back",
    "keys-rotate",
    "mail-forget",
}
ASKS_FIRST = {"person-reset"}  # the first POST only asks, as do most actions of lists
# they return a page or JSON, and write nothing
READS = {"blueprints-plan", "branding-preview", "mail-preview", "builder-check"}
UNDONE = {  # by the same page or its opposite, or nothing existed before
    "application-recipe",
    "blueprints-apply",  # exactly the plan that was shown
    "blueprints-look",
    "branding",
    "builder-edit",
    "first-steps-dismiss",
    "flow-new",
    "flow-try-keep",
    "mail",
    "person-link",
    "person-mail",
    "person-role",
    "tenant",
    "tenant-domain",
    "tenant-link",
    "tenant-new",
}
# they redirect, and may have nothing to write
NOTHING_NEW = {"blueprints-look", "first-steps-dismiss", "groups-one"}
WITHOUT_ASKING = {"activate"}  # among the actions of lists


def posting() -> list[ConsolePage]:
    """Return the pages that accept a POST."""
    return [page for page in PAGES if page.post_operation]


def actions() -> dict[str, Any]:
    """Return the actions of lists, by the name of their page."""
    return {
        f"{name}-{action.name}": action for name, resource in RESOURCES.items() for action in resource.actions
    }


def objects() -> set[str]:
    """Return the forms of objects: a saved change can be reversed by saving again."""
    return {f"{name}-{what}" for name in RESOURCES for what in ("add", "one")} & {
        page.name for page in posting()
    }


def owner_at(page: ConsolePage) -> tuple[Door, Tenant]:
    """Return an owner's door where the page is, and the tenant there."""
    host, name = ("localhost", "default") if of_the_installation(page) else ("acme.test", "acme")
    tenant = Tenant.objects.get(name=name)
    return entered(host, tenant, "owner"), tenant


def pressed(door: Door, page: ConsolePage, *, sure: bool) -> tuple[Any, list[str]]:
    """Post a form that succeeds, and return the response with the statements that wrote something.

    ``sure`` confirms it, as after the question.
    """
    tenant = Tenant.objects.get(name="default" if of_the_installation(page) else "acme")
    with tenant_scope(tenant):
        form, address = {**form_of(page), **({"sure": "1"} if sure else {})}, at(page)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        answer = door.http.post(address, form)
    statements = [each["sql"] for each in queries.captured_queries]
    return answer, [each for each in statements if each.startswith(("INSERT", "UPDATE", "DELETE"))]


def form_of(page: ConsolePage) -> dict[str, Any]:
    """Return a form that succeeds, after creating what it needs; raise KeyError for an unlisted page."""
    if page.name in actions():
        resource = RESOURCES[page.name.partition("-")[0]]
        action = actions()[page.name]
        if action.name == "activate":
            edit.save(
                "person" if resource.name == "people" else "application", _INACTIVE[resource.name], by="test"
            )
        if page.name in _UNUSED:
            return {
                "key": edit.save(
                    resource.kind, {resource.kind: "unused", **_UNUSED[page.name]}, by="test"
                ).name
            }
        rows = [
            row
            for row in resource.listing.page(ListQuery(size=200)).rows
            if action.is_offered_for(row) and row["key"] != "alice"
        ]
        return {
            "key": next(
                row["key"] for row in rows if resource.name != "credentials" or row["person"] != "alice"
            )
        }
    return _FORMS[page.name]() if page.name in _FORMS else {}


# a referenced object is not deleted
_UNUSED = {"groups-delete": {}, "scopes-delete": {"title": "Not referenced"}}
_INACTIVE: dict[str, dict[str, Any]] = {
    "people": {"person": "bob", "active": False},
    "applications": {"application": "tv", "active": False},
}


def _document(kind: str, name: str) -> dict[str, Any]:
    known = edit.load(kind, name)
    assert known is not None
    return {key: value for key, value in known.document.items() if isinstance(value, str)} | {
        "etag": known.digest
    }


def _asked_for() -> dict[str, Any]:
    tenant = Tenant.objects.get(name="acme")
    with tenant_scope(tenant):
        set_domains(tenant, [*(each.name for each in tenant.domains.all()), "new.example"], approved=False)
    return {"domain": "new.example", "decision": "approve"}


def _administrator() -> dict[str, Any]:
    with tenant_scope(Tenant.objects.get(name="acme")):
        Person.objects.filter(username="alice").update(role="owner")
    return {"username": "alice"}


def _planned() -> dict[str, Any]:
    person = Person.objects.get(username="alice")
    text = "group: new"
    return {"text": text, "expect": plan_upload(text, person=person, name="console", prune=False).digest}


def _drawn(**more: Any) -> dict[str, Any]:
    found = load(OURS["flow"])
    base = json.dumps({**found.document, "flow": OURS["flow"]})
    return {
        "_base": base,
        "_mark": found.revision_tag,
        "_edit": json.dumps({"do": "head"}),
        "_title": "Another title",
        **more,
    }


def _wording(**more: Any) -> dict[str, Any]:
    original = shipped_templates()["recovery"]
    return {
        "subject": "Ours",
        "text": original.text,
        "html": original.html,
        "etag": _document("mail", "recovery")["etag"],
        **more,
    }


def _rolled_back() -> dict[str, Any]:
    live = version_of(OURS["flow"])
    publish(parse_flow({**live.document, "title": "Another title"}), by="test")
    roll_back(OURS["flow"], live.number, by="test")
    return {}


def _draft() -> dict[str, Any]:
    return {"revision": str(load(OURS["flow"]).revision)}


_FACE = {"title": "Acme", "accent": "#336699", "domains": "acme.test", "networks": "", "mail_from": ""}
_FORMS: dict[str, Any] = {
    "applications-one": lambda: {**_document("application", "tv"), "title": "A better title"},
    "application-recipe": lambda: {"title": "Nightly backup"},
    "blueprints-apply": _planned,
    "blueprints-plan": lambda: {"text": "group: new"},
    "blueprints-secret": lambda: {"name": "till", "forget": "1"},
    "branding": lambda: {**_FACE, "etag": _document("tenant", "acme")["etag"]},
    "branding-preview": lambda: _FACE,
    "builder-check": lambda: _drawn(_step="0", _source="true"),
    "builder-edit": _drawn,
    "flow-discard": _draft,
    "flow-new": lambda: {"title": "New", "for": "part", "designation": "part"},
    "flow-publish": _draft,
    "flow-roll-back": _rolled_back,
    "flow-try-keep": lambda: {"query": "which=1", "name": "a test"},
    "groups-add": lambda: {"group": "new"},
    "groups-one": lambda: {**_document("group", "staff")},
    "keys-rotate": lambda: {"old": "keep"},
    "mail": _wording,
    "mail-preview": _wording,
    "people-add": lambda: {"person": "clerk", "name": "Clerk"},
    "people-one": lambda: {**_document("person", "bob"), "name": "Bob", "active": "on"},
    "person-role": lambda: {"role": "auditor"},
    "scopes-add": lambda: {"scope": "acme:new", "title": "New"},
    "scopes-one": lambda: {**_document("scope", "acme:read"), "title": "Another"},
    "tenant": lambda: {"domains": "acme.test"},
    "tenant-domain": _asked_for,
    "tenant-link": _administrator,
    "tenant-new": lambda: {
        "name": "shop",
        "title": "Shop",
        "domain": "shop.test",
        "administrator": "alice",
        "email": "",
    },
}
