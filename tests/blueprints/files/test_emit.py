"""Values written as YAML are the same values when they are read, also by YAML 1.1, and never a secret."""

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from blueprints.files.emit import emit, order_keys
from blueprints.files.nodes import Node, parse
from blueprints.files.tags import SecretTag
from blueprints.objects.document import ApplicationDocument
from flows.documents.document import FlowDocument
from idp.foundation.yaml_text import write

TRICKY = [
    "",
    "null",
    "~",
    "yes",
    "No",
    "ON",
    "y",
    "true",
    "0x1f",
    "0o7",
    "012",
    "1e3",
    ".5",
    "1_000",
    "12:30",
    "2020-01-01",
    "<<",
    "=",
]
TRICKY += [
    "---",
    "...",
    "- a",
    "a: b",
    "a #b",
    "#",
    "!secret x",
    "&a",
    "*a",
    "[a]",
    "{a",
    "a,b",
    "'",
    '"',
    "\\",
    " a",
    "a ",
    "\ta",
    "7s",
]
TRICKY += [
    "a\n",
    "a\n\n",
    "\na",
    "a\n b\n",
    " a\nb",
    "a\r\nb",
    "a\x85b",
    "a\u2028b",
    "\ufeff",
    "\x7f",
    "\U0001f511",
    "a\n\tb",
    "@",
    "`",
    "%",
]
LETTERS = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
TEXT = (
    st.sampled_from(TRICKY)
    | st.text(LETTERS, max_size=20)
    | st.text(alphabet=" \n\t#:-?!&*'\"[]{},|>%ayn01.\\\r", max_size=15)
)
SCALAR = (
    st.none()
    | st.booleans()
    | st.integers(-(10**29), 10**29)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
)
KEY = TEXT | st.text(LETTERS, min_size=190, max_size=250)
VALUE = st.recursive(
    SCALAR, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEY, inner, max_size=4), max_leaves=12
)


def plain(node: Node) -> Any:
    """Return the value of a node that has no tags."""
    assert node.tag == ""
    if node.is_map:
        return {key: plain(value) for key, (_, value) in node.value.items()}
    return [plain(value) for value in node.value] if node.is_list else node.value


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(KEY, VALUE, min_size=1, max_size=4))
def test_any_value_survives(value: dict[str, Any]) -> None:
    """It survives the reader of blueprints."""
    (node,) = parse(write(value).encode())
    assert plain(node) == value


@pytest.mark.parametrize("text", TRICKY)
def test_a_text_stays_a_text_for_every_reader(text: str) -> None:
    """The Norway problem: what YAML 1.1 takes for a truth value, a number or a date is quoted.

    It is quoted in lists, as keys and alone.
    """
    value = {"alone": text, "list": [text], "map": {"inner": {f"{text} key": text}}, "rows": [{"of": text}]}
    written = write(value)
    assert plain(parse(written.encode())[0]) == value
    assert yaml.safe_load(written) == value


def test_it_is_what_a_person_would_write() -> None:
    """Short lists are on one line and long texts are blocks; nothing is folded, and there are no aliases."""
    same, long = ["openid", "acme:read"], "word " * 100 + "end"
    value = {
        "application": "tv",
        "scopes": same,
        "again": same,
        "none": [],
        "device": {"interval": "7s"},
        "text": "a\n\n  b\n",
        "long": long,
    }
    assert write(value, {"steps": [{"stage": "deny", "when": '"a" in person.groups'}], "on": True}) == (
        'application: tv\nscopes: [openid, "acme:read"]\nagain: [openid, "acme:read"]\nnone: '
        "[]\ndevice:\n  interval: 7s\n"
        f"text: |\n  a\n\n    b\nlong: {long}\n---\n"
        'steps:\n  - stage: deny\n    when: \'"a" in person.groups\'\n"on": true\n'
    )


def test_a_secret_is_written_as_its_name() -> None:
    """It reads as one again."""
    written = emit(
        [{"application": "a", "client_secret": SecretTag("the.name-1")}, {"list": [SecretTag("b")]}]
    )
    assert written == "application: a\nclient_secret: !secret the.name-1\n---\nlist: [!secret b]\n"
    node = parse(written.encode())[0].get("client_secret")
    assert node is not None
    assert (node.tag, node.value) == ("secret", "the.name-1")


@pytest.mark.parametrize("value", [object(), float("nan"), float("inf"), b"bytes", {"a", "b"}, {1: "a"}])
def test_what_yaml_does_not_hold_is_refused(value: Any) -> None:
    """It is not written as something else."""
    with pytest.raises(TypeError):
        write({"key": value})


def test_keys_stand_in_the_order_of_the_declaration() -> None:
    """The order does not depend on the database, and open mappings are sorted by name."""
    device = {"interval": "5s", "code_lifetime": "1m"}
    found = order_keys(ApplicationDocument, {"flows": {"z": 1, "a": 2}, "device": device, "title": "T"})
    assert list(found) == ["title", "flows", "device"]
    assert [list(found["flows"]), list(found["device"])] == [["a", "z"], ["code_lifetime", "interval"]]
    flow = order_keys(
        FlowDocument,
        {"steps": [{"settings": {"b": 1, "a": 1}, "stage": "x"}], "for": "part", "title": "T", "flow": "f"},
    )
    assert list(flow) == ["flow", "title", "for", "steps"]
    assert list(flow["steps"][0]) == ["stage", "settings"]
