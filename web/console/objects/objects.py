"""The page of one object with its form or values, actions and history, and the page that creates one."""

import json
from typing import Any

from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from blueprints.objects import edit
from blueprints.objects.document import DOCUMENTS
from idp.accounts.roles import OwnPassword
from web.administration.changes import save
from web.administration.declarations import Resource
from web.administration.resources import RESOURCES
from web.console.frame import ConsolePage, render_page, see_other
from web.console.objects.form_errors import form_problems
from web.console.objects.forms import SchemaForm
from web.console.objects.history import history
from web.console.objects.lists import Cell, object_url, replace_values, value_titles
from web.console.requests import ConsoleRequest


def detail(request: ConsoleRequest, name: str, key: str) -> HttpResponse:
    """Render one object.

    A POST saves the form if the object did not change meanwhile; otherwise the page shows both versions.
    """
    resource = RESOURCES[name]
    row = resource.listing.get(key)
    if row is None:
        raise Http404
    values = resource.listing.as_json(row)
    titled_values = replace_values(values, value_titles(resource))
    context: dict[str, Any] = {
        "resource": resource,
        "details": values,
        "cells": [
            (column.title, _cell(column.kind, titled_values[column.name]))
            for column in resource.listing.columns
        ],
        "actions": [
            each for each in resource.actions if request.may(each.operation) and each.is_offered_for(values)
        ],
        "history": history(request, resource.event_filters(row)) if resource.event_filters else None,
        "back_url": reverse(f"console:{resource.name}"),
        "here": object_url(resource, key),
        "extra": [f"console/objects/{resource.name}_extra.html", "console/objects/no_extra.html"],
    }
    return (
        _render_form(request, resource, key, context)
        if resource.kind
        else render_page(request, "console/objects/one.html", title=_title(values), **context)
    )


def _render_form(
    request: ConsoleRequest, resource: Resource, key: str, context: dict[str, Any]
) -> HttpResponse:
    known = edit.load(resource.kind, key)
    if known is None:
        raise Http404
    form = SchemaForm(
        DOCUMENTS[resource.kind],
        known.document,
        choices=resource.choices,
        readonly=(resource.kind,),
        titles=resource.field_titles,
    )
    status, conflict = 200, ""
    if request.method == "POST":
        document = {**form.read(request.POST), resource.kind: key}
        try:
            saved = save(resource, document, request.person, expected=request.POST.get("etag", ""), new=False)
        except edit.InvalidObject as refused:
            form.add_errors(refused.errors)
            status = 400
        except OwnPassword as own:
            form.add_errors({"password": [str(own)]})
            status = 403
        except edit.EditConflict:
            conflict, status = known.digest, 409
        else:
            changed = ", ".join(each.key for each in saved.keys)
            return see_other(
                request,
                context["here"],
                _("Changes saved. (%(keys)s)") % {"keys": changed} if changed else _("No changes to save."),
            )
    context |= {
        "form": form,
        "problems": form_problems(form),
        "etag": conflict or (request.POST.get("etag") or known.digest),
        "moved": _conflicting_values(form, known) if conflict else None,
    }
    may_edit = bool(resource.edit) and request.may(resource.edit)
    return render_page(
        request, "console/objects/one.html", title=key, status=status, may_edit=may_edit, **context
    )


def add(request: ConsoleRequest, name: str) -> HttpResponse:
    """Render the form of a new object, and create it by POST."""
    resource = RESOURCES[name]
    form = SchemaForm(
        DOCUMENTS[resource.kind], edit.blank_document(resource.kind), choices=resource.choices, is_new=True
    )
    status = 200
    if request.method == "POST":
        document = form.read(request.POST)
        try:
            saved = save(resource, document, request.person, new=True)
        except edit.InvalidObject as refused:
            form.add_errors(refused.errors)
            status = 400
        else:
            return see_other(
                request, object_url(resource, saved.name), _("Created %(name)s.") % {"name": saved.name}
            )
    context = {
        "resource": resource,
        "form": form,
        "problems": form_problems(form),
        "back_url": reverse(f"console:{resource.name}"),
    }
    return render_page(
        request, "console/objects/add.html", title=resource.create_label, status=status, **context
    )


def _conflicting_values(form: SchemaForm, known: edit.CurrentObject) -> list[tuple[str, Any, Any]]:
    """Return the keys that differ between the stored document and the form, each with both values."""
    keys = [key for key, value in known.document.items() if key in form.values and form.values[key] != value]
    return [(key, known.document[key], form.values[key]) for key in keys]


def _cell(kind: str, value: Any) -> Cell:
    if isinstance(value, dict):
        return Cell("code", json.dumps(value, ensure_ascii=False) if value else "")
    return Cell("text", value) if kind == "agent" else Cell(kind, value)  # not shortened on this page


def _title(values: dict[str, Any]) -> str:
    return str(
        next((values[name] for name in ("name", "person", "kid", "kind") if values.get(name)), values["key"])
    )


def _pages_of(resource: Resource) -> list[ConsolePage]:
    def view(request: ConsoleRequest, key: str) -> HttpResponse:
        return detail(request, resource.name, key)

    def new(request: ConsoleRequest) -> HttpResponse:
        return add(request, resource.name)

    pages = []
    if resource.edit and not resource.add_url_name:
        pages.append(
            ConsolePage(
                f"{resource.name}/add",
                new,
                f"{resource.name}-add",
                view_operation=resource.edit,
                post_operation=resource.edit,
            )
        )
    if not resource.url_name:
        pages.append(
            ConsolePage(
                f"{resource.name}/one/<path:key>",
                view,
                f"{resource.name}-one",
                view_operation=resource.see,
                post_operation=resource.edit,
            )
        )
    return pages


PAGES = tuple(page for resource in RESOURCES.values() for page in _pages_of(resource))
