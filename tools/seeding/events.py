"""Ninety simulated days of events, in the proportions of a tenant whose people connect devices."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from idp.devices.models import DeviceCode
from idp.devices.service import topic_of
from idp.events.models import Event
from tools.seeding.plan import SEED_ACTOR, Seed, address, hexadecimal

DAYS = 90
# kind: percentage, whether a person did it, and its data
SIGNING_IN: dict[str, tuple[int, bool, dict[str, Any]]] = {
    "session.started": (22, True, {"methods": ["pwd"]}),
    "session.ended": (8, True, {"why": "signed out"}),
    "person.credential_used": (8, True, {"credential": "totp"}),
    "flow.denied": (3, True, {"goes_on": False}),
    "flow.throttled": (2, False, {"budget": "password"}),
    "person.created": (2, False, {}),
    "person.changed": (2, False, {"keys": ["name"]}),
    "tokens.issued": (12, True, {"grant": "refresh_token", "scope": "openid"}),
    "tokens.refused": (1, False, {"why": "invalid_grant"}),
}
DEVICES: dict[str, tuple[int, bool, dict[str, Any]]] = {
    "device.started": (11, False, {"scopes": ["openid"]}),
    "device.code_entered": (10, True, {}),
    "device.approved": (9, True, {}),
    "device.redeemed": (8, True, {}),
    "device.denied": (1, True, {}),
    "device.revoked": (1, False, {"why": "revoked in the console"}),
}


def fill(seed: Seed) -> None:
    """Insert the events, oldest first."""
    seed.insert("events", _events(seed))


def _events(seed: Seed) -> Iterator[Event]:
    chance, everything = seed.shared_random("events"), {**SIGNING_IN, **DEVICES}
    first_device = DeviceCode.objects.order_by("pk").values_list("pk", flat=True).first() or 0
    kinds, weights = list(everything), [often for often, _, _ in everything.values()]
    for number in range(seed.sizes.events):
        (kind,) = chance.choices(kinds, weights)
        _, by_person, data = everything[kind]
        person = f"alice-{chance.randrange(1, seed.sizes.people + 1):06}"
        device = first_device + chance.randrange(max(1, seed.sizes.devices)) if kind in DEVICES else 0
        actor = target = ""
        if kind.startswith("person."):
            actor, target = SEED_ACTOR, person
        if by_person:
            actor = person
        if device:
            target = f"device {device}"
        yield Event(
            at=seed.now - timedelta(days=DAYS) * (1 - (number + 1) / seed.sizes.events),
            kind=kind,
            actor=actor,
            target=target,
            application=f"app-{chance.randrange(1, seed.sizes.applications + 1):04}"
            if device or kind.startswith("tokens.")
            else "",
            topic=topic_of(device) if device else "",
            address=address(chance),
            request_id=hexadecimal(chance, 32),
            data=data,
        )
