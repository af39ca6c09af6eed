"""The declaration of a kind of object for the console and the API."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from idp.foundation.listing import Listing, Text
from web.administration.choices import Choices


@dataclass(frozen=True)
class Action:
    """Something that can be done to one object or to several.

    ``run``: takes the row and the person who does it, and returns whether anything changed. ``confirmation``:
    what will be lost, shown for confirmation. ``is_offered_for``: whether the action is offered for a row, as
    JSON. ``success_message``: the message afterwards, with ``%(count)d`` objects.
    """

    name: str
    title: Text
    operation: str
    run: Callable[[Any, Any], bool]
    confirmation: Text = ""
    success_message: Text = ""
    danger: bool = False
    is_offered_for: Callable[[Mapping[str, Any]], bool] = lambda row: True


@dataclass(frozen=True)
class Resource:
    """One kind of object.

    ``see`` and ``edit``: the operations for it. ``edit`` is empty if the object is not edited manually.

    ``kind``: its kind of document (blueprints/objects/document.py), empty if it has none. ``field_titles``:
    labels of fields that its document does not name, by dotted key. ``visible_columns``: the columns of its
    table, in order. ``url_name``: the URL name of its own page, if the generic one does not fit.
    ``add_url_name``: the URL name of the page where a new one is created. ``create_label``: the button that
    leads there. ``event_filters``: the filters of the list of events that select the history of a row. None
    if no events are about it, or if its page shows them itself.
    """

    listing: Listing
    noun: Text
    see: str
    edit: str = ""
    kind: str = ""
    visible_columns: tuple[str, ...] = ()
    choices: Choices = field(default_factory=dict)
    field_titles: Mapping[str, Text] = field(default_factory=dict)
    actions: tuple[Action, ...] = ()
    url_name: str = ""
    add_url_name: str = ""
    create_label: Text = ""
    event_filters: Callable[[Any], Mapping[str, str]] | None = None
    about: Text = ""
    empty: Text = ""

    @property
    def name(self) -> str:
        """Return the name in its URL."""
        return self.listing.name

    def action(self, name: str) -> Action | None:
        """Return the action with this name, or None."""
        return next((each for each in self.actions if each.name == name), None)
