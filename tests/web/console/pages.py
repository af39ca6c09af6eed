"""Every page of the console with an address that has something to show.

A page that is not listed here fails the tests that iterate over them.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from blueprints.files import secrets
from flows.documents.versions import live_version
from flows.editing.drafts import save_draft
from flows.models import Run, Version
from idp.accounts.models import Credential, Person
from idp.accounts.people import save_person
from idp.accounts.sessions import SignIn, sign_in
from idp.devices.models import DeviceCode
from idp.events.changes import save_mail_template
from idp.foundation.listing import ListQuery
from idp.tenancy.models import DEFAULT, Tenant
from idp.tenancy.scope import tenant_scope
from idp.tenancy.tenants import save_tenant
from tests.support.client import Door
from web.administration.resources import RESOURCES
from web.console.frame import ConsolePage
from web.console.urls import PAGES

OURS = {"person": "bob", "group": "staff", "application": "tv", "flow": "connect-a-device", "secret": "kiosk"}
QUERIES = {"playground-qr": {"code": "BCDF-GHJK"}, "blueprints-secret": {"name": "till"}}


def inhabit(browser: Door) -> None:
    """Create one object of every kind in the tenant in scope.

    These are an approved device, its tokens, a run, a session, a credential and a draft.
    """
    started = browser.start(scope="openid offline_access")
    browser.approve(started)
    browser.poll(started)
    Credential.objects.create(
        person=Person.objects.exclude(username="alice").earliest("pk"), kind="totp", secret="JBSWY3DPEHPK3PXP"
    )
    secrets.save("till", "the till's own secret", by="test")
    save_mail_template("recovery", by="test", subject="A way back in", text="{{ link }}")
    live = live_version("device_code")
    assert live is not None
    save_draft(live.flow.name, {**live.document, "title": "A new title"}, by="alice", revision=None)


def default_tenant() -> Tenant:
    """Return the tenant from which an owner manages the others; it has a person called alice too."""
    tenant = save_tenant(DEFAULT)
    with tenant_scope(tenant):
        save_person("alice", by="test")
    return tenant


def entered(host: str, tenant: Tenant, role: str, username: str = "alice") -> Door:
    """Return a door signed in at the console with this role, without a run of the sign-in flow."""
    door = Door(host)
    with tenant_scope(tenant):
        person = Person.objects.get(username=username)
        Person.objects.filter(pk=person.pk).update(role=role)
        door.http.cookies["foyer_session"] = sign_in(SignIn(person.pk, ("pwd",), None)).key
    return door


def at(page: ConsolePage, names: Mapping[str, str] = OURS) -> str:
    """Return the page's address for an object of the tenant in scope."""
    given = {name: _given(page, name, names) for name in _parameters(page)}
    query = f"?{urlencode(QUERIES[page.name])}" if page.name in QUERIES else ""
    return reverse(f"console:{page.name}", kwargs=given) + query


def reading() -> Iterator[ConsolePage]:
    """Yield the pages that can be read."""
    return (page for page in PAGES if page.view_operation)


def of_the_installation(page: ConsolePage) -> bool:
    """Return whether the page is about all tenants, and exists on the default tenant's host only."""
    return (page.view_operation or page.post_operation).startswith("tenants.")


def _parameters(page: ConsolePage) -> list[str]:
    return [part.partition(">")[0].partition(":")[2] for part in page.path.split("<")[1:]]


def _given(page: ConsolePage, parameter: str, names: Mapping[str, str]) -> Any:
    """Return the value of a path parameter; raise KeyError for a page that this table does not list."""
    head = page.path.partition("/")[0]
    known: dict[str, Callable[[], Any]] = {
        "people/key": lambda: names["person"],
        "groups/key": lambda: names["group"],
        "applications/key": lambda: names["application"],
        "applications/name": lambda: names["secret" if page.name == "application-secret" else "application"],
        "applications/kind": lambda: "service",
        "tenants/name": lambda: "acme",
        "mails/name": lambda: "recovery",
        "preview/scheme": lambda: "light",
        "api/name": lambda: "list_people",
        "flows/name": lambda: names["flow"],
        "flows/number": lambda: Version.objects.filter(flow__name=names["flow"]).latest("number").number,
        "runs/identifier": lambda: Run.objects.latest("pk").identifier,
        "devices/pk": lambda: DeviceCode.objects.latest("pk").pk,
    }
    if f"{head}/{parameter}" not in known and page.name == f"{head}-one":
        return RESOURCES[head].listing.page(ListQuery()).rows[0]["key"]
    return known[f"{head}/{parameter}"]()
