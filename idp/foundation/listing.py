"""Lists of one kind of row: what is shown, found, filtered and sorted; pages and the API read the same
declaration.

What a page costs hardly grows with the table. Rows are looked for up to COUNTED and no further. When that is
all, these are sorted; otherwise the page is read off the index of its order, which is why some columns sort
only a short list. And only the rows of the page are loaded with all that they refer to.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from django.db.models import Func, IntegerField, ManyToOneRel, Q, QuerySet, TextField
from django.db.models.functions import Length
from django.db.models.lookups import Exact
from django.utils.functional import Promise

from idp.foundation.errors import Invalid
from idp.foundation.text import caseless, caseless_pattern, nfc

Text = str | Promise
Kind = Literal["text", "code", "time", "number", "flag", "list", "agent"]
COUNTED = 10_000  # beyond that a list says "more than"
LARGEST_PAGE = 200


class BadWish(Invalid):
    """The list cannot be sorted or filtered like this; the message says by what it can."""


@dataclass(frozen=True)
class Column:
    """One value of each row, as JSON.

    ``order``: the path of the database by which it can be sorted, "" where it cannot.

    ``few``: there is no index for that order, so it sorts a list of at most COUNTED rows. ``counts``: of a
    number, the list whose rows it counts and the filter of it that takes this row's key.
    """

    name: str
    title: Text
    value: Callable[[Any], Any]
    order: str = ""
    kind: Kind = "text"
    few: bool = False
    counts: tuple[str, str] | None = None


@dataclass(frozen=True)
class Filter:
    """One way to narrow a list. ``choices``: value and title of each; none: any text."""

    name: str
    title: Text
    narrow: Callable[[QuerySet[Any], str], QuerySet[Any]]
    choices: Callable[[], Sequence[tuple[str, Text]]] = tuple


@dataclass(frozen=True)
class Wish:
    """What somebody wants to see.

    ``order``: a column's name, with ``-`` for the other way round; pages count from 1.
    """

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
    """A list of the tenant in scope.

    ``rows``: all of it; ``search``: the paths in which a search looks; ``key``: names a row.

    ``as_kept``: makes what is stored of a key that was typed.
    """

    name: str
    title: Text
    rows: Callable[[], QuerySet[Any]]
    columns: tuple[Column, ...]
    search: tuple[str, ...] = ()
    filters: tuple[Filter, ...] = ()
    order: str = "pk"
    key: str = "pk"
    as_kept: Callable[[str], str] = nfc

    def page(self, wish: Wish) -> Page:
        """The rows that somebody wants to see; raises BadWish.

        The number of queries does not grow with the rows.
        """
        found, order = self._narrowed(wish), self._order(wish.order)
        size, page = max(1, min(wish.size, LARGEST_PAGE)), max(1, wish.page)
        whole, begin = not (wish.search or wish.filters), (page - 1) * size
        total = found.order_by()[: COUNTED + 1].count() if whole else 0
        if total <= COUNTED:  # all of a list is counted in an index; what is narrowed is looked for once only
            keys = _sorted(found, order[0])
            total, keys = len(keys), keys[begin : begin + size]
        if total > COUNTED:
            self._check_index(wish.order)
            keys = (
                list(found.order_by(*order).values_list("pk", flat=True)[begin : begin + size])
                if begin < total
                else []
            )
        rows = {row.pk: row for row in self.rows().filter(pk__in=keys)} if keys else {}
        return Page([self.told(rows[key]) for key in keys if key in rows], total, page, size)

    def has(self, **filters: str) -> bool:
        """Whether there is any such row; raises BadWish."""
        return bool(self._narrowed(Wish(filters=filters)).exists())

    def one(self, key: Any) -> Any:
        """The row with this key, or None: another tenant's is as if it did not exist."""
        try:
            return (
                self.rows().filter(**{self.key: self.as_kept(key) if isinstance(key, str) else key}).first()
            )
        except (ValueError, OverflowError):
            return None

    def told(self, row: Any) -> dict[str, Any]:
        """A row as JSON."""
        return {
            "key": str(getattr(row, self.key)),
            **{column.name: column.value(row) for column in self.columns},
        }

    def _narrowed(self, wish: Wish) -> QuerySet[Any]:
        found = self.rows()
        if words := nfc(wish.search.replace("\0", "").strip()[:100]):
            if not self.search:
                raise BadWish("This list cannot be searched.")
            found = found.filter(
                Q.create([_contains(found, path, words) for path in self.search], connector=Q.OR)
            )
        known = {each.name: each for each in self.filters}
        for name, said in wish.filters.items():
            value = nfc(said)
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

    def _check_index(self, wanted: str) -> None:
        if any(column.few for column in self.columns if column.name == wanted.lstrip("-")):
            raise BadWish(
                f"There are more than {COUNTED:,} of these: search or filter first, then they can be "
                "sorted by this."
            )


class _Stored(Func):
    """A value as the database has it, which sorts alike: to convert ten thousand of SQLite's texts into
    moments takes a tenth of a second. It reads in their columns' type that they are any, and a plus sign
    takes the type away.
    """

    template, output_field = "%(expressions)s", TextField()

    def as_sqlite(self, compiler: Any, connection: Any, **more: Any) -> Any:
        return self.as_sql(compiler, connection, template="+%(expressions)s", **more)


def _sorted(found: QuerySet[Any], order: str) -> list[Any]:
    """The keys of at most COUNTED rows in this order, or of one more in any.

    The database finds them as fast as it can; told to sort, it might walk through everything in order to come
    across these.
    """
    rows = list(found.order_by().values_list(_Stored(order.lstrip("-")), "pk")[: COUNTED + 1])
    if len(rows) <= COUNTED:
        rows.sort(
            key=lambda row: (row[0] is not None, *(each for each in row if each is not None)),
            reverse=order.startswith("-"),
        )
    return [key for _, key in rows]


def refers(path: str, as_kept: Callable[[str], str] = nfc) -> Callable[[QuerySet[Any], str], QuerySet[Any]]:
    """Narrows a list to the rows that refer to the one thing of this name: ``person__username``, at most one
    step away.
    """
    head, _, name = path.partition("__")

    def narrow(rows: QuerySet[Any], value: str) -> QuerySet[Any]:
        found = _related(rows, head).filter(**{name: as_kept(value)}).values_list("pk", flat=True)[:COUNTED]
        # looked up first: joined, the database reads every row of the list to find out whose it is
        keys = list(found)
        return rows.filter(**{head: keys[0]} if len(keys) == 1 else {f"{head}__in": keys})

    return narrow


class _Bytes(Func):
    """How many bytes a text has: as many as letters where it is ASCII."""

    function, output_field, arity = "OCTET_LENGTH", IntegerField(), 1

    def as_sqlite(self, compiler: Any, connection: Any, **more: Any) -> Any:
        return self.as_sql(compiler, connection, template="LENGTH(CAST(%(expressions)s AS BLOB))", **more)


def _contains(rows: QuerySet[Any], path: str, words: str) -> Q:
    """The rows in which this path contains these words; what they refer to is searched by itself, not once
    for each row.
    """
    head, _, name = path.partition("__")
    if not name:
        return _says(head, words)
    found, relation = _related(rows, head).filter(_says(name, words)), rows.model._meta.get_field(head)
    if isinstance(relation, ManyToOneRel):  # several may refer to one row, which is found once
        return Q(pk__in=found.values(relation.field.attname))
    return Q(**{f"{head}__in": found.values("pk")})


def _says(name: str, words: str) -> Q:
    """Whether a column contains these words in any case.

    Databases agree about the case of ASCII alone: of any other text each form is written out, which costs
    more, so that only such texts are asked.
    """
    plain = Q(Exact(Length(name), _Bytes(name)))
    spelled = caseless(words)
    other = ~plain & Q(**{f"{name}__regex": caseless_pattern(words)})
    return plain & Q(**{f"{name}__icontains": spelled}) | other if spelled.isascii() else other


def _related(rows: QuerySet[Any], head: str) -> QuerySet[Any]:
    """What the rows refer to, of the tenant in scope."""
    found: QuerySet[Any] = rows.model._meta.get_field(head).related_model.objects.all()
    return found
