"""Publishing of events: a row in the transaction of the change, then a log line and a wake-up.

The log line and the wake-up follow once the transaction is committed.
"""

import logging
from collections.abc import Collection, Mapping
from contextvars import copy_context
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from idp.events import notify
from idp.events.models import Event
from idp.events.notify import WakeUp
from idp.events.origin import current_origin
from idp.foundation.clocks import recent_range
from idp.tenancy.scope import current_tenant

log = logging.getLogger(__name__)
_MAX_ORIGINS = 100


def publish(
    kind: str, *, actor: str = "", target: str = "", application: str = "", topic: str = "", **data: Any
) -> Event:
    """Record an event of the tenant in scope, and wake its listeners once it is committed.

    ``kind`` is ``area.what``. ``topic`` names the one object whose watchers it concerns (``device:7``).
    ``data`` is JSON and never contains a secret.
    """
    origin = current_origin()
    event = Event.objects.create(
        at=timezone.now(),
        kind=kind,
        actor=actor[:150],
        target=target[:200],
        application=application[:100],
        topic=topic,
        address=origin.address,
        request_id=origin.request_id,
        data=data,
    )
    _notify(
        kind,
        WakeUp(event.pk, current_tenant().pk, kind, topic),
        actor=actor,
        target=target,
        application=application,
    )
    return event


def publish_bulk(
    kind: str,
    subjects: list[tuple[str, str, str]],
    *,
    actor: str = "",
    keys: Mapping[str, Collection[str]] | None = None,
    **data: Any,
) -> None:
    """Record an event for each (target, application, topic) in one write, for bulk changes.

    ``keys``: what was changed, by target.

    It wakes no listeners: so many wake-ups would delay everything else, and listeners poll the table twice a
    second.
    """
    if not subjects:
        return
    origin, data_by_target = (
        current_origin(),
        {target: {**data, "keys": sorted(some)} for target, some in (keys or {}).items()},
    )
    common = {"tenant": current_tenant(), "at": timezone.now(), "kind": kind, "actor": actor[:150]}
    common |= {"address": origin.address, "request_id": origin.request_id}
    rows = [
        Event(
            **common,
            target=target[:200],
            application=application[:100],
            topic=topic,
            data=data_by_target.get(target, data),
        )
        for target, application, topic in subjects
    ]
    Event.objects.bulk_create(rows, batch_size=1000)
    _notify(kind, count=len(subjects))


def publish_once(
    kind: str,
    window: timedelta,
    *,
    each_origin: bool = True,
    actor: str = "",
    target: str = "",
    **members: Any,
) -> None:
    """Publish an event unless it was recorded within ``window``: for what an attacker can repeat.

    ``each_origin``: once for each actor, target and address; otherwise once in the tenant. Addresses and
    names cost an attacker nothing, so in the whole tenant it is recorded at most a hundred times within the
    window.
    """
    recorded = Event.objects.filter(kind=kind, at__range=recent_range(window))
    origin = (actor[:150], target[:200], current_origin().address)
    origins = list(recorded.values_list("actor", "target", "address")[:_MAX_ORIGINS])
    if len(origins) < (_MAX_ORIGINS if each_origin else 1) and origin not in origins:
        publish(kind, actor=actor, target=target, **members)


def publish_bounded(
    kind: str, *, most: int = 300, window: timedelta = timedelta(minutes=1), **members: Any
) -> None:
    """Publish an event at most ``most`` times within ``window`` in the tenant: for what anyone can do.

    Further ones are only logged, and one event records that there were more.
    """
    recorded = Event.objects.filter(kind=kind, at__range=recent_range(window))
    if recorded.values("pk")[:most].count() < most:
        publish(kind, **members)
        return
    _notify(kind, **{name: members[name] for name in ("actor", "target", "application") if name in members})
    publish_once("events.left_out", window, target=kind, most=most, seconds=int(window.total_seconds()))


def _notify(kind: str, wake_up: WakeUp | None = None, **members: Any) -> None:
    """Log the event and wake listeners once the transaction is committed, never if it is rolled back.

    The scope may be a different one by then, and the log line names tenant and request. So it is written in
    the context of this call. A failure of either does not affect what is already committed.
    """
    context = copy_context()

    def log_and_wake() -> None:
        context.run(log.info, kind, extra=members)
        if wake_up:
            notify.send(wake_up)

    # a named function: Django logs its name when it fails, and a partial has none
    transaction.on_commit(log_and_wake, robust=True)


def newest_id_of_all_tenants() -> int:
    """Return the ID of the newest event of any tenant, or 0."""
    return Event.unscoped.order_by("-pk").values_list("pk", flat=True).first() or 0


def events_after(mark: int, most: int = 1000) -> tuple[int, list[WakeUp]]:
    """Return the ID to continue from, and what was recorded in any tenant after ``mark``.

    PostgreSQL may commit a smaller ID after a larger one, so there the last two hundred are included again.
    Callers must ignore what they have already seen.
    """
    overlap = 200 if connection.vendor == "postgresql" else 0
    rows = (
        Event.unscoped.filter(pk__gt=mark - overlap)
        .order_by("pk")
        .values_list("pk", "tenant_id", "kind", "topic")[: most + overlap]
    )
    found = [WakeUp(*row) for row in rows]
    return max([mark, *(wake_up.event for wake_up in found)]), found


def newest_id() -> int:
    """Return the ID of the tenant's newest event, or 0."""
    return Event.objects.order_by("-pk").values_list("pk", flat=True).first() or 0


def known_kinds() -> list[str]:
    """Return the sorted kinds of event that the tenant has.

    The query reads the index once for each kind and not once for each event.
    """
    table, owner = connection.ops.quote_name(Event._meta.db_table), current_tenant().pk
    first = f"SELECT MIN(kind) FROM {table} WHERE tenant_id = %s"  # noqa: S608 the name of Foyer's own model
    following = f"SELECT ({first} AND kind > known.kind) FROM known WHERE known.kind IS NOT NULL"  # noqa: S608
    statement = (
        f"WITH RECURSIVE known(kind) AS ({first} UNION ALL {following}) SELECT kind FROM known WHERE kind IS "  # noqa: S608
        "NOT NULL"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [owner, owner])
        return [kind for (kind,) in cursor.fetchall()]


def changes_since(
    when: datetime, kinds: Collection[str], *, exclude_actor: str
) -> list[tuple[str, str, str, datetime]]:
    """Return (kind, target, actor, at) of the tenant's events of these kinds, oldest first.

    They begin at ``when``, without those of the actor ``exclude_actor``.
    """
    rows = Event.objects.filter(at__gte=when, kind__in=kinds).exclude(actor=exclude_actor).order_by("pk")
    return list(rows.values_list("kind", "target", "actor", "at"))
