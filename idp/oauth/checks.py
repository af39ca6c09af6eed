"""System checks of rows: a public demo application, and what today's rules about scopes refuse."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register
from django.db import DatabaseError

from idp.oauth.models import DEMO, Application, Scope
from idp.oauth.scopes import administrative_scopes, is_reserved


@register(Tags.database)
def check_demo_application(app_configs: Any, **options: Any) -> list[CheckMessage]:
    """Warn about the demo application where other machines can use it.

    There is no warning where FOYER_DEMO enables it.
    """
    if settings.DEMO or settings.ON_THIS_MACHINE:
        return []
    try:
        rows = list(Application.unscoped.filter(client_id=DEMO, is_active=True).select_related("tenant"))
    except DatabaseError:
        return []  # no tables yet
    return [
        Warning(
            f"The demo application is active in tenant {row.tenant}, and its client ID is public.",
            hint="Deactivate or delete it, or set FOYER_DEMO=on to keep it.",
            id="foyer.W015",
        )
        for row in rows
    ]


@register(Tags.database)
def check_reserved_scopes(app_configs: Any, **options: Any) -> list[CheckMessage]:
    """Warn about reserved scopes of tenants, and about scopes without an owner's approval."""
    try:
        scopes = list(Scope.unscoped.select_related("tenant").order_by("tenant__name", "name"))
        waiting = list(
            Application.unscoped.filter(administers=False)
            .select_related("tenant")
            .order_by("tenant__name", "name")
        )
    except DatabaseError:
        return []  # no tables yet
    found: list[CheckMessage] = [
        Warning(
            (
                f"Tenant {scope.tenant} defines the scope {scope.name}, which is reserved by Foyer; its "
                "title and description are ignored."
            ),
            hint="Delete the scope.",
            id="foyer.W013",
        )
        for scope in scopes
        if is_reserved(scope.name)
    ]
    return found + [
        Warning(
            (
                f"Application {row.name} of tenant {row.tenant} has "
                f"{' '.join(administrative_scopes(row.scopes))}, without an owner's approval."
            ),
            hint="Its tokens lack these scopes. An owner can set administers or remove the scopes.",
            id="foyer.W014",
        )
        for row in waiting
        if administrative_scopes(row.scopes)
    ]
