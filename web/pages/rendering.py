"""The renderer of forms, one field group at a time, and the rounding of times that people read."""

from datetime import datetime, timedelta

from django.forms.renderers import TemplatesSetting


class FormRenderer(TemplatesSetting):
    """Renders Django's widgets inside the field template of this package."""

    field_template_name = "django/forms/field.html"


def round_up_to_minute(at: datetime) -> datetime:
    """Return the first full minute that is not before ``at``.

    People's clocks show no seconds, and no one should return too early.
    """
    whole = at.replace(second=0, microsecond=0)
    return whole if whole == at else whole + timedelta(minutes=1)
