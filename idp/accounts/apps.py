"""The Django app of people, groups, credentials and sessions."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """The app configuration; its tables begin with ``accounts_``."""

    name = "idp.accounts"
    label = "accounts"
