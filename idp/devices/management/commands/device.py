"""``manage.py device``: a device in the terminal that only knows the provider's address (RFC 8628)."""

import base64
import contextlib
import json
import threading
import time
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import ngettext

from idp.foundation import qr
from idp.oauth.discovery import DEVICE_CODE


class Command(BaseCommand):
    """Requests a code, shows it with a QR code, polls according to the RFC, and prints the claims."""

    help = "Sign in like a TV: show a code, wait for approval, print the claims."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--url", default=f"http://localhost:{settings.PORT}", help="the provider (its issuer URL)"
        )
        parser.add_argument("--client-id", default="demo-device")
        parser.add_argument("--client-secret", default="", help="for a confidential application")
        parser.add_argument("--scope", default="openid profile email")
        parser.add_argument("--name", default="Terminal", help="the device name to show to the person")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self._sign_in(options)
        except (LookupError, TypeError, ValueError, HTTPException) as error:
            raise CommandError(f"{options['url']} doesn't respond like a provider: {error!r}") from None

    def _sign_in(self, options: dict[str, Any]) -> None:
        client = {"client_id": options["client_id"]} | (
            {"client_secret": options["client_secret"]} if options["client_secret"] else {}
        )
        provider = _get(options["url"].rstrip("/") + "/.well-known/openid-configuration")
        if "device_authorization_endpoint" not in provider:
            raise CommandError("This provider doesn't support the device grant.")
        form = {**client, "scope": options["scope"], "device_name": options["name"]}
        status, started = _post(provider["device_authorization_endpoint"], form)
        if status != 200:
            raise CommandError(_error_text(started))
        self._show(started)
        tokens = self._wait(provider["token_endpoint"], client, started)
        claims = (
            _get(provider["userinfo_endpoint"], tokens["access_token"])
            if "id_token" in tokens
            else _payload(tokens["access_token"])
        )
        self.stdout.write(self.style.SUCCESS("Connected."))
        self.stdout.write(json.dumps(claims, indent=2))

    def _show(self, started: dict[str, Any]) -> None:
        complete = started.get("verification_uri_complete", started["verification_uri"])
        self.stdout.write(qr.as_text(complete))
        self.stdout.write(f"Open {started['verification_uri']} on another device and enter the code")
        self.stdout.write(self.style.MIGRATE_HEADING(f"\n    {started['user_code']}\n"))
        self.stdout.write(f"or open {complete}. Waiting up to {_duration(started['expires_in'])}…")

    def _wait(self, endpoint: str, client: dict[str, str], started: dict[str, Any]) -> dict[str, Any]:
        """Poll at the interval until there are tokens (section 3.5), and return the response.

        Each slow_down adds 5 seconds, and a network failure doubles the interval. If the provider offers an
        event stream, an event ends the wait early; without it, or when it breaks off, polling continues as
        before.
        """
        interval, end = started.get("interval", 5), time.monotonic() + started["expires_in"]
        news = (
            _listen(started["events_uri"], started["device_code"])
            if "events_uri" in started
            else threading.Event()
        )
        form = {**client, "grant_type": DEVICE_CODE, "device_code": started["device_code"]}
        while time.monotonic() < end:
            news.wait(interval)
            news.clear()
            try:
                status, response = _post(endpoint, form)
            except (URLError, TimeoutError):
                interval *= 2
                continue
            if status == 200:
                return response
            if response.get("error") == "slow_down":
                interval += 5
            elif response.get("error") != "authorization_pending":
                raise CommandError(_error_text(response))
        raise CommandError("The code has expired.")


def _listen(url: str, device_code: str) -> threading.Event:
    """Return an event that is set at each message of the provider's event stream for this code.

    RFC 8628 section 3.5 allows such a channel.
    """
    news = threading.Event()

    def read() -> None:
        request = Request(  # noqa: S310 - from the provider's own metadata
            url, headers={"Authorization": f"Device {device_code}", "Accept": "text/event-stream"}
        )
        with contextlib.suppress(OSError, HTTPException), _open(request, timeout=60) as stream:
            for line in stream:
                if line.startswith(b"event:"):
                    news.set()

    threading.Thread(target=read, name="news", daemon=True).start()
    return news


def _duration(seconds: int) -> str:
    if seconds < 60:
        return ngettext("%d second", "%d seconds", seconds) % seconds
    return ngettext("%d minute", "%d minutes", seconds // 60) % (seconds // 60)


class _NoRedirect(HTTPRedirectHandler):
    """The provider redirected the request, which isn't allowed."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


_open = build_opener(_NoRedirect).open


def _get(url: str, token: str = "") -> dict[str, Any]:
    if urlsplit(url).scheme not in ("http", "https"):
        raise CommandError(f"{url} isn't a web address.")
    try:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        with _open(Request(url, headers=headers), timeout=10) as response:  # noqa: S310 - http(s) only
            return dict(json.load(response))
    except (URLError, ValueError, TimeoutError) as error:
        raise CommandError(f"{url} didn't respond like a provider: {error}") from None


def _post(url: str, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
    try:
        # from the provider's own metadata
        with _open(Request(url, data=urlencode(form).encode()), timeout=10) as response:  # noqa: S310
            return response.status, dict(json.load(response))
    except HTTPError as error:
        try:
            return error.code, dict(json.load(error))
        except ValueError:
            return error.code, {"error": f"HTTP {error.code}"}


def _error_text(response: dict[str, Any]) -> str:
    return f"{response.get('error')}: {response.get('error_description', '')}"


def _payload(token: str) -> dict[str, Any]:
    """Return the claims of Foyer's own access token, for display.

    The signature is not verified, so they must not be trusted.
    """
    middle = token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4))))
