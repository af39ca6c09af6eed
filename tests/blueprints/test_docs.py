"""Every example in docs/blueprints.md applies, and its commands exist."""

import re
import shlex
from pathlib import Path

import pytest
from django.core.management import load_command_class

from blueprints.files.apply import apply
from blueprints.files.plan import make_plan
from blueprints.files.secrets import save
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.blueprints.files.test_schema import wrong
from tests.house.source import ROOT

PAGE = (ROOT / "docs" / "blueprints.md").read_text()
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(r"manage\.py ((?:blueprint|secret) [^#\n`…]+)", PAGE)


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_the_examples_apply(tenants: dict[str, Tenant], tmp_path: Path, example: str) -> None:
    """They apply as they stand, a second time there is nothing to do, and an editor finds nothing wrong."""
    path = tmp_path / "example.yaml"
    path.write_text(example)
    for tenant in tenants.values():
        with tenant_scope(tenant):
            save("backend-secret", "a-secret", by="test")
    assert wrong(example) == []
    apply([path])
    assert make_plan([path]).effective == []


@pytest.mark.parametrize("line", sorted(set(COMMANDS)))
def test_the_commands_are_there(line: str) -> None:
    """They accept the arguments that are shown."""
    name, *arguments = shlex.split(line.replace("NAME", "x").replace("STATE", "x"))
    app = "blueprints"
    parser = load_command_class(app, name).create_parser("manage.py", name)
    assert parser.parse_args(arguments).action == arguments[0]


def test_there_are_some() -> None:
    """The patterns above find what they look for."""
    assert (len(EXAMPLES), len(COMMANDS) > 7) == (2, True)
