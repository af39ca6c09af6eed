"""The list of each kind of object, with bulk actions; search, filters, order and page are in the URL."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from blueprints.objects.edit import EditConflict, InvalidObject, ObjectNotFound
from idp.accounts.roles import NotAllowed
from idp.foundation.listing import COUNT_LIMIT, Column, Filter, InvalidListQuery, ListQuery
from idp.foundation.listing import Page as Rows
from web.administration.declarations import Action, Resource
from web.administration.resources import RESOURCES
from web.console.frame import ConsolePage, is_htmx_request, render_page, see_other
from web.console.requests import ConsoleRequest
from web.console.sentences import describe_event as in_words

_PAGE_SIZE = 50
_MAX_BULK = 200
_ADD_OPERATIONS = {
    "flows": "flows.edit",
    "tenants": "tenants.edit",
    "keys": "keys.rotate",
}  # created on their own pages, not from a document
_FACTORS = {"totp": gettext_lazy("Authenticator app"), "recovery_code": gettext_lazy("Recovery codes")}


@dataclass(frozen=True)
class Cell:
    """One value of a row, and how it is displayed.

    ``title``: its label where no column header is above it.
    """

    kind: str
    value: Any
    url: str = ""
    title: Any = ""


@dataclass(frozen=True)
class ListRow:
    """One object of a list.

    ``url``: its own page, "" if it has none.
    """

    key: str
    url: str
    cells: list[Cell]
    actions: list[Action]


@dataclass(frozen=True)
class ColumnHeader:
    """The header of a column.

    ``url``: sorts by the column, "" if it cannot be sorted. ``sorted``: ascending, descending or "".
    """

    title: Any
    kind: str
    url: str
    sorted: str


@dataclass(frozen=True)
class FilterState:
    """A filter as the page shows it.

    ``value``: "" if it is not set. ``without``: the URL that removes it.
    """

    filter: Filter
    value: str
    title: Any
    without: str
    choices: list[tuple[str, Any]]


def object_list(request: ConsoleRequest, name: str) -> HttpResponse:
    """Render one page of a list."""
    resource = RESOURCES[name]
    wish, error = _wish(request, resource), ""
    try:
        rows = resource.listing.page(wish)
    except InvalidListQuery as bad:
        rows, error, wish = (
            resource.listing.page(ListQuery(size=_PAGE_SIZE)),
            str(bad),
            ListQuery(size=_PAGE_SIZE),
        )
    columns = [column for column in resource.listing.columns if column.name in resource.visible_columns]
    titles = value_titles(resource)
    columns.sort(key=lambda column: resource.visible_columns.index(column.name))
    actions = [action for action in resource.actions if request.may(action.operation)]
    context: dict[str, Any] = {
        "resource": resource,
        "wish": wish,
        "wrong": error,
        "columns": [_header(column, wish) for column in columns],
        "rows": [_row(request, resource, values, columns, titles) for values in rows.rows],
        "filters": [_filter_state(each, wish) for each in resource.listing.filters],
        "actions": actions,
        "add_url": _add_url(request, resource),
        "narrowed": bool(wish.search or wish.filters),
        "pages": _pages(wish, rows),
        "back": request.get_full_path(),
    }
    template = (
        "console/objects/rows.html" if is_htmx_request(request, "rows") else "console/objects/list.html"
    )
    return render_page(request, template, title=resource.listing.title, **context)


def bulk_action(request: ConsoleRequest, name: str, action: str) -> HttpResponse:
    """Run an action on each selected object that it fits, after a confirmation if something would be lost."""
    resource = RESOURCES[name]
    selected = resource.action(action)
    keys = list(dict.fromkeys(request.POST.getlist("key")))[:_MAX_BULK]
    back = _back(request, resource)
    if selected is None or not keys:
        return see_other(request, back, _("Select at least one."))
    if selected.confirmation and "sure" not in request.POST:
        context: dict[str, Any] = {"resource": resource, "action": selected, "keys": keys, "back": back}
        return render_page(request, "console/objects/sure.html", title=selected.title, **context)
    return see_other(request, back, run_action(resource, selected, keys, request.person))


def run_action(resource: Resource, action: Action, keys: list[str], person: Any) -> str:
    """Run an action on each of these objects, and return a summary of what was changed and skipped."""
    done, problems = 0, []
    for key in keys:
        row = resource.listing.get(key)
        try:
            done += bool(
                row is not None
                and action.is_offered_for(resource.listing.as_json(row))
                and action.run(row, person)
            )
        except NotAllowed:
            problems.append(_("Skipped %(name)s: their role is higher than yours.") % {"name": key})
        except (InvalidObject, ObjectNotFound, EditConflict) as refused:
            problems.append(f"{key}: {refused}")
    messages = problems[:3]
    if done:
        messages.insert(0, str(action.success_message % {"count": done}))
    return " ".join(messages or [_("No changes made.")])


def _wish(request: ConsoleRequest, resource: Resource) -> ListQuery:
    parameters = {
        name: value for name in request.GET if (value := str(request.GET[name]).replace("\0", "").strip())
    }
    page = parameters.get("page", "1")
    return ListQuery(
        search=parameters.get("q", ""),
        filters={
            each.name: parameters[each.name] for each in resource.listing.filters if each.name in parameters
        },
        order=parameters.get("order", ""),
        page=int(page) if page.isascii() and page.isdecimal() and len(page) < 7 else 1,
        size=_PAGE_SIZE,
    )


def list_query(wish: ListQuery, **changed: Any) -> str:
    """Return the query string of a list with some parameters changed; an empty value removes one.

    Any change leads to the first page.
    """
    parameters: dict[str, Any] = {"q": wish.search, **wish.filters, "order": wish.order}
    parameters |= {name: value for name, value in changed.items() if name != "page"}
    if changed.get("page", 1) > 1:
        parameters["page"] = changed["page"]
    return "?" + urlencode({name: value for name, value in parameters.items() if value})


def _header(column: Column, wish: ListQuery) -> ColumnHeader:
    direction = {column.name: "ascending", f"-{column.name}": "descending"}.get(wish.order, "")
    order = f"-{column.name}" if direction == "ascending" else column.name
    return ColumnHeader(
        column.title, column.kind, list_query(wish, order=order) if column.order else "", direction
    )


def _filter_state(each: Filter, wish: ListQuery) -> FilterState:
    value, choices = wish.filters.get(each.name, ""), list(each.choices())
    return FilterState(
        each, value, dict(choices).get(value, value), list_query(wish, **{each.name: ""}), choices
    )


def value_titles(resource: Resource) -> Mapping[str, Mapping[str, Any]]:
    """Return the titles of values, by column: the choices of the filter with the same name."""
    found = {each.name: dict(each.choices()) for each in resource.listing.filters}
    return {**found, "kind": _FACTORS} if resource.name == "credentials" else found


def replace_values(values: Mapping[str, Any], titles: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return a row with titles in place of the values that have one."""
    return {
        name: titles[name].get(value, value) if name in titles and isinstance(value, str) else value
        for name, value in values.items()
    }


def _row(
    request: ConsoleRequest,
    resource: Resource,
    values: Mapping[str, Any],
    columns: list[Column],
    titles: Mapping[str, Mapping[str, Any]],
) -> ListRow:
    url = object_url(resource, values["key"])
    urls = [url if at == 0 else _counted_url(request, column, values) for at, column in enumerate(columns)]
    shown = replace_values(values, titles)
    cells = [_cell(resource, column, shown, cell_url) for column, cell_url in zip(columns, urls, strict=True)]
    actions = [
        action
        for action in resource.actions
        if request.may(action.operation) and action.is_offered_for(values)
    ]
    return ListRow(values["key"], url, cells, actions)


def _counted_url(request: ConsoleRequest, column: Column, values: Mapping[str, Any]) -> str:
    """Return the URL of the list that a number counts.

    "" if it counts nothing, or if the role may not see that list.
    """
    if column.counts is None or not values[column.name]:
        return ""
    name, narrowed_by = column.counts
    may = request.may(RESOURCES[name].see)
    return f"{reverse(f'console:{name}')}?{urlencode({narrowed_by: values['key']})}" if may else ""


def _cell(resource: Resource, column: Column, values: Mapping[str, Any], url: str) -> Cell:
    if (resource.name, column.name) == ("events", "kind"):
        return Cell("sentence", {**values, **in_words(values)})
    return Cell(column.kind, values[column.name], url, column.title)


def object_url(resource: Resource, key: str) -> str:
    """Return the URL of the page of one object; "" if it has none."""
    try:
        return (
            reverse(f"console:{resource.url_name}", args=[key])
            if resource.url_name
            else reverse(f"console:{resource.name}-one", args=[key])
        )
    except NoReverseMatch:
        return ""


def _add_url(request: ConsoleRequest, resource: Resource) -> str:
    operation = resource.edit or _ADD_OPERATIONS.get(resource.name, "")
    if not operation or not request.may(operation):
        return ""
    return reverse(f"console:{resource.add_url_name or resource.name + '-add'}")


def _pages(wish: ListQuery, rows: Rows) -> dict[str, Any]:
    first = (rows.page - 1) * rows.size + 1
    return {
        "first": first,
        "last": first + len(rows.rows) - 1,
        "total": rows.total,
        "counted": COUNT_LIMIT,
        "before": list_query(wish, page=rows.page - 1) if rows.page > 1 else "",
        "after": list_query(wish, page=rows.page + 1) if rows.has_next else "",
    }


def _back(request: ConsoleRequest, resource: Resource) -> str:
    """Return the page that the request came from if it is one of the console, otherwise the list."""
    back, console_root = request.POST.get("back", ""), reverse("console:overview")
    return (
        back
        if back.startswith(console_root) and "\n" not in back and "\\" not in back
        else reverse(f"console:{resource.name}")
    )


def _pages_of(resource: Resource) -> list[ConsolePage]:
    def view(request: ConsoleRequest) -> HttpResponse:
        return object_list(request, resource.name)

    pages = [ConsolePage(f"{resource.name}/", view, resource.name, view_operation=resource.see)]
    for action in resource.actions:
        path, title = f"{resource.name}/do/{action.name}", f"{resource.name}-{action.name}"
        pages.append(
            ConsolePage(
                path,
                _action_view(resource, action),
                title,
                view_operation="",
                post_operation=action.operation,
            )
        )
    return pages


def _action_view(resource: Resource, action: Action) -> Any:
    def view(request: ConsoleRequest) -> HttpResponse:
        return bulk_action(request, resource.name, action.name)

    return view


PAGES = tuple(page for resource in RESOURCES.values() for page in _pages_of(resource))
