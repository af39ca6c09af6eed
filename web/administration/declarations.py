"""The declaration of a kind of object for the console and the API."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from idp.foundation.listing import Listing, Text
from web.administration.choices import Choices


@dataclass(frozen=True)
class Action:
    """Something that can be done to one object or to several.

    ``run``: takes the row and the person who does it, and returns whether anything changed. ``asks``: what
    will be lost, shown for confirmation. ``fits``: whether the action is offered for a row, as JSON.
    ``done``: the message afterwards, with ``%(count)d`` objects.
    """

    name: str
    title: Text
    operation: str
    run: Callable[[Any, Any], bool]
    asks: Text = ""
    done: Text = ""
    danger: bool = False
    fits: Callable[[Mapping[str, Any]], bool] = lambda row: True


@dataclass(frozen=True)
class Resource:
    """One kind of object.

    ``see`` and ``edit``: the operations for it. ``edit`` is empty if the object is not edited manually.

    ``kind``: its kind of document (blueprints/objects/document.py), empty if it has none. ``titles``: labels
    of fields that its document does not name, by dotted key. ``shown``: the columns of its table, in order.
    ``page``: the URL name of its own page, if the generic one does not fit. ``add``: the URL name of the page
    where a new one is created. ``create``: the button that leads there. ``concerning``: the filters of the
    list of events that select the history of a row. None if no events are about it, or if its page shows them
    itself.
    """

    listing: Listing
    noun: Text
    see: str
    edit: str = ""
    kind: str = ""
    shown: tuple[str, ...] = ()
    choices: Choices = field(default_factory=dict)
    titles: Mapping[str, Text] = field(default_factory=dict)
    actions: tuple[Action, ...] = ()
    page: str = ""
    add: str = ""
    create: Text = ""
    concerning: Callable[[Any], Mapping[str, str]] | None = None
    about: Text = ""
    empty: Text = ""

    @property
    def name(self) -> str:
        """Return the name in its URL."""
        return self.listing.name

    def action(self, name: str) -> Action | None:
        """Return the action with this name, or None."""
        return next((each for each in self.actions if each.name == name), None)
