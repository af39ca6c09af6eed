"""Argon2id at the least cost that it allows: the tests hash passwords by the thousand."""

from idp.accounts.hashers import Argon2id


class Cheap(Argon2id):
    """8 KiB and one pass, and everything else as in the product.

    The fixture ``production_hashing`` restores the product's own cost.
    """

    time_cost = 1
    memory_cost = 8
