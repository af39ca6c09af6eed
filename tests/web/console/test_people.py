"""Helping people: a recovery link, a reset of the second factor, and the role.

No one helps a person who has more rights.
"""

import html
import json
import re
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.hashers import make_password
from django.utils import timezone

from idp.accounts.bulk import LastAdministrator
from idp.accounts.models import Credential, Person, RecoveryLink, Session
from idp.events.models import Event
from idp.outbox.models import Delivery
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import Doors
from tests.web.console.signed_in import followed, posted, signed_in, text

HELP, LINK, MAIL, RESET, ROLE = (
    f"/console/people/{what}/bob" for what in ("help", "link", "mail", "reset", "role")
)


def _bob(**values: object) -> Person:
    Person.objects.filter(username="bob").update(**values)
    return Person.objects.get(username="bob")


def test_a_recovery_link_is_shown_once_and_works(acme: Tenant, door: Doors) -> None:
    """The link lets bob set a password; no other page and no event has it."""
    clerk = signed_in(door, "helpdesk")
    page = followed(clerk, LINK)
    link = re.search(r"http://acme\.test/recover/[\w-]+", page)
    assert link
    path = urlsplit(link[0]).path
    assert path not in text(clerk, HELP) + text(clerk, LINK)
    assert path.rpartition("/")[2] not in str(list(Event.objects.values()))
    bob = door()
    assert bob.http.post(path, {"password": "a new password of bob"}).status_code == 303
    assert bob.sign_in("bob", "a new password of bob").step == "device_code"
    assert Event.objects.filter(kind="person.recovery_link_made", actor="alice", target="bob").count() == 1


def test_a_recovery_link_is_mailed_to_the_address_that_is_known(acme: Tenant, door: Doors) -> None:
    """The link is mailed to no other address; without one nothing is sent, and the page says what to do."""
    clerk = signed_in(door, "helpdesk")
    assert posted(clerk, MAIL, {"email": "mallory@evil.test"}) == HELP
    assert "link sent to bob@acme.test" in text(clerk, HELP)
    assert json.loads(Delivery.objects.get().payload)["to"] == "bob@acme.test"
    _bob(email="")
    posted(clerk, MAIL, {})
    assert "has no email address" in text(clerk, HELP)
    assert Delivery.objects.count() == 1


def test_a_second_factor_is_reset_after_asking(acme: Tenant, door: Doors) -> None:
    """A confirmed reset removes every credential but the password, and ends every session.

    A person who found the phone may be signed in with it.
    """
    clerk, bob = signed_in(door, "helpdesk"), door()
    bob.sign_in("bob", "bob-password-22")
    person = _bob()
    Credential.objects.create(person=person, kind="totp")
    for _ in range(3):
        Credential.objects.create(person=person, kind="recovery_code")
    asked = posted(clerk, RESET, {}, status=200)
    assert "ends all its sessions" in asked
    assert Credential.objects.filter(person=person).count() == 4
    posted(clerk, RESET, {"sure": "1"})
    assert not Credential.objects.filter(person=person).exists()
    assert not Session.objects.filter(person=person, ended_at=None).exists()
    assert "not signed in" in bob.page("/").text.lower()
    gone = Event.objects.filter(kind="person.credential_removed", actor="alice", target="bob")
    assert sorted(event.data["credential"] for event in gone) == ["recovery_code", "totp"]


@pytest.mark.parametrize("role", ["admin", "owner", "editor"])
def test_no_one_helps_a_person_with_more_rights(acme: Tenant, door: Doors, role: str) -> None:
    """A recovery link for an administrator is a 403 for the help desk, and is not offered.

    It would make them an administrator.
    """
    clerk = signed_in(door, "helpdesk")
    _bob(role=role)
    Credential.objects.create(person=_bob(), kind="totp")
    for path, form in ((LINK, {}), (MAIL, {}), (RESET, {"sure": "1"}), (ROLE, {"role": ""})):
        assert clerk.http.post(path, form).status_code == 403, path
    page = text(clerk, HELP)
    assert "manage someone with a higher role" in page
    assert LINK not in page
    assert (RecoveryLink.objects.count(), Credential.objects.count(), _bob().role) == (0, 1, role)


def test_a_role_is_set_within_what_one_may_do_oneself(acme: Tenant, door: Doors) -> None:
    """An administrator assigns roles up to their own rights; an unknown role is refused."""
    admin = signed_in(door, "admin")
    posted(admin, ROLE, {"role": "helpdesk"})
    assert _bob().role == "helpdesk"
    assert admin.http.post(ROLE, {"role": "owner"}).status_code == 403
    for role in ("root", "Owner", "owner ", "\uff4fwner", "o\u200bwner"):
        page = posted(admin, ROLE, {"role": role}, status=400)
        assert '<a href="#role">Role</a>' in page
        assert 'aria-describedby="role-error"' in page
    assert _bob().role == "helpdesk"
    own = posted(admin, "/console/people/role/alice", {"role": ""}, status=400)
    assert LastAdministrator.__doc__ is not None
    assert LastAdministrator.__doc__ in html.unescape(own)
    assert Event.objects.filter(kind="person.changed", actor="alice", target="bob").count() == 1


def test_an_auditor_sees_and_does_nothing(acme: Tenant, door: Doors) -> None:
    """The credentials listed are this person's, and only permitted roles see the buttons."""
    bob = door(address="203.0.113.9")
    bob.sign_in("bob", "bob-password-22")
    auditor = signed_in(door, "auditor")
    page = text(auditor, HELP)
    assert "203.0.113.9" in page
    assert "signed in" in page
    assert "<form" not in page[page.index('id="help"') : page.index("</main>")]
    for path in (LINK, MAIL, RESET, ROLE):
        assert auditor.http.post(path, {"sure": "1"}).status_code == 403


def test_recovery_codes_are_one_row(acme: Tenant, door: Doors) -> None:
    """An app is listed beside ten recovery codes, which are one row.

    The button says that it deletes all codes.
    """
    clerk, person = signed_in(door, "helpdesk"), _bob()
    Credential.objects.create(person=person, kind="totp", name="Telephone")
    for number in range(10):
        Credential.objects.create(
            person=person, kind="recovery_code", used_at=None if number else timezone.now()
        )
    page = text(clerk, HELP)
    assert re.findall(r">(Remove(?: all)?)</button>", page) == ["Remove", "Remove all"]
    assert "9 left" in page
    assert re.findall(r"<b>\s*(Authenticator app|Recovery codes)\s*</b>", page) == [
        "Authenticator app",
        "Recovery codes",
    ]
    assert "<bdi>Telephone</bdi>" in page
    (key,) = re.findall(r'name="key" value="(\d+)"[^§]*?Remove all', page.partition("9 left")[2])
    posted(clerk, "/console/credentials/do/remove", {"key": key, "sure": "1"})
    assert [row.kind for row in Credential.objects.filter(person=person)] == ["totp"]


def test_no_one_helps_themselves(acme: Tenant, door: Doors) -> None:
    """A stolen session does not bypass what protects its own person.

    People change their own credentials at /credentials, with a proof.
    """
    admin = signed_in(door, "owner")
    Credential.objects.create(person=Person.objects.get(username="alice"), kind="totp")
    for what in ("link", "mail", "reset"):
        assert admin.http.post(f"/console/people/{what}/alice", {"sure": "1"}).status_code == 403
    assert (RecoveryLink.objects.count(), Credential.objects.count()) == (0, 1)
    key = {"key": str(Credential.objects.get().pk), "sure": "1", "back": "/console/people/help/alice"}
    assert posted(admin, "/console/credentials/do/remove", key) == key["back"]
    assert Credential.objects.count() == 1
    page = text(admin, "/console/people/help/alice")
    assert 'href="/credentials"' in page
    assert "/console/people/link/alice" not in page


def test_another_tenants_person_is_not_there(acme: Tenant, other: Tenant, door: Doors) -> None:
    """A person who exists only in another tenant is a 404; one of the same name there stays unchanged."""
    admin = signed_in(door, "admin")
    with tenant_scope(other):
        Person.objects.create(username="clerk", password=make_password("x"))
        Credential.objects.create(person=Person.objects.get(username="bob"), kind="totp")
    for what in ("link", "mail", "reset", "role"):
        assert admin.http.post(f"/console/people/{what}/clerk", {"sure": "1"}).status_code == 404
    assert admin.http.get("/console/people/help/clerk").status_code == 404
    posted(admin, RESET, {"sure": "1"})
    with tenant_scope(other):
        assert Credential.objects.count() == 1


def test_it_is_a_part_of_the_persons_page(acme: Tenant, door: Doors) -> None:
    """The page of the person loads this section, and links to it without JavaScript; names stay text."""
    admin = signed_in(door, "admin")
    assert f'hx-get="{HELP}"' in text(admin, "/console/people/one/bob")
    _bob(name="<script>alert(1)</script>")
    part = admin.http.get(HELP, headers={"HX-Request": "true", "HX-Target": "help"}).content.decode()
    assert part.strip().startswith('<div id="help"')
    assert "<script>alert" not in text(admin, HELP)


def test_a_new_person_needs_no_password(acme: Tenant, door: Doors) -> None:
    """The form sets no password where there is none, and says how the person signs in; that works."""
    admin = signed_in(door, "admin")
    fresh, known = text(admin, "/console/people/add"), text(admin, "/console/people/one/bob")
    assert ("to keep current value" in fresh, "to keep current value" in known) == (False, True)
    assert "set one with a recovery link" in fresh
    posted(admin, "/console/people/add", {"person": "clerk", "active": "on"})
    link = re.search(r"http://acme\.test/recover/[\w-]+", followed(admin, "/console/people/link/clerk"))
    assert link
    clerk = door()
    assert (
        clerk.http.post(urlsplit(link[0]).path, {"password": "a new password by the link"}).status_code == 303
    )
    assert clerk.sign_in("clerk", "a new password by the link").step == "device_code"
