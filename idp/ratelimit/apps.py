"""Budgets of attempts."""

from django.apps import AppConfig


class RatelimitConfig(AppConfig):
    """Tables ``ratelimit_*``."""

    name = "idp.ratelimit"
    label = "ratelimit"
