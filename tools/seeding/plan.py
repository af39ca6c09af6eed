"""How large an invented tenant is, and what its tables are filled from: chance that comes out the same for
the same number.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from random import Random
from time import perf_counter

from django.db import models, transaction
from django.utils import timezone

from idp.tenancy.rows import insert_rows
from idp.tenancy.scope import current_tenant

# rows in one transaction: a tenth of a second, so that a server beside it gets its turn on SQLite
BATCH = 5000
BY = "seed"
NETWORKS = ("192.0.2", "198.51.100", "203.0.113")  # RFC 5737: addresses for documentation
AGENTS = (
    "Example TV/2.1 (Living room)",
    "Mozilla/5.0 (X11; Linux x86_64) Example/1.0",
    "example-cli/0.9",
    "Example Kiosk/4 (Lobby)",
)


@dataclass(frozen=True)
class Sizes:
    """How many rows of each kind: three are chosen, the others follow in proportion."""

    people: int
    events: int
    applications: int

    @property
    def groups(self) -> int:
        """One for each thousand people."""
        return max(3, self.people // 1000)

    @property
    def sessions(self) -> int:
        """One for each person, some of them ended."""
        return self.people

    @property
    def families(self) -> int:
        """Approvals that gave tokens."""
        return self.people * 6 // 10

    @property
    def devices(self) -> int:
        """Requests of devices, most of them redeemed."""
        return self.people // 2

    @property
    def runs(self) -> int:
        """Walks through flows."""
        return self.people // 5


@dataclass(frozen=True)
class Seed:
    """What is invented comes from here.

    ``number``: the same one gives the same rows; ``tell`` hears of the progress.
    """

    sizes: Sizes
    number: int = 1
    now: datetime = field(default_factory=timezone.now)
    tell: Callable[[str], object] = print

    def chance(self, table: str) -> Random:
        """For what may be alike in two tenants."""
        return Random(f"{self.number}/{table}")  # noqa: S311 invented data, not keys

    def own(self, table: str) -> Random:
        """For what must differ from every other tenant's.

        A hash comes from here too: then nobody knows what it is a hash of.
        """
        return Random(f"{self.number}/{current_tenant().name}/{table}")  # noqa: S311 invented data, not keys

    def fill(self, title: str, rows: Iterator[models.Model]) -> None:
        """Stores the rows in batches, each in a transaction of its own."""
        begun, done = perf_counter(), 0
        while batch := list(islice(rows, BATCH)):
            with transaction.atomic():
                insert_rows(batch)
            done += len(batch)
            if done % (BATCH * 20) == 0:
                self.tell(f"{title}: {done:,} …")
        self.tell(f"{title}: {done:,} in {perf_counter() - begun:.1f} s")


def hexadecimal(chance: Random, digits: int) -> str:
    """So many random hexadecimal digits."""
    return f"{chance.getrandbits(digits * 4):0{digits}x}"


def address(chance: Random) -> str:
    """An address that belongs to nobody."""
    return f"{chance.choice(NETWORKS)}.{chance.randrange(1, 255)}"


def earlier(chance: Random, moment: datetime, days: float) -> datetime:
    """Some time within so many days before."""
    return moment - timedelta(seconds=chance.randrange(1, int(days * 86_400)))


def later(chance: Random, moment: datetime, days: float) -> datetime:
    """A day after, or up to so many days more: what is seeded is still there tomorrow, whatever is swept."""
    return moment + timedelta(days=1, seconds=chance.randrange(int(days * 86_400)))
