"""The entries of authentik's files: what each says, what of it was read, and how they refer to each other."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from blueprints.convert.report import Ours
from blueprints.convert.values import Ref, Unknown
from blueprints.files.problems import BadBlueprint, Problem

MAX_LOOKS = 2_000_000
OLD = {"authentik_tenants.tenant": "authentik_brands.brand"}


class NotCarried(Exception):
    """A value that decides about the object is not known, so the object is not carried over as it stands."""

    def __init__(self, text: str, line: int) -> None:
        super().__init__(text)
        self.text, self.line = text, line


@dataclass(eq=False)
class Entry:
    """One object as a file describes it.

    Reading a value marks its key: what was never read is told in the end.

    ``doubt``: why it is not certain that the object is there as it stands; "" where it is. ``used``:
    something was made of it. ``told``: a note speaks of all of it.
    """

    file: str
    line: int
    model: str
    id: str
    _values: dict[str, Any] = field(default_factory=dict)
    _lines: dict[str, int] = field(default_factory=dict)
    doubt: str = ""
    used: bool = False
    told: bool = False
    _read: set[str] = field(default_factory=set)

    def get(self, key: str) -> Any:
        """Read what it says under this key; None for nothing."""
        self._read.add(key)
        return self._values.get(key)

    def look(self, key: str) -> Any:
        """Return the same without reading it: for finding the object, and for telling people which one is
        meant.
        """
        return self._values.get(key)

    def line_of(self, key: str) -> int:
        """The line of this key, or of the entry."""
        return self._lines.get(key, self.line)

    def items(self) -> Iterable[tuple[str, Any]]:
        """All that it says, none of it read by that."""
        return self._values.items()

    def add(self, values: Iterable[tuple[str, Any]], line_of: Callable[[str], int]) -> None:
        """Let it say these things too, or instead."""
        for key, value in values:
            self._values[key], self._lines[key] = value, line_of(key)

    @property
    def untouched(self) -> bool:
        """Whether nothing was made of it, nor any of it read."""
        return not (self._read or self.used or self.told)

    def unread(self) -> list[str]:
        """The keys that say something and were never read."""
        return [
            key
            for key, value in self._values.items()
            if key not in self._read and value not in (None, "", [], {})
        ]

    def take(self, key: str, default: Any = None) -> Any:
        """What it says under this key; raises NotCarried when the file alone does not tell."""
        value = self.get(key)
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, Unknown | Ours):
                why = each.why if isinstance(each, Unknown) else f"{each} is only known where it runs"
                raise NotCarried(f"{key}: {why}", self.line_of(key))
        return default if value is None else value

    def text(self, key: str) -> str:
        """A text under this key; what is something else raises NotCarried."""
        value = self.take(key, "")
        if isinstance(value, list | dict | Ref | bool):
            raise NotCarried(f"{key}: a text is expected", self.line_of(key))
        return str(value)

    def passed_on(self, key: str) -> Any:
        """A text, or the tag of ours that stands for it."""
        value = self.get(key)
        return value if isinstance(value, Ours) else self.text(key)

    def true(self, key: str, default: bool = False) -> bool:
        """A truth value, as authentik's YAML 1.1 spells it too."""
        value = self.take(key, default)
        if isinstance(value, bool):
            return value
        spelled = {"yes": True, "on": True, "true": True, "no": False, "off": False, "false": False}.get(
            str(value).lower()
        )
        if spelled is None:
            raise NotCarried(f"{key}: true or false is expected", self.line_of(key))
        return spelled

    def list(self, key: str) -> list[Any]:
        """A list under this key."""
        value = self.take(key, [])
        if not isinstance(value, list):
            raise NotCarried(f"{key}: a list is expected", self.line_of(key))
        return value

    def said(self, key: str) -> str:
        """The text under this key, for names and comparisons; "" for anything else."""
        value = self.get(key)
        return value if isinstance(value, str) else ""

    @property
    def title(self) -> str:
        """What authentik calls it."""
        keys = ("name", "slug", "username", "domain", "scope_name", "managed")
        named = (self.look(key) for key in keys)
        return next((each for each in named if isinstance(each, str) and each), self.id or self.model)

    def __str__(self) -> str:
        return self.model if self.title == self.model else f"{self.model} {self.title}"


class Objects:
    """Every entry of every file, by reference.

    ``strays``: of each file, what may be a policy of anything in it, as comments.
    """

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.strays: dict[str, list[str]] = {}
        self._ids: dict[tuple[str, str], Entry] = {}
        self._models: dict[str, list[Entry]] = {}
        self._fields: dict[tuple[str, str, str], dict[Entry, None]] = {}
        self._keys: dict[str, Entry] = {}
        self._open: set[Ref] = set()
        self._looks = 0

    def add(self, entry: Entry) -> None:
        """Makes an entry known."""
        self.entries.append(entry)
        self._models.setdefault(entry.model, []).append(entry)
        self.index(entry)

    def index(self, entry: Entry) -> None:
        """Notes under what it can be found."""
        for name, value in entry.items():
            if isinstance(value, str | int | float):
                self._fields.setdefault((entry.model, name, str(value)), {})[entry] = None
        key = entry.look("pk")
        if isinstance(key, str):
            self._keys[key] = entry

    def forget(self, entry: Entry) -> None:
        """Make an entry unknown again."""
        self.entries.remove(entry)
        self._models[entry.model].remove(entry)
        for name, value in entry.items():
            self._fields.get((entry.model, name, str(value)), {}).pop(entry, None)
        self._ids = {key: each for key, each in self._ids.items() if each is not entry}
        self._keys = {key: each for key, each in self._keys.items() if each is not entry}

    def known_as(self, file: str, identifier: str, entry: Entry) -> bool:
        """Makes the ``id`` lead to the entry; False when it leads to another one already."""
        return self._ids.setdefault((file, identifier), entry) is entry

    def of(self, model: str) -> list[Entry]:
        """All of one model, in the order of the files."""
        return self._models.get(model, [])

    def find(self, value: Any) -> Entry | None:
        """The entry that a reference means: !KeyOf, !Find, or a primary key as exports write it.

        None: not among the files.
        """
        if isinstance(value, str):
            return self._keys.get(value)
        if not isinstance(value, Ref) or value in self._open:
            return None
        if value.id:
            return self._ids.get((value.file, value.id))
        model = OLD.get(value.model, value.model)
        plain = [
            self._fields.get((model, name, str(each)), {})
            for name, each in value.fields
            if not isinstance(each, Ref)
        ]
        found = min(plain, key=len) if plain else self.of(model)
        self._open.add(value)
        try:
            return next((entry for entry in found if self._fits(entry, value)), None)
        finally:
            self._open.discard(value)

    def _fits(self, entry: Entry, ref: Ref) -> bool:
        self._looks += 1
        if self._looks > MAX_LOOKS:
            raise BadBlueprint([Problem(ref.file, 1, 1, "", "This file has too many references.")])
        for name, value in ref.fields:
            said = entry.look(name)
            if isinstance(value, Ref):
                if (
                    isinstance(said, Ref)
                    and not value.id
                    and (said.model, said.fields) == (value.model, value.fields)
                ):
                    continue  # the same words mean the same, also where it is not among the files
                wanted = self.find(value)
                if wanted is None or self.find(said) is not wanted:
                    return False
            elif isinstance(said, list | dict | Ref) or str(said) != str(value):
                return False
        return True

    def elsewhere(self, value: Any) -> bool:
        """Whether a reference surely means something that other files describe: a !Find that nothing here
        fits.
        """
        return isinstance(value, Ref) and not value.id and self.find(value) is None

    def named(self, value: Any, *keys: str) -> str:
        """The name of what a reference means, whether it is among the files or not; "" when the reference
        does not tell.
        """
        entry = self.find(value)
        if entry is not None:
            return next((said for key in keys if isinstance(said := entry.look(key), str)), "")
        fields = dict(value.fields) if isinstance(value, Ref) else {}
        return next((str(fields[key]) for key in keys if isinstance(fields.get(key), str)), "")
