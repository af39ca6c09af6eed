"""Pages, endpoints and static files."""

from django.apps import AppConfig


class WebConfig(AppConfig):
    """The Django app of the edge.

    It has no tables: every read and write is a call of a function of the domain.
    """

    name = "web"
    label = "web"
