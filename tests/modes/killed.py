"""A server that dies between commit and response.

It dies once, at the next tokens, when the file named by FOYER_TEST_KILL exists.
"""

import os
import signal
from collections.abc import Callable
from pathlib import Path

from django.http import HttpRequest, HttpResponse


class Killed:
    """Middleware around everything: by now the view's transaction is committed, and nothing was sent."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response, self.wish = get_response, Path(os.environ["FOYER_TEST_KILL"])

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if self.wish.exists() and response.status_code == 200 and b"access_token" in response.content:
            self.wish.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return response
