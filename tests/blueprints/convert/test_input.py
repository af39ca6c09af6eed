"""The conversion reads each of authentik's tags as data, and refuses malicious files."""

import re
import time
from pathlib import Path
from textwrap import indent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blueprints.convert.authentik import convert
from blueprints.convert.report import Block, FoyerTag, write
from blueprints.files.nodes import Node, parse
from blueprints.files.problems import BadBlueprint
from tests.blueprints.convert.converting import APPLICATION, SIGN_IN, converted, written

CONTEXT = """
context:
  word: Acme
  list: [a, b]
  pairs: {one: 1, two: 2}
  on: true
  off: false
  round: !Context around
  around: !Context round
"""


def titled(folder: Path, tag: str, *before: str, head: str = CONTEXT) -> tuple[str, list[str]]:
    """Return the title that a brand gets by this tag ("" for none), and the notes."""
    brand = (
        "- model: authentik_brands.brand\n  identifiers: {domain: a.test}\n  attrs:\n    default: true\n   "
        " branding_title: "
    ) + tag
    outcome = converted([written(folder, *before, brand, head=head)])
    lines = [line.removeprefix("title: ") for line in outcome.text.splitlines() if line.startswith("title: ")]
    return lines[0] if lines else "", outcome.notes


@pytest.mark.parametrize(
    ("tag", "title"),
    [
        ("!Context word", "Acme"),
        ("!Context [word]", "Acme"),
        ("!Context [missing, Home]", "Home"),
        ("!Context [word, Home]", "Acme"),
        ("!Context [missing, !Context word]", "Acme"),
        ("!Env TITLE", "!env TITLE"),
        ("!Env [TITLE, At home]", "!env [TITLE, At home]"),
        ("!File /run/title.txt", "!file title.txt"),
        ("!File [../../etc/passwd, x]", "!file passwd"),
        ('!Format ["%s at %s", !Context word, home]', "Acme at home"),
        ('!Format ["%d of %s %%", 3, 4.5]', '"3 of 4.5 %"'),
        ("!If [true, A, B]", "A"),
        ("!If [!Context off, A, B]", "B"),
        ("!If [!Context missing, A, B]", ""),
        ("!If [!Condition [AND, !Context on, !Context off], A, B]", "B"),
        ("!If [!Condition [OR, !Context on, !Context off], A, B]", "A"),
        ("!If [!Condition [NAND, !Context on, !Context off], A, B]", "A"),
        ("!If [!Condition [NOR, !Context on, !Context off], A, B]", "B"),
        ("!If [!Condition [XOR, !Context on, !Context off], A, B]", "A"),
        ("!If [!Condition [XNOR, !Context on, !Context off], A, B]", "B"),
        ("!AtIndex [!Context list, 1]", "b"),
        ("!AtIndex [!Context pairs, two]", '"2"'),
        ("!AtIndex [!Context list, 7, none]", "none"),
        ("!AtIndex [!Enumerate [!Context list, SEQ, !Format ['%s-%s', !Index 0, !Value 0]], 1]", "1-b"),
        ("!AtIndex [!Enumerate [!Context pairs, MAP, [!Index 0, !Format ['%s!', !Value 0]]], two]", '"2!"'),
        (
            (
                "!AtIndex [!AtIndex [!Enumerate [!Context list, SEQ, !Enumerate [[x], SEQ, !Format ['%s%s', "
                "!Value 1, !Value 0]]], 0], 0]"
            ),
            "ax",
        ),
        ("!!str plain", "plain"),
    ],
)
def test_tags_are_data(tmp_path: Path, tag: str, title: str) -> None:
    """Each tag of authentik's format is resolved from the file alone.

    What only the installation knows becomes a tag of ours.
    """
    assert titled(tmp_path, tag)[0].strip('"') == title.strip('"')


@pytest.mark.parametrize(
    ("tag", "why"),
    [
        ("!Context missing", "the file's context has no missing"),
        ("!Context round", "contains itself"),
        ("!Shell rm", "unknown tag !Shell"),
        ('!Format ["%s %s", one]', "formats more than plain texts"),
        ('!Format ["%999999999s", x]', "formats more than plain texts"),
        ('!Format ["%(a)s", x]', "formats more than plain texts"),
        ('!Format ["x", y]', "fewer places than values"),
        ('!Format ["%s", !Env HOME]', "formats more than plain texts"),
        ("!If [!Env X, A, B]", "depends on the running installation"),
        ("!If [true, A]", "invalid use of the tag"),
        ("!Condition [MAYBE, true]", "unknown mode MAYBE"),
        ("!AtIndex [!Context list, 7]", "no value at this path"),
        ("!Enumerate [word, SEQ, x]", "nothing to go through"),
        ("!Value 0", "outside !Enumerate"),
        ("!FindObject [authentik_flows.flow, [slug, nowhere]]", "not among the entries"),
        ("!Env 'no name'", "isn't an environment variable"),
        ("!File ..", "isn't a file name"),
        ("{a: b}", "a text is expected"),
        ("!KeyOf nothing", "a text is expected"),
    ],
)
def test_what_the_file_does_not_contain_is_noted(tmp_path: Path, tag: str, why: str) -> None:
    """Nothing is guessed: the value is left out, and the note has its line."""
    title, notes = titled(tmp_path, tag)
    assert title == ""
    assert any(why in note for note in notes), notes


def test_references(tmp_path: Path) -> None:
    """!KeyOf, !Find by several fields and by another reference, and !FindObject are resolved.

    Primary keys are resolved as exports write them.
    """
    before = """
    - {model: authentik_core.group, id: staff, identifiers: {name: staff}, attrs: {pk: 7d4c3a10-0000-4000-8000-000000000001, note: Found}}
    - model: authentik_core.user
      identifiers: {username: alice}
      attrs:
        groups:
          - !KeyOf staff
          - !Find [authentik_core.group, [name, guests]]
          - 7d4c3a10-0000-4000-8000-000000000001
          - !KeyOf nowhere
    """  # noqa: E501
    title, notes = titled(
        tmp_path, "!AtIndex [!FindObject [authentik_core.group, [name, staff]], note]", before
    )
    assert title == "Found"
    assert any("not all of its groups" in note for note in notes)
    policy = (
        "- {model: authentik_policies_expression.expressionpolicy, id: p, identifiers: {name: p}, attrs: "
        "{expression: return False}}"
    )
    where = "!Find [authentik_flows.flowstagebinding, [target, !KeyOf flow], [stage, !KeyOf login]]"
    binding = (
        f"- {{model: authentik_policies.policybinding, identifiers: {{target: {where}, policy: !KeyOf p, "
        f"order: 0}}}}"
    )
    assert converted([written(tmp_path, SIGN_IN, policy, binding)]).steps() == [
        "identification",
        "password",
        "deny",
        "login",
    ]


def test_files_refer_to_each_other(tmp_path: Path) -> None:
    """!KeyOf stays in its file, and !Find searches all of them.

    Two entries of one object are merged.
    """
    first = written(tmp_path, SIGN_IN, name="first.yaml")
    binding = (
        "- {model: authentik_flows.flowstagebinding, identifiers: {target: TARGET, stage: !KeyOf odd, "
        "order: 30}}"
    )
    odd = "- {model: authentik_stages_deny.denystage, id: odd, identifiers: {name: odd}}"
    other = "- {model: authentik_flows.flow, identifiers: {slug: sign-in}, attrs: {title: Come in}}"
    near = written(tmp_path, odd, binding.replace("TARGET", "!KeyOf flow"), name="near.yaml")
    far = written(
        tmp_path,
        odd,
        other,
        binding.replace("TARGET", "!Find [authentik_flows.flow, [slug, sign-in]]"),
        name="far.yaml",
    )
    assert converted([first, near]).steps() == ["identification", "password", "login"]
    outcome = converted([far, first])
    assert outcome.steps() == ["identification", "password", "deny", "login"]
    assert outcome.one("flow")["title"] == "Come in"
    assert outcome.noted("is defined in", "already")


@pytest.mark.parametrize(
    ("conditions", "there"),
    [
        ("[true]", True),
        ("[!Context on]", True),
        ("[!Context off]", False),
        ("[true, false]", False),
        ("[!Env X]", False),
        ("[]", True),
    ],
)
def test_conditions_of_entries(tmp_path: Path, conditions: str, there: bool) -> None:
    """An object that should not exist does not.

    An application whose conditions are not known is left out, and a guard stays.
    """
    app = APPLICATION.replace("id: app,", f"id: app, conditions: {conditions},")
    outcome = converted([written(tmp_path, app, head=CONTEXT)])
    assert any("application" in each for each in outcome.documents) is there
    policy = "- {model: authentik_policies_expression.expressionpolicy, id: p, identifiers: {name: p}}"
    binding = """
    - model: authentik_policies.policybinding
      conditions: [!Env X]
      identifiers: {target: !KeyOf b-login, policy: !KeyOf p, order: 0}
    """
    assert "deny" in converted([written(tmp_path, SIGN_IN, policy, binding)]).steps()


def refused(file: Path) -> str:
    """Return the one problem of a file that can't be read."""
    with pytest.raises(BadBlueprint) as bad:
        convert([file])
    assert len(bad.value.problems) == 1
    return str(bad.value).removeprefix(f"{file.parent}/")


LAUGHS = "context:\n  a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (LAUGHS + "entries: []\n", "too deeply nested or too large"),
        ("entries: " + "[" * 5000 + "]" * 5000, "too deeply nested or too large"),
        ("entries: " + "{a: " * 5000, "too deeply nested or too large"),
        ("entries: !!python/object/apply:os.system [id]\n", "This isn't an authentik blueprint"),
        ("entries: 7\n", "no list of entries"),
        ("entries: !Context x\n", "no list of entries"),
        ("- a\n", "no list of entries"),
        ("version: 2\nentries: []\n", "Only version 1"),
        ("entries: [{model: a.b, model: c.d}]\n", "Duplicate key"),
        ("entries: &a [*a]\n", "contains itself"),
        ("entries: [\n", "b.yaml:"),
    ],
)
def test_hostile_files_are_refused(tmp_path: Path, text: str, expected: str) -> None:
    """Billion laughs, deep nesting or no entries at all: one clean error with its place, at once."""
    file = tmp_path / "b.yaml"
    file.write_text(text)
    before = time.monotonic()
    assert expected in refused(file)
    assert time.monotonic() - before < 5


@pytest.mark.parametrize(
    ("odd", "why"),
    [
        ("just text", "An entry must be a mapping with a model; this one is omitted."),
        ("[]", "An entry must be a mapping with a model; this one is omitted."),
        ("{attrs: {}}", "An entry must have a model; this one is omitted."),
        ("{model: [authentik_core.group]}", "An entry must have a model; this one is omitted."),
        ("{model: authentik_core.group, attrs: []}", "its attrs aren't a mapping; it is omitted."),
        ("{model: authentik_core.group, identifiers: x}", "its identifiers aren't a mapping; it is omitted."),
        ("{model: authentik_core.group, attrs: !Env X}", "its attrs aren't a mapping; it is omitted."),
        ("{model: authentik_core.group, state: !Env X}", "its state, !env X, is not known; it is omitted."),
        ("{model: authentik_core.group, state: gone}", "its state, gone, is not known; it is omitted."),
        (
            "{model: authentik_core.group, conditions: [no], identifiers: {name: x}}",
            "its conditions are not known from the file",
        ),
        ("{model: authentik_core.user, id: !Env WHO, identifiers: {username: x}}", "its id isn't plain text"),
        ("{model: authentik_core.user, id: [a], identifiers: {username: x}}", "its id isn't plain text"),
        (
            "{model: !!python/object/apply:os.system [id]}",
            "Its model is made by a tag that cannot be followed",
        ),
        (
            "{model: authentik_core.user, identifiers: {username: !!python/name:os.system ''}}",
            "has no place in a blueprint",
        ),
        (
            "{model: authentik_core.user, identifiers: {username: x}, attrs: {email: !Nested {a: b}}}",
            "unknown tag !Nested",
        ),
        ("!Enumerate [[a], SEQ, {model: authentik_core.group}]", "This entry is made by a tag"),
    ],
)
def test_one_odd_entry_stops_nothing(tmp_path: Path, odd: str, why: str) -> None:
    """It is left out with a note that has its line, and all the rest of the batch is converted."""
    first = written(
        tmp_path, f"- {odd}", "- {model: authentik_core.group, identifiers: {name: staff}}", name="first.yaml"
    )
    second = written(tmp_path, SIGN_IN, name="second.yaml")
    outcome = converted([first, second])
    assert outcome.noted("3: ", why), outcome.notes
    assert outcome.one("group", "staff")
    assert outcome.steps() == ["identification", "password", "login"]


def test_entries_in_sections(tmp_path: Path) -> None:
    """Entries may stand under names of their own: all are read, in order, and refer to each other."""
    file = tmp_path / "sections.yaml"
    password, rest = (
        SIGN_IN.strip().splitlines()[2],
        [line for at, line in enumerate(SIGN_IN.strip().splitlines()) if at != 2],
    )
    sections = (
        f"  stages:\n    {password}\n  odd: not a list\n  flows:\n{indent(chr(10).join(rest), '    ')}\n"
    )
    file.write_text(f"version: 1\nentries:\n{sections}")
    outcome = converted([file])
    assert outcome.steps() == ["identification", "password", "login"]
    assert outcome.noted("5: The section odd isn't a list of entries and is omitted.")
    file.write_text("version: 1\nentries: {}\n")
    assert converted([file]).documents == [{"tenant": "default"}]


@pytest.mark.parametrize("odd", ["model: !Env MODEL", "model: !Format ['%s.policybinding', !Env APP]"])
def test_what_may_be_a_policy_closes_its_file(tmp_path: Path, odd: str) -> None:
    """An entry whose kind only the installation knows may be a policy of anything in its file.

    It is a policy of nothing elsewhere.
    """
    first = written(tmp_path, f"- {odd}\n  attrs: {{}}", SIGN_IN, APPLICATION, name="first.yaml")
    outcome = converted([first])
    assert outcome.steps()[0] == "deny"
    assert outcome.one("application")["active"] is False
    other = written(tmp_path, SIGN_IN.replace("slug: sign-in", "slug: elsewhere"), name="other.yaml")
    assert converted([first, other]).steps() == ["identification", "password", "login"]


def test_a_file_that_cannot_be_read_stops_the_batch(tmp_path: Path) -> None:
    """It may close something in the others, so each unreadable file is named with its place.

    Nothing is written.
    """
    good = written(tmp_path, SIGN_IN)
    for name in ("one.yaml", "two.yaml"):
        (tmp_path / name).write_text("version: 1\nentries:\n  - {model: [\n")
    with pytest.raises(BadBlueprint) as bad:
        convert([tmp_path / "one.yaml", good, tmp_path / "two.yaml"])
    assert [Path(problem.file).name for problem in bad.value.problems] == ["one.yaml", "two.yaml"]
    assert all(problem.line == 4 for problem in bad.value.problems)


def test_files_that_are_no_text(tmp_path: Path) -> None:
    """The file is too large, not UTF-8, a folder, or missing."""
    file = tmp_path / "b.yaml"
    file.write_bytes(b"a" * (8 * 1024 * 1024 + 1))
    assert "larger than" in refused(file)
    file.write_bytes(b"\xff\xfe\x00")
    assert "isn't UTF-8" in refused(file)
    assert "Is a directory" in refused(tmp_path)
    assert "No such file" in refused(tmp_path / "nothing.yaml")


def test_tags_that_multiply_are_stopped(tmp_path: Path) -> None:
    """Billion laughs by tags instead of aliases: each !Enumerate or !Context multiplies the one inside."""
    nested = "x"
    for _ in range(8):
        nested = f"!Enumerate [[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], SEQ, {nested}]"
    assert "once its tags are followed" in refused(
        written(tmp_path, f"- {{model: a.b, attrs: {{x: {nested}}}}}")
    )
    doubled = "context:\n  a0: ''\n" + "".join(
        f"  a{n}: !Format ['%s%s', !Context a{n - 1}, !Context a{n - 1}]\n" for n in range(1, 40)
    )
    assert "once its tags are followed" in refused(
        written(tmp_path, "- {model: a.b, attrs: {x: !Context a39}}", head=doubled)
    )


def test_references_in_a_circle(tmp_path: Path) -> None:
    """Entries that refer to each other in a circle are not found.

    Groups, stages and applications in circles end.
    """
    around = """
    - {model: authentik_flows.flow, id: flow, identifiers: {slug: a}, attrs: {designation: authentication, x: !KeyOf app}}
    - {model: authentik_flows.flowstagebinding, id: one, identifiers: {target: !KeyOf flow, order: 1,
       stage: !Find [authentik_flows.flowstagebinding, [stage, !KeyOf two]]}}
    - {model: authentik_flows.flowstagebinding, id: two, identifiers: {target: !KeyOf flow, order: 2,
       stage: !Find [authentik_flows.flowstagebinding, [stage, !Find [authentik_flows.flowstagebinding, [stage, !KeyOf one]]]]}}
    - {model: authentik_stages_identification.identificationstage, id: loop, identifiers: {name: loop},
       attrs: {user_fields: [email], password_stage: !KeyOf loop}}
    - {model: authentik_flows.flowstagebinding, identifiers: {target: !KeyOf flow, stage: !KeyOf loop, order: 3}}
    - {model: authentik_core.application, id: app, identifiers: {slug: app}, attrs: {provider: !KeyOf app}}
    """  # noqa: E501
    outcome = converted([written(tmp_path, around)])
    assert set(outcome.steps()) == {"deny"}
    assert outcome.noted("no OAuth2 provider")


@pytest.mark.parametrize("breaks", ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x85", "\u2028", "\u2029", "\x1e"])
def test_a_source_never_leaves_its_comment(tmp_path: Path, breaks: str) -> None:
    """An expression whose line breaks would end the comment writes no document.

    It cannot steer the terminal either.
    """
    hostile = f"return True{breaks}---{breaks}person: intruder{breaks}admin: true\x1b[2J"
    quoted = "".join(f"\\x{ord(sign):02x}" if ord(sign) < 256 else f"\\u{ord(sign):04x}" for sign in hostile)
    model = "authentik_policies_expression.expressionpolicy"
    policy = (
        f'- {{model: {model}, id: p, identifiers: {{name: "p{quoted}"}}, attrs: {{expression: "{quoted}"}}}}'
    )
    binding = (
        "- {model: authentik_policies.policybinding, identifiers: {target: !KeyOf b-login, policy: !KeyOf "
        "p, order: 0}}"
    )
    made = convert([written(tmp_path, SIGN_IN, policy, binding)])
    outcome = converted([tmp_path / "authentik.yaml"])
    assert "intruder" in made.text
    assert not [each for each in outcome.documents if "person" in each]
    assert "\x1b" not in made.text + "".join(map(str, made.notes))


def test_many_entries_take_their_time_once(tmp_path: Path) -> None:
    """Three thousand people in one group, found by reference, take seconds, not minutes."""
    people = "".join(
        (
            f"- {{model: authentik_core.user, identifiers: {{username: u{n}}}, attrs: {{groups: [!Find "
            f"[authentik_core.group, [name, g]]]}}}}\n"
        )
        for n in range(3_000)
    )
    before = time.monotonic()
    outcome = converted(
        [written(tmp_path, "- {model: authentik_core.group, identifiers: {name: g}}", people)]
    )
    assert len(outcome.documents) == 3_002
    assert time.monotonic() - before < 30


_VALUE = re.compile(r"(\w+): (!KeyOf [\w-]+|!Find \[[^\]]*\[[^\]]*\]\]|\[[^\]]*\]|[\w.-]+)")
WHOLE = f"""version: 1
entries:{indent(SIGN_IN, "  ")}
  - {{model: authentik_stages_authenticator_validate.authenticatorvalidatestage, id: mfa, identifiers: {{name: mfa}},
     attrs: {{device_classes: [totp], not_configured_action: deny, configuration_stages: []}}}}
  - {{model: authentik_flows.flowstagebinding, id: b-mfa, identifiers: {{target: !KeyOf flow, stage: !KeyOf mfa, order: 30}}}}
  - {{model: authentik_core.group, id: staff, identifiers: {{name: staff}}}}
  - {{model: authentik_flows.flow, id: device, identifiers: {{slug: device}}, attrs: {{name: D, designation: stage_configuration}}}}
  - {{model: authentik_brands.brand, identifiers: {{domain: a.test}}, attrs: {{default: true, flow_device_code: !KeyOf device}}}}
  - {{model: authentik_providers_oauth2.oauth2provider, id: tv, identifiers: {{name: tv}},
     attrs: {{client_type: public, client_id: tv, property_mappings: [], access_token_validity: minutes=5, grant_types: []}}}}
  - {{model: authentik_core.application, id: app, identifiers: {{slug: tv}}, attrs: {{name: TV, provider: !KeyOf tv}}}}
  - {{model: authentik_policies.policybinding, identifiers: {{target: !KeyOf app, group: !KeyOf staff}}, attrs: {{enabled: true}}}}
"""  # noqa: E501
JUNK = [
    "null",
    "[]",
    "{}",
    "7",
    "-1.5",
    "true",
    '""',
    "x y",
    "!Env X",
    "[!Env X]",
    "!KeyOf flow",
    "!KeyOf app",
    "[[x]]",
    "{a: !Context b}",
]
JUNK += [
    "!Context nothing",
    "!Find [authentik_core.group, [name, x]]",
    "[!KeyOf who, !KeyOf who]",
    "!File x",
    "2026-01-01",
    "'\\u2028'",
]


@pytest.mark.parametrize("junk", JUNK)
def test_junk_in_any_place(tmp_path: Path, junk: str) -> None:
    """Every single value of a configuration is replaced, and the result is sound or a clean error.

    It opens no way in: a person who signs in was asked for name and password. Everyone who was asked for more
    is asked, or no one is let in.
    """
    spots = [(match[1], *match.span(2)) for match in _VALUE.finditer(WHOLE)]
    assert len(spots) > 60
    file = tmp_path / "junk.yaml"
    for key, start, end in spots:
        if key in ("model", "state") or (key == "target" and junk.startswith(("!Find", "!KeyOf"))):
            continue  # an unrelated entry, or one about another object
        file.write_text(WHOLE[:start] + junk + WHOLE[end:])
        try:
            outcome = converted([file])
        except BadBlueprint:
            continue
        for name in (each["flow"] for each in outcome.documents if "flow" in each):
            kinds = [step.split(" when ")[0] for step in outcome.steps(name)]
            before = kinds[: kinds.index("login")] if "login" in kinds else ["deny"]
            assert "deny" in before or {"identification", "password", "totp"} <= set(before), (
                key,
                WHOLE[start:end],
                kinds,
            )
        for each in outcome.documents:
            closed = each.get("active") is False or each.get("groups") or not each.get("grants")
            assert "application" not in each or closed, (key, WHOLE[start:end], each)


texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | texts,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(texts.filter(lambda key: key not in ("", "~")), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(said=st.dictionaries(st.from_regex(r"\A[a-z]{1,8}\Z"), values, min_size=1, max_size=4), comment=texts)
def test_what_is_written_reads_back(said: dict[str, object], comment: str) -> None:
    """The writer quotes any text, in any place, so that it reads back as it was, below any comment."""
    read = parse(write([Block(dict(said), [comment])]).encode())
    plain = [_plain(node) for node in read]
    assert plain == [said]
    assert write([Block({"a": FoyerTag("env", ("X", 'it\'s "so"'))})]) == 'a: !env [X, "it\'s \\"so\\""]\n'


def _plain(node: Node) -> object:
    if node.is_map:
        return {key: _plain(value) for key, (_, value) in node.value.items()}
    return [_plain(each) for each in node.value] if node.is_list else node.value
