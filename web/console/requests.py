"""A request to the console, once it is known who asks."""

from collections.abc import Callable

from idp.accounts.people import Person
from web.middleware.browser import BrowserRequest


class ConsoleRequest(BrowserRequest):
    """Every view of the console gets one. ``may``: whether the person's role includes an operation."""

    person: Person
    may: Callable[[str], bool]
