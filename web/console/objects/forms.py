"""HTML forms generated from pydantic models, such as documents and the settings of stages."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Literal

from django.http import QueryDict
from django.utils.translation import gettext as _
from pydantic import BaseModel, ValidationError

from flows.settings import resolve_lazy_text
from flows.validation_messages import describe_error

FieldKind = Literal[
    "text", "long", "secret", "number", "flag", "choice", "several", "lines", "pairs", "json", "group", "rows"
]
Choices = Mapping[str, Callable[[], Sequence[tuple[str, Any]]]]
_MAX_ROWS = 100
_MAX_UNFILTERED = 12  # longer lists of choices get a search field


@dataclass
class FormField:
    """One field for the template.

    ``name``: its path in the document, with dots. ``fields``: the fields of a group. ``rows``: the rows of a
    list of groups, each with its fields. ``blank``: the fields of a new row. ``keeps_value``: whether an
    empty secret leaves the stored one unchanged.
    """

    name: str
    kind: FieldKind
    title: str
    value: Any = None
    help: str = ""
    required: bool = False
    choices: list[tuple[str, str]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    fields: list["FormField"] = field(default_factory=list)
    rows: list[list["FormField"]] = field(default_factory=list)
    blank: list["FormField"] = field(default_factory=list)
    bounds: dict[str, Any] = field(default_factory=dict)
    keeps_value: bool = True

    @property
    def id(self) -> str:
        """Return the HTML id, which is unique on a page with one form."""
        return "f-" + self.name.replace(".", "-")

    @property
    def is_searchable(self) -> bool:
        """Return whether there are so many choices that they need a search field."""
        return len(self.choices) > _MAX_UNFILTERED

    @property
    def ordered(self) -> list[tuple[str, str]]:
        """Return the choices; if there are many, the selected ones first."""
        if not self.is_searchable:
            return self.choices
        return sorted(self.choices, key=lambda each: each[0] not in self.value)

    @property
    def template(self) -> str:
        """Return the name of the template that renders it."""
        return f"console/objects/fields/{self.kind}.html"


class SchemaForm:
    """A form for a pydantic model.

    ``values``: the document as JSON. ``choices``: the available choices, by dotted name. ``exclude``: keys
    that the form omits. ``readonly``: keys that are shown and cannot be changed. ``titles``: labels in place
    of those of the model, by dotted name. ``is_new``: the page creates a new object, so the first field takes
    the focus.
    """

    def __init__(
        self,
        model: type[BaseModel],
        values: Mapping[str, Any] | None = None,
        *,
        choices: Choices | None = None,
        exclude: Sequence[str] = (),
        readonly: Sequence[str] = (),
        titles: Mapping[str, Any] | None = None,
        is_new: bool = False,
    ) -> None:
        self.schema: dict[str, Any] = resolve_lazy_text(model.model_json_schema(by_alias=True))
        # mode="json": durations are text
        blank = model.model_construct().model_dump(mode="json", by_alias=True, warnings=False)
        self.values: dict[str, Any] = _merge(blank, values or {})
        self.choices, self.exclude, self.readonly, self.is_new = choices or {}, exclude, readonly, is_new
        self.errors: dict[str, list[str]] = {}
        self.titles = titles or {}

    @property
    def fields(self) -> list[FormField]:
        """Return the fields of the form, in the order of the model."""
        found = list(self._fields(self.schema, self.values, ""))
        if self.is_new and not self.errors:
            found[0].bounds["autofocus"] = True
        return found

    @property
    def non_field_errors(self) -> list[str]:
        """Return the errors that belong to no field that is shown."""
        shown = {each.name for each in flatten_fields(self.fields)}
        return [
            text if not name else f"{name}: {text}"
            for name, texts in self.errors.items()
            if name not in shown
            for text in texts
        ]

    def read(self, posted: QueryDict) -> dict[str, Any]:
        """Return the submitted values as JSON of the declared types, and store them as ``values``.

        A value that does not have its declared type stays text. An empty secret is omitted.
        """
        self.values = _without_nul(self._read(self.schema, posted, ""))
        return self.values

    def add_errors(self, errors: ValidationError | Mapping[str, Sequence[str]]) -> None:
        """Add errors to the fields that they are about."""
        if isinstance(errors, ValidationError):
            for error in errors.errors():
                self.errors.setdefault(self._field_name(error["loc"]), []).append(describe_error(error))
        else:
            for name, texts in errors.items():
                path = tuple(name.split(".")) if name else ()
                self.errors.setdefault(self._field_name(path), []).extend(texts)

    def _field_name(self, path: Sequence[Any]) -> str:
        """Return the field that shows an error at this path: for an entry of a list, the whole list."""
        shown = {each.name for each in flatten_fields(self.fields)}
        for length in range(len(path), 0, -1):
            if (name := ".".join(str(each) for each in path[:length])) in shown:
                return name
        return ".".join(str(each) for each in path)

    def _fields(
        self, schema: Mapping[str, Any], values: Mapping[str, Any], prefix: str
    ) -> Iterator[FormField]:
        for name, inner in schema.get("properties", {}).items():
            if prefix or name not in self.exclude:
                yield self._field(
                    self._resolved(inner),
                    values.get(name),
                    f"{prefix}{name}",
                    name in schema.get("required", ()),
                )

    def _field(self, schema: Mapping[str, Any], value: Any, name: str, required: bool) -> FormField:
        kind = self._kind(schema, name)
        value = schema.get("default") if value is None else value
        title = str(self.titles.get(name) or _title(schema, name))
        form_field = FormField(name, kind, title, value, schema.get("description", ""), required)
        form_field.errors = self.errors.get(name, [])
        form_field.choices, form_field.keeps_value = self._choices(schema, name, value), not self.is_new
        sizes = {"min": "minimum", "max": "maximum", "maxlength": "maxLength"}
        form_field.bounds = {
            key: schema[word] for key, word in sizes.items() if word in schema and abs(schema[word]) < 2**52
        }
        if name in self.readonly:
            form_field.bounds["readonly"] = True
        if kind == "group":
            form_field.fields = list(
                self._fields(self._group(schema), value if isinstance(value, Mapping) else {}, f"{name}.")
            )
        elif kind == "rows":
            item = self._resolved(schema["items"])
            rows = value if isinstance(value, list | tuple) else []
            form_field.rows = [
                list(self._fields(item, row, f"{name}.{at}."))
                for at, row in enumerate(rows)
                if isinstance(row, Mapping)
            ]
            form_field.blank = list(self._fields(item, {}, f"{name}.NEW."))
        else:
            form_field.value = _input_value(kind, value)
        return form_field

    def _kind(self, schema: Mapping[str, Any], name: str) -> FieldKind:
        if schema.get("format") == "password":
            return "secret"
        match schema.get("type"):
            case "boolean":
                return "flag"
            case "integer" | "number":
                return "number"
            case "array":
                item = self._resolved(schema.get("items", {}))
                if item.get("type") == "object":
                    return "rows"
                return "several" if name in self.choices or "enum" in item else "lines"
            case "object":
                return (
                    "group"
                    if "properties" in schema or "enum" in schema.get("propertyNames", {})
                    else "pairs"
                )
            case "string":
                if name in self.choices or "enum" in schema or "const" in schema:
                    return "choice"
                return (
                    "long" if schema.get("maxLength", 1) > 300 or schema.get("format") == "long" else "text"
                )
        return "choice" if name in self.choices else "json"

    def _group(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the schema of an object; a mapping with known keys gets one property for each key."""
        if "properties" in schema:
            return schema
        inner = schema.get("additionalProperties") or {"type": "string"}
        names = [name for name in schema["propertyNames"]["enum"] if not self.choices or self._offers(name)]
        return {"properties": dict.fromkeys(names, inner)}

    def _offers(self, name: str) -> bool:
        return any(each.endswith(f".{name}") for each in self.choices)

    def _choices(self, schema: Mapping[str, Any], name: str, value: Any) -> list[tuple[str, str]]:
        if name in self.choices:
            found = [(str(key), str(title)) for key, title in self.choices[name]()]
            chosen = [value] if isinstance(value, str) else value
            if not isinstance(chosen, list | tuple):
                chosen = []
            # a stored value stays, even if it is no longer offered
            return found + [(str(each), str(each)) for each in chosen if str(each) not in dict(found)]
        item = self._resolved(schema.get("items", {})) if schema.get("type") == "array" else schema
        enum = item.get("enum", [item["const"]] if "const" in item else [])
        return [(str(each), str(each).replace("_", " ").capitalize() if each else _("None")) for each in enum]

    def _read(self, schema: Mapping[str, Any], posted: QueryDict, prefix: str) -> dict[str, Any]:
        found = {}
        for name, inner in schema.get("properties", {}).items():
            whole = f"{prefix}{name}"
            if prefix or name not in self.exclude:
                value = self._value(self._resolved(inner), posted, whole)
                if value is not None:
                    found[name] = value
        return found

    def _value(self, schema: Mapping[str, Any], posted: QueryDict, name: str) -> Any:
        kind, text = self._kind(schema, name), posted.get(name)
        if kind == "group":
            read = self._read(self._group(schema), posted, f"{name}.")
            return (
                read if "properties" in schema else {key: value for key, value in read.items() if value != ""}
            )
        if kind == "rows":
            return self._rows(self._resolved(schema["items"]), posted, name)
        if kind == "flag":
            return name in posted
        if kind == "several":
            return [each for each in posted.getlist(name) if each]
        if text is None or (kind == "secret" and not text):
            return None
        return _read_text(kind, text.replace("\r\n", "\n"))

    def _rows(self, item: Mapping[str, Any], posted: QueryDict, name: str) -> list[Any]:
        """Return the rows in the order of their numbers, which may have gaps; empty rows are omitted."""
        start = f"{name}."
        numbers = {key[len(start) :].partition(".")[0] for key in posted if key.startswith(start)}
        rows = []
        for number in sorted((each for each in numbers if each.isdecimal() and len(each) < 6), key=int)[
            :_MAX_ROWS
        ]:
            row = self._read(item, posted, f"{start}{number}.")
            if any(posted.get(f"{start}{number}.{key}") for key in item.get("properties", {})):
                rows.append(row)
        return rows

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the schema without references; of a union with null, the other type."""
        if "$ref" in schema:
            target = self.schema["$defs"][schema["$ref"].rpartition("/")[2]]
            return {
                **self._resolved(target),
                **{key: value for key, value in schema.items() if key != "$ref"},
            }
        for word in ("anyOf", "oneOf", "allOf"):
            if word in schema:
                real = [each for each in schema[word] if each.get("type") != "null"]
                if len(real) == 1:
                    return {
                        **self._resolved(real[0]),
                        **{key: value for key, value in schema.items() if key != word},
                    }
        return schema


def _merge(defaults: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values, with defaults for the missing ones."""
    inner = {
        name: _merge(defaults[name], value)
        for name, value in values.items()
        if isinstance(value, Mapping) and name in defaults
    }
    return {
        **defaults,
        **values,
        **{name: each for name, each in inner.items() if isinstance(defaults[name], Mapping)},
    }


def flatten_fields(fields: Sequence[FormField]) -> Iterator[FormField]:
    """Yield the fields together with those inside groups and rows, in their order."""
    for each in fields:
        yield each
        yield from flatten_fields(each.fields)
        for row in each.rows:
            yield from flatten_fields(row)


def _title(schema: Mapping[str, Any], name: str) -> str:
    """Return the declared title, or else the name as text; pydantic's generated title does not count."""
    last = name.rpartition(".")[2]
    title = str(schema.get("title", ""))
    if title and title != last.replace("_", " ").title():
        return title
    words = last.replace("_", " ")
    return words[:1].upper() + words[1:]


def _input_value(kind: FieldKind, value: Any) -> Any:
    """Return a value as the content of its input."""
    if kind == "secret":
        return ""
    if kind == "lines":
        return "\n".join(str(each) for each in value or ())
    if kind == "pairs":
        pairs = value if isinstance(value, Mapping) else {}
        return (
            "\n".join(
                f"{key}: {each if isinstance(each, str) else json.dumps(each)}" for key, each in pairs.items()
            )
            or value
            or ""
        )
    if kind == "json":
        return "" if value is None else json.dumps(value, indent=2, ensure_ascii=False)
    if kind == "several":
        return [str(each) for each in value or ()]
    return value


def _read_text(kind: FieldKind, text: str) -> Any:
    if kind == "lines":
        return [line.strip() for line in text.split("\n") if line.strip()]
    if kind == "number":
        return (
            int(text)
            if text.strip().lstrip("-").isascii() and text.strip().lstrip("-").isdecimal() and len(text) < 25
            else text.strip()
        )
    if kind == "pairs":
        return dict(_pair(line) for line in text.split("\n") if line.strip())
    if kind == "json":
        return _json(text) if text.strip() else None
    # whitespace of a password is significant, as at sign-in
    return text if kind in ("long", "secret") else text.strip()


def _pair(line: str) -> tuple[str, Any]:
    """Return key and value of a line.

    ``floor: 3`` is a number, ``floor: "3"`` and ``desk: north`` are texts.
    """
    key, _colon, value = line.partition(":")
    read = _json(value.strip())
    return key.strip(), read if isinstance(read, str | int | float | bool) or read is None else value.strip()


def _json(text: str) -> Any:
    try:
        return json.loads(text, parse_float=_finite, parse_constant=_finite)
    except (ValueError, RecursionError):
        return text


def _finite(text: str) -> float:
    """Return the number; raises ValueError for one that no database stores (NaN, 1e999).

    Such a number then stays text, as in a blueprint.
    """
    number = float(text)
    if not isfinite(number):
        raise ValueError(text)
    return number


def _without_nul(value: Any) -> Any:
    """Return the value without what no database stores: NUL, and lone surrogates that JSON can express."""
    if isinstance(value, str):
        return value.replace("\0", "").encode(errors="replace").decode()
    if isinstance(value, dict):
        return {_without_nul(key): _without_nul(each) for key, each in value.items()}
    return [_without_nul(each) for each in value] if isinstance(value, list) else value
