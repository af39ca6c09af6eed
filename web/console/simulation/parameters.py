"""Who walks a flow for trial, from where, and what they answer: read from an address and written into one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import urlencode

from django.http import QueryDict
from django.utils.translation import gettext as _
from pydantic import BaseModel, ValidationError

from flows.documents.document import Answers, Circumstances, FlowTest, InventedPerson
from flows.settings import parse_duration, write_duration
from flows.validation_messages import sentence

_INVENTED = ("username", "name", "email", "role")
_TEXTS = ("address", "agent", "country", "application", "device_address")
_AGES = ("session_age", "device_age")
_HOW, _INTO = "do.", "in."  # of each step: how it is answered, and what is typed into its fields
ANSWERS = ("passes", "refuses", "open", "typed")
_LONGEST = 1000
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Walker:
    """``how``: what was chosen for each step, one of ANSWERS; ``typed``: by step and field.

    ``errors``: by field of the form; with any of them nobody walks.
    """

    person: str | InventedPerson
    request: Circumstances
    how: Mapping[str, str] = field(default_factory=dict)
    typed: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)

    def answers(self, typable: Iterable[str]) -> Answers:
        """What is given to the steps; what was typed only where that may be."""
        given: Answers = {step: how for step, how in self.how.items() if how in ("passes", "refuses")}  # type: ignore[misc]
        return given | {
            step: dict(self.typed.get(step, {})) for step in typable if self.how.get(step) == "typed"
        }

    @property
    def stops(self) -> list[str]:
        """The steps at which the walk is to end by asking."""
        return [step for step, how in self.how.items() if how == "open"]


def read(said: QueryDict, *, may_name: bool) -> Walker:
    """From an address.

    ``may_name``: whether somebody of the tenant may be named, whose groups and attributes conditions then
    tell.
    """
    errors: dict[str, str] = {}
    how = {
        name.removeprefix(_HOW): value
        for name, value in said.items()
        if name.startswith(_HOW) and value in ANSWERS
    }
    typed: dict[str, dict[str, str]] = {}
    for name in said:
        step, dot, into = name.removeprefix(_INTO).rpartition(".")
        if name.startswith(_INTO) and dot:
            typed.setdefault(step, {})[into] = _text(said, name)
    return Walker(_person(said, errors, may_name=may_name), _circumstances(said, errors), how, typed, errors)


def write(test: FlowTest, steps: Iterable[str], **more: str) -> str:
    """The address of the walk that a test describes.

    ``steps``: all that could ask; those that it leaves open ask there, too.
    """
    said: list[tuple[str, Any]] = list(more.items())
    if isinstance(test.person, str):
        said += [("who", "real"), ("person", test.person)]
    else:
        said += [(name, getattr(test.person, name)) for name in _INVENTED] + [
            ("credentials", kind) for kind in test.person.credentials
        ]
        said += [("credentials", "")] * (not test.person.credentials)
        attributes = "\n".join(f"{key}: {value}" for key, value in test.person.attributes.items())
        said += [("groups", ", ".join(test.person.groups)), ("attributes", attributes)]
    said += [(name, getattr(test.request, name)) for name in _TEXTS] + [
        ("scopes", " ".join(test.request.scopes))
    ]
    said += [(name, write_duration_of(getattr(test.request, name))) for name in _AGES] + [
        ("signed_in", each) for each in test.request.signed_in
    ]
    said += [("time", f"{test.request.time.astimezone(UTC):%Y-%m-%dT%H:%M}" if test.request.time else "")]
    for step in steps:
        given = test.answers.get(step, "open")
        said.append((_HOW + step, given if isinstance(given, str) else "typed"))
        said += [
            (f"{_INTO}{step}.{name}", value)
            for name, value in (given.items() if isinstance(given, dict) else ())
        ]
    return urlencode([(name, value) for name, value in said if value or name == "credentials"])


def write_duration_of(seconds: int) -> str:
    """Nothing for none."""
    return write_duration(parse_duration(f"{seconds}s")) if 0 < seconds < 1_000_000 else ""


def _person(said: QueryDict, errors: dict[str, str], *, may_name: bool) -> str | InventedPerson:
    if said.get("who") == "real":
        name = _text(said, "person")
        if not may_name:
            errors["person"] = _("Your role can't view people. Use a test user instead.")
        elif not name:
            errors["person"] = _("Enter a username.")
        return name
    values: dict[str, Any] = {name: _text(said, name) for name in _INVENTED if _text(said, name)}
    values |= {"groups": _words(said, "groups"), "attributes": _pairs(said, errors)}
    if "credentials" in said:  # a form in which none is ticked says so by an empty one
        values["credentials"] = [kind for kind in said.getlist("credentials") if kind]
    return _checked(InventedPerson, values, errors)


def _circumstances(said: QueryDict, errors: dict[str, str]) -> Circumstances:
    values: dict[str, Any] = {name: _text(said, name) for name in _TEXTS if _text(said, name)}
    values |= {
        "scopes": _words(said, "scopes"),
        "signed_in": [each for each in said.getlist("signed_in") if each][:5],
    }
    for name in _AGES:
        try:
            values[name] = int(parse_duration(_text(said, name) or "0s").total_seconds())
        except ValueError as error:
            errors[name] = _sentence(str(error))
    if given := _text(said, "time"):
        try:
            values["time"] = datetime.fromisoformat(given).replace(tzinfo=UTC)
        except ValueError:
            errors["time"] = _("Enter a time like 2026-11-21T18:30.")
    return _checked(Circumstances, values, errors)


def _checked(model: type[Model], values: dict[str, Any], errors: dict[str, str]) -> Model:
    """The model without what is wrong in it, which is noted."""
    try:
        return model.model_validate(values)
    except ValidationError as wrong:
        found = {str(each["loc"][0]): sentence(each) for each in wrong.errors()}
    errors.update({name: _sentence(text) for name, text in found.items()})
    return model.model_validate({name: value for name, value in values.items() if name not in found})


def _pairs(said: QueryDict, errors: dict[str, str]) -> dict[str, str]:
    found = {}
    for line in _text(said, "attributes").splitlines()[:50]:
        key, colon, value = line.partition(":")
        if line.strip() and not (colon and key.strip()):
            errors["attributes"] = _("Enter one per line, like team: sales.")
        elif line.strip():
            found[key.strip()] = value.strip()
    return found


def _words(said: QueryDict, name: str) -> list[str]:
    return _text(said, name).replace(",", " ").split()[:50]


def _text(said: QueryDict, name: str) -> str:
    return str(said.get(name, "")).replace("\0", "").strip()[:_LONGEST]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
