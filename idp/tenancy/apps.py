"""The Django app of tenants and their host names."""

from django.apps import AppConfig


class TenancyConfig(AppConfig):
    """The app configuration; its tables begin with ``tenancy_``."""

    name = "idp.tenancy"
    label = "tenancy"
