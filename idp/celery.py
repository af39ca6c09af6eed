"""The Celery application; tasks are ``@shared_task`` and live in the rooms."""

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "idp.settings")
app = Celery("foyer")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["idp.tenancy", "idp.ratelimit", "idp.outbox", "idp.accounts", "idp.oauth", "idp.devices", "flows"])
app.set_default()


@setup_logging.connect
def _keep_our_logging(**options: Any) -> None:
    """Being connected is enough: Celery then leaves the loggers as Django configured them."""
