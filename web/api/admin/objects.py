"""The generic operations on each kind of object: list, get, save, delete and actions.

They are built from its declaration (web/administration/resources.py).
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpResponse
from ninja import Router
from ninja.params.functions import Query
from pydantic import BaseModel

from blueprints.objects import edit
from blueprints.objects.document import KINDS
from blueprints.objects.registry import KINDS as REGISTRY
from idp.accounts.roles import NotAllowed, operations_of
from idp.foundation.errors import message_of
from idp.foundation.listing import BadWish, Listing, Wish
from web.administration.changes import delete, save
from web.administration.declarations import Action, Resource
from web.administration.resources import RESOURCES
from web.api.admin.failures import InvalidDocument, NoSuchThing
from web.api.admin.object_schemas import page_of, row_of, sent, shown, wish_of
from web.api.admin.operations import Calls
from web.api.admin.preconditions import check, quoted, unless_known
from web.api.admin.requests import ApiRequest
from web.api.admin.responses import answer, empty
from web.api.body import BodyParser
from web.api.schemas import Acted, Done, Keys

_parser = BodyParser()
_PRECONDITIONS = ("If-Match", "If-None-Match")
_EXCLUDED = {"runs"}  # listed below their flow, because /runs/ serves the runs of programs


def routers() -> list[tuple[str, Router]]:
    """Return the routers of all kinds of objects with the first segment of their path."""
    return [(f"/{name}", build_router(each)) for name, each in RESOURCES.items() if name not in _EXCLUDED]


def build_router(resource: Resource) -> Router:
    """Return a router with all operations on one kind of object."""
    operations = Calls(resource.name)
    for action in resource.actions:
        _add_actions(operations, resource, action)
    _add_list(operations, resource)
    _add_get(operations, resource)
    if resource.edit:
        _add_put(operations, resource)
        _add_patch(operations, resource)
        _add_delete(operations, resource)
    return operations.router


def _add_list(operations: Calls, resource: Resource) -> None:
    model, noun = resource.listing, _noun(resource)

    def view(request: ApiRequest, query: Any = Query(...)) -> HttpResponse:  # noqa: B008 required by django-ninja
        return page(request, model, query)

    view.__annotations__["query"] = wish_of(model, noun)
    view.__doc__ = f"{resource.about or model.title}"
    operations.add(
        "GET",
        "/",
        permission=resource.see,
        name=f"list_{_plural(resource)}",
        title=f"List {_lower_first(model.title)}",
        responses={200: page_of(model, noun)},
        errors=(400,),
    )(view)


def page(request: ApiRequest, listing: Listing, query: BaseModel, **fixed: str) -> HttpResponse:
    """Return one page of a list, with links to the adjacent pages (RFC 8288).

    ``fixed``: filters that the path determines.
    """
    data: dict[str, Any] = query.model_dump()
    data |= {name: value.replace("\0", "") for name, value in data.items() if isinstance(value, str)}
    # otherwise a misspelled filter would return every row
    if unknown := [name for name in request.GET if name not in data]:
        raise BadWish(f"Unknown parameter {unknown[0][:50]!r}. Allowed: {', '.join(data)}.")
    filters = {each.name: data[each.name] for each in listing.filters if data.get(each.name)} | fixed
    rows = listing.page(Wish(data.get("search", ""), filters, data["order"], data["page"], data["size"]))
    body = {
        "rows": rows.rows,
        "total": rows.total,
        "page": rows.page,
        "size": rows.size,
        "has_next": rows.has_next,
    }
    return answer(body, Link=_links(request, rows.page, rows.has_next))


def _add_get(operations: Calls, resource: Resource) -> None:
    model = shown(resource.kind) if resource.edit else row_of(resource.listing, _noun(resource))

    def look(request: ApiRequest, key: str) -> HttpResponse:
        return unless_known(request, told(resource, key))

    look.__doc__ = f"Return {_with_article(resource)}. The `ETag` header identifies the version."
    operations.add(
        "GET",
        "/{any:key}",
        permission=resource.see,
        name=f"get_{_singular(resource)}",
        title=f"Get {_with_article(resource)}",
        responses={200: model, 304: None},
        headers=("If-None-Match",),
    )(look)


def _add_put(operations: Calls, resource: Resource) -> None:
    kind, model = resource.kind, shown(resource.kind)

    def put(request: ApiRequest, key: str) -> HttpResponse:
        before = edit.current(kind, key)
        expect = check(request, before.etag if before else None, required=True)
        saved = save(resource, document(request, kind, key), request.auth, expect=expect, new=before is None)
        at = f"/api/{resource.name}/{quote(saved.name, safe='')}" if saved.created else ""
        return kept(kind, saved.name, 201 if saved.created else 200, Location=at)

    noun = _with_article(resource)
    put.__doc__ = f"Create {noun}, or set the given keys of an existing one, which requires `If-Match`."
    operations.add(
        "PUT",
        "/{any:key}",
        permission=resource.edit,
        name=f"create_or_update_{_singular(resource)}",
        title=f"Create or update {noun}",
        responses={200: model, 201: model},
        errors=(409, 412, 428),
        body=sent(kind).__name__,
        headers=_PRECONDITIONS,
    )(put)


def _add_patch(operations: Calls, resource: Resource) -> None:
    kind = resource.kind

    def patch(request: ApiRequest, key: str) -> HttpResponse:
        before = _current(kind, key)
        expect = check(request, before.etag)
        save(resource, document(request, kind, key, before.document), request.auth, expect=expect, new=False)
        return kept(kind, key)

    patch.__doc__ = "Change the given keys. All other keys keep their values."
    operations.add(
        "PATCH",
        "/{any:key}",
        permission=resource.edit,
        name=f"update_{_singular(resource)}",
        title=f"Update {_with_article(resource)}",
        responses={200: shown(kind)},
        errors=(409, 412),
        body=sent(kind, change=True).__name__,
        headers=_PRECONDITIONS,
    )(patch)


def _add_delete(operations: Calls, resource: Resource) -> None:
    def remove(request: ApiRequest, key: str) -> HttpResponse:
        """Delete permanently. This can't be undone."""
        before = _current(resource.kind, key)
        delete(resource, key, request.auth, check(request, before.etag))
        return empty(204)

    title, name = f"Delete {_with_article(resource)}", f"delete_{_singular(resource)}"
    operations.add(
        "DELETE",
        "/{any:key}",
        permission=resource.edit,
        name=name,
        title=title,
        responses={204: None},
        errors=(409, 412),
        headers=_PRECONDITIONS,
    )(remove)


def _add_actions(operations: Calls, resource: Resource, action: Action) -> None:
    words = ". ".join(str(each).rstrip(".") for each in (action.title, action.asks) if each)
    plain: dict[str, Any] = {"permission": action.operation, "responses": {200: Acted}}

    def act(request: ApiRequest, key: str) -> HttpResponse:
        row = resource.listing.one(key)
        if row is None:
            raise NoSuchThing
        return answer({"changed": action.run(row, request.auth)})

    def act_in_bulk(request: ApiRequest, body: Keys) -> HttpResponse:
        return answer(
            {
                "results": [
                    _run_action(resource, action, key, request.auth) for key in dict.fromkeys(body.keys)
                ]
            }
        )

    act.__doc__, act_in_bulk.__doc__ = f"{words}.", f"{words}. Returns a result for each object."
    bulk: dict[str, Any] = {**plain, "responses": {200: Done}}
    verb, tail = _split_name(action.name)
    first, last = _snake(verb), _snake(tail)
    operations.add(
        "POST",
        f"/actions/{action.name}",
        name=f"bulk_{first}_{_plural(resource)}{last}",
        title=f"{verb} {_lower_first(resource.listing.title)}{tail}",
        **bulk,
    )(act_in_bulk)
    if action.name != "delete" or not resource.edit:  # the DELETE method does it
        operations.add(
            "POST",
            f"/{{any:key}}/actions/{action.name}",
            name=f"{first}_{_singular(resource)}{last}",
            title=f"{verb} {_with_article(resource)}{tail}",
            errors=(409, 412),
            **plain,
        )(act)


def _run_action(resource: Resource, action: Action, key: str, person: Any) -> dict[str, str]:
    """Run the action for one object of a bulk request and return the outcome."""
    row = resource.listing.one(key.replace("\0", ""))
    if row is None:
        return {"key": key, "outcome": "not_found", "message": message_of(NoSuchThing)}
    try:
        return {"key": key, "outcome": "changed" if action.run(row, person) else "unchanged", "message": ""}
    except NotAllowed as error:
        return {"key": key, "outcome": "not_allowed", "message": str(error)}
    except (edit.Refused, edit.NotThere, edit.Moved) as error:
        return {"key": key, "outcome": "refused", "message": str(error)}


def told(resource: Resource, key: str) -> HttpResponse:
    """Return one object in its current state, with its ETag; raise NoSuchThing."""
    if resource.edit:
        return kept(resource.kind, key)
    row = resource.listing.one(key)
    if row is None:
        raise NoSuchThing
    body = resource.listing.told(row)
    state = json.dumps(body, sort_keys=True, cls=DjangoJSONEncoder)
    return answer(body, ETag=quoted(hashlib.sha256(state.encode()).hexdigest()[:32]))


def kept(kind: str, key: str, status: int = 200, **headers: str) -> HttpResponse:
    """Return one document in its current state, with its ETag; raise NoSuchThing."""
    current = _current(kind, key)
    return answer(current.document, status, ETag=quoted(current.etag), **headers)


def document(
    request: ApiRequest, kind: str, key: str, current: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the body as a document of this kind and name; raise InvalidDocument.

    Required keys that the body omits are taken from ``current``.
    """
    body = _parser.parse_body(request)
    as_kept = REGISTRY[kind].as_kept
    if as_kept(str(body.get(kind, key))) != as_kept(key):
        raise InvalidDocument({kind: ["The name differs from the one in the path."]})
    needed = (
        [name for name, field in KINDS[kind].model_fields.items() if field.is_required()] if current else []
    )
    data = {**{name: current[name] for name in needed if current}, **body, kind: key}
    try:
        rights = operations_of(request.auth)
        edit.checked(kind, data, strict=True, rights=rights)
    except edit.Refused as wrong:
        raise InvalidDocument(wrong.errors) from None
    return data


def _current(kind: str, key: str) -> edit.Current:
    current = edit.current(kind, key)
    if current is None:
        raise NoSuchThing
    return current


def _links(request: ApiRequest, page: int, has_next: bool) -> str:
    """Return the Link header to the adjacent pages (RFC 8288)."""
    found = {"prev": page - 1 if page > 1 else 0, "next": page + 1 if has_next else 0}

    def address(number: int) -> str:
        return f"{request.path}?{urlencode({**request.GET.dict(), 'page': number})}"

    return ", ".join(f'<{address(number)}>; rel="{name}"' for name, number in found.items() if number)


def _noun(resource: Resource) -> str:
    return str(resource.noun).title().replace(" ", "")


def _plural(resource: Resource) -> str:
    """Return the end of the IDs of operations on several objects."""
    return resource.name.replace("-", "_")


def _singular(resource: Resource) -> str:
    """Return the end of the IDs of operations on one object."""
    return resource.kind or _plural(resource).removesuffix("s")


def _with_article(resource: Resource) -> str:
    """Return the noun with its article."""
    noun = _lower_first(resource.noun)
    return f"{'an' if noun[0] in 'aeio' else 'a'} {noun}"


def _lower_first(words: Any) -> str:
    """Return a title as it is written inside a sentence."""
    text = str(words)
    return text[:1].lower() + text[1:]


def _snake(words: str) -> str:
    return words.lower().replace(" ", "_")


def _split_name(action: str) -> tuple[str, str]:
    """Return the words before and after the object: "Sign out" people "and their devices"."""
    verb, devices, _rest = action.partition("-devices")
    return verb.replace("-", " ").capitalize(), " and their devices" if devices else ""
