"""Lists of rows: columns, search, filters and order in one declaration, for pages and the API.

The cost of a page hardly grows with the table. Up to COUNTED rows are looked for. When these are all, they
are sorted. Otherwise the page is read from the index of its order, which is why some columns can only sort a
short list. Only the rows of the page are loaded with their related objects.
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
COUNT_LIMIT = 10_000  # beyond that a list shows "more than"
MAX_PAGE_SIZE = 200


class InvalidListQuery(Invalid):
    """The list cannot be sorted or filtered like this; the message says by what it can."""


@dataclass(frozen=True)
class Column:
    """One value of each row, as JSON.

    ``order``: the lookup path by which it can be sorted, "" where it cannot.

    ``short_lists_only``: that order has no index, so it can only sort a list of at most COUNTED rows.
    ``counts``: for a number, the name of the list whose rows it counts, and of the filter there that takes
    this row's key.
    """

    name: str
    title: Text
    value: Callable[[Any], Any]
    order: str = ""
    kind: Kind = "text"
    short_lists_only: bool = False
    counts: tuple[str, str] | None = None


@dataclass(frozen=True)
class Filter:
    """One way to narrow a list.

    ``choices``: value and title of each; without any, all text is allowed.
    """

    name: str
    title: Text
    narrow: Callable[[QuerySet[Any], str], QuerySet[Any]]
    choices: Callable[[], Sequence[tuple[str, Text]]] = tuple


@dataclass(frozen=True)
class ListQuery:
    """A query of a list.

    ``order``: a column's name, with ``-`` for descending order. Pages count from 1.
    """

    search: str = ""
    filters: Mapping[str, str] = field(default_factory=dict)
    order: str = ""
    page: int = 1
    size: int = 50


@dataclass(frozen=True)
class Page:
    """One page of a list.

    ``total``: the number of all matching rows, at most one more than COUNTED.
    """

    rows: list[dict[str, Any]]
    total: int
    page: int
    size: int

    @property
    def has_next(self) -> bool:
        """Return whether there is a page after this one."""
        return self.page * self.size < self.total


@dataclass(frozen=True)
class Listing:
    """A list of rows of the tenant in scope.

    ``rows``: returns all rows. ``search``: the lookup paths to search. ``key``: the field that identifies a
    row.

    ``normalize_key``: converts a typed key to its stored form.
    """

    name: str
    title: Text
    rows: Callable[[], QuerySet[Any]]
    columns: tuple[Column, ...]
    search: tuple[str, ...] = ()
    filters: tuple[Filter, ...] = ()
    order: str = "pk"
    key: str = "pk"
    normalize_key: Callable[[str], str] = nfc

    def page(self, query: ListQuery) -> Page:
        """Return the page of a query; raise InvalidListQuery.

        The number of database queries does not grow with the rows.
        """
        found, order = self._filtered(query), self._order(query.order)
        size, page = max(1, min(query.size, MAX_PAGE_SIZE)), max(1, query.page)
        whole, begin = not (query.search or query.filters), (page - 1) * size
        total = found.order_by()[: COUNT_LIMIT + 1].count() if whole else 0
        if (
            total <= COUNT_LIMIT
        ):  # a complete list is counted in an index; a narrowed one is only queried once
            keys = _sorted_keys(found, order[0])
            total, keys = len(keys), keys[begin : begin + size]
        if total > COUNT_LIMIT:
            self._check_index(query.order)
            keys = (
                list(found.order_by(*order).values_list("pk", flat=True)[begin : begin + size])
                if begin < total
                else []
            )
        rows = {row.pk: row for row in self.rows().filter(pk__in=keys)} if keys else {}
        return Page([self.as_json(rows[key]) for key in keys if key in rows], total, page, size)

    def exists(self, **filters: str) -> bool:
        """Return whether there is a row with these filters; raise InvalidListQuery."""
        return bool(self._filtered(ListQuery(filters=filters)).exists())

    def get(self, key: Any) -> Any:
        """Return the row with this key, or None; another tenant's row does not exist."""
        try:
            return (
                self.rows()
                .filter(**{self.key: self.normalize_key(key) if isinstance(key, str) else key})
                .first()
            )
        except (ValueError, OverflowError):
            return None

    def as_json(self, row: Any) -> dict[str, Any]:
        """Return a row as JSON."""
        return {
            "key": str(getattr(row, self.key)),
            **{column.name: column.value(row) for column in self.columns},
        }

    def _filtered(self, wish: ListQuery) -> QuerySet[Any]:
        found = self.rows()
        if text := nfc(wish.search.replace("\0", "").strip()[:100]):
            if not self.search:
                raise InvalidListQuery("This list cannot be searched.")
            found = found.filter(
                Q.create([_contains(found, path, text) for path in self.search], connector=Q.OR)
            )
        known = {each.name: each for each in self.filters}
        for name, raw in wish.filters.items():
            value = nfc(raw)
            if name not in known:
                raise InvalidListQuery(f"This list can be filtered by {', '.join(known) or 'nothing'}.")
            choices = [choice for choice, _ in known[name].choices()]
            if choices and value not in choices:
                raise InvalidListQuery(f"{name} is one of {', '.join(choices)}.")
            found = known[name].narrow(found, value)
        return found

    def _order(self, order: str) -> list[str]:
        if not order:
            return [self.order, "-pk" if self.order.startswith("-") else "pk"]
        paths = {column.name: column.order for column in self.columns if column.order}
        if order.lstrip("-") not in paths:
            raise InvalidListQuery(f"This list can be sorted by {', '.join(paths)}.")
        sign = "-" if order.startswith("-") else ""
        return [sign + paths[order.lstrip("-")], f"{sign}pk"]

    def _check_index(self, order: str) -> None:
        if any(column.short_lists_only for column in self.columns if column.name == order.lstrip("-")):
            raise InvalidListQuery(
                f"There are more than {COUNT_LIMIT:,} of these: search or filter first, then they can be "
                "sorted by this."
            )


class _Stored(Func):
    """A value as the database stores it, which has the same order.

    Converting ten thousand of SQLite's texts into datetimes takes a tenth of a second. The column type
    determines the conversion, and a plus sign removes the type.
    """

    template, output_field = "%(expressions)s", TextField()

    def as_sqlite(self, compiler: Any, connection: Any, **more: Any) -> Any:
        return self.as_sql(compiler, connection, template="+%(expressions)s", **more)


def _sorted_keys(found: QuerySet[Any], order: str) -> list[Any]:
    """Return the keys of at most COUNTED rows in this order, or of one more in any order.

    The database finds them as fast as it can. With an ORDER BY it might scan everything in order until it has
    found these.
    """
    rows = list(found.order_by().values_list(_Stored(order.lstrip("-")), "pk")[: COUNT_LIMIT + 1])
    if len(rows) <= COUNT_LIMIT:
        rows.sort(
            key=lambda row: (row[0] is not None, *(each for each in row if each is not None)),
            reverse=order.startswith("-"),
        )
    return [key for _, key in rows]


def filter_by_reference(
    path: str, normalize: Callable[[str], str] = nfc
) -> Callable[[QuerySet[Any], str], QuerySet[Any]]:
    """Return a filter for the rows that refer to the one object of this name.

    ``path`` is a lookup of at most one relation, like ``person__username``.
    """
    head, _, name = path.partition("__")

    def narrow(rows: QuerySet[Any], value: str) -> QuerySet[Any]:
        found = (
            _related(rows, head).filter(**{name: normalize(value)}).values_list("pk", flat=True)[:COUNT_LIMIT]
        )
        # looked up first, because with a join the database would read every row of the list
        keys = list(found)
        return rows.filter(**{head: keys[0]} if len(keys) == 1 else {f"{head}__in": keys})

    return narrow


class _Bytes(Func):
    """The length of a text in bytes, which equals its length in characters where it is ASCII."""

    function, output_field, arity = "OCTET_LENGTH", IntegerField(), 1

    def as_sqlite(self, compiler: Any, connection: Any, **more: Any) -> Any:
        return self.as_sql(compiler, connection, template="LENGTH(CAST(%(expressions)s AS BLOB))", **more)


def _contains(rows: QuerySet[Any], path: str, text: str) -> Q:
    """Return the condition that this path contains this text.

    Related rows are searched in a query of their own, not once for each row.
    """
    relation_name, _, name = path.partition("__")
    if not name:
        return _column_contains(relation_name, text)
    found, relation = (
        _related(rows, relation_name).filter(_column_contains(name, text)),
        rows.model._meta.get_field(relation_name),
    )
    if isinstance(relation, ManyToOneRel):  # several may refer to the same row, which must be found once
        return Q(pk__in=found.values(relation.field.attname))
    return Q(**{f"{relation_name}__in": found.values("pk")})


def _column_contains(name: str, text: str) -> Q:
    """Return the condition that a column contains this text in any case.

    Databases only agree about the case of ASCII. For other text each form is listed, which costs more, so
    only columns with such text are searched that way.
    """
    plain = Q(Exact(Length(name), _Bytes(name)))
    spelled = caseless(text)
    other = ~plain & Q(**{f"{name}__regex": caseless_pattern(text)})
    return plain & Q(**{f"{name}__icontains": spelled}) | other if spelled.isascii() else other


def _related(rows: QuerySet[Any], head: str) -> QuerySet[Any]:
    """Return the rows of the related model in the tenant in scope."""
    found: QuerySet[Any] = rows.model._meta.get_field(head).related_model.objects.all()
    return found
