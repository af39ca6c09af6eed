"""The project's own source, parsed once for all guards."""

import ast
import gc
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("idp", "flows", "stages", "blueprints", "web", "tools")


@dataclass(frozen=True)
class Module:
    """One source file."""

    path: Path

    @property
    def name(self) -> str:
        """Its path from the project's root."""
        return str(self.path.relative_to(ROOT))

    @cached_property
    def text(self) -> str:
        """As written."""
        return self.path.read_text()

    @cached_property
    def tree(self) -> ast.Module:
        """Parsed with the garbage collector disabled.

        A finalizer that parses too breaks Python 3.11's parser (SystemError).
        """
        gc.disable()
        try:
            return ast.parse(self.text)
        finally:
            gc.enable()

    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        """Every function and method."""
        return (
            node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        )

    def classes(self) -> Iterator[ast.ClassDef]:
        """Every class, nested ones too."""
        return (node for node in ast.walk(self.tree) if isinstance(node, ast.ClassDef))

    def attributes(self, node: ast.AST | None = None) -> set[str]:
        """Every attribute name that is read or written."""
        return {each.attr for each in ast.walk(node or self.tree) if isinstance(each, ast.Attribute)}

    def imports(self) -> set[str]:
        """Every imported module, and module.name of each from-import."""
        found: set[str] = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
        return found


@lru_cache(maxsize=1)
def modules() -> list[Module]:
    """Every source file of the product, migrations left out."""
    files = (file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py")))
    return [Module(file) for file in files if "migrations" not in file.parts]


def room(*prefixes: str) -> list[Module]:
    """The modules below these folders."""
    return [module for module in modules() if module.name.startswith(prefixes)]


def tracked(*patterns: str) -> list[Path]:
    """The files that git tracks, or would."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def stacked_thoughts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the line and the remedy of each expression that hides a step or a decision within another."""
    conditions = set[ast.expr]()
    for node in ast.walk(tree):
        if isinstance(node, ast.If | ast.While | ast.IfExp):
            conditions.update(_operands(node.test))
        elif isinstance(node, ast.comprehension):
            conditions.update(operand for test in node.ifs for operand in _operands(test))
    for node in ast.walk(tree):
        if isinstance(node, ast.NamedExpr) and node not in conditions:
            yield node.lineno, f"give {node.target.id} := … a line of its own"
        within = (inner for part in ast.iter_child_nodes(node) for inner in ast.walk(part))
        if isinstance(node, ast.IfExp) and any(isinstance(inner, ast.IfExp) for inner in within):
            yield node.lineno, "write the inner conditional expression as a statement or a function"


def _operands(test: ast.expr) -> Iterator[ast.expr]:
    """Yield a condition and what it compares, negates or joins by ``and`` and ``or``."""
    yield test
    parts = list[ast.expr]()
    if isinstance(test, ast.BoolOp):
        parts = test.values
    elif isinstance(test, ast.Compare):
        parts = [test.left, *test.comparators]
    elif isinstance(test, ast.UnaryOp):
        parts = [test.operand]
    for part in parts:
        yield from _operands(part)
