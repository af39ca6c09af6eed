"""Names and titles: one Unicode form, no invisible characters, and an address for each of them.

The rules hold in the API, the console and blueprints.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest

from blueprints.files.apply import apply
from blueprints.files.problems import BadBlueprint
from idp.accounts.models import Group, Person
from idp.oauth.models import Application, Scope
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import Doors
from tests.web.api.conftest import Programs
from tests.web.console.signed_in import posted, signed_in, text

pytestmark = pytest.mark.both_modes

COMPOSED, APART = "Ärzte", "A\u0308rzte"
NAMED = [
    ("groups/{}", {}),
    ("people/{}", {}),
    ("people/eve", {"name": "{}"}),
    ("people/eve", {"groups": ["{}"]}),
    ("people/eve", {"attributes": {"{}": "x"}}),
    ("people/eve", {"attributes": {"x": "{}"}}),
    ("scopes/s", {"title": "{}"}),
    ("scopes/s", {"title": "x", "description": "{}"}),
    ("applications/tv", {"title": "{}"}),
    ("applications/tv", {"owner": "{}"}),
    ("applications/tv", {"groups": ["{}"]}),
    ("branding", {"title": "{}"}),
]
_ANY: dict[str, dict[str, str]] = {"PATCH": {"if_match": "*"}, "PUT": {}}
BAD = [
    ("a\u200bb", "U+200B (ZERO WIDTH SPACE)"),
    ("a\u202eb", "U+202E (RIGHT-TO-LEFT OVERRIDE)"),
    ("a\x1bb", "U+001B (ESCAPE)"),
]


def filled(body: Any, word: str) -> Any:
    """Return the body with every ``{}`` replaced."""
    if isinstance(body, dict):
        return {filled(key, word): filled(each, word) for key, each in body.items()}
    return [filled(each, word) for each in body] if isinstance(body, list) else body.replace("{}", word)


@pytest.mark.parametrize(("bad", "named"), BAD)
@pytest.mark.parametrize(("path", "body"), NAMED)
def test_the_api_names_invisible_characters(
    program: Programs, path: str, body: Any, bad: str, named: str
) -> None:
    """Invisible characters are reported in every text of every kind of object.

    This includes keys of attributes and members of lists.
    """
    admin = program()
    way = "PATCH" if path in ("branding", "applications/tv") else "PUT"
    refused = admin(way, path.replace("{}", quote(bad, safe="")), filled(body, bad), **_ANY[way])
    assert refused.status_code == 400, refused.content
    (message,) = [each for texts in refused.json()["errors"].values() for each in texts]
    assert message == f"It must not hold {named}."


@pytest.mark.parametrize(("path", "body"), NAMED)
def test_the_api_names_white_space_around(program: Programs, path: str, body: Any) -> None:
    """Surrounding white space is reported, which would allow a second group "team " beside "team".

    Only the value of an attribute may be a longer text.
    """
    if body != {"attributes": {"x": "{}"}}:
        way = "PATCH" if path in ("branding", "applications/tv") else "PUT"
        refused = program()(way, path.replace("{}", "team%20"), filled(body, "team "), **_ANY[way])
        assert refused.status_code == 400
        assert "begin or end with U+0020 (SPACE)" in str(refused.json()["errors"])


@pytest.mark.parametrize(("bad", "named"), BAD)
def test_console_and_blueprints_name_it_too(
    program: Programs, door: Doors, acme: Tenant, write_blueprint: Callable[..., Path], bad: str, named: str
) -> None:
    """The console shows the message at the field, a file gives line and key, and nothing is stored."""
    owner = signed_in(door, "owner")
    assert named in posted(owner, "/console/groups/add", {"group": bad}, status=400)
    assert named in posted(owner, "/console/people/add", {"person": "eve", "name": bad}, status=400)
    assert named in posted(owner, "/console/scopes/add", {"scope": "x", "title": bad}, status=400)
    escaped = json.dumps(bad)[1:-1]
    for blueprint in (
        f'group: "{escaped}"\n',
        f'person: eve\nname: "{escaped}"\n',
        f'mail: recovery\ntext: "{escaped} {{{{ link }}}}"\n',
    ):
        with pytest.raises(BadBlueprint, match=re.escape(named)):
            apply([write_blueprint("tenant: acme\n---\n" + blueprint)])
        message = program("owner")("POST", "blueprints/plan", {"text": blueprint})
        assert message.status_code == 400
        assert named in message.content.decode()
    assert not Group.objects.filter(name__contains="b").exists()
    assert not Person.objects.filter(username="eve").exists()


FLOW = """
flow: way
title: "{title}"
for: authentication
default: false
steps:
- {{stage: identification}}
- stage: deny
  when: '"{when}" in person.groups'
  settings: {{message: "{message}"}}
- {{stage: password}}
- {{stage: login}}
"""


@pytest.mark.parametrize("key", ["title", "message", "when"])
def test_a_flow_is_not_published_with_invisible_characters(
    acme: Tenant, write_blueprint: Callable[..., Path], key: str
) -> None:
    """The lint finding for invisible characters is at its key; a text in another form is the same flow."""
    words = {"title": "Way", "message": "No", "when": "x"}
    with pytest.raises(BadBlueprint, match=rf"{key}: It must not hold U\+200B \(ZERO WIDTH SPACE\)"):
        apply([write_blueprint("tenant: acme\n---" + FLOW.format(**{**words, key: "a\u200bb"}))])
    apply([write_blueprint("tenant: acme\n---" + FLOW.format(**{**words, key: COMPOSED}))])
    again = write_blueprint("tenant: acme\n---" + FLOW.format(**{**words, key: APART}))
    assert not apply([again]).effective


def test_one_name_however_it_is_composed(program: Programs, door: Doors, tenants: dict[str, Tenant]) -> None:
    """Composed and decomposed spellings name one group.

    A file system and a keyboard write ``Ä`` differently. The group is found under both in a list, a search
    and an address.
    """
    admin = program()
    assert admin("PUT", f"groups/{quote(APART)}", {}, if_none_match="*").status_code == 201
    assert list(Group.unscoped.filter(name__endswith="rzte").values_list("name", flat=True)) == [COMPOSED]
    assert admin("PUT", f"groups/{quote(COMPOSED)}", {}, if_none_match="*").status_code == 412
    for written in (COMPOSED, APART):
        assert admin.get(f"groups/{quote(written)}") == {"group": COMPOSED}
        assert [row["key"] for row in admin.get(f"groups/?search={quote(written)}")["rows"]] == [COMPOSED]
        assert COMPOSED in text(signed_in(door, "owner"), f"/console/groups/one/{quote(written)}")
        assert admin("PUT", "people/bob", {"groups": [written]}, if_match="*").status_code == 200
        assert [row["key"] for row in admin.get(f"people/?group={quote(written)}")["rows"]] == ["bob"]
        assert program(host="other.test")("GET", f"groups/{quote(written)}").status_code == 404
    assert admin("PUT", "people/bob", {"groups": []}, if_match="*").status_code == 200
    assert admin("DELETE", f"groups/{quote(APART)}").status_code == 204


REACHED = [
    *(
        "a/b",
        "...",
        ".a",
        "a.",
        "a..b",
        "a b",
        "a?b",
        "a#b",
        "a%b",
        "%2F",
        "%2e%2e",
        "a\\b",
        "..\\a",
        "a;b=c",
        "a&b=c",
        "~",
        "'\"",
        "add",
    ),
    *(
        "new",
        "one/x",
        "actions",
        "actions/delete",
        "x/actions/delete",
        "help/x",
        "🦊",
        "a+b",
        "a:b",
        "@a",
        "a,b",
        "*",
        "[a]",
        "{a}",
        "a|b",
        "^`",
    ),
]
UNREACHED = [".", "..", "/", "//", "/a", "a/", "a//b", "./a", "a/.", "../a", "a/..", "a/../b", "../../groups"]


def through_a_browser(path: str) -> str:
    """Return the path as a browser sends it: dots are resolved, even escaped (WHATWG URL, section 4.4)."""
    found: list[str] = []
    for part in path.split("/"):
        if unquote(part) == "..":
            del found[1:][-1:]
            found = found[:-1] if len(found) > 1 else found
        elif unquote(part) != ".":
            found.append(part)
    return "/".join(found)


@pytest.mark.parametrize("name", REACHED)
def test_every_name_has_an_address(program: Programs, door: Doors, acme: Tenant, name: str) -> None:
    """An object created through the API is found there, and on its page, by the address from the list."""
    admin, owner = program(), signed_in(door, "owner")
    for kind in ("groups", "people"):
        path = f"{kind}/{quote(name, safe='')}"
        assert admin("PUT", path, {}, if_none_match="*").status_code == 201
        assert admin.get(through_a_browser(path)) is not None
        listed = text(owner, f"/console/{kind}/?q={quote(name, safe='')}&search={quote(name, safe='')}")
        links = [each for each in re.findall(r'href="([^"]*)"', listed) if f"/console/{kind}/one/" in each]
        assert any(
            owner.http.get(through_a_browser(link.replace("&amp;", "&").replace("&#x27;", "'"))).status_code
            == 200
            for link in links
        )


@pytest.mark.parametrize("name", UNREACHED)
def test_what_no_address_can_carry_is_not_made(
    program: Programs, door: Doors, acme: Tenant, write_blueprint: Callable[..., Path], name: str
) -> None:
    """People, groups and scopes whose names no address can carry are refused by every interface.

    These are the API, the console, an uploaded blueprint and a file. Full-width dots are dots in a username.
    """
    owner = signed_in(door, "owner")
    for kind, body in (("person", {}), ("group", {}), ("scope", {"title": "See"})):
        path = {"person": "people"}.get(kind, f"{kind}s")
        refused = program()("PUT", f"{path}/{quote(name, safe='')}", body)
        assert (refused.status_code, "used in a URL" in str(refused.json()["errors"])) == (400, True)
        assert (
            "be used in a url"
            in posted(owner, f"/console/{path}/add", {kind: name, **body}, status=400).lower()
        )
        blueprint = f"{kind}: '{name}'\n" + ("title: See\n" if body else "")
        assert program("owner")("POST", "blueprints/apply", {"text": blueprint}).status_code == 400
        with pytest.raises(BadBlueprint, match="an't be used in a URL"):
            apply([write_blueprint("tenant: acme\n---\n" + blueprint)])
    wide = name.replace(".", "．").replace("/", "／")
    assert program()("PUT", f"people/{quote(wide, safe='')}", {}).status_code == 400
    for tenant in Tenant.objects.all():
        with tenant_scope(tenant):
            assert not Person.objects.filter(username=name).exists()
            assert not Scope.objects.filter(name=name).exists()
            assert Application.objects.exists() or tenant.name == "default"
