"""A person at a real browser sees, types and presses by the names that a screen reader would say."""

from collections.abc import Callable
from typing import Any

from playwright.sync_api import BrowserContext, Page, Response, expect

from tests.support.client import LiveServer

PASSWORDS = {"alice": "alice-password-1", "bob": "bob-password-22"}


class Person:
    """A person at one tab.

    ``host`` is the tenant's host whose pages they open; ``scripts`` whether their browser runs any.
    """

    def __init__(
        self, server: LiveServer, context: BrowserContext, host: str = "acme.test", *, scripts: bool = True
    ) -> None:
        self.server, self.context, self.host, self.scripts = server, context, host, scripts
        self.page: Page = context.new_page()

    def new_tab(self) -> "Person":
        """Return the same person and browser at one more tab."""
        return Person(self.server, self.context, self.host, scripts=self.scripts)

    def open(self, path: str = "/device") -> Response:
        """Type a path, or follow a link (a whole URL is used as it is)."""
        response = self.page.goto(path if "://" in path else self.server.url(self.host, path))
        assert response is not None
        return response

    def sign_in(self, name: str = "alice", password: str = "") -> "Person":
        """Answer the two questions of the shipped flow."""
        self.fill("Username or email address", name)
        self.press("Continue")
        self.fill("Password", password or PASSWORDS[name])
        self.press("Sign in")
        return self

    def enter_code(self, code: str) -> "Person":
        """Type the code that a device shows, letter by letter, because a script helps with the grouping."""
        field = self.page.get_by_label("Code on your device", exact=True)
        field.clear()
        field.press_sequentially(code)
        self.press("Continue")
        return self

    def at_consent(self, code: str, name: str = "alice") -> "Person":
        """Go from the URL that the device shows to the consent page."""
        self.open("/device")
        if self.title == "Sign in":
            self.sign_in(name)
        self.enter_code(code)
        self.sees("Connect this device?")
        return self

    def fill(self, label: str, text: str) -> None:
        """Fill a text into the field with this label."""
        self.page.get_by_label(label, exact=True).fill(text)

    def press(self, button: str) -> None:
        """Press the button or follow the link with this name, and wait for the page to which it leads."""
        with self.page.expect_navigation():
            self.page.get_by_role("button", name=button, exact=True).or_(
                self.page.get_by_role("link", name=button, exact=True)
            ).click()

    def sees(self, title: str) -> None:
        """Wait for the page with this heading."""
        expect(self.page.get_by_role("heading", level=1)).to_have_text(title)

    def reads(self, *texts: str) -> None:
        """Check that this text is on the page."""
        for text in texts:
            expect(self.page.locator("body")).to_contain_text(text)

    @property
    def title(self) -> str:
        """Return the heading."""
        return self.page.get_by_role("heading", level=1).inner_text()

    @property
    def text(self) -> str:
        """Return everything that can be read."""
        return self.page.locator("body").inner_text()

    def value(self, label: str) -> str:
        """Return the value of a field."""
        return self.page.get_by_label(label, exact=True).input_value()

    def error_at(self, label: str) -> str:
        """Return the error at a field: its description, as a screen reader finds it."""
        field: Any = self.page.get_by_label(label, exact=True)
        expect(field).to_have_attribute("aria-invalid", "true")
        described = str(field.get_attribute("aria-describedby")).split()
        (error,) = [identifier for identifier in described if identifier.endswith("_error")]
        return self.page.locator(f"#{error}").inner_text()


NewPerson = Callable[..., Person]
"""The fixture ``new_person``: opens a tab for another person."""
