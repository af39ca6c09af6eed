"""How forms are rendered: by the templates of this package, one field group at a time."""

from django.forms.renderers import TemplatesSetting


class FormRenderer(TemplatesSetting):
    """Django's widgets inside our own field template."""

    field_template_name = "django/forms/field.html"
