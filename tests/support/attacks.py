"""What the budgets of code entry leave to an attacker (RFC 8628 section 5.1)."""

from dataclasses import dataclass

from idp.devices.codes import ALPHABET, LENGTH
from idp.devices.throttling import PER_ADDRESS, PER_PERSON


@dataclass(frozen=True)
class Attack:
    """An attacker with ``addresses`` networks and ``accounts`` of the tenant, against ``live`` codes.

    The ``live`` codes are those waiting for a decision.
    """

    addresses: int
    accounts: int
    live: int
    signs_in_first: bool = True
    per_person: int = PER_PERSON


def count_guesses(attack: Attack) -> int:
    """Return how many codes the attacker may enter within the lifetime of a code."""
    by_address = attack.addresses * PER_ADDRESS
    return min(by_address, attack.accounts * attack.per_person) if attack.signs_in_first else by_address


def success_probability(attack: Attack, alphabet: int = len(ALPHABET), length: int = LENGTH) -> float:
    """Return the probability that at least one guess within a code's lifetime hits a live code.

    Guesses differ from each other, so this is sampling without replacement: 1 - Π (1 - live / (codes - i)).
    It counts only eight-letter codes, as if the breaker had never lengthened any, so the result is an upper
    bound.
    """
    codes, miss = alphabet**length, 1.0
    for drawn in range(min(count_guesses(attack), codes - attack.live)):
        miss *= 1 - attack.live / (codes - drawn)
    return 1 - miss
