"""One browser for the journeys, a person at it, and devices that wait.

A page that reports an error fails its test.
"""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, Request, sync_playwright

from tests.journeys.browser import NewPerson, Person
from tests.journeys.devices import LIBRARIES, ByOAuth2Client, Device
from tests.support.client import LiveServer


@pytest.fixture(scope="package")
def chromium(browser_type_launch_args: dict[str, Any]) -> Iterator[Browser]:
    """Start one browser, which ends with this package.

    Playwright keeps an event loop running in the thread of the tests.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**browser_type_launch_args)
        yield browser
        browser.close()


@pytest.fixture(params=[True, pytest.param(False, marks=pytest.mark.slow)], ids=["scripts", "no-scripts"])
def java_script_enabled(request: pytest.FixtureRequest) -> bool:
    """Run every journey that asks for it twice, with scripts and without.

    The run without scripts is among the slow tests.
    """
    return bool(request.param)


@pytest.fixture
def leaves_unsaved() -> None:
    """Mark a journey that leaves input that was not saved.

    In any other journey it is a fault that a page asks before it is left.
    """


@pytest.fixture
def new_person(chromium: Browser, live: LiveServer, request: pytest.FixtureRequest) -> Iterator[NewPerson]:
    """Yield a function that opens a browser for a new person.

    At the end no page may have reported an error or a violation of the policy.
    """
    contexts, complaints = [], []
    leaves = "leaves_unsaved" in request.fixturenames

    def answer(dialog: Dialog) -> None:
        if dialog.type != "beforeunload" or not leaves:
            complaints.append(f"{dialog.type}: {dialog.message} ({dialog.page and dialog.page.url})")
        if dialog.type == "beforeunload":
            dialog.accept()
        else:
            dialog.dismiss()

    def watch(page: Page) -> None:
        page.on("console", lambda message: complaints.append(_said(message)))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", answer)
        page.on("requestfailed", lambda request: complaints.append(_failed(request)))

    def sit_down(host: str = "acme.test", **options: Any) -> Person:
        context = chromium.new_context(
            **{"viewport": {"width": 1280, "height": 800}, "locale": "en-GB"} | options
        )
        context.set_default_timeout(10_000)
        context.on("page", watch)
        contexts.append(context)
        return Person(live, context, host, scripts=options.get("java_script_enabled", True))

    yield sit_down
    for context in contexts:
        context.close()
    assert not [complaint for complaint in complaints if complaint]


def _failed(request: Request) -> str:
    """Return the report of a failed request, or "" for one that is no failure.

    A stream, and a request that was pending when the page was left, end with the page.
    """
    path = urlsplit(request.url).path
    left = request.failure == "net::ERR_ABORTED" and (
        request.resource_type in ("fetch", "xhr") or path.endswith("/preview")
    )
    return "" if left or path.endswith("/events") else f"failed: {request.url} {request.failure}"


def _said(message: ConsoleMessage) -> str:
    """Return the report of a console message, or "" for one that is no failure.

    A page that is itself an error (404, 429 …) is reported there too. A field that does not take the focus
    because it was moved already is no failure. Neither is a request that ended because the page was left:
    ``_failed`` judges that one, and every other failure has its own message.
    """
    if message.text.startswith("Autofocus processing was blocked"):
        return ""
    # htmx logs these two when a page is left during a request; a failed one is `htmx:sendError`.
    if message.text.startswith(("htmx:afterRequest", "htmx:sendAbort")):
        return ""
    if (
        message.text.startswith("Failed to load resource: the server responded with a status of")
        and "/static/" not in message.location["url"]
    ):
        return ""
    return f"{message.type}: {message.text} ({message.location['url']})"


@pytest.fixture
def person(new_person: NewPerson, java_script_enabled: bool) -> Person:
    """Return a person at acme's pages, with scripts and without."""
    return new_person(java_script_enabled=java_script_enabled)


@pytest.fixture
def new_device(live: LiveServer, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Device]:
    """Return a function that starts a device, which asks and waits for a decision.

    It takes ``host``, ``library`` and the arguments of the libraries' classes.
    """
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")

    def ask(host: str = "acme.test", library: str = "requests-oauth2client", **options: str) -> Device:
        return LIBRARIES[library](live.url(host), **options)

    return ask


@pytest.fixture
def device(new_device: Callable[..., Device]) -> ByOAuth2Client:
    """Return a television that waits at acme."""
    waiting = new_device()
    assert isinstance(waiting, ByOAuth2Client)
    return waiting
