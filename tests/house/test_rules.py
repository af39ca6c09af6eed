"""The ten rules of the project, each with its guards."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command

from blueprints.files import key_reference, schema
from flows.registry import stages
from idp.runtime.env import Environment
from tests.house.source import PACKAGES, ROOT, Module, modules, room, stacked_thoughts, tracked
from web.api.app import render_document

RULES = {
    1: ("Imports go down", ["test_import_contracts"]),
    2: (
        "One stage, one file, one class",
        [
            "test_a_stage_is_one_class_in_one_file",
            "test_no_stage_names_another",
            "test_no_stage_owns_a_table",
        ],
    ),
    3: ("Views translate, they do not decide", ["test_the_edge_asks_no_table", "test_import_contracts"]),
    4: ("A change is a verb", ["test_no_signals_and_no_save_of_its_own", "test_writes_stay_in_the_domain"]),
    5: (
        "A tenant is never an argument",
        [
            "test_unscoped_stands_in_few_places",
            "test_every_table_belongs_to_a_tenant",
            "test_tenant_is_no_parameter",
        ],
    ),
    6: ("Sync inside, async at the edge", ["test_async_holds_no_orm"]),
    7: ("Parse once", ["test_raw_requests_are_read_at_the_door"]),
    8: ("An error is a class whose docstring is its message", ["test_errors_have_docstrings"]),
    9: (
        "What can be generated is checked",
        [
            "test_migrations_are_complete",
            "test_readme_shows_the_real_stage",
            "test_every_variable_is_documented",
            "test_the_openapi_document_is_committed",
            "test_the_keys_of_blueprints_are_committed",
            "test_the_schema_of_blueprints_is_committed",
        ],
    ),
    10: (
        "Small and plainly named",
        [
            "test_gates_of_size",
            "test_every_module_opens_with_a_sentence",
            "test_one_thought_a_line",
            "test_plain_names",
            "test_nothing_is_unfinished",
        ],
    ),
}
WRITERS = (
    "create",
    "bulk_create",
    "update",
    "delete",
    "save",
    "get_or_create",
    "update_or_create",
    "bulk_update",
)


OWN_TABLES = ("Owned.", "Result.", "Secret.")  # what blueprints store about themselves


def test_every_rule_has_its_guards() -> None:
    """The table names every rule, and every guard that it names exists."""
    here = {name for name in globals() if name.startswith("test_")}
    assert sorted(RULES) == list(range(1, 11))
    assert {guard for _, guards in RULES.values() for guard in guards} <= here


def test_import_contracts() -> None:
    """Rules 1 and 3: layers, independence of the stages, no model at the edge (pyproject.toml)."""
    ran = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout


def test_a_stage_is_one_class_in_one_file() -> None:
    """Rule 2: the file's name is the kind, and the class says the same."""
    for kind, stage in stages().items():
        if stage.__module__.startswith("stages."):
            assert stage.__module__ == f"stages.{kind}"
            assert stage.__name__.lower() == kind.replace("_", "")


def test_no_stage_names_another() -> None:
    """Rule 2: no stage names another one, by import or in a text."""
    kinds = set(stages())
    for module in room("stages/"):
        own = Path(module.name).stem
        texts = {
            node.value
            for node in ast.walk(module.tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        assert not {name for name in module.imports() if name.startswith("stages")}, module.name
        # names of fields, facts and buttons too
        named = {text for text in texts if text in kinds - {own, "password", "consent", "deny"}}
        assert not named, f"{module.name} names {named}"


def test_no_stage_owns_a_table() -> None:
    """Rule 2: no model, no migration, no write."""
    assert not list((ROOT / "stages").rglob("migrations"))
    for module in room("stages/"):
        assert not any(name.startswith("django.db") for name in module.imports()), module.name
        assert not module.attributes() & {*WRITERS, "objects", "unscoped"}, module.name


def test_the_edge_asks_no_table() -> None:
    """Rule 3: every read and write of the edge goes through a verb."""
    for module in room("web/"):
        assert not module.attributes() & {"objects", "unscoped", "_default_manager", "_base_manager"}, (
            module.name
        )


def test_no_signals_and_no_save_of_its_own() -> None:
    """Rule 4: nothing happens behind a verb's back."""
    for module in modules():
        heard = {name for name in module.imports() if "signals" in name and not name.startswith("celery")}
        # the handler sends the signals of a request, as the framework requires
        assert not heard or module.name == "web/server/handler.py", module.name
        if module.path.name == "models.py":
            assert not {function.name for function in module.functions()} & {"save", "delete"}, module.name


def test_writes_stay_in_the_domain() -> None:
    """Rule 4: the ORM's writing methods are called in the domain and in the engine's own package only."""
    for module in room("web/", "stages/", "blueprints/"):
        calls = {
            node.func.attr
            for node in ast.walk(module.tree)
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in WRITERS
            and "objects" in module.attributes(node.func)
            and not (module.name.startswith("blueprints/") and ast.unparse(node.func).startswith(OWN_TABLES))
        }
        assert not calls, f"{module.name} calls {calls}"


def test_unscoped_stands_in_few_places() -> None:
    """Rule 5: only the listed modules look past the tenant."""
    allowed = {
        "idp/tenancy/models.py",
        "idp/events/bus.py",
        "flows/checks.py",
        "blueprints/files/watch.py",
        "idp/oauth/tenants.py",
        "idp/oauth/checks.py",
    }
    found = {
        module.name
        for module in modules()
        if "unscoped" in module.attributes() or "unscoped" in module.text.split()
    }
    assert found <= allowed


def test_every_table_belongs_to_a_tenant() -> None:
    """Rule 5: every table but those of tenants, their domains and blueprint results belongs to a tenant.

    A blueprint can create tenants, so its result belongs to none.
    """
    for module in modules():
        if module.path.name != "models.py":
            continue
        tables = {
            each.name
            for each in module.classes()
            if any(ast.unparse(base) in ("models.Model", "Model") for base in each.bases)
        }
        assert tables <= {"Tenant", "Domain", "TenantModel", "Result"}, f"{module.name}: {tables}"


def test_tenant_is_no_parameter() -> None:
    """Rule 5: it is in scope; only the package of the tenants, commands and blueprints name one."""
    for module in modules():
        if module.name.startswith("idp/tenancy/") or "/management/" in module.name:
            continue
        for function in module.functions():
            names = {argument.arg for argument in [*function.args.args, *function.args.kwonlyargs]}
            assert "tenant" not in names or module.name.startswith("blueprints/"), (
                f"{module.name}:{function.name}"
            )


def test_async_holds_no_orm() -> None:
    """Rule 6: no coroutine touches a table, and coroutines live at the edge."""
    for module in modules():
        coroutines = [node for node in ast.walk(module.tree) if isinstance(node, ast.AsyncFunctionDef)]
        assert not coroutines or module.name.startswith(("web/", "idp/events/notify.py")), module.name
        for coroutine in coroutines:
            assert "objects" not in module.attributes(coroutine), f"{module.name}:{coroutine.name}"


def test_raw_requests_are_read_at_the_door() -> None:
    """Rule 7: the modules that may see raw input; below them it is a typed value."""
    doors = {
        "web/pages/flow.py",
        "web/pages/oauth.py",
        "web/pages/account.py",
        "web/pages/reauthentication.py",
        "web/api/body.py",
        "web/api/admin/objects.py",
    }
    for module in modules():
        door = module.name in doors or module.name.startswith("web/console/")
        if module.attributes() & {"POST", "body", "GET"} and not door:
            raw = re.findall(r"request\.(?:POST|body|GET)\b", module.text)
            assert not raw, f"{module.name} reads {raw}"


def test_errors_have_docstrings() -> None:
    """Rule 8: what went wrong is said once, where the error is declared."""
    for module in modules():
        for each in module.classes():
            bases = {ast.unparse(base) for base in each.bases}
            if any(base.endswith(("Error", "Exception")) for base in bases) and not each.name.startswith("_"):
                assert ast.get_docstring(each), f"{module.name}:{each.name}"


@pytest.mark.django_db
def test_migrations_are_complete() -> None:
    """Rule 9: makemigrations has nothing to say."""
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)


def test_readme_shows_the_real_stage() -> None:
    """Rule 9: the stage in the README is the file itself."""
    assert (ROOT / "stages" / "deny.py").read_text().strip() in (ROOT / "README.md").read_text()


def test_every_variable_is_documented() -> None:
    """Rule 9: docs/operations.md names every environment variable that is read, and no other."""
    read = {str(field.validation_alias) for field in Environment.model_fields.values()}
    documented = set(
        re.findall(r"^\| `([A-Z_]+)` \|", (ROOT / "docs" / "operations.md").read_text(), re.MULTILINE)
    )
    assert read == documented


def test_the_openapi_document_is_committed() -> None:
    """Rule 9: docs/openapi.json is what the code says, byte for byte."""
    assert (ROOT / "docs" / "openapi.json").read_bytes() == render_document().encode(), (
        "run manage.py openapi and commit docs/openapi.json"
    )


def test_the_schema_of_blueprints_is_committed() -> None:
    """Rule 9: docs/blueprint.schema.json is what the code says, byte for byte."""
    committed = ROOT / "docs" / "blueprint.schema.json"
    assert committed.read_bytes() == schema.render_schema().encode(), (
        f"run manage.py blueprint schema > docs/{committed.name} and commit it"
    )


def test_the_keys_of_blueprints_are_committed() -> None:
    """Rule 9: docs/blueprint-keys.md is what the code says, byte for byte."""
    committed = ROOT / "docs" / "blueprint-keys.md"
    assert committed.read_bytes() == key_reference.render_reference().encode(), (
        f"run manage.py blueprint keys > docs/{committed.name} and commit it"
    )


def test_gates_of_size() -> None:
    """Rule 10: a file of 400 lines at most, a function of 45."""
    for module in modules():
        assert module.text.count("\n") <= 400, module.name
        for function in module.functions():
            lines = (function.end_lineno or 0) - function.lineno + 1
            assert lines <= 45, f"{module.name}:{function.name} has {lines} lines"


def test_every_module_opens_with_a_sentence() -> None:
    """Rule 10: the first paragraph of every module says what is in it."""
    for module in [*modules(), *(Module(path) for path in tracked("tests/*.py", "tests/**/*.py"))]:
        if module.text.count("\n") > 3:
            assert re.search(r"[.:]$", (ast.get_docstring(module.tree) or "").split("\n\n")[0]), module.name


def test_one_thought_a_line() -> None:
    """Rule 10: no conditional expression within another one, and ``:=`` only as a condition."""
    tests = map(Module, tracked("tests/*.py", "benchmarks/*.py"))
    found = [
        f"{module.name}:{line}: {remedy}"
        for module in [*modules(), *tests]
        for line, remedy in stacked_thoughts(module.tree)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("line", "is_found"),
    [
        ("a = b if c else d if e else f", True),
        ("a = b if c else [d if e else f for e in g]", True),
        ("f(a := b)", True),
        ("if isinstance(a := b, int): pass", True),
        ("if (a := (c := b)): pass", True),
        ("a = [b for c in d if f(b := c)]", True),
        ("a = (b if c else d) or (e if f else g)", False),
        ("while not (a := b) or (c := d) > e: pass", False),
        ("a = [b for c in d if (b := f(c))]", False),
        ("a = b if (b := f(c)) is not None else d", False),
    ],
)
def teststacked_thoughts_are_found(line: str, is_found: bool) -> None:
    """Rule 10: the guard knows where an expression takes one step, and where it takes two."""
    assert bool(list(stacked_thoughts(ast.parse(line)))) == is_found


def test_plain_names() -> None:
    """Rule 10: no module is a catch-all such as ``utils``."""
    vague = {
        "utils",
        "util",
        "helpers",
        "helper",
        "common",
        "base",
        "misc",
        "manager",
        "managers",
        "lib",
        "core",
    }
    assert not {module.name for module in modules() if vague & {*Path(module.name).parts, module.path.stem}}


def test_nothing_is_unfinished() -> None:
    """Rule 10: no comment promises later work."""
    marks = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    assert not {module.name for module in modules() if marks.search(module.text)}


def test_locks_name_no_host() -> None:
    """What is committed leads to no address of a package registry."""
    for lock in ROOT.glob("requirements*.lock"):
        assert "://" not in lock.read_text(), lock.name
    assert not [path for path in tracked() if path.name in ("uv.lock", "package-lock.json")]


def test_packages_are_all_guarded() -> None:
    """A new top-level package joins these guards."""
    found = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert found == {*PACKAGES, "tests", "benchmarks"}
