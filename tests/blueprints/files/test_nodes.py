"""YAML 1.2 as blueprints read it: scalars, positions, and what is refused before it costs anything."""

import pytest

from blueprints.files import nodes
from blueprints.files.nodes import BadYaml, Node, parse


def plain(node: Node) -> object:
    """Return the values, without their positions."""
    if node.is_map:
        return {key: plain(value) for key, (_, value) in node.value.items()}
    return [plain(value) for value in node.value] if node.is_list else node.value


def value(text: str | bytes) -> object:
    """Return the only document."""
    (node,) = parse(text if isinstance(text, bytes) else text.encode())
    return plain(node)


def refused(text: str | bytes) -> str:
    """Return line, column and message."""
    with pytest.raises(BadYaml) as bad:
        parse(text if isinstance(text, bytes) else text.encode())
    return f"{bad.value.line}:{bad.value.column}: {bad.value.message}"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        # YAML 1.2.2 section 10.3.2, the table of the core schema; what JSON cannot express stays a text.
        ("null", None), ("Null", None), ("NULL", None), ("~", None), ("", None),
        ("true", True), ("True", True), ("TRUE", True), ("false", False), ("False", False), ("FALSE", False),
        ("0", 0), ("-0", 0), ("12", 12), ("+12", 12), ("-19", -19), ("012", 12), ("0o14", 12), ("0xC", 12), ("0xff", 255),  # noqa: E501
        ("1.5", 1.5), ("-1.5", -1.5), ("+.5", 0.5), ("1.", 1.0), ("1e3", 1000.0), ("12e-2", 0.12), ("-2E+05", -200_000.0),  # noqa: E501
        (".inf", ".inf"), ("-.INF", "-.INF"), (".nan", ".nan"), ("1e999", "1e999"),
        # Scalars that YAML 1.1 would read as another type.
        ("no", "no"), ("NO", "NO"), ("yes", "yes"), ("on", "on"), ("off", "off"), ("y", "y"), ("n", "n"),
        ("tRUE", "tRUE"), ("nULL", "nULL"),
        ("1_000", "1_000"), ("0b11", "0b11"), ("12:30:45", "12:30:45"), ("2026-11-21", "2026-11-21"), ("2026-11-21T10:00:00Z",) * 2,  # noqa: E501
        ("=", "="), ("<<", "<<"), ("1.2.3", "1.2.3"), ("0x", "0x"), ("0o9", "0o9"), ("e3", "e3"), ("+", "+"), ("-a", "-a"), (".", "."),  # noqa: E501
        ("9" * 31, "9" * 31), ("7d", "7d"),
        ("'true'", "true"), ('"12"', "12"), ("'~'", "~"), ("''", ""), ('"\\u00e4\\n"', "ä\n"), ("'it''s'", "it's"),  # noqa: E501
        ("|\n  a\n  b\n", "a\nb\n"), ("|-\n  a\n\n", "a"), (">\n  a\n  b\n", "a b\n"), ("! 12", "12"),
    ],
)  # fmt: skip
def test_what_a_scalar_means(written: str, meant: object) -> None:
    """Norway stays a country, a version a text, and a date what was written."""
    found = value(f"x: {written}\n")
    assert found == {"x": meant}
    assert type(found["x"]) is type(meant)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("!!str 01067", "01067"), ("!!str true", "true"), ("!!str", ""), ("!!str '1'", "1"), ("!!str |\n  a\n", "a\n"),  # noqa: E501
        ("!<tag:yaml.org,2002:str> 1.10", "1.10"), ("!!int '12'", 12), ("!!int 012", 12), ("!!int 0x1F", 31), ("!!int +7", 7),  # noqa: E501
        ("!!float 1", 1.0), ("!!float '1.10'", 1.1), ("!!bool 'true'", True), ("!!bool FALSE", False), ("!!null ''", None),  # noqa: E501
        ("!!null ~", None),
        ("!!seq [1, !!str 2]", [1, "2"]), ("!!map {a: !!int '1'}", {"a": 1}), ("!<tag:yaml.org,2002:map> {}", {}),  # noqa: E501
    ],
)  # fmt: skip
def test_tags_of_the_standard_say_what_a_value_is(written: str, meant: object) -> None:
    """YAML 1.2.2 section 10.3: short and spelled out."""
    found = value(f"x: {written}\n")
    assert found == {"x": meant}
    assert type(found["x"]) is type(meant)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("!!int 1.5", "1.5 isn't a whole number, as the tag !!int says."),
        ("!!float many", "many isn't a number, as the tag !!float says."),
        ("!!float .inf", ".inf isn't a number, as the tag !!float says."),
        ("!!bool yes", "yes isn't a truth value, as the tag !!bool says."),
        ("!!bool ~", "~ isn't a truth value, as the tag !!bool says."),
        ("!!null 0", "0 isn't a null, as the tag !!null says."),
        ("!!seq {a: 1}", "This isn't a list, as the tag !!seq says."),
        ("!!map [1]", "This isn't a mapping, as the tag !!map says."),
        ("!!str [1]", "This isn't a text, as the tag !!str says."),
        ("!!map a", "This isn't a mapping, as the tag !!map says."),
    ],
)
def test_a_value_that_is_not_what_its_tag_says_is_refused(written: str, said: str) -> None:
    """It is refused at its position."""
    assert refused(f"x: {written}\n") == f"1:4: {said}"


@pytest.mark.parametrize(
    "written",
    [
        "01067",
        "+49170123456",
        "1.10",
        "1.",
        ".5",
        "+1",
        "0x1F",
        "0o17",
        "1e3",
        "00",
        "-0",
        "007.5",
        "12345678901234567890.5",
    ],
)
def test_a_number_that_is_written_otherwise_remembers_it(written: str) -> None:
    """In a value, in a list, as a key, and once where an alias repeats it."""
    (node,) = parse(f"a: &again {written}\nb: [*again, {written}]\n{written}: x\n".encode())
    assert [each.original for each in node.reformatted_scalars()] == [written] * 3


@pytest.mark.parametrize(
    "written",
    [
        "12",
        "-7",
        "1.5",
        "0",
        "0.0",
        "'01067'",
        "!!int 012",
        "!!str 012",
        "1.2.3",
        "+",
        "true",
        "~",
        "7d",
        "|\n  01",
    ],
)
def test_what_stays_as_it_is_written_is_not_remembered(written: str) -> None:
    """Quotes and tags say what is meant."""
    (node,) = parse(f"x: {written}\n".encode())
    assert list(node.reformatted_scalars()) == []


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("1: a\n1.5: b\nnull: c\ntrue: d\n~x: e\n", ["1", "1.5", "null", "true", "~x"]),
        ("no: a\n? b\n", ["no", "b"]),
        ("<<: {a: 1}\n", ["<<"]),
    ],
)
def test_keys_are_texts(text: str, names: list[str]) -> None:
    """A merge key is a key like any other: YAML 1.2 has none, and no kind of document has such a key."""
    found = value(text)
    assert isinstance(found, dict)
    assert list(found) == names


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", "3:1: Duplicate key a."),
        ("x: {a: 1, 'a': 2}\n", "1:11: Duplicate key a."),
        ("1: a\n'1': b\n", "2:1: Duplicate key 1."),
        ("012: a\n12: b\n", "2:1: Duplicate key 12."),
        ("? [a]\n: 1\n", "1:3: A key must be plain text."),
        ("? {a: 1}\n: 1\n", "1:3: A key must be plain text."),
        ("!env A: 1\n", "1:1: A key must be plain text."),
        ("x: *y\n", "1:4: The anchor y isn't defined before this."),
        ("x: *y\ny: &y 1\n", "1:4: The anchor y isn't defined before this."),
        ("x: &y 1\n---\nz: *y\n", "3:4: The anchor y isn't defined before this."),
        ("x: &a [*a]\n", "1:8: The anchor a contains itself."),
        ("x: &a {b: [1, {c: *a}]}\n", "1:19: The anchor a contains itself."),
        ('x: "a\\0b"\n', "1:4: Text can't contain a NUL character."),
        ('"a\\0": 1\n', "1:1: Text can't contain a NUL character."),
        ('x: "\\ud800"\n', "1:7: Found invalid Unicode character escape code."),
        ("x: a\0b\n", "1:1: Invalid YAML: "),
        ("x: \x1b[2J\n", "1:1: Invalid YAML: "),
        (b"x: \xff\n", "1:1: The file isn't UTF-8."),
        (b"\xff\xfex\x00:\x00 \x001\x00", "1:1: The file isn't UTF-8."),
        ("a:\n\tb: 1\n", "2:1: YAML doesn't allow tabs for indentation. Use spaces."),
        ("a: [1\n", "2:1: Did not find expected ',' or ']'."),
        ("a: b: c\n", "1:5: Mapping values are not allowed in this context."),
        ("%YAML 3.0\n---\na: 1\n", "1:1: Found incompatible YAML document."),
        ("a: !e!x 1\n", "1:4: Found undefined tag handle."),
    ],
)  # fmt: skip
def test_what_is_refused_names_its_place(text: str | bytes, said: str) -> None:
    """Line and column from 1."""
    assert refused(text).startswith(said)


def test_byte_order_marks_line_ends_and_comments_mean_nothing() -> None:
    """Files of any editor are read, and lines are counted the same."""
    assert value(b"\xef\xbb\xbfa: 1 # one\r\n\r\nb: two\r\n") == {"a": 1, "b": "two"}
    assert value("%YAML 1.2\n---\na: 1\n...\n") == {"a": 1}
    assert refused(b"\xef\xbb\xbfa: 1\r\n\r\na: 2\r\n") == "3:1: Duplicate key a."
    assert parse(b"") == parse(b"# nothing\n---\n---\nnull\n") == []


def test_every_node_knows_its_place() -> None:
    """It is the position that an editor shows.

    A path that leads too far stops at the last key that exists.
    """
    (node,) = parse("a: 1\nlist:\n  - x\n  - {deep: [1, 2]}\nä: é\n".encode())
    assert node.position(("list", 1, "deep", 1)) == (4, 16)
    assert node.position(("list", 1, "deep", 7)) == (4, 6)
    assert node.position(("list", 1, "shallow")) == (4, 5)
    assert node.position(("ä",)) == (5, 1)
    assert node.position(()) == (1, 1)
    assert node.get("list") is not None
    assert node.get("nothing") is None


def test_an_alias_is_the_same_again() -> None:
    """A later anchor of the same name replaces it, and an anchor ends with its document."""
    assert value("a: &x [1]\nb: *x\nc: &x 2\nd: *x\n") == {"a": [1], "b": [1], "c": 2, "d": 2}
    assert value("a: &x {y: &z 1}\nb: [*x, *z]\n") == {"a": {"y": 1}, "b": [{"y": 1}, 1]}


@pytest.mark.parametrize(
    "text",
    [
        "x: " + "[" * 100_000 + "]" * 100_000,
        "x: " + "{a: " * 100_000 + "1" + "}" * 100_000,
        "[" * 100_000,
        "{" * 100_000,
        "- " * 100_000 + "a",
        "? " * 100_000 + "a",
        "".join(" " * at + "a:\n" for at in range(2000)),
        "\n".join(
            ["a0: &a0 " + "[" * 25 + "]" * 25]
            + [f"a{at}: &a{at} {'[' * 25}*a{at - 1}{']' * 25}" for at in range(1, 900)]
        ),
    ],
    ids=[
        "flow lists",
        "flow mappings",
        "open lists",
        "open mappings",
        "dashes",
        "question marks",
        "block",
        "aliases in each other",
    ],
)
def test_depth_is_refused_where_it_begins(text: str) -> None:
    """Deeper nodes are never read, so they cost nothing.

    An alias is as deep as what it stands for.
    """
    line, column, message = refused(text).split(":", 2)
    assert message == " The document is too deeply nested or too large."
    assert int(line) <= nodes.MAX_DEPTH + 1
    assert int(column) <= 5 * (nodes.MAX_DEPTH + 3)


def test_the_deepest_that_is_read() -> None:
    """It is exactly the limit, in a list and through an alias."""
    most = nodes.MAX_DEPTH
    assert value("[" * most + "]" * most) is not None
    assert "too deep" in refused("[" * (most + 1) + "1" + "]" * (most + 1))
    assert value(f"a: &a [[1]]\nb: {'[' * (most - 3)}*a{']' * (most - 3)}\n") is not None
    assert "too deep" in refused(f"a: &a [[1]]\nb: {'[' * (most - 2)}*a{']' * (most - 2)}\n")


def test_nodes_are_counted_over_the_whole_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Aliases count as if they were written out, and all documents count.

    Otherwise many small bombs would make a large one.
    """
    monkeypatch.setattr(nodes, "MAX_NODES", 100)
    assert len(parse(b"--- a\n" * 50)) == 50
    assert refused(b"--- a\n" * 51) == "51:1: The document is too deeply nested or too large."
    assert refused("- 1\n" * 100).startswith("99:3: The document is too deep")
    small = "---\n- &a [1, 2, 3, 4, 5]\n" + "- *a\n" * 5
    assert len(parse(small.encode() * 2)) == 2
    assert "too large" in refused(small * 3)


def test_aliases_are_counted_in_each_document(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each costs a look-up, even where it stands for one node."""
    monkeypatch.setattr(nodes, "MAX_ALIASES", 3)
    assert len(parse(("---\n- &a 1\n" + "- *a\n" * 3).encode() * 2)) == 2
    assert refused("- &a 1\n" + "- *a\n" * 4) == "5:3: The document has too many aliases."


def test_ten_to_the_fortieth_laughs_are_never_laughed() -> None:
    """Billion laughs are refused at the alias with which the file would pass the limit.

    That is long before the last line.
    """
    lines = ["x0: &x0 [" + "ha, " * 10 + "ha]"] + [
        f"x{at}: &x{at} [{', '.join([f'*x{at - 1}'] * 10)}]" for at in range(1, 40)
    ]
    line, _, message = refused("\n".join(lines)).split(":", 2)
    assert message == " The document is too deeply nested or too large."
    assert int(line) == 6


def test_size_is_looked_at_before_anything_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is too large is not even decoded."""
    monkeypatch.setattr(nodes, "MAX_BYTES", 10)
    assert refused(b"\xff" * 11) == "1:1: The file is larger than 0 MiB."
    assert value(b"a: 1234567") == {"a": 1234567}
