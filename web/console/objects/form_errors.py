"""The errors of a form, shown at the top of its page with links to the fields (web/console/page.html)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from web.console.objects.forms import SchemaForm, flatten_fields

CHANGED_MEANWHILE = _(
    "Someone else changed this while you were editing. Save again to overwrite their changes."
)


@dataclass(frozen=True)
class FormProblem:
    """One error message.

    ``field_id``: the id of the field that it is about; ``title``: the label of that field. Both are "" if it
    is about no field that is shown.
    """

    text: str
    field_id: str = ""
    title: Any = ""


def form_problems(form: SchemaForm) -> list[FormProblem]:
    """Return the errors of a generated form in the order of its fields, errors of no field first."""
    if not form.errors:
        return []
    fields = [
        FormProblem(text, each.id, each.title) for each in flatten_fields(form.fields) for text in each.errors
    ]
    return [*(FormProblem(text) for text in form.non_field_errors), *fields]


def problems_from_errors(
    errors: Mapping[str, Iterable[str]], titles: Mapping[str, tuple[str, Any]]
) -> list[FormProblem]:
    """Return the errors of a form that is written as a template, errors of no field first.

    ``titles``: the id and the label of each field, by its name, in their order.
    """
    other = [
        FormProblem(text if not name else f"{name}: {text}")
        for name, texts in errors.items()
        if name not in titles
        for text in texts
    ]
    return [
        *other,
        *(
            FormProblem(text, field_id, title)
            for name, (field_id, title) in titles.items()
            for text in errors.get(name, ())
        ),
    ]
