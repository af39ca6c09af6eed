"""Live and ready, answered for any Host, before the tenant is looked up."""

from collections.abc import Callable

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse


class HealthMiddleware:
    """``/health/live``: the process answers. ``/health/ready``: it can serve, or the reasons why not (503)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path == "/health/live":
            return JsonResponse({"live": True})
        if request.path == "/health/ready":
            reasons = _reasons()
            return JsonResponse({"ready": not reasons, "reasons": reasons}, status=503 if reasons else 200)
        return self.get_response(request)


def _reasons() -> list[str]:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        executor = MigrationExecutor(connection)
        behind = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError:
        return ["The database does not answer."]
    return [f"{len(behind)} migrations are not applied; run manage.py migrate."] if behind else []
