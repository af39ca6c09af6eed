"""The size of a simulated tenant, and the random numbers from which its tables are filled.

The same seed yields the same rows.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from random import Random
from time import perf_counter

from django.db import connection, models, transaction
from django.utils import timezone

from idp.tenancy.scope import current_tenant

# rows per transaction: a tenth of a second, so that a server can write to the same SQLite file meanwhile
BATCH = 5000
SEED_ACTOR = "seed"
NETWORKS = ("192.0.2", "198.51.100", "203.0.113")  # RFC 5737: addresses for documentation
AGENTS = (
    "Example TV/2.1 (Living room)",
    "Mozilla/5.0 (X11; Linux x86_64) Example/1.0",
    "example-cli/0.9",
    "Example Kiosk/4 (Lobby)",
)


@dataclass(frozen=True)
class Sizes:
    """How many rows of each kind there are: three numbers are chosen, the others follow in proportion."""

    people: int
    events: int
    applications: int

    @property
    def groups(self) -> int:
        """One for each thousand people, at least three."""
        return max(3, self.people // 1000)

    @property
    def sessions(self) -> int:
        """One for each person, some of them ended."""
        return self.people

    @property
    def families(self) -> int:
        """Approvals that issued tokens."""
        return self.people * 6 // 10

    @property
    def devices(self) -> int:
        """Requests of devices, most of them redeemed."""
        return self.people // 2

    @property
    def runs(self) -> int:
        """Runs of flows."""
        return self.people // 5


@dataclass(frozen=True)
class Seed:
    """The source of all simulated data.

    ``number``: the same one yields the same rows; ``report`` receives the progress.
    """

    sizes: Sizes
    number: int = 1
    now: datetime = field(default_factory=timezone.now)
    report: Callable[[str], object] = print

    def shared_random(self, table: str) -> Random:
        """Return the random numbers for values that may be the same in two tenants."""
        return Random(f"{self.number}/{table}")  # noqa: S311  simulated data, not keys

    def tenant_random(self, table: str) -> Random:
        """Return the random numbers for values that must differ between tenants.

        Hashes come from here too, so no one knows what they are hashes of.
        """
        return Random(f"{self.number}/{current_tenant().name}/{table}")  # noqa: S311  simulated data, not keys

    def insert(self, title: str, rows: Iterator[models.Model]) -> None:
        """Insert the rows in batches, each in its own transaction."""
        begun, done = perf_counter(), 0
        while batch := list(islice(rows, BATCH)):
            with transaction.atomic():
                _insert_rows(batch)
            done += len(batch)
            if done % (BATCH * 20) == 0:
                self.report(f"{title}: {done:,} …")
        self.report(f"{title}: {done:,} in {perf_counter() - begun:.1f} s")


def hexadecimal(chance: Random, digits: int) -> str:
    """Return a number of random hexadecimal digits."""
    return f"{chance.getrandbits(digits * 4):0{digits}x}"


def address(chance: Random) -> str:
    """Return an IP address that is reserved for documentation."""
    return f"{chance.choice(NETWORKS)}.{chance.randrange(1, 255)}"


def earlier(chance: Random, moment: datetime, days: float) -> datetime:
    """Return a time within the given number of days before."""
    return moment - timedelta(seconds=chance.randrange(1, int(days * 86_400)))


def later(chance: Random, moment: datetime, days: float) -> datetime:
    """Return a time from one day after, up to the given number of days more.

    Seeded rows therefore survive the sweeps until tomorrow.
    """
    return moment + timedelta(days=1, seconds=chance.randrange(int(days * 86_400)))


def _insert_rows(rows: Collection[models.Model]) -> None:
    """Insert new rows of one model exactly as they are; no keys are returned.

    ``bulk_create`` would set ``created_at`` to the current time.
    """
    model, quote = type(next(iter(rows))), connection.ops.quote_name
    fields = [field for field in model._meta.concrete_fields if not field.primary_key]
    names, places = ", ".join(quote(str(field.column)) for field in fields), ", ".join(["%s"] * len(fields))
    # names of Foyer's own models
    statement = f"INSERT INTO {quote(model._meta.db_table)} ({names}) VALUES ({places})"  # noqa: S608
    values = [
        [field.get_db_prep_save(getattr(row, field.attname), connection) for field in fields] for row in rows
    ]
    with connection.cursor() as cursor:
        cursor.executemany(statement, values)
