"""The entries of authentik's files: read within limits, merged where they speak of the same object, found by reference."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blueprints.convert.report import Notes, Ours
from blueprints.convert.values import Ref, Tags, Unknown
from blueprints.nodes import BadYaml, Node, parse
from blueprints.read import BadBlueprint, Problem

MAX_LOOKS = 2_000_000
_ENTRY = ("model", "id", "state", "conditions", "identifiers", "attrs", "permissions")
_GUARDS = ("authentik_flows.", "authentik_stages_", "authentik_policies")
_OLD = {"authentik_tenants.tenant": "authentik_brands.brand"}


class NotCarried(Exception):
    """A value that decides about the object is not known, so the object is not carried over as it stands."""

    def __init__(self, text: str, line: int) -> None:
        super().__init__(text)
        self.text, self.line = text, line


@dataclass(eq=False)
class Entry:
    """One object as a file describes it. What was read is remembered, so that all the rest can be noted."""

    file: str
    line: int
    model: str
    id: str
    values: dict[str, Any]
    lines: dict[str, int]
    used: set[str] = field(default_factory=set)

    def take(self, key: str, default: Any = None) -> Any:
        """What it says under this key; raises NotCarried when the file alone does not tell."""
        self.used.add(key)
        value = self.values.get(key)
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, Unknown | Ours):
                why = each.why if isinstance(each, Unknown) else f"{each} is only known where it runs"
                raise NotCarried(f"{key}: {why}", self.lines[key])
        return default if value is None else value

    def text(self, key: str) -> str:
        """A text under this key; what is something else raises NotCarried."""
        value = self.take(key, "")
        if isinstance(value, list | dict | Ref | bool):
            raise NotCarried(f"{key}: a text is expected", self.lines[key])
        return str(value)

    def passed_on(self, key: str) -> Any:
        """A text, or the tag of ours that stands for it."""
        value = self.values.get(key)
        if isinstance(value, Ours):
            self.used.add(key)
            return value
        return self.text(key)

    def true(self, key: str, default: bool = False) -> bool:
        """A truth value, as authentik's YAML 1.1 spells it too."""
        value = self.take(key, default)
        if isinstance(value, bool):
            return value
        spelled = {"yes": True, "on": True, "true": True, "no": False, "off": False, "false": False}.get(str(value).lower())
        if spelled is None:
            raise NotCarried(f"{key}: true or false is expected", self.lines[key])
        return spelled

    def list(self, key: str) -> list[Any]:
        """A list under this key."""
        value = self.take(key, [])
        if not isinstance(value, list):
            raise NotCarried(f"{key}: a list is expected", self.lines[key])
        return value

    def said(self, key: str) -> str:
        """The text under this key, for names and comparisons; "" for anything else."""
        value = self.values.get(key)
        return value if isinstance(value, str) else ""

    @property
    def title(self) -> str:
        """What authentik calls it."""
        keys = ("name", "slug", "username", "domain", "scope_name", "managed")
        return next((said for key in keys if (said := self.said(key))), self.id or self.model)

    def __str__(self) -> str:
        return self.model if self.title == self.model else f"{self.model} {self.title}"


class Objects:
    """Every entry of every file, by reference."""

    def __init__(self, entries: list[Entry]) -> None:
        self.entries = entries
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
        for name, value in entry.values.items():
            if isinstance(value, str | int | float):
                self._fields.setdefault((entry.model, name, str(value)), {})[entry] = None
        if isinstance(entry.values.get("pk"), str):
            self._keys[entry.values["pk"]] = entry

    def known_as(self, file: str, identifier: str, entry: Entry) -> bool:
        """Makes the ``id`` lead to the entry; False when it leads to another one already."""
        return self._ids.setdefault((file, identifier), entry) is entry

    def of(self, model: str) -> list[Entry]:
        """All of one model, in the order of the files."""
        return self._models.get(model, [])

    def find(self, value: Any) -> Entry | None:
        """The entry that a reference means: !KeyOf, !Find, or a primary key as exports write it. None: not among the files."""
        if isinstance(value, str):
            return self._keys.get(value)
        if not isinstance(value, Ref) or value in self._open:
            return None
        if value.id:
            return self._ids.get((value.file, value.id))
        model = _OLD.get(value.model, value.model)
        plain = [self._fields.get((model, name, str(each)), {}) for name, each in value.fields if not isinstance(each, Ref)]
        found = min(plain, key=len) if plain else self.of(model)
        self._open.add(value)
        try:
            return next((entry for entry in found if self._fits(entry, value)), None)
        finally:
            self._open.discard(value)

    def _fits(self, entry: Entry, ref: Ref) -> bool:
        self._looks += 1
        if self._looks > MAX_LOOKS:
            raise BadBlueprint([Problem(ref.file, 1, 1, "", "The references of this file cost too much to follow.")])
        for name, value in ref.fields:
            said = entry.values.get(name)
            if isinstance(value, Ref):
                wanted = self.find(value)
                if wanted is None or self.find(said) is not wanted:
                    return False
            elif isinstance(said, list | dict | Ref) or str(said) != str(value):
                return False
        return True

    def elsewhere(self, value: Any) -> bool:
        """Whether a reference surely means something that other files describe: a !Find that nothing here fits."""
        return isinstance(value, Ref) and not value.id and self.find(value) is None

    def named(self, value: Any, *keys: str) -> str:
        """The name of what a reference means, whether it is among the files or not; "" when the reference does not tell."""
        entry = self.find(value)
        if entry is not None:
            return next((str(entry.values[key]) for key in keys if isinstance(entry.values.get(key), str)), "")
        fields = dict(value.fields) if isinstance(value, Ref) else {}
        return next((str(fields[key]) for key in keys if isinstance(fields.get(key), str)), "")


def read(files: Iterable[Path], notes: Notes) -> Objects:
    """The objects of all files; raises BadBlueprint with every file that cannot be read."""
    objects = Objects([])
    problems: list[Problem] = []
    for file in files:
        try:
            for node in parse(file.read_bytes()):
                _document(str(file), node, objects, notes)
        except OSError as error:
            problems.append(Problem(str(file), 1, 1, "", error.strerror or "cannot be read"))
        except BadYaml as bad:
            problems.append(Problem(str(file), bad.line, bad.column, "", bad.message))
    if problems:
        raise BadBlueprint(problems)
    return objects


def _document(file: str, node: Node, objects: Objects, notes: Notes) -> None:
    entries = node.get("entries")
    if entries is None or not entries.is_list or entries.tag:
        raise BadYaml("This is no blueprint of authentik: it has no list of entries.", node.line, node.column)
    version = node.get("version")
    if version is not None and version.value not in (1, "1"):
        raise BadYaml("Only version 1 of authentik's blueprints is known.", version.line, version.column)
    context = node.get("context")
    own = {key: value for key, (_, value) in context.value.items()} if context is not None and context.is_map else {}
    tags = Tags(file, own, lambda ref: entry.values if (entry := objects.find(ref)) else None)
    for key, (at, _) in node.value.items():
        if key not in ("version", "metadata", "context", "entries"):
            notes.add(file, at.line, f"{key} is not carried over.")
    for each in entries.value:
        if not each.is_map or each.tag:
            raise BadYaml("An entry is a mapping with its model.", each.line, each.column)
        _entry(file, each, tags, objects, notes)


def _entry(file: str, node: Node, tags: Tags, objects: Objects, notes: Notes) -> None:
    said: Mapping[str, Any] = {key: tags.value(value) for key, (_, value) in node.value.items() if key in _ENTRY}
    model = said.get("model")
    if not isinstance(model, str):
        raise BadYaml("An entry names its model.", node.line, node.column)
    model = _OLD.get(model.lower(), model.lower())
    for key, (at, _) in node.value.items():
        if key not in _ENTRY or (key == "permissions" and said[key]):
            notes.add(file, at.line, f"{model}: {key} is not carried over.")
    if not _wanted(file, node, model, said, notes):
        return
    values: dict[str, Any] = {}
    lines: dict[str, int] = {}
    for part in ("identifiers", "attrs"):
        found = said.get(part)
        if found is not None and not isinstance(found, dict):
            raise BadYaml(f"The {part} of an entry are a mapping.", node.line, node.column)
        values |= found or {}
        inner = node.get(part)
        lines |= {key: at.line for key, (at, _) in inner.value.items()} if inner is not None and inner.is_map else {}
    name = said.get("id")
    if name is not None and not isinstance(name, str | int):
        raise BadYaml("The id of an entry is a plain text.", node.line, node.column)
    entry = Entry(file, node.line, model, str(name or ""), values, {key: lines.get(key, node.line) for key in values})
    entry = _merged(entry, said.get("identifiers") or {}, objects, notes)
    if name and not objects.known_as(file, str(name), entry):
        notes.add(file, node.line, f"The id {name} stands twice in this file; the first one counts.")


def _wanted(file: str, node: Node, model: str, said: Mapping[str, Any], notes: Notes) -> bool:
    """Whether the entry is to exist. A guard whose conditions are not known stays; anything else whose are not is left out."""
    state = str(said.get("state") or "present")
    if state == "absent":
        notes.add(file, node.line, f"{model}: state absent is not carried over; what no file names is deleted with --prune.")
        return False
    if state != "present":
        notes.add(file, node.line, f"{model}: state {state[:30]} is carried over as present: changes by hand show as drift.")
    conditions = said.get("conditions") or []
    if not isinstance(conditions, list):
        conditions = [conditions]
    if any(isinstance(each, Unknown | Ours | Ref) for each in conditions):
        stays = model.startswith(_GUARDS)
        notes.add(file, node.line, f"{model}: its conditions are not known from the file; it {'stays' if stays else 'is left out'}.")
        return stays
    if not all(conditions):
        notes.add(file, node.line, f"{model}: its conditions are false; it is left out.")
        return False
    return True


def _merged(entry: Entry, identifiers: Mapping[str, Any], objects: Objects, notes: Notes) -> Entry:
    """The entry, or the earlier one of the same object with what this one says besides."""
    fields = tuple((key, value) for key, value in identifiers.items() if isinstance(value, str | int | float | Ref))
    known = objects.find(Ref(entry.file, model=entry.model, fields=fields)) if fields and len(fields) == len(identifiers) else None
    if known is None:
        objects.add(entry)
        return entry
    notes.add(entry.file, entry.line, f"{entry} stands in {known.file}:{known.line} already; both are taken together.")
    known.values |= entry.values
    known.lines |= entry.lines
    objects.index(known)
    return known
