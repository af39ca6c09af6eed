"""The pages about flows and stages are true: they are generated from the code, or tested."""

import json
import re
from collections.abc import Callable
from dataclasses import fields
from io import StringIO
from pathlib import Path

import pytest
import yaml
from django.core.management import call_command
from jsonschema import Draft202012Validator
from pytest_django import Settings

from flows import facts
from flows.documents.document import FlowDocument
from flows.documents.reference import (
    cost_table,
    example_challenge,
    known_facts,
    render_page,
    render_pages,
    update_cost_table,
)
from flows.facts import NEVER_SEEDED, PERSON_FACTS, Facts
from flows.models import Version
from flows.registry import stages
from flows.stage import Stage
from idp.tenancy.models import Tenant
from tests.house.source import ROOT

STAGES, GUIDE, DRAWING = (
    ROOT / "docs" / "stages",
    ROOT / "docs" / "writing-a-stage.md",
    ROOT / "docs" / "flows.md",
)
RUN = "run manage.py reference and commit docs/stages and docs/writing-a-stage.md"
OWN = sorted(kind for kind, stage in stages().items() if stage.__module__.startswith("stages."))


def blocks(language: str, text: str) -> list[str]:
    """The pieces of code in this language."""
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_the_reference_is_committed() -> None:
    """Rule 9: docs/stages is what the classes say, byte for byte.

    No page is left of a stage that is gone.
    """
    committed = {path.name: path.read_bytes() for path in STAGES.iterdir()}
    assert committed == {name: text.encode() for name, text in render_pages().items()}, RUN


def test_it_is_the_same_in_every_language(settings: Settings) -> None:
    """It is generated in English, with any language active."""
    before = render_pages()
    settings.LANGUAGE_CODE = "de"
    assert render_pages() == before


def test_the_price_is_current() -> None:
    """The table of writing-a-stage.md counts the files as they are; deny costs at most 30 lines."""
    text = GUIDE.read_text()
    assert update_cost_table(text) == text, RUN
    assert cost_table() in text
    assert int(cost_table().splitlines()[2].split("|")[2]) <= 30


@pytest.mark.parametrize("kind", OWN)
def test_its_example_is_a_step(kind: str) -> None:
    """What a page shows as YAML is read as a step, with settings that the stage takes."""
    text = (STAGES / f"{kind}.md").read_text()
    (block,) = blocks("yaml", text)
    steps = yaml.safe_load(block)
    drawn = FlowDocument.model_validate({"flow": "shown", "title": "Shown", "for": "part", "steps": steps})
    (step,) = drawn.steps
    stage = stages()[kind]
    assert step.stage == kind
    assert stage.Settings.model_validate(step.settings) == stage.Settings()


@pytest.mark.parametrize("kind", OWN)
def test_its_challenge_is_described(kind: str) -> None:
    """What a page shows as JSON has the members of the OpenAPI document, and none besides."""
    described = json.loads((ROOT / "docs" / "openapi.json").read_text())["components"]["schemas"]
    closed = {name: schema | {"additionalProperties": False} for name, schema in described.items()}
    closed["Challenge"]["required"] = [
        name for name in closed["Challenge"].get("required", []) if name != "run"
    ]
    validator = Draft202012Validator(
        {"components": {"schemas": closed}, "$ref": "#/components/schemas/Challenge"}
    )
    assert [error.message for error in validator.iter_errors(example_challenge(stages()[kind]))] == []


def test_every_setting_and_fact_is_explained() -> None:
    """Each setting stands in its page with its title; each fact that a stage needs or gives has a meaning."""
    meanings = known_facts()
    assert set(PERSON_FACTS) | set(NEVER_SEEDED) <= set(meanings)
    for kind in OWN:
        stage, text = stages()[kind], (STAGES / f"{kind}.md").read_text()
        assert {*stage.needs, *stage.gives} <= set(meanings)
        for name, field in stage.Settings.model_fields.items():
            assert re.search(
                rf"^\| `{name}` \| .* \| {re.escape(str(field.title))} \|$", text, re.MULTILINE
            ), f"{kind}: {name}"


@pytest.mark.usefixtures("third_party")
def test_a_third_partys_stage_has_a_page_too() -> None:
    """A third party's stage has a page on demand; the committed reference holds our own only."""
    assert '| `word` | text | `"sesame"` | at least 4 characters | The word |' in render_page(
        stages()["word"]
    )
    assert "word.md" not in render_pages()


def test_the_guide_describes_every_fact() -> None:
    """writing-a-stage.md has the class of each fact, and all of its members in their order."""
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| `(\w+)` \| (.*) \|$", GUIDE.read_text(), re.MULTILINE)
    described = {
        name: (kind, re.findall(r"`(\w+)`", members))
        for names, kind, members in rows
        for name in re.findall(r"\w+", names)
    }
    classes = {name: vars(Facts)[name].kind for name in Facts.meanings()}
    assert described == {
        name: (kind.__name__, [member.name for member in fields(kind)]) for name, kind in classes.items()
    }
    assert all(getattr(facts, kind.__name__) is kind for kind in classes.values())


def test_the_guide_names_the_whole_contract() -> None:
    """Every declaration and method of a stage stands in writing-a-stage.md."""
    text = GUIDE.read_text()
    public = [name for name in vars(Stage) if not name.startswith("_") and name != "kind"]
    assert [name for name in public if not re.search(rf"`[^`]*\b{name}\b", text)] == []


def test_the_drawing_guide_can_be_applied(acme: Tenant, write_blueprint: Callable[..., Path]) -> None:
    """Its flows go live, so their tests passed; its application finds the flow that it names."""
    text = "\n---\n".join(["tenant: acme\n", *blocks("yaml", DRAWING.read_text())])
    before = Version.objects.count()
    call_command("blueprint", "apply", str(write_blueprint(text)), stdout=StringIO())
    drawn = list(Version.objects.order_by("pk"))[before:]
    assert sorted(version.document["flow"] for version in drawn) == [
        "app-or-codes",
        "careful-sign-in",
        "company-devices",
    ]
    assert [
        len(version.document.get("tests", []))
        for version in sorted(drawn, key=lambda each: each.document["flow"])
    ] == [0, 3, 3]


def test_the_guide_to_flows_shows_a_real_dry_run(acme: Tenant, write_blueprint: Callable[..., Path]) -> None:
    """The dry run that it prints is what the command says."""
    text = "\n---\n".join(["tenant: acme\n", *blocks("yaml", DRAWING.read_text())])
    call_command("blueprint", "apply", str(write_blueprint(text)), stdout=StringIO())
    (shown,) = blocks("console", DRAWING.read_text())
    asked, _, said = shown.replace("\\\n", "").partition("\n")
    out = StringIO()
    call_command(*asked.removeprefix("$ manage.py ").split(), "--tenant", "acme", stdout=out)
    assert out.getvalue() == said
