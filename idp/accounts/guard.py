"""How often somebody may guess: the budgets of passwords and of second factors, whichever stage asks for them."""

from datetime import timedelta

from idp.accounts.people import fold
from idp.ratelimit.budgets import Budget, Spend, address_key

HOUR = timedelta(hours=1)
_SECOND_FACTOR = Budget("second_factor.person", 21, HOUR, free=5)
# Of six digits a guess hits three in a million, so a day of it one account in three thousand.
_SECOND_FACTOR_A_DAY = Budget("second_factor.day", 100, timedelta(days=1))
_SECOND_FACTOR_ADDRESS = Budget("second_factor.address", 100, HOUR)


def password_budgets(name: str, address: str, *, free: int = 4, window: timedelta = HOUR) -> tuple[Spend, ...]:
    """For one password typed for this name: ``free`` at once and then ever longer waits; bounds for the network and the account."""
    name, network = fold(name), address_key(address)
    return (
        Spend(Budget("password.own", free + 16, window, free=free), f"{name}\0{network}"),
        Spend(Budget("password.address", 100, window), network),
        Spend(Budget("password.account", 100, window), name),
    )


def second_factor_budgets(person: int, address: str) -> tuple[Spend, ...]:
    """For one code of any kind typed for this person: five at once and then ever longer waits, 100 a day; 100 an hour for a network."""
    return (
        Spend(_SECOND_FACTOR, str(person)),
        Spend(_SECOND_FACTOR_A_DAY, str(person)),
        Spend(_SECOND_FACTOR_ADDRESS, address_key(address)),
    )
