"""Pages, endpoints and static files."""

from django.apps import AppConfig


class WebConfig(AppConfig):
    """No tables: every read and write goes through a verb of the domain."""

    name = "web"
    label = "web"
