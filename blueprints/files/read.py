"""Read blueprint files into checked documents, and report every problem at once with file, line and key."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from blueprints.files.folders import is_blueprint, list_files, read_head
from blueprints.files.key_messages import find_secret
from blueprints.files.key_problems import VARS, KeyPath, problem, problems_by_key, variable_hint
from blueprints.files.nodes import MAX_BYTES, MAX_NODES, BadYaml, Node, parse
from blueprints.files.partial import validate_partially
from blueprints.files.problems import MAX_PROBLEMS, BadBlueprint, Problem
from blueprints.files.tags import Tags, TagUsage
from blueprints.objects.document import DOCUMENTS, TenantDocument
from idp.accounts.roles import EVERYTHING
from idp.foundation.arguments import suggest_name
from idp.foundation.text import did_you_mean
from idp.tenancy.models import DEFAULT
from idp.tenancy.scope import current_tenant

MAX_VARIABLE_SETS = 1000


@dataclass(frozen=True)
class LocatedDocument:
    """A checked document of one tenant, with the position of its keys.

    ``from_person`` says that a person typed or uploaded it, and that it is not one of the server's files.
    ``rights`` are the operations that its author may perform (idp/accounts/roles.py); a file of the
    installation may do everything. ``known_problems`` holds its known problems by path. A document with
    problems contains only its valid keys; it is checked further and never written. ``variables`` holds the
    variables with which it was read.
    """

    file: str
    tenant: str
    kind: str
    document: Any
    node: Node = field(repr=False)
    from_person: bool = False
    rights: frozenset[str] = frozenset()
    known_problems: Mapping[KeyPath, Problem] = field(default_factory=dict, repr=False)
    variables: Node | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """The name of the object."""
        return str(getattr(self.document, self.kind))

    @property
    def only_names_tenant(self) -> bool:
        """Whether the document only names the tenant of the documents after it."""
        return self.kind == "tenant" and self.document.model_fields_set == {"tenant"}

    def problem(self, path: Iterable[str | int], message: str) -> Problem:
        """Return a problem at this key of the document.

        If the key has a known problem, that one is returned, because the new one may be its consequence.
        """
        at = tuple(path)
        known = (
            problem
            for place, problem in self.known_problems.items()
            if at[: len(place)] == place or (at and place[: len(at)] == at)
        )
        return next(known, None) or problem(
            self.file, self.node, at, message + variable_hint(self.node, at, self.variables)
        )


@dataclass(frozen=True)
class Upload:
    """A blueprint that a person uploads: it can read no file and no environment variable of the server.

    It is about the tenant in scope alone, or with ``everywhere`` about any tenant. ``rights`` are the
    operations that its author may perform.
    """

    text: str = field(repr=False)
    name: str = "blueprint.yaml"
    any_tenant: bool = False
    rights: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Source:
    """What was read.

    ``digest`` is a SHA-256 digest that changes when any of it does. ``unused_files`` lists the files in the
    folders that contain no document. ``notes`` are about values that may have been meant differently.
    """

    documents: tuple[LocatedDocument, ...]
    digest: str
    unused_files: tuple[Path, ...] = ()
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()


def read(paths: Iterable[Path | Upload], variables: Mapping[str, str] | None = None) -> Source:
    """Return every document of every file; raise BadBlueprint with all problems.

    ``variables`` are for ``!vars``, in addition to those of the files.

    A folder stands for all of its ``.yaml`` and ``.yml`` files, sorted by name, without hidden ones.
    """
    source = read_with_problems(paths, variables)
    if source.problems:
        raise BadBlueprint(source.problems)
    return source


def read_with_problems(paths: Iterable[Path | Upload], variables: Mapping[str, str] | None = None) -> Source:
    """Return every document of every file with the problems, so that the documents can be checked further.

    Raise BadBlueprint if documents may be missing, or if there are too many problems.
    """
    reading = _Reading(variables or {})
    for path in paths:
        reading.path(path)
    problems = [*reading.problems, *(() if reading.lost else reading.unknown()), *_duplicates(reading.found)]
    if problems and (reading.lost or len(problems) > MAX_PROBLEMS):
        raise BadBlueprint(problems)
    passed_over = sorted(each for each in reading.others if os.path.realpath(each) not in reading.tagged)
    notes = tuple(reading.notes)
    return Source(
        tuple(reading.found), reading.edition.hexdigest(), tuple(passed_over), tuple(problems), notes
    )


class _Reading:
    """The state of reading a set of files.

    ``others`` are files in the folders that contain no document. ``tagged`` are files that were read for
    ``!file``. ``lost`` says that there may be documents that could not be read at all.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.variables = variables
        self.found: list[LocatedDocument] = []
        self.problems: list[Problem] = []
        self.lost = False
        self.notes: list[str] = []
        self.counts: dict[Path | Upload, int] = {}
        self.others, self.tagged, self.known = set[Path](), set[str](), set[str]()
        self.edition = hashlib.sha256(repr(sorted(variables.items())).encode())

    def path(self, path: Path | Upload) -> None:
        """Read a file, or the files of a folder.

        If nothing is found, the name or the copied files are probably wrong, so that is a problem.
        """
        files: list[Path | Upload] = [path]
        if isinstance(path, Path) and os.path.isdir(path):
            paths = list_files(path, lambda error: self._add_unreadable(Path(str(error.filename)), error))
            files = [each for each in paths if is_blueprint(each) and not os.path.isdir(each)]
            self.others |= set(paths).difference(each for each in files if isinstance(each, Path))
        for file in files:
            if file not in self.counts and len(self.problems) <= MAX_PROBLEMS:
                self._file(file, given=file is path)
                self.others |= {file} if isinstance(file, Path) and not self.counts[file] else set()
        if isinstance(path, Path) and not self.problems and not any(self.counts[file] for file in files):
            kinds = "" if files == [path] else " None of its .yaml and .yml files has one."
            self.lose(Problem(str(path), 1, 1, "", f"No document found.{kinds}"))

    def unknown(self) -> list[Problem]:
        """Return a problem for each given variable that no file uses: a typo, or a missing file."""
        file = str(next(iter(self.counts), ""))
        unknown = [name for name in self.variables if name not in self.known]
        return [
            Problem(file, 1, 1, f"--var {name}", f"No !vars uses it.{suggest_name(name, self.known)}")
            for name in unknown
        ]

    def _file(self, file: Path | Upload, *, given: bool) -> None:
        before, self.counts[file] = len(self.found), 0
        try:
            data = _read_bytes(file, given)
            self.edition.update(f"{file}\0{len(data)}\0".encode(errors="surrogateescape") + data)
            used = TagUsage()
            folder = None if isinstance(file, Upload) else file.parent
            nodes = parse(data)
            self.notes += [
                _reformatting_note(file, each) for node in nodes for each in node.reformatted_scalars()
            ][: MAX_PROBLEMS - len(self.notes)]
            self.found += _file(file, nodes, Tags(folder, self.variables, used), self)
            self.edition.update(used.hasher.digest())
            self.tagged |= used.files
            self.known |= used.variables
        except OSError as error:
            self._add_unreadable(file, error)
        except BadYaml as bad:
            self.lost = True
            self.problems.append(Problem(str(file), bad.line, bad.column, "", bad.message))
        self.counts[file] = len(self.found) - before

    def lose(self, problem: Problem) -> None:
        """Add a problem that hides documents."""
        self.lost = True
        self.problems.append(problem)

    def _add_unreadable(self, file: Path | Upload, error: OSError) -> None:
        self.lost = True
        self.problems.append(Problem(str(file), 1, 1, "", error.strerror or "can't be read"))


def _reformatting_note(file: Path | Upload, node: Node) -> str:
    text = f"{node.original[:50]} is read as the number {node.value}. Quote it if it isn't a number."
    return str(Problem(str(file), node.line, node.column, "", text))


def _read_bytes(file: Path | Upload, given: bool) -> bytes:
    """Return the bytes of a file; only a file that is given by name may be a pipe."""
    if isinstance(file, Upload):
        return file.text.encode()
    if not given:
        return read_head(file, MAX_BYTES + 1)
    with file.open("rb") as opened:
        return opened.read(MAX_BYTES + 1)


def _file(
    file: Path | Upload, nodes: list[Node], tags_of_file: Tags, reading: "_Reading"
) -> Iterator[LocatedDocument]:
    problems = reading.problems
    variable_sets: list[tuple[dict[str, Any], Node | None]] = [({}, None)]
    if nodes and nodes[0].is_map and VARS in nodes[0].value:
        variable_sets = _variable_sets(str(file), nodes.pop(0), tags_of_file, problems)
        reading.lost |= not variable_sets
    if len(variable_sets) * sum(node.weight for node in nodes) > MAX_NODES:
        reading.lose(Problem(str(file), 1, 1, VARS, "The file is too large with all of these."))
        return
    own_tenant = current_tenant().name if isinstance(file, Upload) else ""
    tags_of_file.usage.variables.update(*(each for each, _row in variable_sets))
    for each, row in variable_sets:
        tags, tenant = (
            replace(tags_of_file, variables={**each, **tags_of_file.variables}),
            own_tenant or DEFAULT,
        )
        for node in nodes:
            if len(problems) > MAX_PROBLEMS:
                return
            located = _check_document(str(file), tenant, node, tags, reading, row)
            if located and isinstance(file, Upload) and not file.any_tenant and located.tenant != own_tenant:
                problems.append(
                    located.problem([located.kind], (f"This belongs to another tenant than {own_tenant}."))
                )
            elif located:
                tenant = located.name if located.kind == "tenant" else tenant
                yield replace(
                    located,
                    from_person=isinstance(file, Upload),
                    rights=file.rights if isinstance(file, Upload) else EVERYTHING,
                )


def _variable_sets(
    file: str, node: Node, tags: Tags, problems: list[Problem]
) -> list[tuple[dict[str, Any], Node | None]]:
    """Return the sets of variables with which the rest of a file is read, each with its node.

    There is one for each mapping under ``vars``.
    """
    values = tags.resolve(
        node, lambda at, text: problems.append(Problem(file, at.line, at.column, VARS, text))
    )
    declared: Any = values[VARS] if isinstance(values, dict) else None
    variable_sets: list[Any] = declared if isinstance(declared, list) else [declared]
    if (
        node.value.keys() != {VARS}
        or not 0 < len(variable_sets) <= MAX_VARIABLE_SETS
        or not all(isinstance(each, dict) for each in variable_sets)
    ):
        problems.append(
            problem(
                file,
                node,
                (VARS,),
                "This must be a list of mappings: the rest of the file is read once with each of them.",
            )
        )
        return []
    entries = node.value[VARS][1]
    return list(zip(variable_sets, entries.value if entries.is_list else [entries], strict=True))


def _check_document(
    file: str, tenant: str, node: Node, tags: Tags, reading: _Reading, row: Node | None
) -> LocatedDocument | None:
    if not node.is_map:
        reading.lose(
            Problem(
                file,
                node.line,
                node.column,
                "",
                (f"A document starts with its kind: {', '.join(DOCUMENTS)}."),
            )
        )
        return None
    kind = next((key for key in node.value if key in DOCUMENTS), None)
    if kind is None:
        first = next(iter(node.value), "")
        hint = did_you_mean(first, DOCUMENTS, f" There are: {', '.join(DOCUMENTS)}.")
        reading.lose(
            Problem(file, node.line, node.column, first[:50], (f"This isn't a kind of document.{hint}"))
        )
        return None
    unknown: list[Node] = []
    tag_problems: list[Problem] = []

    def report(at: Node, text: str) -> None:
        unknown.append(at)
        tag_problems.append(Problem(file, at.line, at.column, "", text))

    values = tags.resolve(node, report)
    secret = find_secret(values) if kind == "flow" else ()
    if path := secret:
        tag_problems.append(problem(file, node, path, "!secret is only allowed for secrets."))
    document, errors = (
        validate_partially(DOCUMENTS[kind], values, f"unnamed-{len(reading.problems)}")
        if isinstance(values, dict)
        else (None, [])
    )
    known_problems = problems_by_key(file, node, DOCUMENTS[kind], errors, unknown, row)
    reading.problems += [*tag_problems, *known_problems.values()]
    reading.lost |= any(path[0] in DOCUMENTS and path[0] != kind for path in known_problems if path)
    if document is None or secret:
        return None
    owner = document.tenant if isinstance(document, TenantDocument) else tenant
    return LocatedDocument(file, owner, kind, document, node, known_problems=known_problems, variables=row)


def _duplicates(found: list[LocatedDocument]) -> list[Problem]:
    seen: dict[tuple[str, str, str], LocatedDocument] = {}
    problems = []
    for each in found:
        if each.only_names_tenant:
            continue
        first = seen.setdefault((each.tenant, each.kind, each.name), each)
        if first is not each:
            problems.append(
                each.problem([each.kind], f"{each.kind} {each.name} is already defined in {first.file}.")
            )
    return problems
