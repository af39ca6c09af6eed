"""The Django app of the outbox: work recorded in the transaction that causes it and done later."""

from django.apps import AppConfig


class OutboxConfig(AppConfig):
    """The app configuration; its tables begin with ``outbox_``."""

    name = "idp.outbox"
    label = "outbox"
