"""The list of every kind of object: search, filters, order and pages live in the address; actions on many at
once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from blueprints.objects.edit import Moved, NotThere, Refused
from idp.accounts.roles import NotAllowed
from idp.foundation.listing import COUNTED, BadWish, Column, Filter, Wish
from idp.foundation.listing import Page as Rows
from web.administration.declarations import Action, Resource
from web.administration.resources import RESOURCES
from web.console.frame import Page, by_htmx, see, show
from web.console.requests import ConsoleRequest
from web.console.sentences import told as in_words

_SIZE = 50
_MOST_AT_ONCE = 200
_ADDING = {
    "flows": "flows.edit",
    "tenants": "tenants.edit",
    "keys": "keys.rotate",
}  # made on pages of their own, not by a document
_FACTORS = {"totp": gettext_lazy("Authenticator app"), "recovery_code": gettext_lazy("Recovery codes")}


@dataclass(frozen=True)
class Cell:
    """One value of a row, how it is shown, and what it is called where no head stands above it."""

    kind: str
    value: Any
    url: str = ""
    title: Any = ""


@dataclass(frozen=True)
class Row:
    """One object of a list. ``url``: its own page, "" where it has none."""

    key: str
    url: str
    cells: list[Cell]
    actions: list[Action]


@dataclass(frozen=True)
class Head:
    """The head of a column; ``url`` sorts by it, "" where it cannot be sorted.

    ``sorted``: ascending, descending or "".
    """

    title: Any
    kind: str
    url: str
    sorted: str


@dataclass(frozen=True)
class Chosen:
    """A filter as the page shows it: ``value`` "" where it is not set, ``without`` the address that takes it
    off.
    """

    filter: Filter
    value: str
    title: Any
    without: str
    choices: list[tuple[str, Any]]


def listed(request: ConsoleRequest, name: str) -> HttpResponse:
    """One page of a list."""
    resource = RESOURCES[name]
    wish, wrong = _wish(request, resource), ""
    try:
        rows = resource.listing.page(wish)
    except BadWish as bad:
        rows, wrong, wish = resource.listing.page(Wish(size=_SIZE)), str(bad), Wish(size=_SIZE)
    columns = [column for column in resource.listing.columns if column.name in resource.shown]
    titles = titles_of(resource)
    columns.sort(key=lambda column: resource.shown.index(column.name))
    actions = [action for action in resource.actions if request.may(action.operation)]
    context: dict[str, Any] = {
        "resource": resource,
        "wish": wish,
        "wrong": wrong,
        "columns": [_head(column, wish) for column in columns],
        "rows": [_row(request, resource, told, columns, titles) for told in rows.rows],
        "filters": [_chosen(each, wish) for each in resource.listing.filters],
        "actions": actions,
        "add_url": _add_url(request, resource),
        "narrowed": bool(wish.search or wish.filters),
        "pages": _pages(wish, rows),
        "back": request.get_full_path(),
    }
    template = "console/objects/rows.html" if by_htmx(request, "rows") else "console/objects/list.html"
    return show(request, template, title=resource.listing.title, **context)


def act(request: ConsoleRequest, name: str, action: str) -> HttpResponse:
    """Asks once more where something would be lost, then does it to each chosen object that it fits."""
    resource = RESOURCES[name]
    wanted = resource.action(action)
    keys = list(dict.fromkeys(request.POST.getlist("key")))[:_MOST_AT_ONCE]
    back = _back(request, resource)
    if wanted is None or not keys:
        return see(request, back, _("Select at least one."))
    if wanted.asks and "sure" not in request.POST:
        context: dict[str, Any] = {"resource": resource, "action": wanted, "keys": keys, "back": back}
        return show(request, "console/objects/sure.html", title=wanted.title, **context)
    return see(request, back, run(resource, wanted, keys, request.person))


def run(resource: Resource, action: Action, keys: list[str], person: Any) -> str:
    """Does it to each of these, and tells how many were changed and what was left alone."""
    done, problems = 0, []
    for key in keys:
        row = resource.listing.one(key)
        try:
            done += bool(
                row is not None and action.fits(resource.listing.told(row)) and action.run(row, person)
            )
        except NotAllowed:
            problems.append(_("Skipped %(name)s: their role is higher than yours.") % {"name": key})
        except (Refused, NotThere, Moved) as refused:
            problems.append(f"{key}: {refused}")
    told = [str(action.done % {"count": done})] if done else [] if problems else [_("No changes made.")]
    return " ".join([*told, *problems[:3]])


def _wish(request: ConsoleRequest, resource: Resource) -> Wish:
    asked = {
        name: value for name in request.GET if (value := str(request.GET[name]).replace("\0", "").strip())
    }
    page = asked.get("page", "1")
    return Wish(
        search=asked.get("q", ""),
        filters={each.name: asked[each.name] for each in resource.listing.filters if each.name in asked},
        order=asked.get("order", ""),
        page=int(page) if page.isascii() and page.isdecimal() and len(page) < 7 else 1,
        size=_SIZE,
    )


def address(wish: Wish, **changed: Any) -> str:
    """The query of this wish with something changed; an empty value takes it off.

    Any change leads to the first page.
    """
    said: dict[str, Any] = {"q": wish.search, **wish.filters, "order": wish.order}
    said |= {name: value for name, value in changed.items() if name != "page"}
    if changed.get("page", 1) > 1:
        said["page"] = changed["page"]
    return "?" + urlencode({name: value for name, value in said.items() if value})


def _head(column: Column, wish: Wish) -> Head:
    way = {column.name: "ascending", f"-{column.name}": "descending"}.get(wish.order, "")
    turned = f"-{column.name}" if way == "ascending" else column.name
    return Head(column.title, column.kind, address(wish, order=turned) if column.order else "", way)


def _chosen(each: Filter, wish: Wish) -> Chosen:
    value, choices = wish.filters.get(each.name, ""), list(each.choices())
    return Chosen(each, value, dict(choices).get(value, value), address(wish, **{each.name: ""}), choices)


def titles_of(resource: Resource) -> Mapping[str, Mapping[str, Any]]:
    """Return the titles of values, by column: those that the filter of the same name offers."""
    found = {each.name: dict(each.choices()) for each in resource.listing.filters}
    return {**found, "kind": _FACTORS} if resource.name == "credentials" else found


def titled(told: Mapping[str, Any], titles: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return a row with titles in place of the values that have one."""
    return {
        name: titles[name].get(value, value) if name in titles and isinstance(value, str) else value
        for name, value in told.items()
    }


def _row(
    request: ConsoleRequest,
    resource: Resource,
    told: Mapping[str, Any],
    columns: list[Column],
    titles: Mapping[str, Mapping[str, Any]],
) -> Row:
    url = url_of(resource, told["key"])
    urls = [url if at == 0 else _counted(request, column, told) for at, column in enumerate(columns)]
    shown = titled(told, titles)
    cells = [_cell(resource, column, shown, leads) for column, leads in zip(columns, urls, strict=True)]
    actions = [action for action in resource.actions if request.may(action.operation) and action.fits(told)]
    return Row(told["key"], url, cells, actions)


def _counted(request: ConsoleRequest, column: Column, told: Mapping[str, Any]) -> str:
    """The list of what a number counts; "" where it counts nothing, or who looks may not see that list."""
    if column.counts is None or not told[column.name]:
        return ""
    name, narrowed_by = column.counts
    may = request.may(RESOURCES[name].see)
    return f"{reverse(f'console:{name}')}?{urlencode({narrowed_by: told['key']})}" if may else ""


def _cell(resource: Resource, column: Column, told: Mapping[str, Any], url: str) -> Cell:
    if (resource.name, column.name) == ("events", "kind"):
        return Cell("sentence", {**told, **in_words(told)})
    return Cell(column.kind, told[column.name], url, column.title)


def url_of(resource: Resource, key: str) -> str:
    """The page of one object."""
    try:
        return (
            reverse(f"console:{resource.page}", args=[key])
            if resource.page
            else reverse(f"console:{resource.name}-one", args=[key])
        )
    except NoReverseMatch:
        return ""


def _add_url(request: ConsoleRequest, resource: Resource) -> str:
    operation = resource.edit or _ADDING.get(resource.name, "")
    if not operation or not request.may(operation):
        return ""
    return reverse(f"console:{resource.add or resource.name + '-add'}")


def _pages(wish: Wish, rows: Rows) -> dict[str, Any]:
    first = (rows.page - 1) * rows.size + 1
    return {
        "first": first,
        "last": first + len(rows.rows) - 1,
        "total": rows.total,
        "counted": COUNTED,
        "before": address(wish, page=rows.page - 1) if rows.page > 1 else "",
        "after": address(wish, page=rows.page + 1) if rows.has_next else "",
    }


def _back(request: ConsoleRequest, resource: Resource) -> str:
    """Where it was asked from, if that is a page of the console; else the list."""
    wanted, ours = request.POST.get("back", ""), reverse("console:overview")
    return (
        wanted
        if wanted.startswith(ours) and "\n" not in wanted and "\\" not in wanted
        else reverse(f"console:{resource.name}")
    )


def _pages_of(resource: Resource) -> list[Page]:
    def view(request: ConsoleRequest) -> HttpResponse:
        return listed(request, resource.name)

    found = [Page(f"{resource.name}/", view, resource.name, see=resource.see)]
    for action in resource.actions:
        path, title = f"{resource.name}/do/{action.name}", f"{resource.name}-{action.name}"
        found.append(Page(path, _acts(resource, action), title, see="", do=action.operation))
    return found


def _acts(resource: Resource, action: Action) -> Any:
    def view(request: ConsoleRequest) -> HttpResponse:
        return act(request, resource.name, action.name)

    return view


PAGES = tuple(page for resource in RESOURCES.values() for page in _pages_of(resource))
