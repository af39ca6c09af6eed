"""The Django app of the budgets of attempts."""

from django.apps import AppConfig


class RatelimitConfig(AppConfig):
    """The app configuration; its tables begin with ``ratelimit_``."""

    name = "idp.ratelimit"
    label = "ratelimit"
