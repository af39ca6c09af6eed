"""A browser as the engine sees it: its random nonce, and the session of its cookie."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.functional import cached_property

from idp.accounts import sessions
from idp.accounts.known_browsers import LIFETIME, KnownBrowser
from idp.events.origin import current_origin
from idp.foundation.sealing import constant_time_equal, mac, macs, new_token

_NONCE, _SESSION, _KNOWN = "foyer_browser", "foyer_session", "foyer_known"


class Browser:
    """The engine's client for people with cookies.

    The nonce outlasts a change of person. The session's key does not.
    """

    def __init__(self, request: HttpRequest) -> None:
        self.request = request
        self.address: str = request.META.get("REMOTE_ADDR", "")
        self.agent: str = current_origin().agent
        self.pending_cookies: dict[str, str] = {}

    @cached_property
    def nonce(self) -> str:
        """Return the value that identifies the browser and no person, created at its first run.

        A value that this server did not sign is replaced.
        """
        cookie = self._cookie(_NONCE)
        known, signature = cookie[:64], cookie[64:]
        if not any(constant_time_equal(signature, expected) for expected in macs("browser", known)):
            known = new_token()
            self.pending_cookies[_NONCE] = known + mac("browser", known)
        return f"browser:{known}"

    @cached_property
    def known_browser(self) -> KnownBrowser:
        """Return the people who signed in here before."""
        return KnownBrowser.read(self._cookie(_KNOWN))

    @cached_property
    def session(self) -> Any:
        """Return the active session, or None."""
        return sessions.find_by_key(self._cookie(_SESSION))

    def on_commit(self, results: list[Any]) -> None:
        """Take over a session that a step has started, and drop one that it has ended."""
        for result in results:
            if isinstance(result, sessions.IssuedSession):
                self.pending_cookies[_SESSION], self.pending_cookies[_KNOWN] = (
                    result.key,
                    self.known_browser.after_sign_in(result.person),
                )
                self.session = sessions.find_by_id(result.session)
            elif (
                isinstance(result, sessions.EndedSession)
                and self.session
                and self.session.pk == result.session
            ):
                self.pending_cookies[_SESSION], self.session = "", None

    def sign_out(self) -> None:
        """End the session and delete its cookie."""
        if self.session:
            sessions.end(self.session.pk, why="signed out")
            self.session = None
        self.pending_cookies[_SESSION] = ""

    def set_cookies(self, response: HttpResponse) -> None:
        """Set the cookies that have changed."""
        for name, value in self.pending_cookies.items():
            max_ages = {_NONCE: None, _KNOWN: int(LIFETIME.total_seconds())}
            max_age = max_ages.get(name, settings.SESSION_LIFETIME) if value else 0
            response.set_cookie(name, value, max_age=max_age)

    def _cookie(self, name: str) -> str:
        return self.request.COOKIES.get(name, "")


class BrowserRequest(HttpRequest):
    """A request with its browser, as every view behind the middleware receives it."""

    browser: Browser


class BrowserMiddleware:
    """Adds ``browser`` to each request. The database is queried only on access."""

    def __init__(self, get_response: Callable[[BrowserRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: BrowserRequest) -> HttpResponse:
        browser = Browser(request)
        request.browser = browser
        response = self.get_response(request)
        browser.set_cookies(response)
        return response
