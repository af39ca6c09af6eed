"""A corpus of everything that is converted: no attribute is silently lost, and all of it plans.

No odd entry stops the conversion.
"""

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blueprints.convert.authentik import IGNORED_KEYS, convert
from blueprints.files.plan import make_plan
from blueprints.files.problems import BadBlueprint
from idp.foundation.text import json_items
from tests.blueprints.convert.converting import SAMPLES, converted

CORPUS = sorted(SAMPLES.glob("*.yaml"))


@dataclass(frozen=True)
class Tagged:
    """A value with a tag, as the files hold it."""

    tag: str
    value: Any


class _Loader(yaml.SafeLoader):
    """A loader that reads tags as values."""


class _Dumper(yaml.SafeDumper):
    """A dumper that writes those values as tags again."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _tagged(loader: Any, suffix: str, node: Any) -> Tagged:
    if isinstance(node, yaml.ScalarNode):
        return Tagged(suffix, loader.construct_scalar(node))
    made = (
        loader.construct_sequence(node, deep=True)
        if isinstance(node, yaml.SequenceNode)
        else loader.construct_mapping(node, deep=True)
    )
    return Tagged(suffix, made)


def _written(dumper: Any, data: Tagged) -> Any:
    if isinstance(data.value, list):
        return dumper.represent_sequence(f"!{data.tag}", data.value)
    if isinstance(data.value, dict):
        return dumper.represent_mapping(f"!{data.tag}", data.value)
    return dumper.represent_scalar(f"!{data.tag}", str(data.value))


_Loader.add_multi_constructor("!", _tagged)
_Dumper.add_representer(Tagged, _written)


def loaded(file: Path) -> dict[str, Any]:
    """Return the file as plain data."""
    return dict(yaml.load(file.read_text(), _Loader))  # noqa: S506 a loader of plain data


def conversion_of(file: Path, data: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
    """Return what the data becomes: the text, and the notes without their lines."""
    file.write_text(yaml.dump(data, Dumper=_Dumper, sort_keys=False))
    made = convert([file])
    return made.text, tuple(sorted(note.text for note in made.notes))


def other(value: Any) -> Any:
    """Return another value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 3
    if isinstance(value, str):
        units = {
            "seconds=0": "seconds=90",
            "minutes": "seconds",
            "hours": "minutes",
            "days": "hours",
            "weeks": "days",
        }
        return next(
            (value.replace(unit, less) for unit, less in units.items() if unit in value and "=" in value),
            f"{value}x",
        )
    if isinstance(value, Tagged):
        return Tagged("KeyOf", "nowhere")
    return value[1:] if isinstance(value, list) else {}


def spots(data: dict[str, Any]) -> Iterator[tuple[int, str, str]]:
    """Yield every attribute of every entry: its entry, its part, its key."""
    for at, entry in enumerate(data["entries"]):
        for part in ("identifiers", "attrs"):
            for key in entry.get(part, {}):
                yield at, part, key


# The value that authentik uses where the attribute is missing, so that removing it changes nothing, and the
# values that mean the same here.
DEFAULTS = {
    ("flow", "authentication", "none"),
    ("flow", "policy_engine_mode", "any"),
    ("flowstagebinding", "evaluate_on_plan", False),
    ("flowstagebinding", "re_evaluate_policies", True),
    ("identificationstage", "case_insensitive_matching", True),
    ("authenticatorvalidatestage", "not_configured_action", "skip"),
    ("userloginstage", "session_duration", "seconds=0"),
    ("userloginstage", "terminate_other_sessions", False),
    ("userloginstage", "network_binding", "no_binding"),
    ("userloginstage", "geoip_binding", "no_binding"),
    ("redirectstage", "mode", "static"),
    ("prompt", "type", "text"),
    ("policybinding", "enabled", True),
    ("policybinding", "negate", False),
    ("user", "type", "internal"),
    ("user", "type", "external"),
    ("user", "is_active", True),
    ("group", "is_superuser", False),
    ("oauth2provider", "client_type", "confidential"),
    ("application", "policy_engine_mode", "any"),
}
# Attributes without effect, by the entry's id and the key, and why.
SAYS_NOTHING = {
    ("application", "policy_engine_mode"): "one policy is bound to it",
    ("flow", "policy_engine_mode"): "no policy is bound to it",
    ("b-mfa", "policy_engine_mode"): "its policies are never asked",
    ("device", "designation"): "the brand says what it is for",
    ("devices", "designation"): "the brand says what it is for",
    ("device", "authentication"): "a person who connects a device signs in",
    ("devices", "authentication"): "a person who connects a device signs in",
    ("setup", "authentication"): "a person who sets something up signs in",
    ("brand", "flow_authentication"): "it is the only flow for that",
    ("brand", "flow_invalidation"): "it is the only flow for that",
    ("provider", "client_secret"): "it is never written down, and always noted",
}
# Entries that a note leaves out as a whole.
LEFT_OUT = {"consents", "hint", "disabled"}


@pytest.mark.parametrize("sample", CORPUS, ids=lambda file: file.stem)
def test_no_attribute_is_lost_in_silence(tmp_path: Path, sample: Path) -> None:
    """When an attribute is removed or altered, the text or a note changes.

    It does not change if the attribute was a default or means nothing.
    """
    data, file = loaded(sample), tmp_path / sample.name
    before, silent = conversion_of(file, data), list[str]()
    for at, part, key in spots(data):
        entry = data["entries"][at]
        model, name, value = entry["model"].rpartition(".")[2], entry.get("id", ""), entry[part][key]
        if (
            key in IGNORED_KEYS
            or (name, key) in SAYS_NOTHING
            or name in LEFT_OUT
            or model == "metaapplyblueprint"
        ):
            continue
        without, instead = copy.deepcopy(data), copy.deepcopy(data)
        del without["entries"][at][part][key]
        instead["entries"][at][part][key] = other(value)
        if (model, key, value if isinstance(value, str | bool) else "") not in DEFAULTS and conversion_of(
            file, without
        ) == before:
            silent.append(f"without: {entry} {key}")
        if conversion_of(file, instead) == before and not any(
            re.search(rf"\b{key}\b", note) for note in before[1]
        ):
            silent.append(f"other: {entry} {key}")
    assert not silent, "\n".join(silent)


# --- odd values ---------------------------------------------------------------------------------------------

ODD: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    7.5,
    10**30,
    "",
    " x ",
    "no",
    "a\tb",
    "é",
    "x" * 400,
    "\u202e",
    "'\"\\",
    [],
    {},
    [[]],
    ["", None],
]
ODD += [
    {"a": {"b": []}},
    [{"code": 1}],
    ["username", {}],
    "2026-01-01",
    "..",
    "foyer:write",
    "!",
    "seconds=0",
    "hours=9;x",
    "http://x",
]
ODD += [
    Tagged("KeyOf", "nowhere"),
    Tagged("KeyOf", ["flow"]),
    Tagged("Find", ["authentik_core.group", ["name", "x"]]),
    Tagged("Find", [Tagged("Env", "X"), [Tagged("Value", 0), None]]),
    Tagged("FindObject", ["authentik_flows.flow", ["slug", "acme-stages"]]),
    Tagged("Env", "X"),
    Tagged("Env", ["X", {"a": "b"}]),
    Tagged("File", "/etc/passwd"),
    Tagged("FileContents", ["x"]),
    Tagged("Context", ["nothing", "default"]),
    Tagged("Context", {"a": "b"}),
    Tagged("Format", ["%s-%d", Tagged("Context", "x"), Tagged("Enumerate", [])]),
    Tagged("If", [Tagged("Condition", ["AND", True, Tagged("Env", "X")]), [], {}]),
    Tagged("If", [False, "x"]),
    Tagged("Condition", "OR"),
    Tagged("Enumerate", [{"a": 1}, "MAP", [Tagged("Index", 0), Tagged("Value", 1)]]),
    Tagged("Enumerate", [[1, 2], "SEQ", Tagged("Value", "x")]),
    Tagged("Index", 0),
    Tagged("AtIndex", [[1], "x"]),
    Tagged("AtIndex", [{"a": []}, "a", None]),
    Tagged("ParseJSON", '{"a": 1}'),
    Tagged("Nobody", {"knows": [Tagged("This", "one")]}),
]


def places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every place of the tree: its container, and its key there."""
    for key, value in json_items(node):
        yield node, key
        yield from places(value.value if isinstance(value, Tagged) else value)


def plans(file: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Check that the result passes ``plan`` on a new installation.

    Its environment is set and its files are there.
    """
    monkeypatch.setenv("X", "from-x")
    for name in ("passwd", "x"):
        file.with_name(name).write_text("from-a-file")
    file.write_text(text)
    make_plan([file])


@pytest.mark.django_db
@pytest.mark.parametrize("sample", [*CORPUS, None], ids=lambda file: file.stem if file else "all")
def test_every_sample_plans(tmp_path: Path, sample: Path | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each converted file, and all of them together, is accepted on a new installation."""
    files = [sample] if sample else CORPUS
    converted(files)
    plans(tmp_path / "ours.yaml", convert(files).text, monkeypatch)


@pytest.mark.django_db
@pytest.mark.parametrize("sample", CORPUS, ids=lambda file: file.stem)
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(draw=st.data())
def test_nothing_odd_stops_it(
    tmp_path: Path, sample: Path, monkeypatch: pytest.MonkeyPatch, draw: st.DataObject
) -> None:
    """The conversion ends with any value in some places of some entries, and its result plans."""
    data = loaded(sample)
    for _ in range(draw.draw(st.integers(1, 3))):
        where, key = draw.draw(st.sampled_from(list(places(data["entries"]))))
        where[key] = copy.deepcopy(draw.draw(st.sampled_from(ODD)))
    file = tmp_path / sample.name
    text, _ = conversion_of(file, data)
    try:
        plans(tmp_path / "ours.yaml", text, monkeypatch)
    except BadBlueprint as bad:
        raise AssertionError(f"{bad}\n{text}\n{file.read_text()}") from None
