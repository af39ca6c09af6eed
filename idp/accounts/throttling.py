"""Budgets for guesses of passwords and second factors, whichever stage asks for them.

They slow down the attacker and not the account's owner. What a stranger can exhaust does not count for a
browser, or for a network, in which the person has recently signed in. These have budgets of their own.
"""

from datetime import timedelta

from idp.accounts.known_browsers import KnownBrowser, has_signed_in_from
from idp.accounts.models import Person
from idp.foundation.text import fold
from idp.ratelimit.budgets import Budget, Spend, network_spends

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
_SECOND_FACTOR = Budget("second_factor.person", 21, HOUR, free=5)
# A guess of six digits hits with three in a million, so a day of guesses with one in three thousand.
_SECOND_FACTOR_A_DAY = Budget("second_factor.day", 100, DAY)
_SECOND_FACTOR_ADDRESS = Budget("second_factor.address", 100, HOUR)


def password_budgets(
    person: Person | None,
    name: str,
    address: str,
    browser: KnownBrowser,
    *,
    free: int = 4,
    window: timedelta = HOUR,
) -> tuple[Spend, ...]:
    """Return what one password attempt for this name costs.

    ``free`` attempts are immediate, then the waits grow; there are limits for the network and for the
    account.

    The account is counted by its person, whichever of their names was typed. The short waits go by what was
    typed: otherwise five guesses would reveal that two names belong to one person, and so that they exist.
    """
    known, known_network = browser.identifier_for(person), has_signed_in_from(person, address)
    if known:
        return (
            Spend(
                Budget("password.browser", free + 16, window, free=free), f"{person and person.pk}\0{known}"
            ),
        )
    by_name = network_spends(
        Budget("password.own", free + 16, window, free=free), address, f"{fold(name)}\0"
    )[0]
    anyone = (by_name, *network_spends(Budget("password.address", 100, window), address))
    if known_network:
        return anyone
    account = f"person {person.pk}" if person else f"name {fold(name)}"
    return (*anyone, Spend(Budget("password.account", 100, window), account))


def session_budgets(session: int) -> tuple[Spend, ...]:
    """Return what one password attempt within an active session costs, independently of all others."""
    return (Spend(Budget("password.session", 20, HOUR, free=4), str(session)),)


def second_factor_budgets(person: Person | None, address: str, browser: KnownBrowser) -> tuple[Spend, ...]:
    """Return what one attempt with a code of any kind costs.

    Five are immediate, then the waits grow; 100 a day for the person; 100 an hour for a network.
    """
    key, known = str(person.pk if person else 0), browser.identifier_for(person)
    if known:
        return (Spend(_SECOND_FACTOR, f"{key}\0{known}"), Spend(_SECOND_FACTOR_A_DAY, f"{key}\0{known}"))
    return (
        Spend(_SECOND_FACTOR, key),
        Spend(_SECOND_FACTOR_A_DAY, key),
        *network_spends(_SECOND_FACTOR_ADDRESS, address),
    )
