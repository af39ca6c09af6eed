"""The outermost middleware: the origin of a request, its ID, and its log line."""

import logging
import time
from collections.abc import Callable
from uuid import uuid4

from django.http import HttpRequest, HttpResponse

from idp.events.origin import MAX_AGENT_LENGTH, Origin, origin_scope
from idp.foundation.text import clean_line
from idp.runtime.logs import route_of

log = logging.getLogger("web.requests")
PROBES = ("/health/live", "/health/ready")


class OriginMiddleware:
    """Records the address and the agent, sends the request's ID and logs its route.

    The route is logged and not the path, because some paths contain one-time secrets.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        origin = Origin(
            address=request.META.get("REMOTE_ADDR", ""),
            agent=clean_line(request.headers.get("user-agent", ""), MAX_AGENT_LENGTH),
            request_id=uuid4().hex,
        )
        started = time.perf_counter()
        with origin_scope(origin):
            response = self.get_response(request)
            response["X-Request-ID"] = origin.request_id
            probe = request.path in PROBES  # requested every few seconds
            log.log(
                logging.DEBUG if probe else logging.INFO,
                "request",
                extra={
                    "tenant": getattr(request, "tenant_name", ""),
                    "method": request.method,
                    "route": request.path if probe else route_of(request),
                    "status": response.status_code,
                    "ms": round((time.perf_counter() - started) * 1000, 1),
                },
            )
        return response
