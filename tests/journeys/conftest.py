"""One browser for the journeys, a person at it, and devices that wait; a page that complains fails
its test.
"""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, Request, sync_playwright

from tests.journeys.devices import LIBRARIES, ByOAuth2Client, Device
from tests.journeys.people import Person
from tests.kit import LiveServer


@pytest.fixture(scope="package")
def chromium(browser_type_launch_args: dict[str, Any]) -> Iterator[Browser]:
    """Started once; it ends with this package, because Playwright keeps an event loop running in the thread
    of the tests.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**browser_type_launch_args)
        yield browser
        browser.close()


@pytest.fixture(params=[True, pytest.param(False, marks=pytest.mark.slow)], ids=["scripts", "no-scripts"])
def java_script_enabled(request: pytest.FixtureRequest) -> bool:
    """Every journey that asks for it is walked twice: with scripts always, without them among the
    slow tests.
    """
    return bool(request.param)


@pytest.fixture
def leaves_unsaved() -> None:
    """For a journey that leaves what was typed and not saved: in any other it is a fault that a page asks
    before it is left.
    """


@pytest.fixture
def new_person(
    chromium: Browser, live: LiveServer, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Person]]:
    """``new_person()`` sits down at a browser of their own.

    In the end no page may have reported an error or a breach of the policy.
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
    """A request that came to nothing; a stream, and what a page was asking for when one left it, ends with
    the page: no complaint.
    """
    path = urlsplit(request.url).path
    left = request.failure == "net::ERR_ABORTED" and (
        request.resource_type in ("fetch", "xhr") or path.endswith("/preview")
    )
    return "" if left or path.endswith("/events") else f"failed: {request.url} {request.failure}"


def _said(message: ConsoleMessage) -> str:
    """A console line; a page that is itself an error (404, 429 …) is reported there too, which is no
    complaint.

    Neither is a field that does not take the focus because it was moved already, nor a request that ended
    because the page was left: ``_failed`` judges that one, and every other failure has a line of its own.
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
def person(new_person: Callable[..., Person], java_script_enabled: bool) -> Person:
    """Somebody at acme's pages, with scripts and without."""
    return new_person(java_script_enabled=java_script_enabled)


@pytest.fixture
def new_device(live: LiveServer, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Device]:
    """``new_device()`` asks and waits for a decision; ``host``, ``library`` and what the libraries' classes
    take.
    """
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")

    def ask(host: str = "acme.test", library: str = "requests-oauth2client", **options: str) -> Device:
        return LIBRARIES[library](live.url(host), **options)

    return ask


@pytest.fixture
def device(new_device: Callable[..., Device]) -> ByOAuth2Client:
    """A television that waits at acme."""
    waiting = new_device()
    assert isinstance(waiting, ByOAuth2Client)
    return waiting
