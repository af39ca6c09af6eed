"""Configuration as code."""

from django.apps import AppConfig


class BlueprintsConfig(AppConfig):
    """No tables yet."""

    name = "blueprints"
    label = "blueprints"
