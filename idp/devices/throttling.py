"""Budgets for entering user codes (RFC 8628 section 5.1)."""

from datetime import timedelta

from django.db.models import Max

from idp.devices.codes import LENGTH, LONG_LENGTH
from idp.events.bus import publish_once
from idp.oauth.errors import TooManyRequests
from idp.oauth.models import Application
from idp.ratelimit.budgets import Budget, Exhausted, Spend, address_key, charge, exhausted_until

PER_PERSON = 5
PER_BROWSER = 5
PER_ADDRESS = 30
PER_TENANT = 200


def entry_budgets(
    *, person: int | None, browser: str, address: str, per_person: int = PER_PERSON
) -> list[Spend]:
    """Return what entering one code costs.

    All budgets count over the longest lifetime of a code in the tenant.

    Signed in: ``per_person`` for the account. Not signed in: five for the browser, which an attacker changes
    at no cost, so that it only stops honest people from guessing on. In both cases 30 for the address. The
    tenant's budget refuses no one: once it is exhausted, new codes have twelve letters.
    """
    window = longest_lifetime()
    own = (
        Spend(Budget("code.person", per_person, window), str(person))
        if person
        else Spend(Budget("code.browser", PER_BROWSER, window), browser)
    )
    return [own, Spend(Budget("code.address", PER_ADDRESS, window), address_key(address)), _breaker(window)]


def charge_unknown_device_code(address: str) -> None:
    """Throttle guesses of device codes (checklist D16); raise TooManyRequests.

    The 256 bits of a device code would be sufficient without it.
    """
    unknown = Budget("device_code.unknown", 100, timedelta(minutes=10))
    result = charge([Spend(unknown, address and address_key(address))])
    if isinstance(result, Exhausted):
        publish_once("device.guessing_throttled", unknown.window, why="too many unknown device codes")
        raise TooManyRequests(retry_after=60)


def code_length() -> int:
    """Return the length of a new user code: eight letters, or twelve during an attack on the tenant.

    The first time in a window that it returns twelve, it publishes an event.
    """
    window = longest_lifetime()
    if exhausted_until(_breaker(window)) is None:
        return LENGTH
    publish_once(
        "device.codes_lengthened",
        window,
        each_origin=False,
        wrong_codes=PER_TENANT,
        window_seconds=int(window.total_seconds()),
    )
    return LONG_LENGTH


def longest_lifetime() -> timedelta:
    """Return the longest lifetime of a user code among the tenant's applications."""
    longest = Application.objects.aggregate(longest=Max("device_code_lifetime"))["longest"]
    return timedelta(seconds=longest or 600)


def _breaker(window: timedelta) -> Spend:
    return Spend(Budget("code.tenant", PER_TENANT, window, refuses=False), "")
