"""The wiring's own app: start-up checks and the command that runs everything."""

from django.apps import AppConfig


class IdpConfig(AppConfig):
    """Registers the start-up checks."""

    name = "idp"
    label = "idp"

    def ready(self) -> None:
        from idp import checks  # noqa: F401  registers by import
