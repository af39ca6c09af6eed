"""Options of ``manage.py flow simulate``: the person, the request and the answers of a dry run."""

import json
from argparse import ArgumentTypeError
from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandError, CommandParser
from pydantic import ValidationError

from flows.documents.document import Answers, Circumstances, SimulatedUser
from flows.settings import parse_duration
from flows.validation_messages import describe_error
from idp.foundation.arguments import suggest_name

_ATTRIBUTE = "attributes."
_FLAGS = {"true": True, "false": False}


def add_simulation_options(parser: CommandParser) -> None:
    """Add the options to the parser."""
    person_options = parser.add_mutually_exclusive_group()
    person_options.add_argument("--person", metavar="NAME", help="an existing user")
    person_options.add_argument(
        "--invent",
        type=_test_user,
        metavar="KEY=VALUE,…",
        help=(
            "a test user: "
            "username=evaluator,groups=staff+admins,credentials=password+totp,attributes.team=sales"
        ),
    )
    parser.add_argument(
        "--answer",
        action="append",
        type=_answer,
        default=[],
        metavar="STEP=…",
        help=f"{_answer.__doc__} May be repeated.",
    )
    for name, description in _TEXTS.items():
        parser.add_argument(f"--{name}", default="", help=description)
    parser.add_argument("--scope", action="append", default=[], help="a requested scope; may be repeated")
    parser.add_argument(
        "--signed-in",
        default="",
        metavar="METHODS",
        help="authentication methods of an existing session: pwd, or pwd+otp",
    )
    parser.add_argument(
        "--session-age", type=_seconds, default=0, metavar="AGE", help="age of the session: 90s, 10m, 2h, 7d"
    )
    parser.add_argument(
        "--device-age",
        type=_seconds,
        default=0,
        metavar="AGE",
        help="how long ago the device made its request",
    )


def simulation_arguments(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``person``, ``request`` and ``answers`` for :func:`flows.simulation.simulate.simulate`.

    Raise CommandError if an option is not valid.
    """
    texts = {name.replace("-", "_"): options[name.replace("-", "_")] for name in _TEXTS}
    request = {name: value for name, value in texts.items() if value}
    request |= {name: options[name] for name in ("session_age", "device_age")}
    request |= {
        "scopes": " ".join(options["scope"]).split(),
        "signed_in": [each for each in options["signed_in"].split("+") if each],
    }
    try:
        circumstances = Circumstances.model_validate(request)
    except ValidationError as errors:
        raise CommandError("\n".join(_error_text(each) for each in errors.errors())) from None
    answers: Answers = dict(options["answer"])
    return {"person": options["invent"] or options["person"], "request": circumstances, "answers": answers}


_TEXTS = {
    "address": "IP address of the person (default: 127.0.0.1)",
    "agent": "user agent of the browser",
    "time": "time with time zone: 2026-11-21T18:30:00+01:00",
    "country": "country code, such as DE",
    "application": "ID of the requesting application",
    "device-address": "IP address of the device",
}


def _seconds(text: str) -> int:
    try:
        return int(parse_duration(text).total_seconds())
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None


def _answer(text: str) -> tuple[str, Any]:
    """STEP=passes or STEP=refuses assumes the result; STEP=key=value,… or STEP={json} is the answer."""
    step, equals, value = text.partition("=")
    if not equals or not step:
        raise ArgumentTypeError(f"{text!r} must be STEP=passes, STEP=refuses or STEP=key=value,…")
    if value in ("passes", "refuses"):
        return step, value
    if value.startswith("{"):
        try:
            return step, dict(json.loads(value))
        except ValueError as error:
            raise ArgumentTypeError(f"the answer of {step} is not valid JSON: {error}") from None
    return step, _pairs(value)


def _pairs(text: str) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in text.split(",") if pair]
    if invalid := [key for key, equals, _ in pairs if not equals or not key]:
        raise ArgumentTypeError(f"{invalid[0]!r} must be key=value")
    return {key: value for key, _, value in pairs}


def _test_user(text: str) -> SimulatedUser:
    values: dict[str, Any] = {"attributes": {}}
    for key, value in _pairs(text).items():
        if key.startswith(_ATTRIBUTE):
            values["attributes"][key.removeprefix(_ATTRIBUTE)] = value
        elif key not in SimulatedUser.model_fields or key == "attributes":
            raise ArgumentTypeError(
                f"unknown key {key}.{suggest_name(key, [*SimulatedUser.model_fields, 'attributes.NAME'])}"
            )
        else:
            values[key] = (
                [each for each in value.split("+") if each]
                if key in ("groups", "credentials")
                else _FLAGS.get(value, value)
            )
    try:
        return SimulatedUser.model_validate(values)
    except ValidationError as errors:
        raise ArgumentTypeError("; ".join(_error_text(each) for each in errors.errors())) from None


def _error_text(error: Any) -> str:
    return f"{'.'.join(map(str, error['loc']))}: {describe_error(error)}"
