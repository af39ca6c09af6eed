"""authentik's flows, with their bindings and policies, converted to flow documents."""

import copy
import re
from typing import Any

from pydantic import ValidationError

from blueprints.convert.entries import AuthentikEntry, NotConvertible
from blueprints.convert.report import Block
from blueprints.convert.steps import ConversionContext, convert_stage, deny_step
from blueprints.convert.verdicts import PolicyEvaluation, PolicyVerdict
from flows.documents.document import FlowDocument
from flows.documents.layout import condition_name
from flows.documents.lint import lint
from flows.validation_messages import describe_error
from idp.foundation.text import clean_line

FLOW = "authentik_flows.flow"
_STAGE_BINDING = "authentik_flows.flowstagebinding"
# stages that sign a person in or change their credentials; the others only ask
_GRANTING_STAGES = {"login", "totp_setup", "recovery_code_setup"}
_APPEARANCE_KEYS = ("background", "layout", "compatibility_mode")
_AUTHENTICATED = ("", "none", "require_authenticated", "require_unauthenticated")
# flows that begin before the person is known
_ANONYMOUS_DESIGNATIONS = ("authentication", "enrollment", "recovery")
_ALWAYS = PolicyVerdict("true", "true")
NEVER_EVALUATED = (
    "authentik never asks its policies, for evaluate_on_plan and re_evaluate_policies are both false"
)
EVALUATED_BEFORE_SIGN_IN = (
    "authentik asks its policies before it knows who is there: people who are not signed in yet "
    "have no group, so a policy of a group or a person lets no one pass, and a negated one everyone"
)
MAX_STEPS = 100
DESIGNATIONS = {
    "authentication": "authentication",
    "enrollment": "enrollment",
    "recovery": "recovery",
    "invalidation": "logout",
    "stage_configuration": "credential_setup",
}


class Flows:
    """Converts the steps of every flow, each flow once."""

    def __init__(self, context: ConversionContext) -> None:
        self.context = context
        self._bindings: dict[AuthentikEntry, list[AuthentikEntry]] = {}
        self._steps: dict[AuthentikEntry, list[Block]] = {}
        self._unassigned: set[str] = set()
        for binding in context.objects.by_model(_STAGE_BINDING):
            flow = context.objects.find(binding.get("target"))
            if flow is not None and flow.model == FLOW:
                self._bindings.setdefault(flow, []).append(binding)
                continue
            binding.is_reported = True
            if context.objects.is_external(binding.get("target")):
                context.note(binding, "its flow is missing in the files; it is not converted.")
            else:
                self._unassigned.add(binding.file)
                context.note(binding, "its flow is not known: every flow of this file refuses.")

    def steps(self, flow: AuthentikEntry) -> list[Block]:
        """Return the steps for the stages and policies of the flow."""
        if flow not in self._steps:
            self._steps[flow] = self._convert(flow)
        return self._steps[flow]

    def requires_sign_in(self, flow: AuthentikEntry) -> bool:
        """Return whether only people who are signed in can run the flow."""
        return flow.plain_text("authentication") == "require_authenticated"

    def build_document(
        self, name: str, flow: AuthentikEntry, designation: str, steps: list[Block], *, default: bool
    ) -> Block:
        """Return the flow document of these steps; an invalid one refuses everyone and states why."""
        title = clean_line(flow.plain_text("title") or flow.title, 100) or name
        values: dict[str, Any] = {
            "flow": name,
            "title": title,
            "for": designation,
            **({} if default else {"default": False}),
        }
        block = Block({**values, "steps": _with_unique_ids(copy.deepcopy(steps[: MAX_STEPS + 1]))})
        if found := _errors(block):
            self.context.note(
                flow, f"what it becomes is not sound, so it refuses everyone: {'; '.join(found)[:300]}"
            )
            comments = [
                f"authentik: what {flow.title} becomes is not sound, so it refuses everyone:",
                *found,
                *_comments(block),
            ]
            block = Block({**values, "steps": [deny_step("not-carried-over", *comments)]})
        return block

    def _convert(self, flow: AuthentikEntry) -> list[Block]:
        for key in _APPEARANCE_KEYS:
            if flow.get(key) not in (None, ""):
                self.context.note(flow, f"{key} is not converted: a tenant has a logo and an accent.", key)
        if flow.file in self._unassigned:
            return [
                deny_step(
                    "missing-stage", f"authentik: a stage of {flow.file} belongs to a flow that is not known"
                )
            ]
        bindings = sorted(self._bindings.get(flow, []), key=_order)
        if unordered := [binding for binding in bindings if _number(binding.get("order")) is None]:
            self.context.note(
                unordered[0],
                (
                    "its order is not known, and a condition may stand before it is known who is there: the "
                    "flow refuses."
                ),
            )
            return [deny_step("order", f"authentik: the order of the stages of {flow.title} is not known")]
        if len(bindings) > MAX_STEPS:
            self.context.note(flow, f"it has more than {MAX_STEPS} stages and refuses everyone.")
            return [deny_step("too-many-stages", f"authentik: {flow.title} has more than {MAX_STEPS} stages")]
        stages = [self.context.objects.find(binding.get("stage")) for binding in bindings]
        self.context.saves_answers = any(
            stage is not None and stage.model.endswith(".userwritestage") for stage in stages
        )
        steps = [step for binding in bindings for step in self._bound_steps(flow, binding)]
        return self._with_guard(flow, self._passwords_once(flow, steps))

    def _bound_steps(self, flow: AuthentikEntry, binding: AuthentikEntry) -> list[Block]:
        context = self.context
        stage = context.objects.find(binding.get("stage"))
        self._note_invalid_response(binding)
        policies = context.policies.evaluate(binding)
        verdict = self._binding_verdict(flow, binding, policies)
        if stage is None:
            context.note(binding, "its stage is missing in the files; a denying step replaces it.")
            return [
                deny_step(
                    "missing-stage", f"authentik: the stage {binding.get('stage')} is missing in the files"
                )
            ]
        steps = copy.deepcopy(convert_stage(stage, context))
        opens = any(step.values.get("stage") in _GRANTING_STAGES for step in steps)
        when = verdict.certain if opens else verdict.possible
        if when == "false":
            context.note(
                binding,
                (
                    f"whom its policies let pass {stage.title} is not known; a denying step is "
                    "added before it."
                ),
            )
            return [deny_step(f"{stage.title}-policies", *policies.comments), *steps]
        if not opens and not verdict.is_known and policies.comments:
            context.note(
                binding,
                f"a policy decides when {stage.title} applies, which is unknown: it applies always.",
            )
        elif not opens and policies.comments:
            context.note(
                binding,
                (
                    f"a policy decides when {stage.title} applies, which is unknown: it applies "
                    "wherever its others agree."
                ),
            )
        steps[0].comments = [*policies.comments, *steps[0].comments]
        for step in steps:
            step.values = _with_condition(step.values, when)
        return steps

    def _binding_verdict(
        self, flow: AuthentikEntry, binding: AuthentikEntry, policies: PolicyEvaluation
    ) -> PolicyVerdict:
        """Return the condition of a stage, from when authentik evaluates its policies.

        That is when the flow is planned, when the stage is reached, or never.
        """
        context = self.context
        anonymous = flow.plain_text("designation") in _ANONYMOUS_DESIGNATIONS
        try:
            planned, reached = (
                binding.boolean("evaluate_on_plan"),
                binding.boolean("re_evaluate_policies", True),
            )
        except NotConvertible as error:
            context.notes.add(
                binding.file,
                error.line,
                f"{binding}: {error.text}; when its policies are asked is not known.",
            )
            return (
                PolicyVerdict("true", policies.combine(strangers=anonymous).certain) if policies else _ALWAYS
            )
        key = "evaluate_on_plan" if planned else "re_evaluate_policies"
        if not policies:
            if planned or not reached:
                context.note(binding, f"{key} says nothing: no policy is bound to it.", key)
            return _ALWAYS
        if not planned and not reached:
            conditions = f" ({' '.join(policies.conditions())})" if policies.conditions() else ""
            context.note(
                binding, f"{NEVER_EVALUATED}{conditions}: the stage always applies, there and here.", key
            )
            return PolicyVerdict("true", "false") if binding.doubt else _ALWAYS
        at_plan = policies.combine(strangers=anonymous)
        if not planned:
            return policies.combine()
        if anonymous and policies.depends_on_person:
            text = (
                f"{EVALUATED_BEFORE_SIGN_IN}. Here they are asked once it is known, and the stricter counts."
            )
        else:
            text = "evaluate_on_plan: authentik asks its policies as the flow begins; here, at the step."
        context.note(binding, text, key)
        return PolicyVerdict(policies.combine().possible if reached else at_plan.possible, at_plan.certain)

    def _note_invalid_response(self, binding: AuthentikEntry) -> None:
        try:
            action = binding.text("invalid_response_action") or "retry"
        except NotConvertible as error:
            self.context.notes.add(binding.file, error.line, f"{binding}: {error.text}")
            return
        if action != "retry":
            text = (
                f"invalid_response_action {action[:30]} is not converted: a wrong answer is asked for again."
            )
            self.context.note(binding, text, "invalid_response_action")

    def _passwords_once(self, flow: AuthentikEntry, steps: list[Block]) -> list[Block]:
        """Return the steps with the password asked once.

        A password that was asked together with the username is not asked again: it is the same proof.
        """
        first = next(
            (step for step in steps if step.values.get("stage") == "password" and "when" not in step.values),
            None,
        )
        result: list[Block] = []
        for step in steps:
            if (
                first is not None
                and step is not first
                and step.values.get("stage") == "password"
                and _is_among(first, result)
            ):
                self.context.note(
                    flow, "the password is asked once: the identification stage asks for it already."
                )
                first.comments += step.comments
            else:
                result.append(step)
        return result

    def _with_guard(self, flow: AuthentikEntry, steps: list[Block]) -> list[Block]:
        """Return the steps with one that denies the people whom the flow's own policies exclude.

        It comes before anyone is signed in.
        """
        policies = self._access(flow)
        if not policies:
            return steps
        anonymous = flow.plain_text("designation") in _ANONYMOUS_DESIGNATIONS
        allowed = policies.combine(strangers=anonymous).certain
        guard = deny_step(f"{flow.title}-policies", *policies.comments)
        if anonymous and policies.depends_on_person:
            self.context.note(flow, f"{EVALUATED_BEFORE_SIGN_IN}. Here the stricter of both counts.")
        if allowed == "false":
            self.context.note(flow, "it is unknown who may use it, or no one may; it refuses everyone.")
            return [guard, *steps]
        guard.values = _with_condition(guard.values, f"!({allowed})")
        opens = [at for at, step in enumerate(steps) if step.values.get("stage") in _GRANTING_STAGES]
        at = opens[0] if opens else 0
        return [*steps[:at], guard, *steps[at:]]

    def _access(self, flow: AuthentikEntry) -> PolicyEvaluation:
        policies = self.context.policies.evaluate(flow)
        authentication = flow.get("authentication") or ""
        is_contradictory = (
            authentication == "require_authenticated" and flow.plain_text("designation") == "authentication"
        )
        if authentication not in _AUTHENTICATED or is_contradictory:
            shown = flow.plain_text("authentication")[:50]
            self.context.note(
                flow, f"authentication: {shown} is not converted; it refuses everyone.", "authentication"
            )
            policies.add_unknown(f"authentik: authentication: {authentication}")
            policies.require_all = True
        return policies


def _is_among(first: Block, steps: list[Block]) -> bool:
    """Return whether the step is one of these already."""
    return any(step is first for step in steps)


def _order(binding: AuthentikEntry) -> tuple[float, str, int]:
    return (_number(binding.get("order")) or 0.0, binding.file, binding.line)


def _number(order: Any) -> float | None:
    """Return the position of a stage; None if it is unknown. A missing order is the first position."""
    if order is None:
        return 0.0
    plain = isinstance(order, int | float | str) and not isinstance(order, bool)
    return float(order) if plain and re.fullmatch(r"-?[0-9]{1,9}(\.0)?", str(order)) else None


def _with_condition(values: dict[str, Any], when: str) -> dict[str, Any]:
    """Return the values of a step with the condition after its name."""
    if when == "true":
        return values
    first = {key: value for key, value in values.items() if key in ("id", "stage", "group")}
    both = f"({values['when']}) && ({when})" if "when" in values else when
    return {
        **first,
        "when": both,
        **{key: value for key, value in values.items() if key not in (*first, "when")},
    }


def _with_unique_ids(steps: list[Block], taken: set[str] | None = None) -> list[Block]:
    """Return the same steps with unique ids: duplicates are numbered, and conditions next to them follow."""
    taken = set() if taken is None else taken
    for step in steps:
        kind = step.values.get("stage") or step.values.get("group") or ""
        base = name = step.values.get("id") or kind
        number = 1
        while condition_name(name) in taken:
            number += 1
            name = f"{base}-{number}"
        taken.add(condition_name(name))
        for each in steps if name != base else ():
            if "when" in each.values:
                each.values["when"] = each.values["when"].replace(
                    f"steps.{condition_name(base)}.", f"steps.{condition_name(name)}."
                )
        rest = {key: value for key, value in step.values.items() if key != "id"}
        step.values = rest if name == kind else {"id": name, **rest}
        _with_unique_ids(step.values.get("steps", []), taken)
    return steps


def _comments(block: Block) -> list[str]:
    steps = block.values.get("steps", [])
    return list(dict.fromkeys([*block.comments, *(comment for step in steps for comment in _comments(step))]))


def _errors(block: Block) -> list[str]:
    try:
        document = FlowDocument.model_validate(block.plain())
    except ValidationError as errors:
        return [f"{'.'.join(map(str, error['loc']))}: {describe_error(error)}" for error in errors.errors()]
    return [
        f"{'.'.join(map(str, found.path))}: {found.message}"
        for found in lint(document, {})
        if found.level == "error"
    ]
