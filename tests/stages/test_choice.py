"""choice: the person says how to go on, later conditions read it, and it proves nothing."""

from typing import Any

import pytest
from pydantic import ValidationError

from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from stages.choice import Choice
from tests.support.client import Doors, Seen
from tests.support.flows import draw, facts_of, row_of

HOW: dict[str, Any] = {
    "id": "how",
    "stage": "choice",
    "settings": {
        "title": "How do you work today?",
        "text": "This decides what comes <next>.",
        "options": [
            {"value": "office", "title": "In the office", "description": "On the company's network."},
            {"value": "home", "title": "At home & elsewhere"},
        ],
    },
}
REST = ("identification", "password", "login", "device_code", "consent")


def branching(**settings: Any) -> tuple[Any, ...]:
    """A person who works at home is turned away, everyone else goes on."""
    how = {**HOW, "settings": {**HOW["settings"], **settings}}
    return (how, {"stage": "deny", "when": 'steps.how.choice == "home"'}, *REST)


def test_what_is_chosen_decides_the_branch(acme: Tenant, other: Tenant, door: Doors) -> None:
    """Each answer leads its own way; the other tenant's flow has no such step."""
    draw(*branching())
    seen = door().page()
    assert (seen.step, seen.title) == ("how", "How do you work today?")
    assert "This decides what comes &lt;next&gt;." in seen.text
    assert seen.submit(choice="office").step == "identification"
    assert door().page().submit(choice="home").title == "Access denied"
    assert door("other.test").page().step == "identification"


def test_it_gives_no_fact(acme: Tenant, door: Doors) -> None:
    """A choice is remembered as a choice: no person is claimed or proved by it."""
    draw(*branching())
    seen = door().page().submit(choice="office")
    assert facts_of(seen) == set()


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"choice": ""},
        {"choice": "elsewhere"},
        {"choice": "Office"},
        {"choice": "office "},
        {"other": "office"},
    ],
)
def test_only_what_is_offered_can_be_chosen(acme: Tenant, door: Doors, answer: dict[str, str]) -> None:
    """CVE-2026-49448: nothing, or something else, is no answer; the field says so and nothing is decided."""
    draw(*branching())
    seen = door().page().submit(**answer)
    assert (seen.step, row_of(seen).state["decided"]) == ("how", {})
    assert 'id="id_choice_error"' in seen.text


def test_nothing_is_chosen_beforehand(acme: Tenant, door: Doors) -> None:
    """Unless the settings say what; even then nothing is submitted by itself."""
    draw(*branching())
    assert " checked" not in door().page().text
    draw(*branching(default="home"))
    seen = door().page()
    assert 'value="home" required checked' in seen.text
    assert seen.text.count(" checked") == 1
    assert seen.submit().step == "how"


def test_a_program_sees_the_options(acme: Tenant, door: Doors) -> None:
    """JSON has the values to answer with, and titles and descriptions to show, unescaped."""
    draw(*branching())
    client = door()
    begun = client.post("/api/runs/", '{"for": "device_code"}', content_type="application/json").json()
    assert begun["fields"][0]["choices"] == [["office", "In the office"], ["home", "At home & elsewhere"]]
    assert begun["context"]["options"][0]["description"] == "On the company's network."
    extra = {"content_type": "application/json", "HTTP_AUTHORIZATION": f"Run {begun['secret']}"}
    for junk in ("7", "null", '["office"]', '{"office": 1}', "true"):
        refused = client.post(begun["url"], f'{{"step": "how", "answer": {{"choice": {junk}}}}}', **extra)
        assert (refused.status_code, refused.json()["step"]) == (200, "how")
    assert (
        client.post(begun["url"], '{"step": "how", "answer": {"choice": "office"}}', **extra).json()["step"]
        == "identification"
    )


def test_hostile_titles_are_only_text(acme: Tenant, door: Doors) -> None:
    """CVE-2026-42849: what stands in the settings is escaped wherever it is shown."""
    evil = "<script>alert(1)</script>"
    options = [{"value": "a", "title": evil, "description": evil}, {"value": "b", "title": '" onfocus="x'}]
    draw({**HOW, "settings": {"title": evil, "text": evil, "options": options}}, *REST)
    page = door().page().text
    assert "<script>alert" not in page
    assert 'onfocus="x' not in page


@pytest.mark.parametrize(
    "settings",
    [
        {"options": []},
        {"options": [{"value": "a"}]},
        {"options": [{"value": "a"}, {"value": "a"}]},
        {"options": [{"value": str(n)} for n in range(13)]},
        {"options": [{"value": "a b"}, {"value": "c"}]},
        {"options": [{"value": ""}, {"value": "c"}]},
        {"options": [{"value": "a\n"}, {"value": "c"}]},
        {"options": [{"value": "a", "colour": "red"}, {"value": "c"}]},
        {"default": "perhaps"},
        {"title": "x" * 101},
        {"unknown": 1},
    ],
)
def test_the_settings_are_checked(settings: dict[str, Any]) -> None:
    """Between two and twelve different values; unknown keys are refused, in an option too."""
    with pytest.raises(ValidationError):
        Choice.Settings.model_validate(settings)


def test_a_value_needs_no_title(other: Tenant, door: Doors) -> None:
    """Then it is what the page says."""
    with tenant_scope(other):
        draw({"stage": "choice", "settings": {"options": [{"value": "blue"}, {"value": "green"}]}}, *REST)
    page: Seen = door("other.test").page()
    assert "<span>blue</span>" in page.text
