"""Flows, their versions, and runs."""

from django.apps import AppConfig


class FlowsConfig(AppConfig):
    """Tables ``flows_*``; registers the check that finds a broken stage at start-up."""

    name = "flows"
    label = "flows"

    def ready(self) -> None:
        from flows import checks  # noqa: F401  registers by import
