"""The entries of authentik's files: their values, which of them were read, and their references."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from blueprints.convert.report import FoyerTag
from blueprints.convert.values import Ref, UnknownValue
from blueprints.files.problems import BadBlueprint, Problem

MAX_LOOKUPS = 2_000_000
RENAMED_MODELS = {"authentik_tenants.tenant": "authentik_brands.brand"}


class NotConvertible(Exception):
    """A value that decides about the object is unknown, so the object cannot be converted as it is."""

    def __init__(self, text: str, line: int) -> None:
        super().__init__(text)
        self.text, self.line = text, line


@dataclass(eq=False)
class AuthentikEntry:
    """One object as a file describes it.

    Reading a value marks its key, so that the keys that were never read can be reported at the end.

    ``doubt`` is why the object may not exist as it is described, or "". ``is_used`` says that something was
    created from it. ``is_reported`` says that a note covers all of it.
    """

    file: str
    line: int
    model: str
    id: str
    _values: dict[str, Any] = field(default_factory=dict)
    _lines: dict[str, int] = field(default_factory=dict)
    doubt: str = ""
    is_used: bool = False
    is_reported: bool = False
    _read: set[str] = field(default_factory=set)

    def get(self, key: str) -> Any:
        """Return the value of this key and mark it as read; None if there is none."""
        self._read.add(key)
        return self._values.get(key)

    def peek(self, key: str) -> Any:
        """Return the value without marking it as read: for finding the object and for naming it in notes."""
        return self._values.get(key)

    def line_of(self, key: str) -> int:
        """Return the line of this key, or of the entry."""
        return self._lines.get(key, self.line)

    def items(self) -> Iterable[tuple[str, Any]]:
        """Return all keys and values, without marking them as read."""
        return self._values.items()

    def update(self, values: Iterable[tuple[str, Any]], line_of: Callable[[str], int]) -> None:
        """Add these values, replacing earlier ones."""
        for key, value in values:
            self._values[key], self._lines[key] = value, line_of(key)

    @property
    def is_unused(self) -> bool:
        """Whether nothing was created from the entry and none of it was read."""
        return not (self._read or self.is_used or self.is_reported)

    def unread_keys(self) -> list[str]:
        """Return the keys that have a value and were never read."""
        return [
            key
            for key, value in self._values.items()
            if key not in self._read and value not in (None, "", [], {})
        ]

    def known_value(self, key: str, default: Any = None) -> Any:
        """Return the value of this key; raise NotConvertible if it is not known from the file alone."""
        value = self.get(key)
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, UnknownValue | FoyerTag):
                reason = (
                    each.reason if isinstance(each, UnknownValue) else f"{each} is only known where it runs"
                )
                raise NotConvertible(f"{key}: {reason}", self.line_of(key))
        return default if value is None else value

    def text(self, key: str) -> str:
        """Return the text under this key; raise NotConvertible if it is anything else."""
        value = self.known_value(key, "")
        if isinstance(value, list | dict | Ref | bool):
            raise NotConvertible(f"{key}: a text is expected", self.line_of(key))
        return str(value)

    def text_or_tag(self, key: str) -> Any:
        """Return the text under this key, or the blueprint tag that stands for it."""
        value = self.get(key)
        return value if isinstance(value, FoyerTag) else self.text(key)

    def boolean(self, key: str, default: bool = False) -> bool:
        """Return the truth value under this key, also in the spellings of YAML 1.1; raise NotConvertible."""
        value = self.known_value(key, default)
        if isinstance(value, bool):
            return value
        spelled = {"yes": True, "on": True, "true": True, "no": False, "off": False, "false": False}.get(
            str(value).lower()
        )
        if spelled is None:
            raise NotConvertible(f"{key}: true or false is expected", self.line_of(key))
        return spelled

    def list(self, key: str) -> list[Any]:
        """Return the list under this key; raise NotConvertible if it is anything else."""
        value = self.known_value(key, [])
        if not isinstance(value, list):
            raise NotConvertible(f"{key}: a list is expected", self.line_of(key))
        return value

    def plain_text(self, key: str) -> str:
        """Return the text under this key, for names and comparisons; "" for anything else."""
        value = self.get(key)
        return value if isinstance(value, str) else ""

    @property
    def title(self) -> str:
        """The name of the object in authentik."""
        keys = ("name", "slug", "username", "domain", "scope_name", "managed")
        named = (self.peek(key) for key in keys)
        return next((each for each in named if isinstance(each, str) and each), self.id or self.model)

    def __str__(self) -> str:
        return self.model if self.title == self.model else f"{self.model} {self.title}"


class AuthentikObjects:
    """All entries of all files, indexed for references.

    ``strays`` holds, by file, comments about what may be a policy of any object in it.
    """

    def __init__(self) -> None:
        self.entries: list[AuthentikEntry] = []
        self.strays: dict[str, list[str]] = {}
        self._ids: dict[tuple[str, str], AuthentikEntry] = {}
        self._models: dict[str, list[AuthentikEntry]] = {}
        self._fields: dict[tuple[str, str, str], dict[AuthentikEntry, None]] = {}
        self._keys: dict[str, AuthentikEntry] = {}
        self._resolving: set[Ref] = set()
        self._lookups = 0

    def add(self, entry: AuthentikEntry) -> None:
        """Add an entry."""
        self.entries.append(entry)
        self._models.setdefault(entry.model, []).append(entry)
        self.index(entry)

    def index(self, entry: AuthentikEntry) -> None:
        """Index the entry by its fields and its primary key."""
        for name, value in entry.items():
            if isinstance(value, str | int | float):
                self._fields.setdefault((entry.model, name, str(value)), {})[entry] = None
        key = entry.peek("pk")
        if isinstance(key, str):
            self._keys[key] = entry

    def remove(self, entry: AuthentikEntry) -> None:
        """Remove an entry."""
        self.entries.remove(entry)
        self._models[entry.model].remove(entry)
        for name, value in entry.items():
            self._fields.get((entry.model, name, str(value)), {}).pop(entry, None)
        self._ids = {key: each for key, each in self._ids.items() if each is not entry}
        self._keys = {key: each for key, each in self._keys.items() if each is not entry}

    def register_id(self, file: str, identifier: str, entry: AuthentikEntry) -> bool:
        """Register the ``id`` of the entry; return False if it belongs to another one already."""
        return self._ids.setdefault((file, identifier), entry) is entry

    def by_model(self, model: str) -> list[AuthentikEntry]:
        """Return all entries of one model, in the order of the files."""
        return self._models.get(model, [])

    def find(self, value: Any) -> AuthentikEntry | None:
        """Return the entry of a reference: !KeyOf, !Find, or a primary key as exports write it.

        Return None if it is not among the files.
        """
        if isinstance(value, str):
            return self._keys.get(value)
        if not isinstance(value, Ref) or value in self._resolving:
            return None
        if value.id:
            return self._ids.get((value.file, value.id))
        model = RENAMED_MODELS.get(value.model, value.model)
        plain = [
            self._fields.get((model, name, str(each)), {})
            for name, each in value.fields
            if not isinstance(each, Ref)
        ]
        found = min(plain, key=len) if plain else self.by_model(model)
        self._resolving.add(value)
        try:
            return next((entry for entry in found if self._matches(entry, value)), None)
        finally:
            self._resolving.discard(value)

    def _matches(self, entry: AuthentikEntry, ref: Ref) -> bool:
        self._lookups += 1
        if self._lookups > MAX_LOOKUPS:
            raise BadBlueprint([Problem(ref.file, 1, 1, "", "This file has too many references.")])
        for name, value in ref.fields:
            actual = entry.peek(name)
            if isinstance(value, Ref):
                if (
                    isinstance(actual, Ref)
                    and not value.id
                    and (actual.model, actual.fields) == (value.model, value.fields)
                ):
                    continue  # equal references have the same target, even outside the files
                target = self.find(value)
                if target is None or self.find(actual) is not target:
                    return False
            elif isinstance(actual, list | dict | Ref) or str(actual) != str(value):
                return False
        return True

    def is_external(self, value: Any) -> bool:
        """Return whether a reference is certainly to an object in other files.

        That is a !Find that matches nothing here.
        """
        return isinstance(value, Ref) and not value.id and self.find(value) is None

    def referenced_name(self, value: Any, *keys: str) -> str:
        """Return the name of the referenced object, also if it is not in the files; "" if it is unknown."""
        entry = self.find(value)
        if entry is not None:
            values = (entry.peek(key) for key in keys)
            return next((value for value in values if isinstance(value, str)), "")
        fields = dict(value.fields) if isinstance(value, Ref) else {}
        return next((str(fields[key]) for key in keys if isinstance(fields.get(key), str)), "")
