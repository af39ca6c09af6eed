"""Objects through the API: lists, single objects, writes with preconditions, and actions.

Two tenants never meet.
"""

import json
from typing import Any
from urllib.parse import quote

import pytest

from idp.accounts.models import Credential, Group, Person, RecoveryLink, Session
from idp.events.models import Event
from idp.oauth.models import Application
from idp.outbox.models import Delivery
from tests.web.api.conftest import Programs
from web.administration.resources import RESOURCES

pytestmark = pytest.mark.both_modes


@pytest.mark.parametrize("name", [name for name in RESOURCES if name not in ("runs", "tenants")])
def test_every_list_is_of_this_tenant_alone(program: Programs, name: str) -> None:
    """A list has rows, total, page, size and whether there are more, and no objects of the other tenant."""
    ours, theirs = program().get(f"{name}/"), program(host="other.test").get(f"{name}/")
    assert set(ours) == {"rows", "total", "page", "size", "has_next"}
    assert (
        not {row["key"] for row in ours["rows"]} & {row["key"] for row in theirs["rows"]}
        or RESOURCES[name].listing.key != "pk"
    )
    for row in ours["rows"]:
        assert set(row) == {"key", *(column.name for column in RESOURCES[name].listing.columns)}


def test_pages_and_links(program: Programs, acme: Any) -> None:
    """Lists are paginated in the requested order, with links to the adjacent pages (RFC 8288)."""
    Group.objects.bulk_create([Group(tenant=acme, name=f"group {number:02}") for number in range(25)])
    admin = program()
    first = admin("GET", "groups/?search=group&order=-name&size=10")
    assert [row["name"] for row in first.json()["rows"]][:2] == ["group 24", "group 23"]
    assert first["Link"] == '</api/groups/?search=group&order=-name&size=10&page=2>; rel="next"'
    second = admin("GET", first["Link"].split(">")[0].removeprefix("</api/"))
    assert (second.json()["rows"][0]["name"], second.json()["page"]) == ("group 14", 2)
    assert [part.split('rel="')[1][:4] for part in second["Link"].split(", ")] == ["prev", "next"]
    last = admin.get("groups/?search=group&size=10&page=3")
    assert (len(last["rows"]), last["total"], last["has_next"]) == (5, 25, False)


@pytest.mark.parametrize(
    "query",
    [
        "activ=yes",
        "active=perhaps",
        "order=password",
        "page=0",
        "page=x",
        "size=201",
        "search=" + "x" * 101,
        "page=1e99",
    ],
)
def test_an_unknown_filter_is_refused(program: Programs, query: str) -> None:
    """An unknown filter is refused; ignoring it would return everything."""
    response = program()("GET", f"people/?{query}")
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


def test_filters(program: Programs) -> None:
    """Lists are filtered by name, by one filter and by several."""
    admin = program()
    assert [row["key"] for row in admin.get("people/?active=no")["rows"]] == ["inactive"]
    assert [row["key"] for row in admin.get("people/?group=staff&active=yes")["rows"]] == ["alice"]
    assert admin.get("people/?group=%00")["rows"] == admin.get("people/")["rows"]


def test_written_looked_at_and_deleted(program: Programs) -> None:
    """An object is created, read, changed and deleted, and each step is an event of this person.

    Creation returns 201 with the address and the document; after deletion with 204 the address is a 404.
    """
    admin = program()
    made = admin(
        "PUT", "people/clerk", {"name": "Clerk", "groups": ["staff"], "password": "clerk-password-1"}
    )
    assert (made.status_code, made["Location"]) == (201, "/api/people/clerk")
    seen = admin("GET", "people/clerk")
    assert (
        seen.json()
        == made.json()
        == seen.json() | {"person": "clerk", "name": "Clerk", "groups": ["staff"], "active": True, "role": ""}
    )
    assert "password" not in seen.json()
    changed = admin("PATCH", "people/clerk", {"email": "clerk@acme.test"}, if_match=seen["ETag"])
    assert (changed.status_code, changed.json()["email"], changed.json()["name"]) == (
        200,
        "clerk@acme.test",
        "Clerk",
    )
    assert admin("PATCH", "people/clerk", {"name": "X"}, if_match=seen["ETag"]).status_code == 412
    gone = admin("DELETE", "people/clerk", if_match=changed["ETag"])
    assert (gone.status_code, gone.content) == (204, b"")
    assert admin("GET", "people/clerk").status_code == 404
    recorded = Event.unscoped.filter(target="clerk").values_list("kind", "actor")
    assert {("person.created", "admin"), ("person.changed", "admin"), ("person.deleted", "admin")} <= set(
        recorded
    )


def test_preconditions(program: Programs) -> None:
    """RFC 9110 section 13: If-Match and If-None-Match are evaluated, and both accept ``*``.

    A request without a precondition is a 428 (RFC 6585).
    """
    admin = program()
    put, body = ("PUT", "scopes/a"), {"title": "A"}
    assert admin(*put, body, if_match="*").status_code == 412
    assert admin(*put, body, if_match='"x"').status_code == 412
    assert admin(*put, body, if_none_match="*").status_code == 201
    assert admin(*put, body, if_none_match="*").status_code == 412
    assert admin(*put, body).status_code == 428
    etag = admin("GET", "scopes/a")["ETag"]
    assert admin(*put, body, if_match=f"W/{etag}").status_code == 412, (
        "If-Match compares strongly (section 8.8.3.2)"
    )
    assert admin(*put, {"title": "B"}, if_match=f'"x", {etag}').status_code == 200
    assert admin(*put, {"title": "C"}, if_match=etag).status_code == 412
    assert admin(*put, {"title": "C"}, if_match="*").json()["title"] == "C"
    assert admin("PATCH", "scopes/a", {"description": "Words"}).json()["title"] == "C"
    assert admin("PATCH", "scopes/b", {"title": "B"}, if_match="*").status_code == 404
    assert admin("DELETE", "scopes/a", if_match=etag).status_code == 412
    now = admin("GET", "scopes/a")["ETag"]
    known = admin("GET", "scopes/a", if_none_match=f"W/{now}")
    assert (known.status_code, known.content, known["ETag"]) == (304, b"", now)
    assert admin("DELETE", "scopes/a").status_code == 204


@pytest.mark.parametrize(
    "key",
    [
        "a/b",
        "...",
        "a b",
        "ä?#%",
        "key/actions/delete",
        "actions/delete",
        "🦊",
        "a\\..\\b",
        "%2F",
        "%2e%2e",
        ".a/b.",
    ],
)
def test_any_key(program: Programs, key: str) -> None:
    """A key may have slashes, spaces and other special characters, and may look like another address."""
    admin, path = program(), f"groups/{quote(key, safe='')}"
    assert admin("PUT", path, {}, if_none_match="*").status_code == 201
    assert admin.get(path) == {"group": key}
    assert key in [row["key"] for row in admin.get("groups/?size=200")["rows"]]
    assert admin("DELETE", path).status_code == 204
    assert not Group.unscoped.filter(name=key).exists()


def test_what_cannot_be_is_named_by_key(program: Programs) -> None:
    """An invalid document is a 400 and a conflicting one a 409, each by key.

    The response repeats no part of a secret.
    """
    admin = program()
    wrong = admin("PUT", "people/clerk", {"nme": "x", "active": "perhaps", "password": ["hunter2"]})
    assert (wrong.status_code, set(wrong.json()["errors"])) == (400, {"nme", "active", "password"})
    assert "hunter2" not in wrong.content.decode()
    other = admin("PUT", "people/clerk", {"groups": ["nowhere"], "email": "alice@acme.test"})
    assert (other.status_code, set(other.json()["errors"])) == (409, {"groups.0", "email"}), (
        "all errors are reported at once"
    )
    named = admin("PUT", "people/clerk", {"person": "bob"})
    assert (named.status_code, set(named.json()["errors"])) == (400, {"person"})
    assert not Person.unscoped.filter(username="clerk").exists()


@pytest.mark.parametrize(
    "body", ["", "[]", "{", '"x"', "null", '{"name": NaN}', '{"attributes": {"a": -1e999}}']
)
def test_a_body_that_is_no_object(program: Programs, body: str) -> None:
    """A body that is no object is a 400 from the view and the framework alike; non-JSON is a 415."""
    for path in ("people/clerk", "people/bob"):
        assert program()("PUT", path, body, if_match="*").status_code == (
            400 if path.endswith("bob") else 412
        )
    assert program()("POST", "keys/rotate", body).status_code == 400
    typed = program().http.put(
        "/api/people/bob", "x", content_type="text/plain", HTTP_AUTHORIZATION=f"Bearer {program().token}"
    )
    assert typed.status_code == 415


def test_a_person_is_helped_back_in(program: Programs, acme: Any) -> None:
    """A person is helped back in as on the page: by a mailed link, or by a reset of a lost second factor.

    No one helps themselves, a person with more rights, or a person of another tenant.
    """
    helpdesk = program("helpdesk")
    Credential.objects.create(person=Person.objects.get(username="bob"), kind="totp", tenant=acme)
    assert helpdesk("POST", "people/bob/forget-factors").json() == {"changed": True}
    assert helpdesk("POST", "people/bob/forget-factors").json() == {"changed": False}
    assert helpdesk("POST", "people/bob/recovery-mail").json() == {"changed": True}
    Person.objects.filter(username="bob").update(email="")
    assert helpdesk("POST", "people/bob/recovery-mail").status_code == 409, "bob has no address"
    assert (RecoveryLink.objects.get().person.username, Delivery.objects.count()) == ("bob", 1)
    program("admin")
    for what in ("forget-factors", "recovery-mail", "recovery-link"):
        for name, status in (("admin", 403), ("helpdesk", 403), ("nobody-here", 404)):
            assert helpdesk("POST", f"people/{name}/{what}").status_code == status
    assert program("helpdesk", host="other.test")("POST", "people/helpdesk/recovery-link").status_code == 403
    assert RecoveryLink.unscoped.count() == 1


def test_no_one_creates_a_person_with_more_rights(program: Programs) -> None:
    """An administrator creates no owner and changes none.

    Setting the role or the password would escalate their rights.
    """
    admin, owner = program("admin"), program("owner")
    assert admin("PUT", "people/clerk", {"role": "owner"}).status_code == 403
    assert admin("PATCH", "people/admin", {"role": "owner"}).status_code == 403
    assert admin("PATCH", "people/owner", {"password": "another-password-1"}).status_code == 403
    assert admin("DELETE", "people/owner").status_code == 403
    assert admin("POST", "people/owner/recovery-link").status_code == 403
    assert admin("POST", "people/admin/recovery-link").status_code == 403, (
        "a stolen token issues no link for its own person"
    )
    assert admin("POST", "people/owner/actions/sign-out").status_code == 403
    many = admin("POST", "people/actions/delete", {"keys": ["owner", "bob"]}).json()["results"]
    assert [each["outcome"] for each in many] == ["not_allowed", "changed"]
    assert owner("PATCH", "people/admin", {"role": "auditor"}).json()["role"] == "auditor"
    assert admin("PATCH", "people/alice", {"name": "Alice"}).status_code == 403, (
        "the token is limited to its person's rights, at once"
    )


def test_actions(program: Programs, acme: Any, door: Any) -> None:
    """An action applies to one object or to several, each by itself, and skips what is already so."""
    admin = program()
    assert admin("POST", "people/bob/actions/deactivate").json() == {"changed": True}
    assert admin("POST", "people/bob/actions/deactivate").json() == {"changed": False}
    assert admin("POST", "people/strange/actions/deactivate").status_code == 404
    done = admin("POST", "people/actions/activate", {"keys": ["bob", "alice", "strange", "owner"]})
    assert [(each["key"], each["outcome"]) for each in done.json()["results"]] == [
        ("bob", "changed"),
        ("alice", "unchanged"),
        ("strange", "not_found"),
        ("owner", "not_found"),
    ]
    assert admin("POST", "people/actions/activate", {"keys": []}).status_code == 400
    door().sign_in()
    session = Session.objects.get(person__username="alice")
    assert admin("POST", f"sessions/{session.pk}/actions/end").json() == {"changed": True}
    session.refresh_from_db()
    assert session.ended_at is not None


def test_the_other_tenants_are_not_there(program: Programs) -> None:
    """Another tenant's object is a 404 by name and by number for every method, and stays unchanged."""
    admin, neighbour = program(), program(host="other.test")
    neighbour("PUT", "groups/theirs", {})
    with_pk = neighbour.get("consents/")["rows"][0]["key"]
    assert admin("GET", "groups/theirs").status_code == 404
    assert admin("PATCH", "groups/theirs", {}).status_code == 404
    assert admin("DELETE", "groups/theirs").status_code == 404
    assert admin("GET", f"consents/{with_pk}").status_code == 404
    assert admin("POST", f"consents/{with_pk}/actions/revoke").status_code == 404
    assert neighbour.get("groups/theirs") == {"group": "theirs"}


def test_a_secret_is_said_once(program: Programs) -> None:
    """A new client secret is in the one response that creates it; the application and lists never show it."""
    admin = program()
    made = admin("POST", "applications/kiosk/secret")
    secret = made.json()["client_secret"]
    everything = json.dumps(
        [admin.get("applications/kiosk"), admin.get("applications/"), admin.get("events/")]
    )
    assert len(secret) >= 32
    assert secret not in everything
    assert Application.unscoped.get(name="kiosk", tenant__name="acme").secret_hash not in everything
    assert admin("POST", "applications/tv/secret").status_code == 409, "a public client has no secret"
    assert admin("POST", "applications/strange/secret").status_code == 404


def test_keys_branding_and_mails(program: Programs) -> None:
    """A signing key, the branding and a mail template are changed; those of the other tenant stay."""
    admin = program()
    kid = admin("POST", "keys/rotate", {}).json()["kid"]
    assert admin.get("keys/")["rows"][0]["kid"] == kid
    face = admin("GET", "branding")
    assert (
        admin("PATCH", "branding", {"title": "Acme Ltd"}, if_match=face["ETag"]).json()["title"] == "Acme Ltd"
    )
    assert admin("PATCH", "branding", {"title": "Again"}, if_match=face["ETag"]).status_code == 412
    assert admin("PATCH", "branding", {"domains": ["acme.test", "other.test"]}).status_code == 409
    assert admin("PUT", "mails/recovery", {"subject": "Come back", "text": "{{ link }}"}).status_code == 201
    assert admin.get("mails/")["rows"][0]["subject"] == "Come back"
    assert program(host="other.test").get("branding")["title"] == "Other"
    assert program(host="other.test").get("mails/")["rows"] == []


def test_the_shipped_mails(program: Programs) -> None:
    """The API returns the default text of each mail and its variables, as a start for a customized text."""
    admin = program("admin")
    (shipped,) = [
        each for each in program("auditor").get("shipped-mails/")["mails"] if each["mail"] == "recovery"
    ]
    assert {"link", "tenant"} <= set(shipped["words"])
    wording = {name: shipped[name] for name in ("subject", "text", "html")}
    assert admin("PUT", "mails/recovery", wording).status_code == 201
    assert admin.get("mails/recovery") == {"mail": "recovery", **wording}
    assert program("nobody")("GET", "shipped-mails/").status_code == 403
