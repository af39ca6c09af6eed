"""The vocabulary: identifiers, docstrings, comments, templates and guides use no retired word."""

import ast
import io
import re
import tokenize

from tests.house.source import ROOT, modules, tracked

# docs/glossary.md says what to use instead. A word that also has an ordinary meaning is refused only where
# that meaning cannot occur.
ARCHAIC = r"whoever|whatever|whomever|somebody|nobody|anybody|anew|mend|mends|mended|lest|thereof|hence"
RETIRED = r"rehears\w*|(?<!help[ _])desks?|newcomers?|pretended|invented"
IN_PROSE = re.compile(rf"\b({ARCHAIC}|{RETIRED})\b", re.IGNORECASE)
IN_NAMES = re.compile(
    rf"(?:^|_)({ARCHAIC}|{RETIRED}|told|walks?|walked|walker|story|stories|concerns?|spoken|weigh)(?:_|$)",
    re.IGNORECASE,
)
GUIDES = [path for path in tracked("*.md") if path.name != "glossary.md"]


def _names(tree: ast.AST) -> set[str]:
    """Return every name that the module itself gives: functions, classes, arguments, variables, fields."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            found.add(node.attr)
    return {re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name) for name in found}


def _prose(source: str, tree: ast.AST) -> list[str]:
    """Return the docstrings and comments of a module."""
    texts = [
        token.string
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    ]
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            texts.append(ast.get_docstring(node) or "")
    return texts


def _without_quotes(text: str) -> str:
    """Return the text without what it quotes: code, and data such as a user name."""
    return re.sub(r"``[^`]*``|`[^`]*`|\"[^\"]*\"", "", text)


def test_names_and_comments_use_no_retired_word() -> None:
    """In every module: the names that it gives, its docstrings and its comments."""
    found = []
    for path in tracked("*.py"):
        source = path.read_text()
        tree = ast.parse(source)
        words = {name for name in _names(tree) if IN_NAMES.search(name)}
        words |= {text for text in _prose(source, tree) if IN_PROSE.search(_without_quotes(text))}
        found += [f"{path.relative_to(ROOT)}: {word}" for word in sorted(words)]
    assert found == []


def test_pages_and_guides_use_no_retired_word() -> None:
    """Templates, styles, scripts, blueprints and guides."""
    assert [
        f"{path.relative_to(ROOT)}: {line}"
        for path in [*tracked("*.html", "*.css", "*.js", "*.yaml"), *GUIDES]
        for line in path.read_text().splitlines()
        if IN_PROSE.search(_without_quotes(line))
    ] == []


def test_no_class_name_has_two_meanings() -> None:
    """A name belongs to one class, except for what Django and pydantic look up by name inside a class."""
    found: dict[str, list[str]] = {}
    for module in modules():
        for node in module.tree.body:
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, []).append(module.name)
    # A stage has the name of its kind, which is also what it returns or asks for. A run is a row, and the
    # stage's view of it.
    allowed = {"Command", "Deny", "DenyDevice", "DeviceCode", "Run"}
    assert {name: files for name, files in found.items() if len(files) > 1 and name not in allowed} == {}
