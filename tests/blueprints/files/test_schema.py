"""The JSON Schema of blueprints accepts what is shipped and rejects what is wrong.

Every installed stage is in it.
"""

import json
import re
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from jsonschema import Draft202012Validator

from blueprints.files.apply import apply
from blueprints.files.export import export
from blueprints.files.nodes import Node, parse
from blueprints.files.schema import blueprint_schema
from blueprints.objects.document import DOCUMENTS, LONG_GRANTS
from flows.registry import stages
from idp.oauth.grant import load_grants
from idp.tenancy.models import Tenant
from tests.house.source import ROOT

SHIPPED = sorted(
    [*(ROOT / "blueprints" / "default").rglob("*.yaml"), *(ROOT / "blueprints" / "example").rglob("*.yaml")]
)
PAGES = sorted((ROOT / "docs").glob("*.md"))


def as_written(node: Node) -> Any:
    """Return what an editor checks: a tag stands as the text that is written."""
    if node.tag:
        words = [str(each.value) for each in node.value] if node.is_list else [str(node.value)]
        return f"!{node.tag} {' '.join(words)}"
    if node.is_map:
        return {key: as_written(value) for key, (_, value) in node.value.items()}
    return [as_written(each) for each in node.value] if node.is_list else node.value


def wrong(text: str) -> list[str]:
    """Return what is wrong with the documents of this text, by the path of the key."""
    checker = Draft202012Validator(blueprint_schema())
    found = [error for node in parse(text.encode()) for error in checker.iter_errors(as_written(node))]
    return [".".join(map(str, error.absolute_path)) for error in found]


def test_it_is_a_schema() -> None:
    """It conforms to the dialect that it names, and each of its references resolves."""
    made = blueprint_schema()
    Draft202012Validator.check_schema(made)
    text = json.dumps(made)
    refs = {part.split('"')[0] for part in text.split('"$ref": "#/$defs/')[1:]}
    assert refs <= set(made["$defs"])
    assert "$defs" not in json.dumps(made["$defs"]).replace("#/$defs/", "")


@pytest.mark.parametrize(
    "path", SHIPPED, ids=[str(path.relative_to(ROOT / "blueprints")) for path in SHIPPED]
)
def test_what_is_shipped_is_valid(path: Path) -> None:
    """Every file of default/ and example/ is valid."""
    assert wrong(path.read_text()) == []


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("tenant: acme\ntitel: Acme\n", ""),
        ("tenant: Acme Inc\n", "tenant"),
        ("tenant: acme\naccent: blue\n", "accent"),
        ("tenant: acme\ndomains: acme.example\n", "domains"),
        ("tennant: acme\n", ""),
        ("scope: a\n", ""),
        ("person: a\nactive: maybe\n", "active"),
        ("person: a\nattributes: {a: [1]}\n", "attributes.a"),
        ("application: a\ndevice: {interval: 5}\n", "device.interval"),
        ("application: a\ndevice: {interwal: 5s}\n", "device"),
        ("application: a\nflows: {sign_in: x}\n", "flows"),
        ("flow: f\ntitle: F\nfor: nothing\nsteps: [{stage: deny}]\n", "for"),
        ("flow: f\ntitle: F\nfor: part\nsteps: []\n", "steps"),
        ("flow: f\ntitle: F\nfor: part\nsteps: [{stage: denny}]\n", "steps.0.stage"),
        (
            "flow: f\ntitle: F\nfor: part\nsteps: [{stage: deny, settings: {massage: x}}]\n",
            "steps.0.settings",
        ),
        (
            "flow: f\ntitle: F\nfor: part\nsteps: [{stage: choice, settings: {options: [{valeu: x}]}}]\n",
            "steps.0.settings.options.0",
        ),
        ("flow: f\ntitle: F\nfor: part\nsteps: [{stage: deny, flow: x}]\n", "steps.0"),
        ("application: a\ngrants: [device-code]\n", "grants.0"),
        ("application: a\ngrants: [password]\n", "grants.0"),
        ("application: My App\n", "application"),
        ("application: a\naccess_token_lifetime: PT10M\n", "access_token_lifetime"),
        ("application: a\ntype: web\n", "type"),
        ("application: a\nscopes: [1]\n", "scopes.0"),
        ("application: a\ntitle:\n", "title"),
        ("person: a\nrole: administrator\n", "role"),
        ("person:\n", "person"),
        ("mail: recover\n", "mail"),
        ("tenant: acme\ninclude: x\n", ""),
        ("group: a\npeople: [b]\n", ""),
        ("flow: f\ntitle: F\nfor: part\nsteps: [{stage: identificaton}]\n", "steps.0.stage"),
        (
            "flow: f\ntitle: F\nfor: part\nsteps: [{stage: identification, settings: {field: [email]}}]\n",
            "steps.0.settings",
        ),
        (
            "flow: f\ntitle: F\nfor: part\nsteps: [{stage: identification, settings: {fields: [phone]}}]\n",
            "steps.0.settings.fields.0",
        ),
        ("flow: f\ntitle: F\nfor: part\nsteps: [{stage: deny, on_refusal: go}]\n", "steps.0.on_refusal"),
        (
            "flow: f\ntitle: F\nfor: part\nsteps: [{stage: deny}]\ntests: [{name: t, ends: end}]\n",
            "tests.0.ends",
        ),
        (
            (
                "flow: f\ntitle: F\nfor: part\nsteps: [{stage: deny}]\ntests: [{name: t, expect: {deny: "
                "denied}}]\n"
            ),
            "tests.0.expect.deny",
        ),
        ("vars: 3\n", "vars"),
        ("person: a\nactive: !exec true\n", "active"),
    ],
)
def test_what_is_wrong_is_wrong_at_its_key(text: str, where: str) -> None:
    """A misspelled key is marked where it stands in an editor."""
    found = wrong(text)
    assert found
    assert all(path == where or path.startswith(f"{where}.") or where.startswith(path) for path in found), (
        found
    )
    assert any(path == where for path in found), found


@pytest.mark.parametrize(
    "text",
    [
        "vars: [{name: acme, role: admin}]\n",
        (
            "tenant: !vars name\ntitle: !env TITLE Acme\naccent: !vars accent\nlogo: !file "
            "logo.svg\ndomains: !vars domains\n"
        ),
        (
            "person: !vars '{name}-admin'\nactive: !vars active\npassword: !secret admins\nattributes: "
            "{level: !vars level}\n"
        ),
        (
            "application: tv\ntype: !vars type\nclient_secret: !secret tv\ngrants: [!vars grant]\ndevice: "
            "{pending_limit: !vars limit}\n"
        ),
        (
            "flow: f\ntitle: F\nfor: part\nsteps: [{stage: password, when: !vars when}, {stage: deny, "
            "settings: {message: !vars text}}]\n"
        ),
    ],
)
def test_tags_may_stand_in_place_of_values(text: str) -> None:
    """They may also stand where a number, a truth value, a list or an enumeration is expected."""
    assert wrong(text) == []


@pytest.mark.parametrize("path", PAGES, ids=[path.name for path in PAGES])
def test_what_the_pages_show_is_valid(path: Path) -> None:
    """Each example in YAML that begins with a kind of document is valid."""
    for block in re.findall(r"^```yaml\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL):
        if any(re.match(rf"{kind}:", part.lstrip()) for part in block.split("---\n") for kind in DOCUMENTS):
            assert wrong(block) == []


@pytest.mark.parametrize("name", ["staff-second-factor", "kiosk", "two-brands", "tv-app"])
def test_what_is_exported_is_valid(acme: Tenant, name: str) -> None:
    """It is everything that a tenant has once an example is applied to it."""
    apply([ROOT / "blueprints" / "example" / f"{name}.yaml"])
    text = export()
    assert text.count("---") > 3
    assert wrong(text) == []


def test_each_default_is_written_as_the_schema_accepts_it() -> None:
    """What an editor fills in for a key is not what it then complains about."""
    made = blueprint_schema()
    for name, model in made["$defs"].items():
        for key, each in model.get("properties", {}).items():
            if "default" in each and each["default"] is not None and each["default"] != "":
                checker = Draft202012Validator(
                    {"$defs": made["$defs"], **{word: each[word] for word in ("if", "then") if word in each}}
                )
                assert list(checker.iter_errors(each["default"])) == [], (name, key)


def test_a_grant_is_offered_by_the_name_that_people_write() -> None:
    """Its URN of the standard, as an older export has it, is accepted too."""
    for grant in (*LONG_GRANTS, *load_grants()):
        assert wrong(f"application: a\ngrants: ['{grant}']\n") == []


def test_every_installed_stage_is_in_it(third_party: None) -> None:
    """It is there with its settings, a third-party stage too."""
    written = json.dumps(blueprint_schema()["$defs"]["StepDocument"])
    assert len(stages()) > 10
    assert all(f'"const": "{kind}"' in written for kind in stages())
    assert '"const": "word"' in written


def test_the_command_writes_it() -> None:
    """It is for ``yaml.schemas`` of editors, and the table beside it names each key of each kind."""
    out = StringIO()
    call_command("blueprint", "schema", stdout=out)
    assert json.loads(out.getvalue()) == blueprint_schema()
    out = StringIO()
    call_command("blueprint", "keys", stdout=out)
    rows = out.getvalue().splitlines()
    for model in DOCUMENTS.values():
        for name, each in model.model_fields.items():
            assert any(
                row.startswith(f"| `{each.alias or name}` | ") and not row.endswith("|  |") for row in rows
            ), name
