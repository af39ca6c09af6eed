"""Structured logs to standard error: one line an event, with tenant and request id, never a secret."""

import logging.config
from typing import Any

import structlog

from idp.events.origin import current_origin
from idp.tenancy.scope import tenant_or_none

_SECRET = ("password", "secret", "token", "code", "authorization", "cookie", "key", "nonce")
_NEVER = {"device_code", "user_code", "client_secret", "code_verifier"}


def configure(config: dict[str, Any]) -> None:
    """Django's LOGGING_CONFIG: ``config["format"]`` is "console" or "json"."""
    last = structlog.dev.ConsoleRenderer(colors=False) if config.get("format") == "console" else structlog.processors.JSONRenderer()
    before = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _where,
        redact,
    ]
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": before,
        "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, structlog.processors.format_exc_info, last],
    }
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"line": formatter},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
            "root": {"handlers": ["stderr"], "level": "INFO"},
            "loggers": {
                "uvicorn.access": {"handlers": [], "propagate": False},
                "celery": {"level": "WARNING"},
                "kombu": {"level": "WARNING"},
                "django.request": {"level": "ERROR"},
            },
        }
    )


def redact(logger: Any, method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Replaces every value whose name says that it is secret."""
    for name in event:
        if name in _NEVER or any(name == word or name.endswith("_" + word) for word in _SECRET):
            event[name] = "•••"
    return event


def _where(logger: Any, method: str, event: dict[str, Any]) -> dict[str, Any]:
    tenant, origin = tenant_or_none(), current_origin()
    members = {"tenant": tenant and tenant.name, "request_id": origin.request_id, "address": origin.address}
    return {**event, **{name: value for name, value in members.items() if value}}
