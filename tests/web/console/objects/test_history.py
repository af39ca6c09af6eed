"""The history on the page of an object: what happened, by whom, when and from where.

It is for roles that may see events, and of their tenant only.
"""

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from pathlib import Path

import pytest
from django.utils import timezone

from blueprints.files import secrets
from blueprints.files.apply import apply
from blueprints.files.drift import record_drift
from blueprints.models import Owned
from flows.models import Run
from idp.accounts import credentials
from idp.accounts.models import Credential, Person, Session
from idp.accounts.people import by_username
from idp.devices.models import DeviceCode
from idp.events.bus import publish
from idp.foundation.sealing import digest
from idp.oauth.clients import rotate_secret
from idp.oauth.models import SigningKey, TokenFamily
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.applications import save_application
from tests.support.client import Door, Doors
from tests.web.console.signed_in import installed, posted, signed_in, text
from tests.web.console.test_mails import MAIL, OWN

pytestmark = pytest.mark.both_modes

FROM = "203.0.113.7"


def history(page: str) -> list[str]:
    """Return the lines of the history on a page, newest first, without their times."""
    found = re.search(r'<h2>Activity</h2>\s*<ol class="history">(.*?)</ol>', page, re.DOTALL)
    assert found, "there is no history on this page"
    lines = re.findall(r"<li[^>]*>(.*?)(?:<br>.*?)?</li>", found[1], re.DOTALL)
    return [" ".join(unescape(re.sub(r"<[^>]+>", "", line)).split()) for line in lines]


def all_of_it(page: str) -> str:
    """Return the address of the whole history."""
    found = re.search(r'<a href="([^"]+)">View in audit log</a>', page)
    assert found
    return unescape(found[1])


@pytest.fixture
def admin(acme: Tenant, door: Doors) -> Door:
    """A door signed in as alice, who administers acme from an address of her own."""
    return signed_in(lambda host: door(host, address=FROM), "admin")


def _bob() -> Person:
    person = by_username("bob")
    assert person
    return person


def test_a_session_shows_its_own_history(admin: Door, door: Doors) -> None:
    """The history of a session runs from its start to the person who ended it.

    Another session of the same person has its own.
    """
    for address in ("198.51.100.1", "198.51.100.2"):
        door(address=address).sign_in("bob", "bob-password-22")
    first, second = Session.objects.filter(person=_bob()).order_by("pk")
    posted(admin, "/console/sessions/do/end", {"key": first.pk, "sure": "1"})
    page = text(admin, f"/console/sessions/one/{first.pk}")
    ended = f"alice signed bob out from {FROM}: ended by an administrator"
    assert history(page) == [ended, "bob signed in from 198.51.100.1"]
    assert history(text(admin, f"/console/sessions/one/{second.pk}")) == ["bob signed in from 198.51.100.2"]
    posted(admin, "/console/people/do/sign-out", {"key": "bob", "sure": "1"})
    assert history(text(admin, f"/console/sessions/one/{second.pk}"))[0] == ended
    assert history(text(admin, f"/console/sessions/one/{first.pk}")) == [
        ended,
        "bob signed in from 198.51.100.1",
    ]


def test_a_password_that_an_administrator_sets_is_why_every_session_ended(admin: Door, door: Doors) -> None:
    """The history of each session says why it ended, and by whom."""
    door().sign_in("bob", "bob-password-22")
    credentials.store_password(_bob(), credentials.hash_password("another password"), by="alice")
    assert (
        history(text(admin, f"/console/sessions/one/{Session.objects.get(person=_bob()).pk}"))[0]
        == "alice signed bob out: password changed"
    )


def test_a_credential_keeps_its_history_when_it_is_replaced(admin: Door) -> None:
    """The history shows that a credential was set up and replaced, and nothing about another kind."""
    bob = _bob()
    for first in (True, False):
        credentials.replace_kind(
            bob.pk, "totp", [Credential(person=bob, kind="totp", tenant=bob.tenant)], first=first
        )
    credentials.replace_kind(
        bob.pk,
        "recovery_code",
        [Credential(person=bob, kind="recovery_code", tenant=bob.tenant)],
        first=False,
    )
    page = text(admin, f"/console/credentials/one/{Credential.objects.get(kind='totp').pk}")
    assert history(page) == ["bob replaced a second factor", "bob set up a second factor"]
    other = text(admin, f"/console/credentials/one/{Credential.objects.get(kind='recovery_code').pk}")
    assert history(other) == ["bob set up a second factor"]


def test_a_consent_shows_what_it_gave_and_who_revoked_it(admin: Door, door: Doors) -> None:
    """The history shows the tokens of one approval, and its revocation by an administrator."""
    device = door()
    started = device.start()
    device.approve(started, name="bob", password="bob-password-22")
    device.poll(started)
    key = TokenFamily.objects.get().identifier
    posted(admin, "/console/consents/do/revoke", {"key": key, "sure": "1"})
    revoked, issued = history(text(admin, f"/console/consents/one/{key}"))
    assert revoked == f"alice revoked the tokens of tv for bob from {FROM}: revoked by an administrator"
    assert issued == "tv got tokens for bob from 127.0.0.1"


def test_a_service_whose_secret_was_renewed_reads_why_its_tokens_ended(admin: Door) -> None:
    """Each of its token families says why it ended, for any number of them."""
    service = save_application(
        "backup", by="test", confidential=True, secret_hash=digest("a secret"), grants=["client_credentials"]
    )
    about = {"application": service, "issuer": "http://acme.test", "scopes": [], "tenant": service.tenant}
    for identifier in ("a", "b"):
        later = timezone.now() + timedelta(minutes=10)
        TokenFamily.objects.create(identifier=identifier, authenticated_at=later, expires_at=later, **about)
    rotate_secret("backup", by=Person.objects.get(username="alice"))
    for identifier in ("a", "b"):
        (line,) = history(text(admin, f"/console/consents/one/{identifier}"))
        assert line == "alice revoked the tokens of backup for Service account backup: new secret"


def test_a_key_shows_who_created_it_and_who_retired_it(admin: Door) -> None:
    """The history covers a regular rotation and one after a theft."""
    first = SigningKey.objects.get().kid
    posted(admin, "/console/keys/rotate", {"old": "keep"})
    second = SigningKey.objects.exclude(kid=first).get().kid
    posted(admin, "/console/keys/rotate", {"old": "revoke", "name": "acme"})
    retired = f"alice retired the signing key {{}} from {FROM}: {{}}"
    assert history(text(admin, f"/console/keys/one/{first}")) == [
        retired.format(first, "refused at once"),
        retired.format(first, "verifies for two more days"),
    ]
    assert history(text(admin, f"/console/keys/one/{second}")) == [
        retired.format(second, "refused at once"),
        f"alice created the signing key {second} from {FROM}",
    ]


def test_branding_domains_and_mails_show_who_changed_what(admin: Door) -> None:
    """The history shows which keys were changed, and from where."""
    form = {
        "title": "Acme GmbH",
        "accent": "#4f46e5",
        "networks": "127.0.0.0/8",
        "mail_from": "",
        "domains": "acme.test\n*.acme.test\na.example",
    }
    etag = re.search(r'name="etag" value="(\w+)"', text(admin, "/console/branding/"))
    assert etag
    posted(admin, "/console/branding/", {**form, "etag": etag[1]})
    assert (
        history(text(admin, "/console/branding/"))[0]
        == f"alice changed the tenant acme from {FROM}: title, domains"
    )
    posted(admin, MAIL, OWN)
    posted(admin, f"{MAIL}/shipped", {})
    gone, worded = history(text(admin, MAIL))
    assert gone == f"alice reset the email template recovery to default from {FROM}"
    assert worded.startswith("alice edited the email template recovery")


def test_people_groups_applications_and_scopes_show_what_was_changed(admin: Door) -> None:
    """A manual change in the console shows the keys and the address of the person who made it."""
    form = {
        "etag": _etag(admin, "/console/people/one/bob"),
        "name": "Bobby",
        "email": "",
        "groups": "staff",
        "active": "on",
    }
    posted(admin, "/console/people/one/bob", form)
    assert (
        history(text(admin, "/console/people/one/bob"))[0]
        == f"alice changed bob from {FROM}: email, groups, name"
    )
    posted(admin, "/console/groups/add", {"group": "night-shift"})
    assert history(text(admin, "/console/groups/one/night-shift")) == [
        f"alice created the group night-shift from {FROM}"
    ]
    posted(admin, "/console/applications/do/deactivate", {"key": "tv", "sure": "1"})
    assert (
        history(text(admin, "/console/applications/one/tv"))[0]
        == f"alice changed the application tv from {FROM}: active"
    )
    posted(admin, "/console/scopes/add", {"scope": "acme:print", "title": "Print", "description": ""})
    assert history(text(admin, "/console/scopes/one/acme:print")) == [
        f"alice created the scope acme:print from {FROM}"
    ]


def _etag(opened: Door, path: str) -> str:
    found = re.search(r'name="etag" value="(\w+)"', text(opened, path))
    assert found
    return found[1]


def test_blueprints_show_what_was_applied_drifted_and_entered(
    admin: Door, write_blueprint: Callable[..., Path]
) -> None:
    """The history is on the page of all blueprints, and on the page of an object that has drifted."""
    apply(
        [write_blueprint("tenant: acme\n---\ngroup: crew\n---\nscope: acme:read\ntitle: Read\n")],
        name="crew.yaml",
        by="clerk",
    )
    owned = Owned.objects.get(kind="scope", name="acme:read")
    assert history(text(admin, f"/console/owned/one/{owned.pk}")) == ["No activity yet."]
    posted(
        admin,
        "/console/scopes/one/acme:read",
        {"etag": _etag(admin, "/console/scopes/one/acme:read"), "title": "Look", "description": ""},
    )
    record_drift()
    drifted = "acme:read has drifted from its blueprint: title"
    assert history(text(admin, f"/console/owned/one/{owned.pk}")) == [drifted]
    secrets.save("smtp", "never told", by="clerk")
    page = text(admin, "/console/blueprints/")
    assert history(page)[:3] == [
        "clerk set the secret smtp",
        drifted,
        "clerk applied the blueprint crew.yaml",
    ]
    assert "never told" not in page


def test_a_flow_shows_its_changes_and_a_run_what_happened_in_it(admin: Door, door: Doors) -> None:
    """A wrong password belongs to the run; a discarded draft and an inspected run belong to the flow."""
    name = door().page("/device").submit(name="bob").submit(password="wrong").response.wsgi_request.path
    run = Run.objects.get(identifier__in=name.split("/"))
    flow = run.version.flow.name
    page = text(admin, f"/console/runs/{run.identifier}")
    assert history(page) == [
        f"alice viewed a run of {flow} from {FROM}",
        "Wrong password for bob from 127.0.0.1",
    ]
    publish("flow.draft_discarded", actor="editor", target=flow)
    lines = history(text(admin, f"/console/flows/{flow}/versions"))
    assert lines[:2] == [
        f"editor discarded the draft of {flow}",
        f"alice viewed a run of {flow} from {FROM}",
    ]
    assert "Wrong password" not in " ".join(lines)


def test_a_device_links_from_its_timeline_to_its_events(admin: Door, door: Doors) -> None:
    """The page of a device links to the events of its request and of the resulting tokens.

    It does so when the request has been deleted, too.
    """
    device = door()
    started = device.start()
    device.approve(started, name="bob", password="bob-password-22")
    device.poll(started)
    pk = DeviceCode.objects.get().pk
    found = text(admin, all_of_it(text(admin, f"/console/devices/{pk}/")))
    assert all(words in found for words in ("requested access", "approved", "got tokens"))
    DeviceCode.objects.all().delete()
    assert all_of_it(text(admin, f"/console/devices/{pk}/")).endswith(f"?topic=device%3A{pk}")


def test_ten_are_shown_and_the_list_has_them_all(admin: Door) -> None:
    """The page shows the latest ten, newest first, and links to a list of exactly these events."""
    for number in range(12):
        publish("group.created", actor=f"clerk-{number}", target="staff")
    publish("group.created", actor="nobody-else", target="crew")
    page = text(admin, "/console/groups/one/staff")
    assert [line.split()[0] for line in history(page)] == [f"clerk-{number}" for number in range(11, 1, -1)]
    whole = text(admin, all_of_it(page))
    assert all(f"clerk-{number}" in whole for number in range(12))
    assert "nobody-else" not in whole
    assert "1–13 of 13" in whole  # including the event of its creation


PAGES = {
    "/console/branding/": {"kind": "tenant.changed", "target": "acme"},
    "/console/groups/one/staff": {"kind": "group.created", "target": "staff"},
    "/console/applications/one/tv": {"kind": "application.changed", "target": "tv"},
    "/console/flows/connect-a-device/versions": {"kind": "flow.published", "target": "connect-a-device"},
    MAIL: {"kind": "mail.changed", "target": "recovery"},
}


@pytest.mark.parametrize("path", PAGES)
def test_it_is_for_those_who_may_see_events(acme: Tenant, door: Doors, path: str) -> None:
    """An editor sees the object without its history; an auditor sees both."""
    publish(actor="a-clerk", **PAGES[path])
    page = text(signed_in(door, "editor"), path)
    assert "Activity</h2>" not in page
    assert "a-clerk" not in page
    assert any("a-clerk" in line for line in history(text(signed_in(door, "auditor"), path)))


@pytest.mark.parametrize("path", PAGES)
def test_another_tenants_history_is_not_shown(acme: Tenant, other: Tenant, door: Doors, path: str) -> None:
    """Neither the page nor the linked list has events of another tenant's objects of the same name."""
    publish(actor="a-clerk", **PAGES[path])
    with tenant_scope(other):
        publish(actor="their-clerk", **PAGES[path])
    admin = signed_in(door, "admin")
    page = text(admin, path)
    assert "a-clerk" in page
    assert "their-clerk" not in page + text(admin, all_of_it(page))


def test_a_number_of_another_tenant_leads_to_nothing(acme: Tenant, other: Tenant, door: Doors) -> None:
    """A number of another tenant's object is a 404, and matches nothing in the list of events.

    Numbers are unique across tenants.
    """
    with tenant_scope(other):
        door("other.test").sign_in()
        theirs = Session.objects.get().pk
    admin = signed_in(door, "admin")
    assert admin.http.get(f"/console/sessions/one/{theirs}").status_code == 404
    assert "No results" in text(admin, f"/console/events/?topic=session:{theirs}")


def test_a_tenant_shows_its_changes_to_the_owner_of_the_installation(
    tenants: dict[str, Tenant], door: Doors
) -> None:
    """The installation's owner sees who changed a tenant's branding and domains.

    They see no addresses, no links that lead elsewhere, and no other events of that tenant.
    """
    installed()
    with tenant_scope(tenants["acme"]):
        posted(
            signed_in(lambda host: door(host, address=FROM), "admin"),
            "/console/groups/add",
            {"group": "night-shift"},
        )
        publish("tenant.changed", actor="carol", target="acme", keys=["title"])
    with tenant_scope(tenants["other"]):
        publish("tenant.changed", actor="their-clerk", target="acme", keys=["title"])
    page = text(signed_in(door, "owner", "localhost"), "/console/tenants/one/acme")
    assert history(page)[0] == "carol changed the tenant acme: title"
    assert all("tenant" in line for line in history(page))
    assert "people/one/carol" not in page
    assert "View in audit log" not in page
    assert FROM not in page
    assert "their-clerk" not in page


def test_hostile_names_stay_texts(acme: Tenant, door: Doors) -> None:
    """Keys, names and reasons are shown as text."""
    hostile = "<script>alert(1)</script>"
    publish("tenant.changed", actor=hostile, target="acme", keys=[hostile, {"a": 1}])
    page = text(signed_in(door, "auditor"), "/console/branding/")
    assert "<script>alert" not in page
    assert history(page)[0] == f"{hostile} changed the tenant acme: {hostile}, {{'a': 1}}"
