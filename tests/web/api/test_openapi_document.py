"""The OpenAPI document is valid, complete and true of the responses, and declares no leaked secret."""

import json
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import time_machine
from django.conf import settings
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from idp.tenancy.models import Tenant
from tests.support.client import Doors
from tests.support.flows import draw
from tests.web.test_runs_api import Program
from web.api.app import document


@cache
def described() -> dict[str, Any]:
    """Return the document as a reader of the file sees it."""
    loaded: dict[str, Any] = json.loads(json.dumps(document()))
    return loaded


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield path, method and description of each operation."""
    for path, methods in described()["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def properties(schema: Any, owner: str = "") -> Iterator[tuple[str, str]]:
    """Yield every property of every schema at every depth, with its schema."""
    if isinstance(schema, list):
        for each in schema:
            yield from properties(each, owner)
    elif isinstance(schema, dict):
        for name in schema.get("properties", {}):
            yield owner, name
        for name, each in schema.items():
            yield from properties(each, name if "schemas" in (owner, name) else owner)


def test_it_is_openapi_3_1() -> None:
    """The document validates against the JSON Schema of OpenAPI 3.1, with references and path parameters."""
    assert described()["openapi"] == "3.1.0"
    assert [str(error) for error in OpenAPIV31SpecValidator(described()).iter_errors()] == []


def test_the_version_is_the_packages() -> None:
    """The version of the document is that of the package."""
    project = tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text())["project"]
    assert described()["info"] == described()["info"] | {"title": "Foyer", "version": project["version"]}


def answered() -> set[str]:
    """Return the names of the schemas in responses, at every depth."""
    schemas, found = described()["components"]["schemas"], set[str]()
    texts = [
        json.dumps([operation["responses"] for _, _, operation in operations()]),
        json.dumps(described()["components"]["responses"]),
    ]
    while texts:
        named = set(re.findall(r"#/components/schemas/(\w+)", texts.pop())) - found
        found |= named
        texts += [json.dumps(schemas[name]) for name in named]
    return found


def responses_of(operation: dict[str, Any]) -> dict[str, Any]:
    """Return the declared responses of an operation, by status."""
    shared = described()["components"]["responses"]
    return {
        status: shared[each["$ref"].rsplit("/")[-1]] if "$ref" in each else each
        for status, each in operation["responses"].items()
    }


def test_no_answer_has_a_place_for_a_secret() -> None:
    """CVE-2026-40166: no response has a member for a secret, except those that are returned once on creation.

    In that report a nested serializer exposed client_secret.
    """
    secretive = re.compile(
        r"secret|password|passphrase|token|(private|api|session)_?key|nonce|hash|sealed|cookie|recovery",
        re.IGNORECASE,
    )
    found = {
        each
        for each in properties(described())
        if secretive.search(each[1]) and not each[1].endswith(("_lifetime", "_until"))
    }
    returned_once = {
        ("StartedRun", "secret"): {"start_run"},
        ("NewClientSecret", "client_secret"): {"rotate_client_secret"},
    }
    returned_once |= {
        ("CreatedRecoveryLink", "recovery_url"): {
            "create_recovery_link",
            "create_tenant",
            "create_tenant_recovery_link",
        }
    }
    returned_once |= {("CreatedApplicationSetup", "client_secret"): {"create_application_from_recipe"}}
    assert {each for each in found if each[0] in answered()} == set(returned_once)
    for schema, property_name in found - set(returned_once):
        assert described()["components"]["schemas"][schema]["properties"][property_name]["writeOnly"] is True
    for (schema, _), where in returned_once.items():
        assert {
            each["operationId"]
            for _, _, each in operations()
            if f'schemas/{schema}"' in json.dumps(each["responses"])
        } == where


def test_only_json_and_no_cookie() -> None:
    """Bodies are application/json, and the one credential is a header.

    Every operation except the start of a run requires it.
    """
    assert '"in": "cookie"' not in json.dumps(described())
    for path, method, operation in operations():
        kinds = [
            each.get("content", {})
            for each in (operation.get("requestBody", {}), *responses_of(operation).values())
        ]
        assert {kind for content in kinds for kind in content} == {"application/json"}, (path, method)
        wanted = "RunSecret" if path.startswith("/api/runs/") else "AccessToken"
        assert operation.get("security") == (
            None if operation["operationId"] == "start_run" else [{wanted: []}]
        )


def test_every_operation_says_how_it_fails() -> None:
    """Every possible error is declared with its header, so that generated clients can handle it."""
    for path, method, operation in operations():
        ours, sends = not path.startswith("/api/runs/"), method in ("post", "put", "patch")
        wanted = {"404", "405"}
        if sends:
            wanted |= {"400", "408", "413", "415"}
        if ours:
            wanted.add("403")
        elif sends:
            wanted.add("429")
        if "security" in operation:
            wanted.add("401")
        declared = responses_of(operation)
        assert wanted <= set(declared), (path, method)
        for status in wanted:
            problem = declared[status]["content"]["application/json"]["schema"]["$ref"].rsplit("/")[-1]
            assert {"error", "error_description"} <= set(
                described()["components"]["schemas"][problem]["required"]
            )
        for status, header in {"401": "WWW-Authenticate", "405": "Allow", "429": "Retry-After"}.items():
            assert status not in declared or header in declared[status]["headers"], (path, method, status)


def true_of(operation: str, response: Any) -> None:
    """Check that each member of the response is as the document declares."""
    found = next(each for _, _, each in operations() if each["operationId"] == operation)
    declared = found["responses"][str(response.status_code)]["content"]["application/json"]["schema"]
    closed = {
        name: schema | {"additionalProperties": False}
        for name, schema in described()["components"]["schemas"].items()
    }
    errors = Draft202012Validator({"components": {"schemas": closed}, **declared}).iter_errors(
        response.json()
    )
    assert [error.message for error in errors] == []


def test_what_is_answered_is_what_is_described(
    acme: Tenant, door: Doors, clock: time_machine.Traveller
) -> None:
    """A whole run with its errors, its throttling and its end returns exactly the declared members."""
    started = door().start(scope="openid acme:read")
    program = Program(door(), user_code=started.user_code)
    true_of("start_run", program.begun)
    true_of("start_run", door().http.post("/api/runs/", {}, content_type="application/json"))
    answers = [
        {"name": ""},
        {"name": "alice"},
        *[{"password": "wrong"}] * 5,
        {"password": "alice-password-1"},
    ]
    for fields in [
        *answers,
        {"user_code": "x"},
        {"user_code": started.user_code},
        {"decision": "approve"},
        {},
    ]:
        body = {"step": program.now.get("step", ""), "answer": fields}
        headers = {"Authorization": f"Run {program.secret}"}
        response = program.door.http.post(program.url, body, content_type="application/json", headers=headers)
        true_of("answer_step", response)
        true_of("get_run", program.look())
        program.now = response.json()
        clock.shift(30)
    assert program.now["kind"] == "last"


@pytest.mark.parametrize("kind", ["finished", "denied", "expired"])
def test_every_end_is_described(acme: Tenant, door: Doors, clock: time_machine.Traveller, kind: str) -> None:
    """Every possible end of a run has a described last challenge."""
    draw("identification", *({"finished": (), "denied": ("deny",), "expired": ("password",)}[kind]))
    program = Program(door())
    response = program.answer(name="alice")
    if kind == "expired":
        clock.shift(3600)
        response = program.look().json()
    assert response["kind"] == kind
    true_of("get_run", program.look())
