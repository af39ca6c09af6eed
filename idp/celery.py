"""The Celery application; tasks are ``@shared_task`` and live in the apps."""

import os
from typing import Any

from celery import Celery
from celery.signals import beat_init, setup_logging, worker_init
from django.core.management.base import BaseCommand, CommandError, SystemCheckError
from kombu.transport import TRANSPORT_ALIASES

from idp.runtime.files import require_matching_key

for _scheme in ("redis", "rediss"):
    TRANSPORT_ALIASES[_scheme] = "idp.runtime.broker:Transport"

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "idp.settings")
app = Celery("foyer")
app.config_from_object("django.conf:settings", namespace="CELERY")
_IDP = [
    f"idp.{name}" for name in ("tenancy", "ratelimit", "outbox", "events", "accounts", "oauth", "devices")
]
app.autodiscover_tasks([*_IDP, "flows", "blueprints"])
app.set_default()


@setup_logging.connect
def _keep_django_logging(**options: Any) -> None:
    """Do nothing: with this signal connected, Celery leaves the loggers as Django configured them."""


@worker_init.connect
@beat_init.connect
def _check_at_start(**options: Any) -> None:
    """Stop a worker or beat on the errors that also stop a web process.

    A plain exception would only be logged here.
    """
    try:
        BaseCommand().check()
        require_matching_key()
    except (SystemCheckError, CommandError) as error:
        raise SystemExit(str(error)) from None
