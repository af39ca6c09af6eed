"""The schemas of documents and lists, generated from their declarations."""

from functools import cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from blueprints.objects.document import DOCUMENTS, Document
from blueprints.objects.registry import KINDS as REGISTRY
from idp.foundation.listing import MAX_PAGE_SIZE, Column, Listing

_TYPES: dict[str, Any] = {
    "text": str,
    "code": str,
    "agent": str,
    "time": str | None,
    "number": int | None,
    "flag": bool,
    "list": list[str],
}
_MAX_PAGE = 100_000


class Rows(BaseModel):
    """One page of a list."""

    total: int = Field(description="The total number of rows, counted up to 10,001.")
    page: int
    size: int
    has_next: bool


@cache
def document_schema(kind: str) -> type[BaseModel]:
    """Return the schema of a document in a response, without the key of its secret."""
    document = DOCUMENTS[kind]
    fields: Any = {
        name: (each.rebuild_annotation(), Field(title=each.title, description=each.description))
        for name, each in document.model_fields.items()
        if name != REGISTRY[kind].secret_key
    }
    return create_model(_name(kind), __base__=Document, __doc__=document.__doc__, **fields)


@cache
def body_schema(kind: str, *, change: bool = False) -> type[BaseModel]:
    """Return the schema of a document in a request body.

    Its name is in the URL and may be omitted in the body. In a ``change``, every key may be omitted.
    """
    document, fields = DOCUMENTS[kind], dict[str, Any]()
    for name, each in document.model_fields.items():
        required = each.is_required() and name != kind and not change
        more: Any = {"title": each.title, "description": each.description}
        if name == REGISTRY[kind].secret_key:
            more["json_schema_extra"] = {"writeOnly": True}
        elif name == kind:
            more["json_schema_extra"] = {"x-in-address": True}
        fields[name] = (each.rebuild_annotation(), Field(**more) if required else Field(None, **more))
    purpose = " ".join((document.__doc__ or "").split())
    description = f"{purpose} Omitted keys keep their values."
    return create_model(
        f"{_name(kind)}{'Change' if change else 'Body'}", __base__=Document, __doc__=description, **fields
    )


@cache
def row_schema(listing: Listing, noun: str) -> type[BaseModel]:
    """Return the schema of a row of this list."""
    columns: dict[str, Any] = {"key": (str, Field(description="The key in this object's path."))}
    columns |= {
        column.name: (_type(column), Field(description=str(column.title))) for column in listing.columns
    }
    return create_model(f"{noun}Row", __config__=ConfigDict(extra="forbid"), **columns)


@cache
def page_schema(listing: Listing, noun: str) -> type[BaseModel]:
    """Return the schema of one page of this list."""
    rows: Any = list[row_schema(listing, noun)]  # type: ignore[misc]
    return create_model(f"{noun}Page", __base__=Rows, __doc__=Rows.__doc__, rows=(rows, ...))


@cache
def query_schema(listing: Listing, noun: str, fixed: tuple[str, ...] = ()) -> type[BaseModel]:
    """Return the schema of a list's query parameters.

    They are its filters by name, without ``fixed``, and the ones that every list has.
    """
    fields: dict[str, Any] = {}
    if listing.search:
        fields["search"] = (
            str,
            Field(
                "", max_length=100, description=f"Searches {', '.join(listing.search).replace('__', '.')}."
            ),
        )
    for each in (each for each in listing.filters if each.name not in fixed):
        choices = tuple(choice for choice, _ in each.choices())
        fields[each.name] = (
            Literal[("", *choices)] if choices else str,
            Field("", description=f"Filter by: {each.title}."),
        )
    orders = tuple(sign + column.name for column in listing.columns if column.order for sign in ("", "-"))
    fields["order"] = (
        Literal[("", *orders)],
        Field("", description="Sort by this column; a minus reverses the order."),
    )
    fields["page"] = (int, Field(1, ge=1, le=_MAX_PAGE))
    fields["size"] = (int, Field(50, ge=1, le=MAX_PAGE_SIZE))
    return create_model(f"{noun}Query", __config__=ConfigDict(extra="forbid"), **fields)


def body_schemas() -> list[type[BaseModel]]:
    """Return the schemas of bodies that a view parses itself."""
    return [
        body_schema(kind, change=change) for kind in DOCUMENTS if kind != "flow" for change in (False, True)
    ]


def document_schemas() -> list[type[BaseModel]]:
    """Return the schemas of documents in responses."""
    return [document_schema(kind) for kind in DOCUMENTS if kind != "flow"]


def _name(kind: str) -> str:
    return DOCUMENTS[kind].__name__.removesuffix("Document")


def _type(column: Column) -> Any:
    return dict[str, Any] if column.name == "data" else _TYPES[column.kind]
