"""Commands for developers of Foyer; a wheel does not contain them."""

from django.apps import AppConfig


class ToolsConfig(AppConfig):
    """Lets manage.py find the commands."""

    name = "tools"
