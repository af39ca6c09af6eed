"""Limits on pending devices, for an application and for a network."""

from datetime import datetime, timedelta
from typing import NoReturn

from django.db import models
from django.db.models.functions import Left

from idp.devices.models import DeviceCode, DeviceState
from idp.events.bus import publish_once
from idp.oauth.errors import TooManyRequests
from idp.oauth.models import Application
from idp.ratelimit.budgets import network_ranges


def check_capacity(application: Application, address: str, now: datetime) -> None:
    """Raise TooManyRequests when the network or the application has too many pending devices.

    In a full application the network with the most pending devices gives up its oldest one, so that an
    attacker does not crowd out others. The application only refuses where no network has more than this one.
    """
    rows = DeviceCode.objects.filter(state=DeviceState.PENDING, application=application, expires_at__gt=now)
    limit, own = application.device_pending_limit, application.device_pending_limit_per_address
    for network, factor in network_ranges(address):
        if _in_network(rows, network)[: own * factor].count() >= own * factor:
            _refuse(application)
    if rows[:limit].count() >= limit and not _evict(rows, network_ranges(address)[-1][0], now):
        _refuse(application)


def _in_network(rows: models.QuerySet[DeviceCode], network: str) -> models.QuerySet[DeviceCode]:
    # a prefix of an IPv6 address; "g" sorts after all hexadecimal digits
    wide = network.isalnum() and len(network) < 16
    return rows.filter(network__range=(network, f"{network}g")) if wide else rows.filter(network=network)


def _evict(rows: models.QuerySet[DeviceCode], mine: str, now: datetime) -> bool:
    """Expire the oldest device of the network (IPv6: /48) with the most pending ones.

    Returns False, and expires nothing, unless that network has more of them than ``mine``.
    """
    sites = (
        rows.annotate(site=Left("network", 12))
        .values("site")
        .annotate(count=models.Count("pk"))
        .order_by("-count", "site")
    )
    fullest = sites.first()
    if fullest is None or fullest["count"] <= _in_network(rows, mine).count():
        return False
    oldest = (
        rows.filter(network__startswith=fullest["site"])
        .order_by("created_at", "pk")
        .values_list("pk", flat=True)
        .first()
    )
    return bool(
        DeviceCode.objects.filter(pk=oldest or 0, state=DeviceState.PENDING).update(
            state=DeviceState.EXPIRED, expires_at=now
        )
    )


def _refuse(application: Application) -> NoReturn:
    publish_once(
        "device.start_refused",
        timedelta(minutes=1),
        application=application.name,
        why="too many devices are waiting",
    )
    raise TooManyRequests(
        "Too many pending requests for this application.", retry_after=application.device_interval * 6
    )


def network_of(address: str) -> str:
    """Return the network of an address as it is stored with a device."""
    return network_ranges(address)[0][0]
