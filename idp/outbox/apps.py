"""What must happen, written in the transaction that causes it and done later."""

from django.apps import AppConfig


class OutboxConfig(AppConfig):
    """Tables ``outbox_*``."""

    name = "idp.outbox"
    label = "outbox"
