"""Forms generated from declarations: every kind of value round-trips, and an error is at its field."""

from typing import Any

import pytest
from django.http import QueryDict
from django.template.loader import render_to_string
from pydantic import ValidationError

from blueprints.objects.document import ApplicationDocument, PersonDocument
from flows.registry import stages
from web.console.objects.forms import FormField, SchemaForm

APPLICATION: dict[str, Any] = {
    "application": "tv",
    "title": "TV",
    "verified": True,
    "grants": ["refresh_token"],
    "flows": {"device_code": "for-tvs"},
    "device": {"interval": "7s", "pending_limit": 12},
}
CHOICES = {
    "grants": lambda: [("refresh_token", "Refresh")],
    "flows.device_code": lambda: [("", "Own"), ("for-tvs", "For TVs")],
}


def _posted(fields: list[FormField]) -> QueryDict:
    """Return what a browser posts for an unchanged form."""
    data = QueryDict(mutable=True)
    for each in fields:
        if each.kind in ("group", "rows"):
            for inner in [each.fields, *each.rows]:
                for name, values in _posted(inner).lists():
                    data.setlist(name, values)
        elif each.kind == "several":
            data.setlist(each.name, each.value)
        elif each.kind != "flag":
            data[each.name] = "" if each.value is None else str(each.value)
        elif each.value:
            data[each.name] = "on"
    return data


def test_what_is_shown_comes_back() -> None:
    """A form that is posted unchanged results in the same document."""
    form = SchemaForm(ApplicationDocument, APPLICATION, choices=CHOICES)
    read = form.read(_posted(form.fields))
    back, wanted = ApplicationDocument.model_validate(read), ApplicationDocument.model_validate(APPLICATION)
    assert back == wanted


def test_every_stages_settings_come_back() -> None:
    """The settings of all installed stages round-trip, including lists of objects."""
    values: dict[str, dict[str, Any]] = {
        "choice": {"options": [{"value": "a", "title": "A"}, {"value": "b", "title": "B"}], "default": "b"},
        "prompt": {"fields": [{"name": "colour", "type": "select", "choices": ["red", "blue"]}]},
    }
    for kind, stage in stages().items():
        form = SchemaForm(stage.Settings, values.get(kind, stage.Settings().model_dump(mode="json")))
        read = form.read(_posted(form.fields))
        assert stage.Settings.model_validate(read) == stage.Settings.model_validate(values.get(kind, {}))


def test_rows_are_read_with_any_numbers() -> None:
    """Gaps and empty rows are skipped, and a row whose number is not one is ignored."""
    form = SchemaForm(stages()["choice"].Settings)
    said = "options.7.value=b&options.7.title=B&options.2.value=a&options.2.title=A&options.9.value=&options.9.title="  # noqa: E501
    read = form.read(QueryDict(said + "&options.NEW.value=x&options.x.value=y"))
    assert [row["value"] for row in read["options"]] == ["a", "b"]


def test_what_is_wrong_stands_at_its_field_and_what_was_typed_stays() -> None:
    """An error is at its field, even for a value that is not a number."""
    form = SchemaForm(ApplicationDocument, choices=CHOICES)
    said = form.read(QueryDict("application=tv&device.pending_limit=many&device.interval=2h&unknown=1"))
    with pytest.raises(ValidationError) as refused:
        ApplicationDocument.model_validate(said)
    form.add_errors(refused.value)
    device = next(each for each in form.fields if each.name == "device")
    wrong = {each.name: (each.value, bool(each.errors)) for each in device.fields}
    assert wrong["device.pending_limit"] == ("many", True)
    assert wrong["device.interval"] == ("2h", True)
    html = render_to_string("console/objects/field.html", {"field": device})
    assert 'aria-invalid="true"' in html
    assert 'value="many"' in html


def test_what_no_database_keeps_as_a_number_stays_text() -> None:
    """NaN and too large numbers stay text, as in a blueprint, and the object is saved."""
    form = SchemaForm(PersonDocument)
    assert form.read(QueryDict("attributes=a: 1e999%0Ab: NaN%0Ac: 1.5"))["attributes"] == {
        "a": "1e999",
        "b": "NaN",
        "c": 1.5,
    }
    with pytest.raises(ValidationError):
        PersonDocument.model_validate({"person": "alice", "attributes": {"a": float("inf")}})


def test_an_error_without_a_field_is_shown_too() -> None:
    """An error that belongs to no field is still shown."""
    form = SchemaForm(PersonDocument, exclude=("role",))
    form.add_errors({"": ["Of the whole."], "role": ["Not this one."], "groups.0": ["There is no group x."]})
    assert form.non_field_errors == ["Of the whole.", "role: Not this one."]
    assert next(each for each in form.fields if each.name == "groups").errors == ["There is no group x."]


def test_a_secret_is_never_shown_and_empty_means_kept() -> None:
    """The form shows no secret, even if the values contain one."""
    form = SchemaForm(PersonDocument, {"person": "alice", "password": "a-long-password-1"})
    html = "".join(render_to_string("console/objects/field.html", {"field": each}) for each in form.fields)
    assert "a-long-password-1" not in html
    assert "password" not in form.read(QueryDict("person=alice&password="))
    assert form.read(QueryDict("password=x"))["password"] == "x"


def test_hostile_values_stay_text() -> None:
    """Hostile values are text in the page and in the parsed form."""
    evil = '"><script>alert(1)</script>'
    form = SchemaForm(
        PersonDocument, {"person": evil, "name": evil, "attributes": {evil: evil}, "groups": [evil]}
    )
    html = "".join(render_to_string("console/objects/field.html", {"field": each}) for each in form.fields)
    assert "<script>" not in html
    assert form.read(QueryDict("name=a%00b&attributes=a: {%00}"))["name"] == "ab"
    assert form.read(QueryDict("attributes=" + "[" * 5000))
