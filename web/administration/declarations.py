"""What the console and the API have to know about a kind of object."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from idp.foundation.listing import Listing, Text
from web.administration.choices import Choices


@dataclass(frozen=True)
class Action:
    """Something that is done to one object or to many.

    ``run``: the row and whoever does it; answers whether anything changed.

    ``asks``: what will be lost, said before it is done. ``fits``: whether it is offered for a row, as JSON.
    ``done``: what is said of it afterwards, with ``%(count)d`` objects.
    """

    name: str
    title: Text
    operation: str
    run: Callable[[Any, Any], bool]
    asks: Text = ""
    done: Text = ""
    danger: bool = False
    fits: Callable[[Mapping[str, Any]], bool] = lambda told: True


@dataclass(frozen=True)
class Resource:
    """One kind of object.

    ``see`` and ``edit``: the operations for it; ``edit`` "" where it is not written by hand.

    ``kind``: its kind of document (blueprints/objects/document.py), "" where it has none; ``titles``: labels
    of fields that its document does not name, by dotted key. ``shown``: the columns of its table, in order.
    ``page``: the address of its own page where the ordinary one does not do; ``add``: where a new one is
    made; ``create``: the button that leads there. ``concerning``: which events tell the history of a row, as
    filters of the list of events; None where none do, or its page says so itself.
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
        """As in its address."""
        return self.listing.name

    def action(self, name: str) -> Action | None:
        """The action with this name."""
        return next((each for each in self.actions if each.name == name), None)
