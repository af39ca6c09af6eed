"""An owner at the console in a real browser, and the pages of the console."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.db import transaction

from idp.accounts.models import Person as Account
from idp.accounts.models import Role
from idp.accounts.sessions import SignIn, sign_in
from idp.tenancy.models import DEFAULT, Tenant
from idp.tenancy.scope import tenant_scope
from tests.journeys.browser import Person
from tests.support.client import Door
from tests.web.console.pages import at, of_the_installation, reading
from web.console.frame import ConsolePage


@dataclass
class Owner:
    """An owner at a browser, who can request a page without viewing it."""

    person: Person
    door: Door


def enter(person: Person, tenant: Tenant, username: str = "alice", role: Role = Role.OWNER) -> Owner:
    """Return a person who is signed in with a role, without running the sign-in flow."""
    with tenant_scope(tenant), transaction.atomic():
        owner = Account.objects.get(username=username)
        Account.objects.filter(pk=owner.pk).update(role=role)
        key = sign_in(SignIn(owner.pk, ("pwd",), None)).key
    person.context.add_cookies(
        [{"name": "foyer_session", "value": key, "url": person.server.url(person.host)}]
    )
    door = Door(person.host)
    door.http.cookies["foyer_session"] = key
    return Owner(person, door)


def pages(part: int, parts: int) -> Iterator[tuple[ConsolePage, str]]:
    """Yield every nth page that can be viewed, with its URL."""
    for page in sorted(reading(), key=lambda page: page.name)[part::parts]:
        with tenant_scope(Tenant.objects.get(name=DEFAULT if of_the_installation(page) else "acme")):
            yield page, at(page)
