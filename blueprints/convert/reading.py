"""Read authentik's files within limits.

An odd entry is noted and omitted, and entries of the same object are merged.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blueprints.convert.entries import RENAMED_MODELS, AuthentikEntry, AuthentikObjects
from blueprints.convert.report import FoyerTag, Notes
from blueprints.convert.values import AuthentikTags, Ref, UnknownValue
from blueprints.files.nodes import BadYaml, Node, parse
from blueprints.files.problems import BadBlueprint, Problem

_ENTRY = ("model", "id", "state", "conditions", "identifiers", "attrs", "permissions")
_STATES = ("present", "created", "must_created", "absent")
_GUARDS = ("authentik_flows.", "authentik_stages_", "authentik_policies")


def read(files: Iterable[Path], notes: Notes) -> AuthentikObjects:
    """Return the objects of all files; raise BadBlueprint with every file that cannot be read.

    An unreadable file might restrict something.
    """
    objects = AuthentikObjects()
    problems: list[Problem] = []
    absent: list[tuple[Ref, int]] = []
    for file in files:
        try:
            for node in parse(file.read_bytes()):
                _File(str(file), node, objects, notes, absent).read()
        except OSError as error:
            problems.append(Problem(str(file), 1, 1, "", error.strerror or "can't be read"))
        except BadYaml as bad:
            problems.append(Problem(str(file), bad.line, bad.column, "", bad.message))
    if problems:
        raise BadBlueprint(problems)
    for ref, line in absent:
        _withdraw(ref, line, objects, notes)
    return objects


def _withdraw(ref: Ref, line: int, objects: AuthentikObjects, notes: Notes) -> None:
    """Let an object that one entry describes and another deletes, or may change, grant nothing."""
    entry = objects.find(ref) if ref.fields else None
    if entry is None:
        return
    notes.add(
        ref.file,
        line,
        (
            f"{entry} is also defined in {entry.file}:{entry.line}; which of both counts is not "
            "known, so the stricter side does."
        ),
    )
    if entry.model.startswith(_GUARDS):
        entry.doubt = entry.doubt or "another entry says something else of it"
    else:
        objects.remove(entry)


@dataclass
class _File:
    """One document of a file while it is read; ``absent`` collects what it deletes."""

    file: str
    node: Node
    objects: AuthentikObjects
    notes: Notes
    absent: list[tuple[Ref, int]]

    def read(self) -> None:
        """Read all entries; raise BadYaml if the document is not a blueprint of authentik.

        An odd entry is noted and omitted.
        """
        entries = [each for section in self._sections() for each in section]
        version = self.node.get("version")
        if version is not None and version.value not in (1, "1"):
            raise BadYaml(
                "Only version 1 of authentik blueprints is supported.", version.line, version.column
            )
        context = self.node.get("context")
        context_values = (
            {key: value for key, (_, value) in context.value.items()}
            if context is not None and context.is_map
            else {}
        )
        tags = AuthentikTags(self.file, context_values, self._values_of)
        for key, (at, _) in self.node.value.items():
            if key not in ("version", "metadata", "context", "entries"):
                self.notes.add(self.file, at.line, f"{key} is not converted.")
        for each in entries:
            if each.tag:
                self._note_unknown(each, "this entry is made by a tag")
            elif not each.is_map:
                self.notes.add(
                    self.file, each.line, "An entry must be a mapping with a model; this one is omitted."
                )
            else:
                self._entry(each, tags)

    def _values_of(self, ref: Ref) -> Mapping[str, Any] | None:
        entry = self.objects.find(ref)
        return dict(entry.items()) if entry else None

    def _sections(self) -> Iterator[list[Node]]:
        """Yield the lists of entries: a single one, or several named sections."""
        entries = self.node.get("entries")
        if entries is None or entries.tag or not (entries.is_list or entries.is_map):
            raise BadYaml(
                "This isn't an authentik blueprint: it has no list of entries.",
                self.node.line,
                self.node.column,
            )
        if entries.is_list:
            yield entries.value
            return
        for name, (at, section) in entries.value.items():
            if section.is_list and not section.tag:
                yield section.value
            else:
                self.notes.add(
                    self.file, at.line, f"The section {name[:50]} isn't a list of entries and is omitted."
                )

    def _note_unknown(self, node: Node, what: str) -> None:
        """Register an entry that only the installation knows.

        It may be a policy of any object in this file.
        """
        text = f"{what}, so it is unknown what it is: it applies to every flow and application of this file."
        self.objects.strays.setdefault(self.file, []).append(f"authentik: line {node.line}: {text}")
        self.notes.add(self.file, node.line, f"{text[0].upper()}{text[1:]}")

    def _entry(self, node: Node, tags: AuthentikTags) -> None:
        values: dict[str, Any] = {
            key: tags.resolve(value) for key, (_, value) in node.value.items() if key in _ENTRY
        }
        model = values.get("model")
        if isinstance(model, UnknownValue | FoyerTag):
            self._note_unknown(node, "its model is made by a tag that cannot be followed")
            return
        if not isinstance(model, str):
            self.notes.add(self.file, node.line, "An entry must have a model; this one is omitted.")
            return
        model = RENAMED_MODELS.get(model.lower(), model.lower())
        for key, (at, _) in node.value.items():
            if key not in _ENTRY or (key == "permissions" and values[key]):
                self.notes.add(self.file, at.line, f"{model}: {key[:50]} is not converted.")
        entry = AuthentikEntry(self.file, node.line, model, self._id(node, model, values.get("id")))
        doubts = [*self._fill(entry, node, values), *_conditions(values)]
        state = values.get("state") or "present"
        if state not in _STATES:
            doubts.append(f"its state, {state}, is not known")
        fields = _fields(values.get("identifiers"))
        if "" in doubts:
            self.notes.add(self.file, node.line, f"{model}: its conditions are false; it is omitted.")
        elif state == "absent":
            self.notes.add(
                self.file,
                node.line,
                f"{model}: state absent is not converted; what no file names is deleted with --prune.",
            )
            self.absent.append((Ref(self.file, model=model, fields=fields), node.line))
        elif doubts and not model.startswith(_GUARDS):
            self.notes.add(self.file, node.line, f"{model}: {doubts[0]}; it is omitted.")
            self.absent.append((Ref(self.file, model=model, fields=fields), node.line))
        else:
            if doubts:
                self.notes.add(
                    self.file,
                    node.line,
                    f"{model}: {doubts[0]}; it stays where it closes something, and opens nothing.",
                )
                entry.doubt = doubts[0]
            self._add(entry, fields, str(state))

    def _id(self, node: Node, model: str, value: Any) -> str:
        if value is None or (isinstance(value, str | int) and not isinstance(value, bool)):
            return str(value or "")
        self.notes.add(
            self.file, node.line, f"{model}: its id isn't plain text; nothing can refer to it by that."
        )
        return ""

    def _fill(self, entry: AuthentikEntry, node: Node, values: Mapping[str, Any]) -> Iterator[str]:
        """Fill the entry with what can be read; yield what cannot."""
        for part in ("identifiers", "attrs"):
            fields, node_of_key = values.get(part), node.get(part)
            if isinstance(fields, dict):
                at = node_of_key.value if node_of_key is not None and node_of_key.is_map else {}
                entry.update(fields.items(), lambda key, at=at: at[key][0].line if key in at else node.line)  # type: ignore[misc]
            elif fields is not None:
                yield f"its {part} aren't a mapping"

    def _add(self, entry: AuthentikEntry, fields: tuple[tuple[str, Any], ...], state: str) -> None:
        """Add the entry, or merge it into an earlier entry of the same object."""
        objects, notes = self.objects, self.notes
        known = objects.find(Ref(entry.file, model=entry.model, fields=fields)) if fields else None
        if state != "present":
            notes.add(
                self.file,
                entry.line,
                f"{entry}: state {state} is converted as present: later changes show as drift.",
            )
        if known is None:
            objects.add(entry)
        elif state == "present":
            notes.add(
                entry.file,
                entry.line,
                f"{entry} is defined in {known.file}:{known.line} already; both are taken together.",
            )
            known.update(entry.items(), entry.line_of)
            objects.index(known)
        else:
            notes.add(
                entry.file,
                entry.line,
                (
                    f"{entry} is defined in {known.file}:{known.line} already; with state {state} that "
                    "one counts."
                ),
            )
        if known is not None and state not in ("created", "must_created"):
            known.doubt = known.doubt or entry.doubt
        if entry.id and not objects.register_id(self.file, entry.id, known or entry):
            notes.add(
                self.file,
                entry.line,
                (f"The id {entry.id} is defined twice in this file; the first one counts."),
            )


def _fields(identifiers: Any) -> tuple[tuple[str, Any], ...]:
    """Return what identifies an object if all of it is plain or a reference; otherwise nothing."""
    if not isinstance(identifiers, dict) or not all(
        isinstance(value, str | int | float | Ref) for value in identifiers.values()
    ):
        return ()
    return tuple(identifiers.items())


def _conditions(values: Mapping[str, Any]) -> Iterator[str]:
    """Yield why the conditions of an entry may not hold; "" if they certainly do not."""
    conditions = values.get("conditions") or []
    conditions = conditions if isinstance(conditions, list) else [conditions]
    if any(
        isinstance(each, UnknownValue | FoyerTag | Ref) or str(each).lower() in ("no", "off")
        for each in conditions
    ):
        yield "its conditions are not known from the file"
    elif not all(conditions):
        yield ""
