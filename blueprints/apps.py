"""Configuration as code."""

from django.apps import AppConfig


class BlueprintsConfig(AppConfig):
    """The tables of owned objects, of the results of applying, and of secrets."""

    name = "blueprints"
    label = "blueprints"
