"""Applications by recipe through the API: the questions, the result, the secret shown once, and programs."""

import json
from typing import Any

import pytest

from blueprints.objects.recipes import RECIPES
from idp.events.models import Event
from idp.oauth.models import Application
from idp.tenancy.models import Tenant
from tests.support.client import Doors
from tests.support.oauth import TOKEN, basic, tokens_of
from tests.web.api.conftest import Programs


def test_the_questions(program: Programs, acme: Tenant) -> None:
    """Every recipe lists its questions and choices, and what it sets by itself and why.

    A service has no question about groups.
    """
    found = {each["name"]: each for each in program().get("recipes/")["recipes"]}
    assert list(found) == list(RECIPES)
    asked = {name: [each["name"] for each in recipe["questions"]] for name, recipe in found.items()}
    assert asked == {
        name: ["title", *(["groups"] if name != "service" else []), "scopes"] for name in RECIPES
    }
    questions = {each["name"]: each for each in found["tv"]["questions"]}
    assert [name for name, each in questions.items() if each["required"]] == ["title"]
    assert questions["groups"]["choices"] == [{"value": "staff", "title": "staff"}]
    assert {"value": "acme:read", "title": "Read your Acme data"} in questions["scopes"]["choices"]
    assert "foyer:write" not in str(questions)
    assert found["kiosk"]["document"]["device"] == dict(RECIPES["kiosk"].document["device"])
    assert len(found["kiosk"]["why"]) == len(RECIPES["kiosk"].why)
    assert "other:read" in str(program(host="other.test").get("recipes/"))


def test_a_television(program: Programs, acme: Tenant, door: Doors) -> None:
    """Three answers create a working application in the caller's name; the programs contain its values."""
    admin = program()
    made = admin("POST", "recipes/tv", {"title": " Living room ", "groups": ["staff"], "scopes": ["profile"]})
    body = made.json()
    assert (made.status_code, made["Location"], body["client_secret"]) == (
        201,
        "/api/applications/living-room",
        "",
    )
    seen = admin("GET", "applications/living-room")
    assert (seen.json(), seen["ETag"]) == (body["application"], made["ETag"])
    assert body["application"]["scopes"] == ["openid", "offline_access", "profile"]
    assert (body["application"]["title"], body["application"]["groups"]) == ("Living room", ["staff"])
    assert (body["issuer"], body["client_id"]) == (
        "http://acme.test",
        Application.objects.get(name="living-room").client_id,
    )
    assert [(each["program"], each["language"]) for each in body["programs"]] == [
        ("device", "curl"),
        ("device", "python"),
        ("device", "javascript"),
    ]
    assert all(
        body["client_id"] in each["text"] and "client_secret" not in each["text"] for each in body["programs"]
    )
    door().approve(door().start(body["client_id"], scope="openid profile"))
    assert Event.objects.get(kind="application.created", target="living-room").actor == "admin"
    assert admin.get("applications/living-room/setup") == {
        key: body[key] for key in ("issuer", "client_id", "programs")
    }


def test_a_services_secret_is_said_once(program: Programs, acme: Tenant, door: Doors) -> None:
    """The secret is in the response that creates it and in its programs, and in no later response.

    It authenticates the service.
    """
    admin = program()
    body = admin("POST", "recipes/service", {"title": "Nightly backup", "scopes": ["acme:read"]}).json()
    secret = body["client_secret"]
    assert all(secret in each["text"] for each in body["programs"])
    assert (
        tokens_of(
            door().post(TOKEN, {"grant_type": "client_credentials"}, **basic(body["client_id"], secret))
        )["scope"]
        == "acme:read"
    )
    setup = admin.get("applications/nightly-backup/setup")
    later = [
        setup,
        admin.get("applications/nightly-backup"),
        admin.get("applications/"),
        admin.get("events/?size=200"),
    ]
    assert secret not in json.dumps([*later, admin.get("blueprints/export")])
    assert all("YOUR-CLIENT-SECRET" in each["text"] for each in setup["programs"])
    assert Application.objects.get(name="nightly-backup").secret_hash not in json.dumps(later)


@pytest.mark.parametrize(
    ("recipe", "answers", "status", "named"),
    [
        ("tv", {}, 400, ""),
        ("tv", {"title": "  "}, 400, ""),
        ("tv", {"title": "x" * 101}, 400, ""),
        ("tv", {"title": 5}, 400, ""),
        ("tv", {"title": "Sly", "scopes": "profile"}, 400, ""),
        ("tv", {"title": "Sly", "grants": ["client_credentials"]}, 400, ""),
        ("tv", {"title": "Sly", "client_secret": "my own"}, 400, ""),
        ("tv", {"title": "TV"}, 409, "title"),
        ("tv", {"title": "Sly", "scopes": ["foyer:write"]}, 409, "scopes"),
        ("tv", {"title": "Sly", "scopes": ["other:read"]}, 409, "scopes"),
        ("tv", {"title": "Sly", "groups": ["nowhere"]}, 409, "groups"),
        ("service", {"title": "Sly", "scopes": ["email"]}, 409, "scopes"),
        ("service", {"title": "Sly", "groups": ["staff"]}, 400, "groups"),
        ("mainframe", {"title": "Sly"}, 404, ""),
    ],
)
def test_what_cannot_be(
    program: Programs, acme: Tenant, recipe: str, answers: dict[str, Any], status: int, named: str
) -> None:
    """An invalid answer is refused at its question, and nothing is created.

    A recipe accepts nothing that it does not offer.
    """
    admin = program()
    before = Application.objects.count()
    response = admin("POST", f"recipes/{recipe}", answers)
    assert response.status_code == status, response.content
    assert set(response.json().get("errors", {})) == ({named} if named else set())
    assert Application.objects.count() == before


@pytest.mark.parametrize(
    ("role", "makes", "looks"),
    [("auditor", 403, 200), ("helpdesk", 403, 200), ("editor", 403, 200), ("nobody", 403, 403)],
)
def test_roles(program: Programs, acme: Tenant, role: str, makes: int, looks: int) -> None:
    """Roles that may edit applications read the questions and create one, as on the pages.

    Roles that may see applications read how they are set up.
    """
    acting = program(role)
    assert acting("POST", "recipes/tv", {"title": "Sly"}).status_code == makes
    assert acting("GET", "recipes/").status_code == makes
    assert acting("GET", "applications/kiosk/setup").status_code == looks
    assert not Application.objects.filter(name="sly").exists()


def test_another_tenants_application_is_not_there(program: Programs) -> None:
    """An application is created in this tenant only, and no other tenant reads how it is set up."""
    program(host="other.test")("POST", "recipes/tv", {"title": "Living room"})
    admin = program()
    assert admin("GET", "applications/living-room/setup").status_code == 404
    assert admin("POST", "recipes/tv", {"title": "Living room"}).status_code == 201
    assert Application.unscoped.filter(name="living-room").count() == 2
