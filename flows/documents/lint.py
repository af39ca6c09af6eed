"""Finds errors in a flow before it is published; builder, blueprints and API show the same findings."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from pydantic import ValidationError

from flows.conditions.expressions import (
    DECISION,
    STEPS_PREFIX,
    BadCondition,
    Condition,
    condition_variables,
    line_and_column,
)
from flows.conditions.implied_keys import guaranteed_keys
from flows.conditions.warnings import ConditionWarning, find_comparisons
from flows.conditions.warnings import find_warnings as find_condition_warnings
from flows.documents.designations import DESIGNATIONS, SUB_FLOW
from flows.documents.document import VERBATIM_FIELDS, FlowDocument
from flows.documents.layout import FlowTooLarge, Layout, LayoutNode, condition_name, lay_out
from flows.documents.warnings import find_warnings
from flows.registry import stages
from flows.run import Decision
from flows.stage import Stage
from flows.validation_messages import describe_error
from idp.foundation.text import did_you_mean, json_items, nfc, normalize_line, normalize_lines

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
    sub_flows: Mapping[str, FlowDocument] | None = None,
    *,
    planned_names: Mapping[str, Collection[str]] | None = None,
) -> list[Finding]:
    """Return all findings, in the order of the steps.

    ``sub_flows``: the sub-flows to which it may refer, by name.

    ``planned_names``: names that will exist in addition to those of the tenant in scope, by kind of object
    (``group``). With it, names in conditions are checked; None where no tenant is in scope.
    """
    try:
        layout = lay_out(document, sub_flows or {})
    except FlowTooLarge as error:
        return [Finding(("steps",), str(error))]
    found = [
        *_text_findings(document.model_dump(mode="json", by_alias=True, exclude_defaults=True)),
        *_id_findings(layout, document),
        *_empty_findings(layout, document),
        *_sub_flow_findings(layout, document, sub_flows or {}),
        *_fact_findings(layout, document),
        *_goal_findings(layout, document),
        *_condition_warnings(layout, planned_names),
        *_flow_warnings(layout),
    ]
    return list(dict.fromkeys(found))


def names_in_conditions(document: FlowDocument) -> Iterator[tuple[str, str, tuple[str | int, ...]]]:
    """Yield each name that its conditions look for: its kind (such as ``group``), the name, and the path."""
    try:
        nodes = lay_out(document, {}).nodes
    except FlowTooLarge:
        return
    for node in nodes:
        try:
            found = find_comparisons(node.condition) if node.condition else []
        except BadCondition:
            continue
        for each in found:
            if (declaration := condition_variables().get(each.variable)) and declaration.value_kind:
                yield declaration.value_kind, nfc(each.text), (*node.path, "when")


def _text_findings(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[Finding]:
    """Yield findings for invisible characters, which make titles or compared texts look alike."""
    if isinstance(value, str):
        try:
            (normalize_line if path[-1] in ("title", "name") else normalize_lines)(value)
        except ValueError as wrong:
            yield Finding(path, f"{str(wrong)[0].upper()}{str(wrong)[1:]}.")
        return
    for key, each in json_items(value):
        if key not in VERBATIM_FIELDS:
            yield from _text_findings(each, (*path, key))


def _id_findings(layout: Layout, document: FlowDocument) -> Iterator[Finding]:
    """Yield findings for IDs that are not unique over the whole run.

    Otherwise the decision of one step would also decide another one, perhaps in a sub-flow.
    """
    first_of_name: dict[str, LayoutNode] = {}
    for node in layout.nodes:
        first = first_of_name.setdefault(condition_name(node.id), node)
        if first is node or (node.prefix and node.prefix == first.prefix):
            continue  # reported when the sub-flow itself is published
        message = (
            f"Two steps have the ID {node.id}."
            if first.id == node.id
            else f"Step ID {node.id} is too similar to {first.id}: conditions can't tell them apart."
        )
        finding = Finding((*node.path, "id"), message)
        yield _at_reference(finding, node, layout) if node.prefix else finding


def _empty_findings(layout: Layout, document: FlowDocument) -> Iterator[Finding]:
    if not document.steps:
        yield Finding(("steps",), "Add at least one step.")
    for node in layout.nodes:
        if node.definition.group is not None and not node.definition.steps and not node.prefix:
            yield Finding((*node.path, "steps"), f"Section {node.id} is empty. Add a step to it.")


def _sub_flow_findings(
    layout: Layout, document: FlowDocument, parts: Mapping[str, FlowDocument]
) -> Iterator[Finding]:
    for node in layout.nodes:
        name = node.definition.flow
        if name is not None and name not in parts and not node.prefix:
            yield Finding(
                (*node.path, "flow"),
                f"Sub-flow {name} isn't published.{did_you_mean(name, parts)}",
            )


def _fact_findings(layout: Layout, document: FlowDocument) -> Iterator[Finding]:
    """Yield findings for facts that are missing when a step needs them.

    A fact is certain when everything on which its giver depends also holds for the step.
    """
    givers: list[tuple[set[str], set[str]]] = []
    everything = {fact for stage in stages().values() for fact in (*stage.gives, *stage.needs)}
    if document.designation == SUB_FLOW:  # the enclosing flow gives what it needs, and is checked for it
        givers.append((everything, set()))
    for node in layout.nodes:
        known = {fact for gives, _ in givers for fact in gives}
        certain = {fact for gives, guards in givers for fact in gives if guards <= set(node.ancestors)}
        for finding in _node_findings(node, known, certain):
            yield finding if not node.prefix else _at_reference(finding, node, layout)
        stage = stages().get(node.definition.stage or "")
        if stage:
            guards = {each for each in (node.id, *node.ancestors) if _may_be_skipped(layout.by_id[each])}
            givers.append((set(stage.gives), guards))
        elif node.definition.stage is not None:  # an unknown stage may give what later steps need
            givers.append((everything, set()))


def _node_findings(node: LayoutNode, known: set[str], certain: set[str]) -> Iterator[Finding]:
    if node.definition.stage is None:
        yield from _condition_findings(node, known)
        return
    stage = stages().get(node.definition.stage)
    if stage is None:
        hint = did_you_mean(node.definition.stage, stages(), f" Available stages: {', '.join(stages())}.")
        yield Finding((*node.path, "stage"), f"Unknown stage {node.definition.stage}.{hint}")
        return
    yield from _setting_findings(node, stage)
    yield from _condition_findings(node, known)
    for fact in sorted(set(stage.needs) - known):
        yield Finding(
            (*node.path, "stage"),
            f"{stage.kind} requires {_fact_title(fact)}.{_suggest_givers(fact, ' before it')}",
        )
    for fact in sorted(set(stage.needs) & known - certain):
        if node.definition.when is None:
            message = (
                f"{stage.kind} requires {_fact_title(fact)}, but the step that provides it runs only under a "
                "condition."
            )
            yield Finding((*node.path, "stage"), message, "warning")


def _at_reference(finding: Finding, node: LayoutNode, layout: Layout) -> Finding:
    """Return the finding of a sub-flow at the step of this document that refers to the sub-flow."""
    outermost = next(
        layout.by_id[each] for each in node.ancestors if layout.by_id[each].definition.flow is not None
    )
    return Finding((*outermost.path, "flow"), f"{node.flow}: {finding.message}", finding.level)


def _may_be_skipped(node: LayoutNode) -> bool:
    return node.definition.when is not None or node.definition.on_refusal == "continue"


def _setting_findings(node: LayoutNode, stage: type[Stage]) -> Iterator[Finding]:
    try:
        stage.Settings.model_validate(stage.upgrade(node.definition.settings))
    except ValidationError as errors:
        for error in errors.errors():
            yield Finding(
                (*node.path, "settings", *error["loc"]),
                describe_error(error, stage.Settings.model_fields, "setting"),
            )


def _condition_findings(node: LayoutNode, known: set[str]) -> Iterator[Finding]:
    try:
        condition = node.condition
    except BadCondition as bad:
        yield Finding((*node.path, "when"), f"line {bad.line}, column {bad.column}: {bad.message}")
        return
    if condition is None:
        return
    for absent in condition.missing:
        yield Finding((*node.path, "when"), absent)
    for fact in sorted(condition.needs - known):
        yield Finding(
            (*node.path, "when"),
            f"The condition reads {_list_variables(condition)}, which requires {_fact_title(fact)}."
            f"{_suggest_givers(fact, ' before it')}",
        )
    if _CLAIM in condition.needs and "proof" not in known:
        message = (
            "The condition reads details of the person before they are authenticated. This can reveal which "
            "accounts exist."
        )
        yield Finding((*node.path, "when"), message, "warning")


def _condition_warnings(layout: Layout, names: Mapping[str, Collection[str]] | None) -> Iterator[Finding]:
    """Yield warnings about conditions; those of a sub-flow are reported there."""
    cache: dict[str, Collection[str]] = {}
    for node in layout.nodes:
        try:
            around = [each for name in node.ancestors if (each := layout.by_id[name].condition)]
            condition = node.condition
        except BadCondition:
            continue
        if condition is None or node.prefix:
            continue
        found = [*find_condition_warnings(condition, frozenset[str]().union(*map(guaranteed_keys, around)))]
        if names is not None:
            hints = (
                declaration.hint()
                for name in condition.names
                if (declaration := condition_variables().get(name)) and declaration.hint
            )
            found += [ConditionWarning(hint, 0) for hint in hints if hint]
        for compared in find_comparisons(condition):
            kind, choices = _possible_values(compared.variable, node, layout, names, cache)
            if kind and compared.text not in choices:
                found.append(
                    ConditionWarning(
                        f"There is no {kind} {compared.text}.{did_you_mean(compared.text, choices)}",
                        compared.offset,
                    )
                )
        for doubt in found:
            where = line_and_column(condition.source, doubt.offset)
            yield Finding(
                (*node.path, "when"), f"line {where[0]}, column {where[1]}: {doubt.message}", "warning"
            )


def _possible_values(
    variable: str,
    node: LayoutNode,
    layout: Layout,
    names: Mapping[str, Collection[str]] | None,
    cache: dict[str, Collection[str]],
) -> tuple[str, Collection[str]]:
    """Return the possible values of a variable, with their kind; "" where any value is possible.

    ``cache``: values that were loaded already.
    """
    if variable.startswith(STEPS_PREFIX):
        return _possible_outputs(variable.removeprefix(STEPS_PREFIX), node, layout)
    declaration = condition_variables()[variable]
    if declaration.choices is None or names is None:
        return "", ()
    if variable not in cache:
        cache[variable] = {
            *declaration.choices(),
            *(nfc(each) for each in names.get(declaration.value_kind, ())),
        }
    return declaration.value_kind, cache[variable]


def _possible_outputs(output: str, node: LayoutNode, layout: Layout) -> tuple[str, Collection[str]]:
    """Return the possible values of an output of an earlier step of the same document, with their kind."""
    head, _, member = output.partition(".")
    if member == DECISION:
        return "decision", get_args(Decision)
    step = next(
        (
            each
            for each in layout.nodes
            if each.prefix == node.prefix and condition_name(each.definition.id) == head
        ),
        None,
    )
    kind = stages().get(step.definition.stage or "") if step else None
    if step is None or kind is None:
        return "", ()
    ways = kind(kind.Settings.model_validate(kind.upgrade(step.definition.settings))).branches()
    return (f"answer of the step {step.definition.id}", ways[member]) if member in ways else ("", ())


def _goal_findings(layout: Layout, document: FlowDocument) -> Iterator[Finding]:
    kinds = [stage for node in layout.nodes if (stage := stages().get(node.definition.stage or ""))]
    goal = DESIGNATIONS[document.designation].goal
    if any(node.definition.stage and node.definition.stage not in stages() for node in layout.nodes):
        return
    if goal and not any(goal in stage.gives or stage.kind == "deny" for stage in kinds):
        yield Finding(
            ("for",),
            (
                f"A flow with the purpose {document.designation} requires "
                f"{_fact_title(goal)}.{_suggest_givers(goal)}"
            ),
        )


def _flow_warnings(layout: Layout) -> Iterator[Finding]:
    for node, message in find_warnings(layout):
        finding = Finding((*node.path, "stage"), message, "warning")
        yield _at_reference(finding, node, layout) if node.prefix else finding


def _list_variables(condition: Condition) -> str:
    return ", ".join(condition.names)


def _fact_title(fact: str) -> str:
    """Return what a fact means; a fact of another package has only its name."""
    return _REQUIRED.get(fact, fact)


def _suggest_givers(fact: str, where: str = "") -> str:
    *kinds, last = [kind for kind, stage in stages().items() if fact in stage.gives] or [""]
    if not last:
        return ""
    listed = f"{', '.join(kinds)} or {last}" if kinds else last
    return f" Add {'an' if listed[0] in 'aeiou' else 'a'} {listed} step{where}."
