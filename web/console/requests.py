"""The request of a console view, with the signed-in person."""

from collections.abc import Callable

from idp.accounts.people import Person
from web.middleware.browser import BrowserRequest


class ConsoleRequest(BrowserRequest):
    """The request that every view of the console gets.

    ``may``: whether the person's role includes an operation.
    """

    person: Person
    may: Callable[[str], bool]
