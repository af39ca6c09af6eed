"""The Django app of the audit log."""

from django.apps import AppConfig


class EventsConfig(AppConfig):
    """The app configuration; its tables begin with ``events_``."""

    name = "idp.events"
    label = "events"
