"""Publishes what happened: one row, written in the transaction of the change that it tells of."""

import logging
from datetime import timedelta
from typing import Any

from django.utils import timezone

from idp.events.models import Event
from idp.events.origin import current_origin

log = logging.getLogger(__name__)


def publish(kind: str, *, actor: str = "", target: str = "", application: str = "", **data: Any) -> Event:
    """Records an event of the tenant in scope. ``kind`` is ``area.what``; ``data`` is JSON and never holds a secret."""
    origin = current_origin()
    log.info(kind, extra={"actor": actor, "target": target, "application": application})
    return Event.objects.create(
        at=timezone.now(),
        kind=kind,
        actor=actor[:150],
        target=target[:200],
        application=application[:100],
        address=origin.address,
        request_id=origin.request_id,
        data=data,
    )


def publish_once(kind: str, window: timedelta, *, each_origin: bool = True, actor: str = "", **members: Any) -> None:
    """The same, unless it was recorded within ``window``: for what an attacker could cause without end.

    ``each_origin``: once for each actor and address; otherwise once in the tenant.
    """
    told = Event.objects.filter(kind=kind, at__gte=timezone.now() - window)
    if each_origin:
        told = told.filter(actor=actor[:150], address=current_origin().address)
    if not told.exists():
        publish(kind, actor=actor, **members)
