"""The Django app of the project itself: start-up checks and the commands that run everything."""

from django.apps import AppConfig

from idp.runtime.memory import return_large_blocks


class IdpConfig(AppConfig):
    """Registers the start-up checks."""

    name = "idp"
    label = "idp"

    def ready(self) -> None:
        return_large_blocks()  # here, because it runs in web processes, workers and commands alike
        from idp.runtime import checks  # noqa: F401  registers by import
