"""The parameters of a dry run, read from a query string and written to one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar, cast
from urllib.parse import urlencode

from django.http import QueryDict
from django.utils.translation import gettext as _
from pydantic import BaseModel, ValidationError

from flows.documents.document import Answers, Circumstances, FlowTest, SimulatedUser
from flows.settings import format_duration, parse_duration
from flows.validation_messages import describe_error

_SIMULATED = ("username", "name", "email", "role")
_TEXTS = ("address", "agent", "country", "application", "device_address")
_AGES = ("session_age", "device_age")
_ANSWER_PREFIX, _INPUT_PREFIX = (
    "do.",
    "in.",
)  # of each step: the kind of answer, and the input for its fields
ANSWERS = ("passes", "refuses", "open", "typed")
_MAX_LENGTH = 1000
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class DryRunParameters:
    """The person, the circumstances and the answers of a dry run.

    ``answer_kinds``: for each step, one of ANSWERS. ``typed``: input by step and field. ``errors``: by field
    of the form; with any of them there is no dry run.
    """

    person: str | SimulatedUser
    request: Circumstances
    answer_kinds: Mapping[str, str] = field(default_factory=dict)
    typed: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)

    def answers(self, typable: Iterable[str]) -> Answers:
        """Return the answers to the steps; typed input only for steps in ``typable``."""
        decided = {step: how for step, how in self.answer_kinds.items() if how in ("passes", "refuses")}
        answers = cast(Answers, decided)
        return answers | {
            step: dict(self.typed.get(step, {})) for step in typable if self.answer_kinds.get(step) == "typed"
        }

    @property
    def stop_steps(self) -> list[str]:
        """Return the steps at which the dry run ends by waiting for input."""
        return [step for step, how in self.answer_kinds.items() if how == "open"]


def parse_parameters(query: QueryDict, *, may_name: bool) -> DryRunParameters:
    """Return the parameters from a query string.

    ``may_name``: whether a person of the tenant may be named; conditions reveal their groups and attributes.
    """
    errors: dict[str, str] = {}
    how = {
        name.removeprefix(_ANSWER_PREFIX): value
        for name, value in query.items()
        if name.startswith(_ANSWER_PREFIX) and value in ANSWERS
    }
    typed: dict[str, dict[str, str]] = {}
    for name in query:
        step, dot, field_name = name.removeprefix(_INPUT_PREFIX).rpartition(".")
        if name.startswith(_INPUT_PREFIX) and dot:
            typed.setdefault(step, {})[field_name] = _text(query, name)
    return DryRunParameters(
        _person(query, errors, may_name=may_name), _circumstances(query, errors), how, typed, errors
    )


def query_of_test(test: FlowTest, steps: Iterable[str], **more: str) -> str:
    """Return the query string of the dry run that a flow test describes.

    ``steps``: all steps that may ask for input; the dry run stops at those without an answer in the test.
    """
    pairs: list[tuple[str, Any]] = list(more.items())
    if isinstance(test.person, str):
        pairs += [("who", "real"), ("person", test.person)]
    else:
        pairs += [(name, getattr(test.person, name)) for name in _SIMULATED] + [
            ("credentials", kind) for kind in test.person.credentials
        ]
        pairs += [("credentials", "")] * (not test.person.credentials)
        attributes = "\n".join(f"{key}: {value}" for key, value in test.person.attributes.items())
        pairs += [("groups", ", ".join(test.person.groups)), ("attributes", attributes)]
    pairs += [(name, getattr(test.request, name)) for name in _TEXTS] + [
        ("scopes", " ".join(test.request.scopes))
    ]
    pairs += [(name, write_duration_of(getattr(test.request, name))) for name in _AGES] + [
        ("signed_in", each) for each in test.request.signed_in
    ]
    pairs += [("time", f"{test.request.time.astimezone(UTC):%Y-%m-%dT%H:%M}" if test.request.time else "")]
    for step in steps:
        answer = test.answers.get(step, "open")
        pairs.append((_ANSWER_PREFIX + step, answer if isinstance(answer, str) else "typed"))
        pairs += [
            (f"{_INPUT_PREFIX}{step}.{name}", value)
            for name, value in (answer.items() if isinstance(answer, dict) else ())
        ]
    return urlencode([(name, value) for name, value in pairs if value or name == "credentials"])


def write_duration_of(seconds: int) -> str:
    """Return a duration as text; "" for 0."""
    return format_duration(parse_duration(f"{seconds}s")) if 0 < seconds < 1_000_000 else ""


def _person(query: QueryDict, errors: dict[str, str], *, may_name: bool) -> str | SimulatedUser:
    if query.get("who") == "real":
        name = _text(query, "person")
        if not may_name:
            errors["person"] = _("Your role can't view people. Use a test user instead.")
        elif not name:
            errors["person"] = _("Enter a username.")
        return name
    values: dict[str, Any] = {name: _text(query, name) for name in _SIMULATED if _text(query, name)}
    values |= {"groups": _split(query, "groups"), "attributes": _pairs(query, errors)}
    if "credentials" in query:  # a form without a checked box has one empty value
        values["credentials"] = [kind for kind in query.getlist("credentials") if kind]
    return _checked(SimulatedUser, values, errors)


def _circumstances(query: QueryDict, errors: dict[str, str]) -> Circumstances:
    values: dict[str, Any] = {name: _text(query, name) for name in _TEXTS if _text(query, name)}
    values |= {
        "scopes": _split(query, "scopes"),
        "signed_in": [each for each in query.getlist("signed_in") if each][:5],
    }
    for name in _AGES:
        try:
            values[name] = int(parse_duration(_text(query, name) or "0s").total_seconds())
        except ValueError as error:
            errors[name] = _sentence(str(error))
    if time := _text(query, "time"):
        try:
            values["time"] = datetime.fromisoformat(time).replace(tzinfo=UTC)
        except ValueError:
            errors["time"] = _("Enter a time like 2026-11-21T18:30.")
    return _checked(Circumstances, values, errors)


def _checked(model: type[Model], values: dict[str, Any], errors: dict[str, str]) -> Model:
    """Return the model without the invalid values, whose errors are added to ``errors``."""
    try:
        return model.model_validate(values)
    except ValidationError as invalid:
        found = {str(each["loc"][0]): describe_error(each) for each in invalid.errors()}
    errors.update({name: _sentence(text) for name, text in found.items()})
    return model.model_validate({name: value for name, value in values.items() if name not in found})


def _pairs(query: QueryDict, errors: dict[str, str]) -> dict[str, str]:
    found = {}
    for line in _text(query, "attributes").splitlines()[:50]:
        key, colon, value = line.partition(":")
        if line.strip() and not (colon and key.strip()):
            errors["attributes"] = _("Enter one per line, like team: sales.")
        elif line.strip():
            found[key.strip()] = value.strip()
    return found


def _split(query: QueryDict, name: str) -> list[str]:
    return _text(query, name).replace(",", " ").split()[:50]


def _text(query: QueryDict, name: str) -> str:
    return str(query.get(name, "")).replace("\0", "").strip()[:_MAX_LENGTH]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
