"""Condition variables about the pending device."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from idp.devices.service import Waiting, waiting
from idp.devices.simulated import pretended
from idp.foundation.condition_variables import ABSENT, About, Word, WordType
from idp.ratelimit.budgets import same_network


def _device_variable(type_: WordType, read: Callable[[Waiting, About], Any], doc: str) -> Word:
    """Return a variable about the device whose code was entered.

    It is empty for a device whose request was decided or has expired.
    """

    def load(context: About) -> Any:
        request = context.facts.get("request") or {}
        pk = request.get("device")
        device = context.once("device", pk, waiting) if pk else pretended(request)
        return read(device, context) if device else ABSENT[type_]

    return Word(type_, load, needs="request", doc=doc, about="request")


def _same_network(device: Waiting, context: About) -> bool:
    return same_network(device.address, context.address)


WORDS = {
    "device.address": _device_variable(
        "string",
        lambda device, context: device.address,
        "the address from which the device requested its code",
    ),
    "device.label": _device_variable(
        "string",
        lambda device, context: device.label,
        "the name that the device sends; it can be anything",
    ),
    "device.agent": _device_variable(
        "string",
        lambda device, context: device.agent,
        "the User-Agent header that the device sends; it can be anything",
    ),
    "device.age": _device_variable(
        "duration",
        lambda device, context: max(context.now - device.asked_at, timedelta(0)),
        "how long ago the device requested its code",
    ),
    "device.same_network": _device_variable(
        "bool", _same_network, "whether the device requested its code from the person's network"
    ),
}
