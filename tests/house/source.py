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
