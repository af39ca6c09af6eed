"""Structured logs on standard error: one line for each event, with tenant and request ID.

A line never contains a path, a query or a secret.
"""

import logging.config
import re
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

import structlog
from django.urls import resolve

from idp.events.origin import current_origin
from idp.tenancy.scope import tenant_or_none

HIDDEN = "•••"
OUR_LOGGERS = ("idp", "flows", "stages", "blueprints", "web")

# Complete names, so that status_code and user_codes_left stay readable; "-" and case do not matter.
# fmt: off
_SECRET_NAMES = {
    "api_key", "assertion", "authorization", "client_assertion", "code", "code_verifier", "cookie", "cookies",
    "csrfmiddlewaretoken",
    "device_code", "foyer_browser", "foyer_csrf", "foyer_session", "key", "link", "nonce", "otp",
    "passphrase", "private_key",
    "proxy_authorization", "recovery_code", "recovery_codes", "secret_key", "session_key", "set_cookie",
    "user_code",
}
# fmt: on
# such as new_password and access_token; no harmless name has these suffixes
_SECRET_SUFFIXES = ("password", "passwd", "secret", "token")

# Loggers of the servers around the views. Their messages contain paths, so all of them are cleaned.
_HTTP = (
    "django.channels",
    "django.request",
    "django.security",
    "django.server",
    "uvicorn",
    "websockets",
    "servestatic",
)
_PATH = re.compile(r"""(?<![\w.:/-])/[^\s'"<>(){}\[\],;]*""")
_SHAPES = (
    (re.compile(r"<(\w+Request): (\w+) (['\"]).*?\3>"), rf"<\1: \2 {HIDDEN}>"),  # Django's repr of a request
    (re.compile(r"\?[\w.~%+-]+=[^\s'\"<>]*"), f"?{HIDDEN}"),  # a query
    # a token of idp.foundation.sealing.new_token, and its hash
    (re.compile(r"(?<![0-9a-fA-F])[0-9a-fA-F]{64}(?![0-9a-fA-F])"), HIDDEN),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"), HIDDEN),  # a JSON Web Token
)
_OUR_MEMBERS = ("_record", "_from_structlog", "logger", "level", "timestamp")
# a shorter value of a form or query reveals nothing, and hiding it would make tracebacks unreadable
_MIN_LENGTH = 4
_WHOLE_WORD_LENGTH = 12


_OF_LIBRARIES: dict[str, dict[str, Any]] = {
    "uvicorn.access": {"handlers": [], "propagate": False},
    "celery": {"level": "WARNING"},
    "channels_redis": {"level": "CRITICAL"},  # a traceback each second; foundation/breaker.py logs it once
    "kombu": {"level": "WARNING"},
    "django.request": {"level": "ERROR"},
}


def configure(config: dict[str, Any]) -> None:
    """Configure logging as Django's LOGGING_CONFIG.

    ``config`` has ``format`` ("console" or "json") and ``level``, that of Foyer's own loggers. Those of
    libraries never log more than at "info": at "debug" some print whole messages.
    """
    last = (
        structlog.dev.ConsoleRenderer(colors=False)
        if config.get("format") == "console"
        else structlog.processors.JSONRenderer()
    )
    level = config.get("level", "info").upper()
    before = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_origin,
        redact,
        structlog.processors.format_exc_info,
        hide_requests,
    ]
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": before,
        "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
    }
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"line": formatter},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
            "root": {"handlers": ["stderr"], "level": "INFO" if level == "DEBUG" else level},
            "loggers": {**{name: {"level": level} for name in OUR_LOGGERS}, **_OF_LIBRARIES},
        }
    )


def route_of(request: Any) -> str:
    """Return the pattern of the request's URL, such as ``/recover/<str:token>``; "-" where there is none."""
    match = getattr(request, "resolver_match", None)
    if match is None:  # it failed before the URL was resolved
        with suppress(Exception):
            match = resolve(request.path_info)
    return "/" + str(match.route) if match else "-"


def redact(logger: Any, method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Replace every value whose name is secret, at any depth."""
    return {name: value if name == "exc_info" else _redacted(name, value) for name, value in event.items()}


def hide_requests(logger: Any, method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Replace the path by the route and remove the request's data, in messages and tracebacks."""
    request, source, ours = event.pop("request", None), event.get("logger", ""), dict[str, Any]()
    known = hasattr(request, "path_info")
    if known:
        ours = {"method": request.method, "route": route_of(request)}
    hidden = (
        dict.fromkeys(_paths(request), ours["route"]) | dict.fromkeys(_values(request), HIDDEN)
        if known
        else {}
    )
    http = any(source == name or source.startswith(name + ".") for name in _HTTP)
    for name, value in event.items():
        if name not in _OUR_MEMBERS:
            event[name] = _hidden(
                value, hidden, ours.get("route", ""), every_path=http and (name == "event" or not known)
            )
    return {**event, **ours}


def _add_origin(logger: Any, method: str, event: dict[str, Any]) -> dict[str, Any]:
    tenant, origin = tenant_or_none(), current_origin()
    members = {"tenant": tenant and tenant.name, "request_id": origin.request_id, "address": origin.address}
    return {**event, **{name: value for name, value in members.items() if value}}


def _is_secret(name: Any) -> bool:
    plain = str(name).casefold().replace("-", "_")
    return plain in _SECRET_NAMES or plain.endswith(_SECRET_SUFFIXES)


def _redacted(name: Any, value: Any) -> Any:
    if _is_secret(name):
        return HIDDEN
    if isinstance(value, dict):
        return {each: _redacted(each, inner) for each, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted("", inner) for inner in value]
    return value


def _paths(request: Any) -> Iterator[str]:
    """Yield the request's path in its spellings, with and without the query."""
    query = request.META.get("QUERY_STRING", "")
    for path in {request.path, request.path_info, quote(request.path), unquote(request.path)}:
        if path.strip("/"):
            yield from ((f"{path}?{query}", path) if query else (path,))


def _values(request: Any) -> Iterator[str]:
    """Yield the request's data beside its path: parts of the URL, query, form, cookies, authorization."""
    match = getattr(request, "resolver_match", None)
    lists = getattr(request, "_post", None)  # only if it was already parsed: the body is not read here
    query = request.META.get("QUERY_STRING", "")
    candidates = [
        *(match.kwargs.values() if match else ()),
        query,
        *(value for _, value in parse_qsl(query)),
        *(value for values in (dict(lists.lists()).values() if lists else ()) for value in values),
        *(request.COOKIES.values() if "HTTP_COOKIE" in request.META else ()),
        request.META.get("HTTP_COOKIE", ""),
        request.META.get("HTTP_AUTHORIZATION", ""),
    ]
    yield from (
        line
        for value in candidates
        if isinstance(value, str)
        for line in value.splitlines()
        if len(line) >= _MIN_LENGTH
    )


def _hidden(value: Any, hidden: dict[str, str], route: str, *, every_path: bool) -> Any:
    """Return ``value`` with every text in it cleaned.

    The lines of a traceback that name Foyer's files stay as they are.
    """
    if isinstance(value, dict):
        return {name: _hidden(inner, hidden, route, every_path=every_path) for name, inner in value.items()}
    if isinstance(value, list):
        return [_hidden(inner, hidden, route, every_path=every_path) for inner in value]
    if not isinstance(value, str):
        return value
    lines = value.split("\n")
    return "\n".join(
        line if line.startswith('  File "') else _hidden_line(line, hidden, route, every_path)
        for line in lines
    )


def _hidden_line(line: str, hidden: dict[str, str], route: str, every_path: bool) -> str:
    for shape, instead in _SHAPES:
        line = shape.sub(instead, line)
    for value in sorted(hidden, key=len, reverse=True):
        if value in line:
            # a short value may be a part of another word
            edge = r"\b" if len(value) < _WHOLE_WORD_LENGTH and value.isalnum() else ""
            line = re.sub(edge + re.escape(value) + edge, partial(_literal, hidden[value]), line)
    if not every_path:
        return line
    return (
        route.join(_PATH.sub(HIDDEN, part) for part in line.split(route))
        if route
        else _PATH.sub(HIDDEN, line)
    )


def _literal(text: str, found: re.Match[str]) -> str:
    """Return ``text`` as it is: as a template, its backslashes would have a meaning."""
    return text
