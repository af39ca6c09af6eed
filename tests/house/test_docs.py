"""The pages for people lead to what is there: the paths that they name, and the links between them."""

import re
from pathlib import Path

import pytest

from tests.house.source import ROOT

GENERATED = ROOT / "docs" / "stages"
PAGES = [
    page
    for page in [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "blueprints" / "example" / "README.md"]
    if GENERATED not in page.parents
]
NAMED = r"`((?:idp|flows|stages|blueprints|web|tools|tests|docs)/[\w./-]*)`"
LINKS = r"\]\(([^)#:]+)(?:#[^)]*)?\)"


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_its_paths_and_links_lead_somewhere(page: Path) -> None:
    """Every path of the repository in backticks exists, and so does the target of every relative link."""
    text = page.read_text()
    assert [path for path in re.findall(NAMED, text) if not (ROOT / path).exists()] == []
    assert [link for link in re.findall(LINKS, text) if not (page.parent / link).exists()] == []


def test_the_code_map_names_every_room() -> None:
    """Every package below a layer is in docs/map.md."""
    text = (ROOT / "docs" / "map.md").read_text()
    rooms = {
        f"{path.parent.relative_to(ROOT)}/"
        for layer in ("idp", "flows", "blueprints", "web")
        for path in (ROOT / layer).glob("*/__init__.py")
        if path.parent.name not in ("management", "migrations", "templatetags")
    }
    assert {room for room in rooms if room not in text} == set()


def test_every_decision_is_in_the_index() -> None:
    """Each decision is listed with its title, in the order of the numbers."""
    folder = ROOT / "docs" / "decisions"
    titles = [
        f"- [{path.read_text().splitlines()[0].removeprefix('# ')}]({path.name})"
        for path in sorted(folder.glob("0*.md"))
    ]
    assert re.findall(r"^- .*$", (folder / "README.md").read_text(), re.MULTILINE) == titles
