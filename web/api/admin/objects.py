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
from blueprints.objects.document import DOCUMENTS
from blueprints.objects.registry import KINDS as REGISTRY
from idp.accounts.roles import NotAllowed, operations_of
from idp.foundation.errors import message_of
from idp.foundation.listing import InvalidListQuery, Listing, ListQuery
from web.administration.changes import delete, save
from web.administration.declarations import Action, Resource
from web.administration.resources import RESOURCES
from web.api.admin.failures import InvalidDocument, ResourceNotFound
from web.api.admin.object_schemas import body_schema, document_schema, page_schema, query_schema, row_schema
from web.api.admin.operations import OperationRouter
from web.api.admin.preconditions import check_preconditions, conditional_response, quote_etag
from web.api.admin.requests import ApiRequest
from web.api.admin.responses import empty_response, json_response
from web.api.body import BodyParser
from web.api.schemas import ActionResult, BulkActionResult, ObjectKeys

_parser = BodyParser()
_PRECONDITIONS = ("If-Match", "If-None-Match")
_EXCLUDED = {"runs"}  # listed below their flow, because /runs/ serves the runs of programs


def build_routers() -> list[tuple[str, Router]]:
    """Return the routers of all kinds of objects with the first segment of their path."""
    return [(f"/{name}", build_router(each)) for name, each in RESOURCES.items() if name not in _EXCLUDED]


def build_router(resource: Resource) -> Router:
    """Return a router with all operations on one kind of object."""
    operations = OperationRouter(resource.name)
    for action in resource.actions:
        _add_actions(operations, resource, action)
    _add_list(operations, resource)
    _add_get(operations, resource)
    if resource.edit:
        _add_put(operations, resource)
        _add_patch(operations, resource)
        _add_delete(operations, resource)
    return operations.router


def _add_list(operations: OperationRouter, resource: Resource) -> None:
    model, noun = resource.listing, _noun(resource)

    def view(request: ApiRequest, query: Any = Query(...)) -> HttpResponse:  # noqa: B008 required by django-ninja
        return page_response(request, model, query)

    view.__annotations__["query"] = query_schema(model, noun)
    view.__doc__ = f"{resource.about or model.title}"
    operations.add(
        "GET",
        "/",
        permission=resource.see,
        name=f"list_{_plural(resource)}",
        title=f"List {_lower_first(model.title)}",
        responses={200: page_schema(model, noun)},
        errors=(400,),
    )(view)


def page_response(request: ApiRequest, listing: Listing, query: BaseModel, **fixed: str) -> HttpResponse:
    """Return one page of a list, with links to the adjacent pages (RFC 8288).

    ``fixed``: filters that the path determines.
    """
    data: dict[str, Any] = query.model_dump()
    data |= {name: value.replace("\0", "") for name, value in data.items() if isinstance(value, str)}
    # otherwise a misspelled filter would return every row
    if unknown := [name for name in request.GET if name not in data]:
        raise InvalidListQuery(f"Unknown parameter {unknown[0][:50]!r}. Allowed: {', '.join(data)}.")
    filters = {each.name: data[each.name] for each in listing.filters if data.get(each.name)} | fixed
    rows = listing.page(ListQuery(data.get("search", ""), filters, data["order"], data["page"], data["size"]))
    body = {
        "rows": rows.rows,
        "total": rows.total,
        "page": rows.page,
        "size": rows.size,
        "has_next": rows.has_next,
    }
    return json_response(body, Link=_links(request, rows.page, rows.has_next))


def _add_get(operations: OperationRouter, resource: Resource) -> None:
    model = document_schema(resource.kind) if resource.edit else row_schema(resource.listing, _noun(resource))

    def look(request: ApiRequest, key: str) -> HttpResponse:
        return conditional_response(request, object_response(resource, key))

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


def _add_put(operations: OperationRouter, resource: Resource) -> None:
    kind, model = resource.kind, document_schema(resource.kind)

    def put(request: ApiRequest, key: str) -> HttpResponse:
        before = edit.load(kind, key)
        expect = check_preconditions(request, before.digest if before else None, required=True)
        saved = save(
            resource, read_document(request, kind, key), request.auth, expected=expect, new=before is None
        )
        at = f"/api/{resource.name}/{quote(saved.name, safe='')}" if saved.created else ""
        return document_response(kind, saved.name, 201 if saved.created else 200, Location=at)

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
        body=body_schema(kind).__name__,
        headers=_PRECONDITIONS,
    )(put)


def _add_patch(operations: OperationRouter, resource: Resource) -> None:
    kind = resource.kind

    def patch(request: ApiRequest, key: str) -> HttpResponse:
        before = _current(kind, key)
        expect = check_preconditions(request, before.digest)
        save(
            resource,
            read_document(request, kind, key, before.document),
            request.auth,
            expected=expect,
            new=False,
        )
        return document_response(kind, key)

    patch.__doc__ = "Change the given keys. All other keys keep their values."
    operations.add(
        "PATCH",
        "/{any:key}",
        permission=resource.edit,
        name=f"update_{_singular(resource)}",
        title=f"Update {_with_article(resource)}",
        responses={200: document_schema(kind)},
        errors=(409, 412),
        body=body_schema(kind, change=True).__name__,
        headers=_PRECONDITIONS,
    )(patch)


def _add_delete(operations: OperationRouter, resource: Resource) -> None:
    def remove(request: ApiRequest, key: str) -> HttpResponse:
        """Delete permanently. This can't be undone."""
        before = _current(resource.kind, key)
        delete(resource, key, request.auth, check_preconditions(request, before.digest))
        return empty_response(204)

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


def _add_actions(operations: OperationRouter, resource: Resource, action: Action) -> None:
    words = ". ".join(str(each).rstrip(".") for each in (action.title, action.confirmation) if each)
    plain: dict[str, Any] = {"permission": action.operation, "responses": {200: ActionResult}}

    def act(request: ApiRequest, key: str) -> HttpResponse:
        row = resource.listing.get(key)
        if row is None:
            raise ResourceNotFound
        return json_response({"changed": action.run(row, request.auth)})

    def act_in_bulk(request: ApiRequest, body: ObjectKeys) -> HttpResponse:
        return json_response(
            {
                "results": [
                    _run_action(resource, action, key, request.auth) for key in dict.fromkeys(body.keys)
                ]
            }
        )

    act.__doc__, act_in_bulk.__doc__ = f"{words}.", f"{words}. Returns a result for each object."
    bulk: dict[str, Any] = {**plain, "responses": {200: BulkActionResult}}
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
    row = resource.listing.get(key.replace("\0", ""))
    if row is None:
        return {"key": key, "outcome": "not_found", "message": message_of(ResourceNotFound)}
    try:
        return {"key": key, "outcome": "changed" if action.run(row, person) else "unchanged", "message": ""}
    except NotAllowed as error:
        return {"key": key, "outcome": "not_allowed", "message": str(error)}
    except (edit.InvalidObject, edit.ObjectNotFound, edit.EditConflict) as error:
        return {"key": key, "outcome": "refused", "message": str(error)}


def object_response(resource: Resource, key: str) -> HttpResponse:
    """Return one object in its current state, with its ETag; raise ResourceNotFound."""
    if resource.edit:
        return document_response(resource.kind, key)
    row = resource.listing.get(key)
    if row is None:
        raise ResourceNotFound
    body = resource.listing.as_json(row)
    state = json.dumps(body, sort_keys=True, cls=DjangoJSONEncoder)
    return json_response(body, ETag=quote_etag(hashlib.sha256(state.encode()).hexdigest()[:32]))


def document_response(kind: str, key: str, status: int = 200, **headers: str) -> HttpResponse:
    """Return one document in its current state, with its ETag; raise ResourceNotFound."""
    current = _current(kind, key)
    return json_response(current.document, status, ETag=quote_etag(current.digest), **headers)


def read_document(
    request: ApiRequest, kind: str, key: str, current: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the body as a document of this kind and name; raise InvalidDocument.

    Required keys that the body omits are taken from ``current``.
    """
    body = _parser.parse_body(request)
    as_kept = REGISTRY[kind].normalize_name
    if as_kept(str(body.get(kind, key))) != as_kept(key):
        raise InvalidDocument({kind: ["The name differs from the one in the path."]})
    needed = (
        [name for name, field in DOCUMENTS[kind].model_fields.items() if field.is_required()]
        if current
        else []
    )
    data = {**{name: current[name] for name in needed if current}, **body, kind: key}
    try:
        rights = operations_of(request.auth)
        edit.validate(kind, data, strict=True, rights=rights)
    except edit.InvalidObject as wrong:
        raise InvalidDocument(wrong.errors) from None
    return data


def _current(kind: str, key: str) -> edit.CurrentObject:
    current = edit.load(kind, key)
    if current is None:
        raise ResourceNotFound
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
