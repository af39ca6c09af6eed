"""The page of one object with its form or values, actions and history, and the page that creates one."""

import json
from typing import Any

from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from blueprints.objects import edit
from blueprints.objects.document import KINDS
from idp.accounts.roles import OwnPassword
from web.administration.changes import save
from web.administration.declarations import Resource
from web.administration.resources import RESOURCES
from web.console.frame import Page, see, show
from web.console.objects.form_errors import of_form
from web.console.objects.forms import SchemaForm
from web.console.objects.history import history
from web.console.objects.lists import Cell, titled, titles_of, url_of
from web.console.requests import ConsoleRequest


def detail(request: ConsoleRequest, name: str, key: str) -> HttpResponse:
    """Render one object.

    A POST saves the form if the object did not change meanwhile; otherwise the page shows both versions.
    """
    resource = RESOURCES[name]
    row = resource.listing.one(key)
    if row is None:
        raise Http404
    values = resource.listing.told(row)
    titled_values = titled(values, titles_of(resource))
    context: dict[str, Any] = {
        "resource": resource,
        "told": values,
        "cells": [
            (column.title, _cell(column.kind, titled_values[column.name]))
            for column in resource.listing.columns
        ],
        "actions": [each for each in resource.actions if request.may(each.operation) and each.fits(values)],
        "history": history(request, resource.concerning(row)) if resource.concerning else None,
        "back_url": reverse(f"console:{resource.name}"),
        "here": url_of(resource, key),
        "extra": [f"console/objects/{resource.name}_extra.html", "console/objects/no_extra.html"],
    }
    return (
        _render_form(request, resource, key, context)
        if resource.kind
        else show(request, "console/objects/one.html", title=_title(values), **context)
    )


def _render_form(
    request: ConsoleRequest, resource: Resource, key: str, context: dict[str, Any]
) -> HttpResponse:
    known = edit.current(resource.kind, key)
    if known is None:
        raise Http404
    form = SchemaForm(
        KINDS[resource.kind],
        known.document,
        choices=resource.choices,
        fixed=(resource.kind,),
        titles=resource.titles,
    )
    status, conflict = 200, ""
    if request.method == "POST":
        document = {**form.read(request.POST), resource.kind: key}
        try:
            saved = save(resource, document, request.person, expect=request.POST.get("etag", ""), new=False)
        except edit.Refused as refused:
            form.refuse(refused.errors)
            status = 400
        except OwnPassword as own:
            form.refuse({"password": [str(own)]})
            status = 403
        except edit.Moved:
            conflict, status = known.etag, 409
        else:
            changed = ", ".join(each.key for each in saved.keys)
            return see(
                request,
                context["here"],
                _("Changes saved. (%(keys)s)") % {"keys": changed} if changed else _("No changes to save."),
            )
    context |= {
        "form": form,
        "problems": of_form(form),
        "etag": conflict or (request.POST.get("etag") or known.etag),
        "moved": _conflicting_values(form, known) if conflict else None,
    }
    may_edit = bool(resource.edit) and request.may(resource.edit)
    return show(request, "console/objects/one.html", title=key, status=status, may_edit=may_edit, **context)


def add(request: ConsoleRequest, name: str) -> HttpResponse:
    """Render the form of a new object, and create it by POST."""
    resource = RESOURCES[name]
    form = SchemaForm(KINDS[resource.kind], edit.blank(resource.kind), choices=resource.choices, begins=True)
    status = 200
    if request.method == "POST":
        document = form.read(request.POST)
        try:
            saved = save(resource, document, request.person, new=True)
        except edit.Refused as refused:
            form.refuse(refused.errors)
            status = 400
        else:
            return see(request, url_of(resource, saved.name), _("Created %(name)s.") % {"name": saved.name})
    context = {
        "resource": resource,
        "form": form,
        "problems": of_form(form),
        "back_url": reverse(f"console:{resource.name}"),
    }
    return show(request, "console/objects/add.html", title=resource.create, status=status, **context)


def _conflicting_values(form: SchemaForm, known: edit.Current) -> list[tuple[str, Any, Any]]:
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


def _pages_of(resource: Resource) -> list[Page]:
    def view(request: ConsoleRequest, key: str) -> HttpResponse:
        return detail(request, resource.name, key)

    def new(request: ConsoleRequest) -> HttpResponse:
        return add(request, resource.name)

    pages = []
    if resource.edit and not resource.add:
        pages.append(
            Page(f"{resource.name}/add", new, f"{resource.name}-add", see=resource.edit, do=resource.edit)
        )
    if not resource.page:
        pages.append(
            Page(
                f"{resource.name}/one/<path:key>",
                view,
                f"{resource.name}-one",
                see=resource.see,
                do=resource.edit,
            )
        )
    return pages


PAGES = tuple(page for resource in RESOURCES.values() for page in _pages_of(resource))
