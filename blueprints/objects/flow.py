"""Flows: differences are reported step by step, and only a difference creates a new version."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from blueprints.objects.kind import KeyChange, Kind, ObjectChange, Reference, filter_by_names, select_names
from flows.documents.designations import SUB_FLOW
from flows.documents.diff import diff_flows
from flows.documents.document import FlowDocument, StepDocument
from flows.documents.lint import names_in_conditions
from flows.editing.publishing import PreparedFlow, delete_flow, find_conflicts, retire, store
from flows.models import Flow
from idp.foundation.text import fold

NOTE = "applied from a blueprint"
# deleting one of these would silently change who is allowed in
_IN_CONDITIONS = ("group", "scope", "application")


class FlowKind(Kind):
    """The kind of flows, represented by their live version; the whole flow document is one key."""

    name = "flow"

    def desired(self, document: Any) -> dict[str, Any]:
        return {"document": document.as_json()}

    def current(self, names: Collection[str] | None) -> dict[str, dict[str, Any]]:
        rows = filter_by_names(Flow.objects.filter(live__isnull=False).select_related("live"), names)
        return select_names(
            {row.name: {"document": row.live.document, "parts": row.live.parts} for row in rows if row.live},
            names,
        )

    def references(self, document: FlowDocument) -> Iterable[Reference]:
        for name, path in _sub_flows(document.steps, ("steps",)):
            yield Reference("flow for part", name, path)
        for at, test in enumerate(document.tests):
            if isinstance(test.person, str):
                yield Reference("person", fold(test.person), ("tests", at, "person"))
        for object_kind, name, path in names_in_conditions(document):
            if object_kind in _IN_CONDITIONS:
                yield Reference(f"{object_kind} for condition", name, path)

    def possible_referrers(self, gone: Mapping[str, Collection[str]]) -> Collection[str] | None:
        return None if gone.keys() & {"flow", "person", *_IN_CONDITIONS} else ()

    def stored_document(self, keys: Mapping[str, Any]) -> Any:
        if "document" in keys:
            return FlowDocument.model_validate(keys["document"])
        return super().stored_document({"flow": "", "steps": (), "tests": ()})

    def exists(self, name: str) -> bool:
        return Flow.objects.filter(name=name).exists()

    def difference(self, change: ObjectChange) -> list[KeyChange]:
        """Return the changes step by step; ``change.ready`` is the prepared flow.

        A changed sub-flow also creates a new version of every flow that contains it.
        """
        prepared: PreparedFlow = change.prepared
        if change.before is None:
            return [KeyChange("document", None, _step_count(len(prepared.document.steps)))]
        old = FlowDocument.model_validate(change.before["document"])
        changes = [
            KeyChange(".".join(filter(None, (each.step, each.key))), _plain(each.old), _plain(each.new))
            for each in diff_flows(old, prepared.document)
        ]
        stale = [name for name, part in prepared.parts.items() if change.before["parts"].get(name) != part]
        changes += [KeyChange(f"flow {name}", "previous version", "current version") for name in stale]
        if not changes and change.before["document"] != change.desired["document"]:
            changes.append(KeyChange("document", "different formatting", "same flow"))
        return changes

    def readable_changes(self, key: KeyChange) -> list[KeyChange]:
        if key.key != "document":
            return [key]
        old, new = (FlowDocument.model_validate(document) for document in (key.old, key.new))
        return [
            KeyChange(".".join(filter(None, (each.step, each.key))), _plain(each.old), _plain(each.new))
            for each in diff_flows(old, new)
        ]

    def find_conflicts(
        self, changes: Sequence[ObjectChange]
    ) -> Iterable[tuple[ObjectChange, tuple[str | int, ...], str]]:
        planned = {change.name: change.located.document for change in changes if change.located}
        deleted = {change.name for change in changes if change.action == "delete"}
        existing = {flow.name: flow for flow in Flow.objects.all() if flow.name not in deleted}
        for change in changes:
            if change.located:
                yield from (
                    (change, finding.path, finding.message)
                    for finding in find_conflicts(change.located.document, planned, existing)
                )

    def write(self, changes: Sequence[ObjectChange], *, by: str) -> None:
        """Write the flows: sub-flows before the flows that contain them, defaults last.

        A flow that stops being the tenant's default is written before the one that becomes it.
        """
        for change in sorted(
            changes,
            key=lambda change: (
                change.prepared.document.designation != SUB_FLOW,
                change.prepared.document.default,
            ),
        ):
            store(change.prepared, by=by, note=NOTE)

    def release(self, names: Collection[str]) -> None:
        retire(names)

    def delete(self, names: Collection[str], *, by: str) -> None:
        for name in names:
            delete_flow(name, by=by)


def _sub_flows(
    steps: Iterable[StepDocument], path: tuple[str | int, ...]
) -> Iterator[tuple[str, tuple[str | int, ...]]]:
    for at, step in enumerate(steps):
        if step.flow is not None:
            yield step.flow, (*path, at, "flow")
        yield from _sub_flows(step.steps, (*path, at, "steps"))


def _step_count(steps: int) -> str:
    return "1 step" if steps == 1 else f"{steps} steps"


def _plain(value: Any) -> Any:
    return value if not isinstance(value, Mapping) else dict(value)
