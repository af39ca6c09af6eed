"""Finds errors in a flow before it is published; builder, blueprints and API show the same findings."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from pydantic import ValidationError

from flows.conditions.doubts import Doubt, asks_after, comparisons, doubts
from flows.conditions.expressions import DECISION, STEPS, BadCondition, Condition, place, vocabulary
from flows.documents.designations import DESIGNATIONS, PART
from flows.documents.document import TYPED, FlowDocument
from flows.documents.layout import Box, Layout, TooLarge, lay_out, symbol
from flows.documents.warnings import cautions
from flows.registry import stages
from flows.run import Decision
from flows.stage import Stage
from flows.validation_messages import sentence
from idp.foundation.text import did_you_mean, line, lines, nfc

_CLAIM = "person"
_REQUIRED = {
    "person": "an identified person",
    "proof": "a verified password",
    "second_factor": "a verified second factor",
    "signed_in": "a signed-in person",
    "request": "a known request",
    "consent": "consent",
    "credential": "a new sign-in method",
    "signed_out": "an ended session",
}


@dataclass(frozen=True)
class Finding:
    """A problem in the document; ``path`` leads to its key. An error prevents publishing."""

    path: tuple[str | int, ...]
    message: str
    level: Literal["error", "warning"] = "error"


def lint(
    document: FlowDocument,
    parts: Mapping[str, FlowDocument] | None = None,
    *,
    names: Mapping[str, Collection[str]] | None = None,
) -> list[Finding]:
    """Return all findings, in the order of the steps.

    ``parts``: the sub-flows to which it may refer, by name.

    ``names``: names that will exist in addition to those of the tenant in scope, by kind of object
    (``group``). With it, names in conditions are checked; None where no tenant is in scope.
    """
    try:
        layout = lay_out(document, parts or {})
    except TooLarge as error:
        return [Finding(("steps",), str(error))]
    found = [
        *_texts(document.model_dump(mode="json", by_alias=True, exclude_defaults=True)),
        *_identifiers(layout, document),
        *_empty(layout, document),
        *_parts(layout, document, parts or {}),
        *_order(layout, document),
        *_goal(layout, document),
        *_doubts(layout, names),
        *_cautions(layout),
    ]
    return list(dict.fromkeys(found))


def looked_for(document: FlowDocument) -> Iterator[tuple[str, str, tuple[str | int, ...]]]:
    """Yield each name that its conditions look for: its kind (such as ``group``), the name, and the path."""
    try:
        boxes = lay_out(document, {}).boxes
    except TooLarge:
        return
    for box in boxes:
        try:
            found = comparisons(box.condition) if box.condition else []
        except BadCondition:
            continue
        for each in found:
            if (word := vocabulary().get(each.word)) and word.thing:
                yield word.thing, nfc(each.text), (*box.path, "when")


def _texts(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[Finding]:
    """Yield findings for invisible characters, which make titles or compared texts look alike."""
    if isinstance(value, str):
        try:
            (line if path[-1] in ("title", "name") else lines)(value)
        except ValueError as wrong:
            yield Finding(path, f"{str(wrong)[0].upper()}{str(wrong)[1:]}.")
        return
    for key, each in (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    ):
        if key not in TYPED:
            yield from _texts(each, (*path, key))


def _identifiers(layout: Layout, document: FlowDocument) -> Iterator[Finding]:
    """Yield findings for IDs that are not unique over the whole run.

    Otherwise the decision of one step would also decide another one, perhaps in a sub-flow.
    """
    seen: dict[str, Box] = {}
    for box in layout.boxes:
        like = seen.setdefault(symbol(box.id), box)
        if like is box or (box.prefix and box.prefix == like.prefix):
            continue  # reported when the sub-flow itself is published
        message = (
            f"Two steps have the ID {box.id}."
            if like.id == box.id
            else f"Step ID {box.id} is too similar to {like.id}: conditions can't tell them apart."
        )
        finding = Finding((*box.path, "id"), message)
        yield _at_reference(finding, box, layout) if box.prefix else finding


def _empty(layout: Layout, document: FlowDocument) -> Iterator[Finding]:
    if not document.steps:
        yield Finding(("steps",), "Add at least one step.")
    for box in layout.boxes:
        if box.drawn.group is not None and not box.drawn.steps and not box.prefix:
            yield Finding((*box.path, "steps"), f"Section {box.id} is empty. Add a step to it.")


def _parts(layout: Layout, document: FlowDocument, parts: Mapping[str, FlowDocument]) -> Iterator[Finding]:
    for box in layout.boxes:
        name = box.drawn.flow
        if name is not None and name not in parts and not box.prefix:
            yield Finding(
                (*box.path, "flow"),
                f"Sub-flow {name} isn't published.{did_you_mean(name, parts)}",
            )


def _order(layout: Layout, document: FlowDocument) -> Iterator[Finding]:
    """Yield findings for facts that are missing when a step needs them.

    A fact is certain when everything on which its giver depends also holds for the step.
    """
    givers: list[tuple[set[str], set[str]]] = []
    everything = {fact for stage in stages().values() for fact in (*stage.gives, *stage.needs)}
    if document.designation == PART:  # the enclosing flow gives what it needs, and is checked for it
        givers.append((everything, set()))
    for box in layout.boxes:
        known = {fact for gives, _ in givers for fact in gives}
        certain = {fact for gives, guards in givers for fact in gives if guards <= set(box.within)}
        for finding in _box(box, known, certain):
            yield finding if not box.prefix else _at_reference(finding, box, layout)
        stage = stages().get(box.drawn.stage or "")
        if stage:
            guards = {each for each in (box.id, *box.within) if _may_be_skipped(layout.by_id[each])}
            givers.append((set(stage.gives), guards))
        elif box.drawn.stage is not None:  # an unknown stage may give what later steps need
            givers.append((everything, set()))


def _box(box: Box, known: set[str], certain: set[str]) -> Iterator[Finding]:
    if box.drawn.stage is None:
        yield from _condition(box, known)
        return
    stage = stages().get(box.drawn.stage)
    if stage is None:
        hint = did_you_mean(box.drawn.stage, stages(), f" Available stages: {', '.join(stages())}.")
        yield Finding((*box.path, "stage"), f"Unknown stage {box.drawn.stage}.{hint}")
        return
    yield from _settings(box, stage)
    yield from _condition(box, known)
    for fact in sorted(set(stage.needs) - known):
        yield Finding(
            (*box.path, "stage"), f"{stage.kind} requires {_required(fact)}.{_givers(fact, ' before it')}"
        )
    for fact in sorted(set(stage.needs) & known - certain):
        if box.drawn.when is None:
            message = (
                f"{stage.kind} requires {_required(fact)}, but the step that provides it runs only under a "
                "condition."
            )
            yield Finding((*box.path, "stage"), message, "warning")


def _at_reference(finding: Finding, box: Box, layout: Layout) -> Finding:
    """Return the finding of a sub-flow at the step of this document that refers to the sub-flow."""
    outermost = next(layout.by_id[each] for each in box.within if layout.by_id[each].drawn.flow is not None)
    return Finding((*outermost.path, "flow"), f"{box.flow}: {finding.message}", finding.level)


def _may_be_skipped(box: Box) -> bool:
    return box.drawn.when is not None or box.drawn.on_refusal == "continue"


def _settings(box: Box, stage: type[Stage]) -> Iterator[Finding]:
    try:
        stage.Settings.model_validate(stage.upgrade(box.drawn.settings))
    except ValidationError as errors:
        for error in errors.errors():
            yield Finding(
                (*box.path, "settings", *error["loc"]),
                sentence(error, stage.Settings.model_fields, "setting"),
            )


def _condition(box: Box, known: set[str]) -> Iterator[Finding]:
    try:
        condition = box.condition
    except BadCondition as bad:
        yield Finding((*box.path, "when"), f"line {bad.line}, column {bad.column}: {bad.message}")
        return
    if condition is None:
        return
    for absent in condition.missing:
        yield Finding((*box.path, "when"), absent)
    for fact in sorted(condition.needs - known):
        yield Finding(
            (*box.path, "when"),
            f"The condition reads {_reading(condition)}, which requires {_required(fact)}."
            f"{_givers(fact, ' before it')}",
        )
    if _CLAIM in condition.needs and "proof" not in known:
        message = (
            "The condition reads details of the person before they are authenticated. This can reveal which "
            "accounts exist."
        )
        yield Finding((*box.path, "when"), message, "warning")


def _doubts(layout: Layout, names: Mapping[str, Collection[str]] | None) -> Iterator[Finding]:
    """Yield warnings about conditions; those of a sub-flow are reported there."""
    there: dict[str, Collection[str]] = {}
    for box in layout.boxes:
        try:
            around = [each for name in box.within if (each := layout.by_id[name].condition)]
            condition = box.condition
        except BadCondition:
            continue
        if condition is None or box.prefix:
            continue
        found = [*doubts(condition, frozenset[str]().union(*map(asks_after, around)))]
        if names is not None:
            hints = (
                word.hint() for name in condition.names if (word := vocabulary().get(name)) and word.hint
            )
            found += [Doubt(hint, 0) for hint in hints if hint]
        for compared in comparisons(condition):
            thing, choices = _choices(compared.word, box, layout, names, there)
            if thing and compared.text not in choices:
                found.append(
                    Doubt(
                        f"There is no {thing} {compared.text}.{did_you_mean(compared.text, choices)}",
                        compared.offset,
                    )
                )
        for doubt in found:
            where = place(condition.source, doubt.offset)
            yield Finding(
                (*box.path, "when"), f"line {where[0]}, column {where[1]}: {doubt.message}", "warning"
            )


def _choices(
    word: str,
    box: Box,
    layout: Layout,
    names: Mapping[str, Collection[str]] | None,
    there: dict[str, Collection[str]],
) -> tuple[str, Collection[str]]:
    """Return the possible values of a variable, with their kind; "" where any value is possible.

    ``there``: values that were loaded already.
    """
    if word.startswith(STEPS):
        return _answers(word.removeprefix(STEPS), box, layout)
    known = vocabulary()[word]
    if known.choices is None or names is None:
        return "", ()
    if word not in there:
        there[word] = {*known.choices(), *(nfc(each) for each in names.get(known.thing, ()))}
    return known.thing, there[word]


def _answers(word: str, box: Box, layout: Layout) -> tuple[str, Collection[str]]:
    """Return the possible values of an output of an earlier step of the same document, with their kind."""
    head, _, member = word.partition(".")
    if member == DECISION:
        return "decision", get_args(Decision)
    step = next(
        (each for each in layout.boxes if each.prefix == box.prefix and symbol(each.drawn.id) == head), None
    )
    kind = stages().get(step.drawn.stage or "") if step else None
    if step is None or kind is None:
        return "", ()
    ways = kind(kind.Settings.model_validate(kind.upgrade(step.drawn.settings))).ways()
    return (f"answer of the step {step.drawn.id}", ways[member]) if member in ways else ("", ())


def _goal(layout: Layout, document: FlowDocument) -> Iterator[Finding]:
    kinds = [stage for box in layout.boxes if (stage := stages().get(box.drawn.stage or ""))]
    goal = DESIGNATIONS[document.designation].goal
    if any(box.drawn.stage and box.drawn.stage not in stages() for box in layout.boxes):
        return
    if goal and not any(goal in stage.gives or stage.kind == "deny" for stage in kinds):
        yield Finding(
            ("for",),
            f"A flow with the purpose {document.designation} requires {_required(goal)}.{_givers(goal)}",
        )


def _cautions(layout: Layout) -> Iterator[Finding]:
    for box, message in cautions(layout):
        finding = Finding((*box.path, "stage"), message, "warning")
        yield _at_reference(finding, box, layout) if box.prefix else finding


def _reading(condition: Condition) -> str:
    return ", ".join(condition.names)


def _required(fact: str) -> str:
    """Return what a fact means; a fact of another package has only its name."""
    return _REQUIRED.get(fact, fact)


def _givers(fact: str, where: str = "") -> str:
    *kinds, last = [kind for kind, stage in stages().items() if fact in stage.gives] or [""]
    if not last:
        return ""
    listed = f"{', '.join(kinds)} or {last}" if kinds else last
    return f" Add {'an' if listed[0] in 'aeiou' else 'a'} {listed} step{where}."
