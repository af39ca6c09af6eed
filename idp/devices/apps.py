"""The Django app of the device authorization grant."""

from django.apps import AppConfig


class DevicesConfig(AppConfig):
    """The app configuration; its tables begin with ``devices_``."""

    name = "idp.devices"
    label = "devices"
