"""The device authorization grant."""

from django.apps import AppConfig


class DevicesConfig(AppConfig):
    """Tables ``devices_*``."""

    name = "idp.devices"
    label = "devices"
