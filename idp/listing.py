"""Lists of one kind of row: what is shown, found, filtered and sorted; pages and the API read the same declaration."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from django.db.models import Q, QuerySet
from django.utils.functional import Promise

Text = str | Promise
Kind = Literal["text", "code", "time", "number", "flag", "list"]
COUNTED = 10_000  # beyond that a list says "more than"
LARGEST_PAGE = 200


class BadWish(Exception):
    """The list cannot be sorted or filtered like this; the message says by what it can."""


@dataclass(frozen=True)
class Column:
    """One value of each row, as JSON. ``order``: the path of the database by which it can be sorted, "" where it cannot."""

    name: str
    title: Text
    value: Callable[[Any], Any]
    order: str = ""
    kind: Kind = "text"


@dataclass(frozen=True)
class Filter:
    """One way to narrow a list. ``choices``: value and title of each; none: any text."""

    name: str
    title: Text
    narrow: Callable[[QuerySet[Any], str], QuerySet[Any]]
    choices: Callable[[], Sequence[tuple[str, Text]]] = tuple


@dataclass(frozen=True)
class Wish:
    """What somebody wants to see. ``order``: a column's name, with ``-`` for the other way round; pages count from 1."""

    search: str = ""
    filters: Mapping[str, str] = field(default_factory=dict)
    order: str = ""
    page: int = 1
    size: int = 50


@dataclass(frozen=True)
class Page:
    """One page of a list. ``total``: how many there are in all, at most one more than COUNTED."""

    rows: list[dict[str, Any]]
    total: int
    page: int
    size: int

    @property
    def has_next(self) -> bool:
        """Whether there is a page after this one."""
        return self.page * self.size < self.total


@dataclass(frozen=True)
class Listing:
    """A list of the tenant in scope. ``rows``: all of it; ``search``: the paths in which a search looks; ``key``: names a row."""

    name: str
    title: Text
    rows: Callable[[], QuerySet[Any]]
    columns: tuple[Column, ...]
    search: tuple[str, ...] = ()
    filters: tuple[Filter, ...] = ()
    order: str = "pk"
    key: str = "pk"

    def page(self, wish: Wish) -> Page:
        """The rows that somebody wants to see; raises BadWish. The number of queries does not grow with the rows."""
        found = self._narrowed(wish)
        size, page = max(1, min(wish.size, LARGEST_PAGE)), max(1, wish.page)
        total = found.order_by()[: COUNTED + 1].count()
        rows = found.order_by(*self._order(wish.order))[(page - 1) * size : page * size]
        return Page([self.told(row) for row in rows], total, page, size)

    def one(self, key: Any) -> Any:
        """The row with this key, or None: another tenant's is as if it did not exist."""
        try:
            return self.rows().filter(**{self.key: key}).first()
        except (ValueError, OverflowError):
            return None

    def told(self, row: Any) -> dict[str, Any]:
        """A row as JSON."""
        return {"key": str(getattr(row, self.key)), **{column.name: column.value(row) for column in self.columns}}

    def _narrowed(self, wish: Wish) -> QuerySet[Any]:
        found = self.rows()
        if words := wish.search.replace("\0", "").strip()[:100]:
            if not self.search:
                raise BadWish("This list cannot be searched.")
            found = found.filter(Q.create([(f"{path}__icontains", words) for path in self.search], connector=Q.OR))
        known = {each.name: each for each in self.filters}
        for name, value in wish.filters.items():
            if name not in known:
                raise BadWish(f"This list can be filtered by {', '.join(known) or 'nothing'}.")
            choices = [choice for choice, _ in known[name].choices()]
            if choices and value not in choices:
                raise BadWish(f"{name} is one of {', '.join(choices)}.")
            found = known[name].narrow(found, value)
        return found

    def _order(self, wanted: str) -> list[str]:
        if not wanted:
            return [self.order, "-pk" if self.order.startswith("-") else "pk"]
        paths = {column.name: column.order for column in self.columns if column.order}
        if wanted.lstrip("-") not in paths:
            raise BadWish(f"This list can be sorted by {', '.join(paths)}.")
        sign = "-" if wanted.startswith("-") else ""
        return [sign + paths[wanted.lstrip("-")], f"{sign}pk"]
