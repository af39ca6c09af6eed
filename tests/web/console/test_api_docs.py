"""The API reference in the console: every operation, what it requires, and a command that works."""

from html import unescape
from typing import Any

import pytest

from idp.accounts.models import Person
from idp.tenancy.models import Tenant
from tests.support.client import Door, Doors
from web.api.app import document
from web.api.reference import operations


@pytest.fixture
def auditor(acme: Tenant, door: Doors) -> Door:
    """A person who may see everything and change nothing."""
    Person.objects.filter(username="alice").update(role="auditor")
    browser = door()
    browser.sign_in()
    return browser


def test_every_operation_is_in_it(auditor: Door) -> None:
    """Each operation is listed by path and method with its permission, and marked if one's role lacks it."""
    page = auditor.get("/console/api/").content.decode()
    described = [each["operationId"] for methods in document()["paths"].values() for each in methods.values()]
    assert len(described) > 80
    for name in described:
        assert f'href="/console/api/{name}"' in page
    assert page.count("not permitted for your role") > 30
    assert "http://acme.test/api/" in page


def test_searching(auditor: Door) -> None:
    """All search terms must match, and an empty result says what to do."""
    page = auditor.get("/console/api/?q=people+DELETE").content.decode()
    assert 'href="/console/api/delete_person"' in page
    assert 'href="/console/api/delete_group"' not in page
    assert "No results" in auditor.get("/console/api/?q=%3Cscript%3E%00").content.decode()


def test_each_has_its_own_page(auditor: Door) -> None:
    """Each operation shows parameters, body, responses, errors and a command with this very host."""
    for each in operations().values():
        page = unescape(auditor.get(f"/console/api/{each.name}").content.decode())
        assert f"'http://acme.test{each.path}'" in page, each.name
        assert all(name.name in page for name in (*each.parameters, *each.body)), each.name
        assert all(f">{one.status}<" in page for one in each.responses), each.name
    assert auditor.get("/console/api/nothing").status_code == 404


def test_the_document_for_tools(auditor: Door) -> None:
    """The served document is the committed one."""
    response: Any = auditor.get("/console/api/openapi.json")
    assert (response.json(), response["Content-Disposition"]) == (
        document(),
        'attachment; filename="openapi.json"',
    )


def test_examples_are_such_as_the_operations_take() -> None:
    """An example body has every required member."""
    with_bodies = [each for each in operations().values() if each.has_body]
    assert len(with_bodies) > 25
    for each in with_bodies:
        needed = {member.name for member in each.body if member.required and "." not in member.name}
        assert all(f'"{name}"' in each.example for name in needed), each.name
