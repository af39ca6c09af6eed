"""Configuration as code."""

from django.apps import AppConfig


class BlueprintsConfig(AppConfig):
    """Tables: what blueprints own, what became of each attempt, secrets."""

    name = "blueprints"
    label = "blueprints"
