"""Reading blueprint files finds everything that is wrong with the YAML itself, and is fast.

A problem has its file, line and key.
"""

import time
from pathlib import Path

import pytest

from blueprints.files.problems import BadBlueprint
from blueprints.files.read import read
from tests.support.client import Write


def problems(*files: Path) -> list[str]:
    """Return the problems, without the folder."""
    with pytest.raises(BadBlueprint) as bad:
        read(files)
    return [str(problem).removeprefix(f"{files[0].parent}/") for problem in bad.value.problems]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tenant: a\ntitel: A\n", "b.yaml:2:1: titel: Unknown key. Did you mean title?"),
        ("application: a\ndevice:\n  interva: 5s\n", "b.yaml:3:3: device.interva: Unknown key."),
        ("tenant: a\nzzz: 1\n", "b.yaml:2:1: zzz: Unknown key."),
        ("tenant: A B\n", "b.yaml:1:1: tenant: Use lowercase letters, digits"),
        ("persn: a\n", "b.yaml:1:1: persn: This isn't a kind of document. Did you mean person?"),
        ("zzz: a\n", "b.yaml:1:1: zzz: This isn't a kind of document. There are: tenant, scope, group"),
        ("- a\n- b\n", "b.yaml:1:1: A document starts with its kind: tenant"),
        ("just text\n", "b.yaml:1:1: A document starts with its kind"),
        ("person:\n", "b.yaml:1:1: person: This is blank. Enter text."),
        ("person: a\nactive: perhaps\n", "b.yaml:2:1: active: Enter true or false."),
        (
            "person: 7\n",
            "b.yaml:1:1: person: This is read as the number 7. Put it in quotes to make it text.",
        ),
        ("tenant: a\naccent: red\n", "b.yaml:2:1: accent: Enter a color as # and six"),
        (
            "tenant: a\nnetworks: [10.0.0.0/8, junk]\n",
            "b.yaml:2:24: networks.1: 'junk' does not appear to be an IPv4 or IPv6 network.",
        ),
        (
            "application: a\ndevice: {code_lifetime: 2h}\n",
            "b.yaml:2:10: device.code_lifetime: Must be between 30s and 1h.",
        ),
        (
            "application: a\ndevice: {interval: 5}\n",
            "b.yaml:2:10: device.interval: Enter a duration like 30s, 10m, 2h or 7d.",
        ),
        (
            "flow: f\ntitle: T\nfor: device_code\nsteps:\n  - stage: deny\n    if: x\n",
            "b.yaml:6:5: steps.0.if: Unknown key.",
        ),
        (
            "flow: f\ntitle: T\nfor: device_code\nsteps: 7\n",
            "b.yaml:4:1: steps: Enter a list, like [one, two].",
        ),
        ("tenant: a\ntenant: b\n", "b.yaml:2:1: Duplicate key tenant."),
        (
            "application: a\ndevice:\n  interval: 5s\n  interval: 6s\n",
            "b.yaml:4:3: Duplicate key interval.",
        ),
        (
            "tenant: !!python/object:os.system a\n",
            "b.yaml:1:9: Unknown tag !!python/object:os.system. There are: !env, !file,",
        ),
        ("tenant: a\ntitle: !evn SECRET\n", "b.yaml:2:8: Unknown tag !evn."),
        ("tenant: a\ndomains: !!python/tuple [a]\n", "b.yaml:2:10: Unknown tag !!python/tuple."),
        ("!thing\ntenant: a\n", "b.yaml:1:1: Unknown tag !thing."),
        ("tenant: [a\n", "b.yaml:"),
        ("tenant: a\n\ttitle: A\n", "b.yaml:2:1: YAML doesn't allow tabs for indentation. Use spaces."),
        (
            "application: a\ndevice:\n\tinterval: 5s\n",
            "b.yaml:3:1: YAML doesn't allow tabs for indentation. Use spaces.",
        ),
        (
            "application: a\ngrants:\n  - device_code\n \t- refresh_token\n",
            "YAML doesn't allow tabs for indentation. Use spaces.",
        ),
        (
            "tenant: m1\ngroup: staff\n",
            "b.yaml:2:1: group: group starts another document. Put --- before it.",
        ),
        (
            "group: staff\nscope: a\ntitle: A\n",
            "b.yaml:2:1: scope: scope starts another document. Put --- before it.",
        ),
        ("tenant: *nowhere\n", "b.yaml:1:9: The anchor nowhere isn't defined before this."),
        ("tenant: a\x07\n", "b.yaml:1:1: Invalid YAML"),
        ("scope: a\ntitle: A\n---\nscope: a\ntitle: B\n", "b.yaml:4:1: scope: scope a is already defined in"),
    ],
)
def test_what_is_wrong_names_its_place(write_blueprint: Write, text: str, expected: str) -> None:
    """A problem has file, line, column and key, and says what would be right."""
    found = problems(write_blueprint(text, "b.yaml"))
    assert any(expected in problem for problem in found), found
    assert all(problem.startswith("b.yaml:") for problem in found)


def _bomb(levels: int = 12) -> str:
    lines = ["tenant: a", "x0: &x0 [a, a, a, a, a, a, a, a, a, a]"]
    lines += [f"x{at}: &x{at} [{', '.join([f'*x{at - 1}'] * 10)}]" for at in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    "text",
    [
        _bomb(),
        "tenant: &a [*a]",
        "tenant: a\ndomains: &d\n  - *d\n",
        "tenant: " + "[" * 100 + "]" * 100,
        "tenant: " + "[" * 1500 + "]" * 1500,
        "tenant: " + "{a: " * 1000 + "1" + "}" * 1000,
        pytest.param("tenant: a\ndomains: [" + "a, " * 310_000 + "a]", marks=pytest.mark.slow),
    ],
    ids=["aliases", "itself", "itself in a list", "deep", "very deep", "deep mapping", "many"],
)
def test_a_bomb_is_refused_and_costs_little(write_blueprint: Write, text: str) -> None:
    """Billion laughs, self reference or depth is one problem and is not followed to its end."""
    path = write_blueprint(text)
    begun = time.process_time()
    assert len(problems(path)) == 1
    assert time.process_time() - begun < 10


def test_the_bomb_itself_takes_no_time(write_blueprint: Write) -> None:
    """10¹² nodes would take forever; the refusal comes at the alias that would pass the limit."""
    begun = time.process_time()
    assert "too deeply nested or too large" in problems(write_blueprint(_bomb()))[0]
    assert time.process_time() - begun < 2


def test_a_file_that_is_too_large_is_not_parsed(write_blueprint: Write) -> None:
    """Eight megabytes at most, and no more is read."""
    begun = time.process_time()
    assert problems(write_blueprint("# " + "x" * 2**23, "b.yaml")) == [
        "b.yaml:1:1: The file is larger than 8 MiB."
    ]
    assert time.process_time() - begun < 1


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    """A file that is not UTF-8 or does not exist is a problem with its name.

    A folder is the files in it, each of them once.
    """
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"tenant: caf\xe9\n")
    zeros = tmp_path / "zeros.yaml"
    zeros.write_bytes(b"\0" * 100)
    (tmp_path / "folder.yaml").mkdir()
    found = problems(latin, zeros, tmp_path, tmp_path / "missing.yaml")
    assert found[0] == "latin.yaml:1:1: The file isn't UTF-8."
    assert found[1].startswith("zeros.yaml:1:1: Invalid YAML")
    assert found[2:] == ["missing.yaml:1:1: No such file or directory"]


@pytest.mark.parametrize("text", ["", "# only a comment\n---\n---\n", "vars: {a: 1}\n"])
def test_a_file_without_a_document_is_a_mistake(write_blueprint: Write, text: str) -> None:
    """Another file was meant, or this one is not complete yet."""
    assert problems(write_blueprint(text, "b.yaml")) == ["b.yaml:1:1: No document found."]


def test_the_same_object_in_two_files_is_refused(write_blueprint: Write) -> None:
    """The second place names the first, and the same name in another tenant is another object."""
    one = write_blueprint("tenant: a\ntitle: A\n---\nscope: s\ntitle: S\n", "one.yaml")
    two = write_blueprint("tenant: b\n---\nscope: s\ntitle: S\n---\nscope: t\ntitle: T\n", "two.yaml")
    assert len(read([one, two]).documents) == 5
    three = write_blueprint("tenant: a\ntitle: A\n---\nscope: s\ntitle: S\n", "three.yaml")
    assert [problem.split(" is already")[0] for problem in problems(one, three)] == [
        "three.yaml:1:1: tenant: tenant a",
        "three.yaml:4:1: scope: scope s",
    ]


def test_a_secret_is_not_repeated_in_what_is_wrong_with_it(write_blueprint: Write) -> None:
    """Problems are printed and logged."""
    found = problems(
        write_blueprint("person: a\npassword: [hunter2]\n---\napplication: b\nclient_secret: {a: hunter3}\n")
    )
    assert len(found) == 2
    assert "hunter" not in str(found)


def test_an_alias_is_a_way_to_say_something_once(write_blueprint: Write) -> None:
    """Within one document, as YAML has it."""
    text = (
        "application: a\nscopes: &all [openid, email]\ngroups: *all\n---\napplication: b\ndevice: "
        "{interval: 5s}\n"
    )
    found = read([write_blueprint(text)]).documents
    assert [each.name for each in found] == ["a", "b"]
    assert found[0].document.groups == ["openid", "email"]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("attributes: {a: !secret x}", "attributes.a"),
        ("attributes: {a: [1]}", "attributes.a"),
        ("attributes: {a: {b: 1}}", "attributes.a"),
        ("name: !secret x", "name"),
        ("groups: [!secret x]", "groups.0"),
    ],
)
def test_one_mistake_is_one_problem_at_its_key(write_blueprint: Write, text: str, key: str) -> None:
    """A value that might have had several types is reported once, not once a type."""
    found = problems(write_blueprint(f"person: a\n{text}\n", "b.yaml"))
    assert len(found) == 1

    assert found[0].startswith("b.yaml:2:")
    assert f" {key}: " in found[0]


def test_what_a_file_says_moves_no_cursor(write_blueprint: Write) -> None:
    """With control characters or right-to-left text in names, the problem is one fully visible line."""
    found = problems(write_blueprint('"\\e[2Jx\\u202e": 1\n', "b.yaml"))
    assert found == [
        "b.yaml:1:1: \ufffd[2Jx\ufffd: This isn't a kind of document. There are: "
        "tenant, scope, group, person, flow, application, mail."
    ]


def test_too_many_problems_are_not_all_collected(write_blueprint: Write) -> None:
    """A malicious file with ten thousand mistakes costs what two hundred cost."""
    with pytest.raises(BadBlueprint) as bad:
        read([write_blueprint("---\nx: 1\n" * 5_000)])
    assert len(bad.value.problems) == 201
    assert str(bad.value).splitlines()[-1] == "… and 1 more."
    assert len(problems(write_blueprint("tenant: a\n" + "".join(f"k{at}: 1\n" for at in range(5_000))))) == 1
