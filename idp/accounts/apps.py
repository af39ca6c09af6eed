"""People, groups, credentials and sessions."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Tables ``accounts_*``."""

    name = "idp.accounts"
    label = "accounts"
