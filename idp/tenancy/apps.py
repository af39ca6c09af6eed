"""Tenants: who is served under which host name."""

from django.apps import AppConfig


class TenancyConfig(AppConfig):
    """Tables ``tenancy_*``."""

    name = "idp.tenancy"
    label = "tenancy"
