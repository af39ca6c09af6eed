"""The audit trail."""

from django.apps import AppConfig


class EventsConfig(AppConfig):
    """Tables ``events_*``."""

    name = "idp.events"
    label = "events"
