"""How forms are rendered, by the templates of this package, one field group at a time; and how a moment is
told to people.
"""

from datetime import datetime, timedelta

from django.forms.renderers import TemplatesSetting


class FormRenderer(TemplatesSetting):
    """Django's widgets inside our own field template."""

    field_template_name = "django/forms/field.html"


def next_minute(at: datetime) -> datetime:
    """Return the first full minute that is not before ``at``: people's clocks show no seconds, and nobody is
    to come back too early.
    """
    whole = at.replace(second=0, microsecond=0)
    return whole if whole == at else whole + timedelta(minutes=1)
