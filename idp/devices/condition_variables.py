"""Condition variables about the pending device."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from idp.devices.service import PendingDevice, find_pending
from idp.devices.simulated import simulated_device
from idp.foundation.condition_variables import EMPTY_VALUES, EvaluationContext, Variable, VariableType
from idp.ratelimit.budgets import same_network


def _device_variable(
    type_: VariableType, read: Callable[[PendingDevice, EvaluationContext], Any], doc: str
) -> Variable:
    """Return a variable about the device whose code was entered.

    It is empty for a device whose request was decided or has expired.
    """

    def load(context: EvaluationContext) -> Any:
        device = _device(context)
        return read(device, context) if device else EMPTY_VALUES[type_]

    return Variable(type_, load, required_fact="request", doc=doc, subject="request")


def _device(context: EvaluationContext) -> PendingDevice | None:
    if "request" not in context.facts:
        return None
    request = context.facts.request
    found: PendingDevice | None = (
        context.load_once("device", request.device, find_pending)
        if request.device
        else simulated_device(request)
    )
    return found


def _same_network(device: PendingDevice, context: EvaluationContext) -> bool:
    return same_network(device.address, context.address)


CONDITION_VARIABLES = {
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
        lambda device, context: max(context.now - device.requested_at, timedelta(0)),
        "how long ago the device requested its code",
    ),
    "device.same_network": _device_variable(
        "bool", _same_network, "whether the device requested its code from the person's network"
    ),
}
