"""authentik's policies as conditions; one that cannot be a condition counts as the stricter alternative."""

from typing import Any

from blueprints.convert.entries import AuthentikEntry, AuthentikObjects, NotConvertible
from blueprints.convert.groups import Groups
from blueprints.convert.names import group_name
from blueprints.convert.report import Notes
from blueprints.convert.values import UnknownValue
from blueprints.convert.verdicts import PolicyEvaluation, PolicyVerdict, negated, quoted
from idp.foundation.text import fold

BINDING = "authentik_policies.policybinding"
_GEO = "authentik_policies_geoip.geoippolicy"
FAILING = "a policy that fails passes there; here a condition that fails refuses"
_SILENT_KEYS = ("name", "pk", "managed")


class Policies:
    """The policy bindings of all files, by their targets."""

    def __init__(self, objects: AuthentikObjects, notes: Notes) -> None:
        self._objects, self._notes = objects, notes
        self._bound: dict[AuthentikEntry, list[AuthentikEntry]] = {}
        self._evaluated: set[AuthentikEntry] = set()
        self._strays = {file: list(comments) for file, comments in objects.strays.items()}
        self._groups = Groups(objects)
        for binding in objects.by_model(BINDING):
            target = objects.find(binding.get("target"))
            if target is None:
                self._without_target(binding)
            else:
                self._bound.setdefault(target, []).append(binding)

    def evaluate(self, target: AuthentikEntry) -> PolicyEvaluation:
        """Return the combined policies of this object."""
        self._evaluated.add(target)
        found = PolicyEvaluation(require_all=self._everyone(target))
        for each in self._strays.get(target.file, []):
            found.add_unknown(each)
        if target.doubt:
            found.add_unknown(f"authentik: {target}: {target.doubt}")
        if found and not found.require_all:
            found.require_all = None
        for binding in self._bound.get(target, []):
            try:
                self._add_binding(binding, target, found)
            except NotConvertible as error:
                policy = self._objects.find(binding.get("policy"))
                found.add_unknown(
                    self._note_unconverted(binding, error.line, error.text),
                    *([self.source_comment(policy)] if policy else []),
                )
        return found

    def _everyone(self, target: AuthentikEntry) -> bool | None:
        try:
            mode = target.text("policy_engine_mode") or "any"
        except NotConvertible as error:
            self._notes.add(
                target.file, error.line, f"{target}: {error.text}; the stricter of all and any counts."
            )
            return None
        return {"all": True, "any": False}.get(mode)

    def unused_bindings(self) -> list[AuthentikEntry]:
        """Return the bindings of objects whose policies the conversion never evaluated."""
        return [
            binding
            for target, bindings in self._bound.items()
            if target not in self._evaluated
            for binding in bindings
        ]

    def _without_target(self, binding: AuthentikEntry) -> None:
        """Handle a binding without a target.

        A policy of an object in other files is omitted. One that may belong to any object here applies to all
        of them.
        """
        binding.is_reported = True
        if self._objects.is_external(binding.get("target")):
            text = "A policy binding whose target is missing in the files is not converted."
        else:
            text = (
                "It is unknown what a policy is bound to: it applies to every flow and application "
                "of this file."
            )
            self._strays.setdefault(binding.file, []).append(f"authentik: line {binding.line}: {text}")
        self._notes.add(binding.file, binding.line, text)

    def _add_binding(self, binding: AuthentikEntry, target: AuthentikEntry, found: PolicyEvaluation) -> None:
        if not binding.boolean("enabled", True) and not binding.doubt:
            self._notes.add(
                binding.file,
                binding.line,
                f"A disabled policy binding of {target} is omitted, as authentik passes over it.",
            )
            binding.is_reported = True
            return
        if binding.doubt:
            raise NotConvertible(binding.doubt, binding.line)
        negate = binding.boolean("negate")
        group, user, policy = (binding.known_value(key) for key in ("group", "user", "policy"))
        if sum(each is not None for each in (group, user, policy)) > 1:
            raise NotConvertible("a policy binding of more than one kind", binding.line)
        if group is not None:
            name = self._name(binding, "group", group)
            if doubt := self._groups.doubt(name):
                self._notes.add(
                    binding.file,
                    binding.line,
                    f"{binding}: {doubt}: what guards counts it as the case, what opens does not.",
                )
            found.verdicts.append(self._groups.verdict(name, negate))
            found.groups += [] if negate else [self._groups.members(name)]
        elif user is not None:
            name = self._name(binding, "user", user)
            condition = f"person.username {'!=' if negate else '=='} {quoted(fold(name))}"
            found.verdicts.append(PolicyVerdict(condition, condition, for_strangers=negate))
        elif policy is not None:
            self._policy(binding, policy, negate, found)
        else:
            raise NotConvertible("a policy binding without a policy, group or user", binding.line)
        self._note_execution(binding)

    def _note_execution(self, binding: AuthentikEntry) -> None:
        """Note how authentik runs a policy: conditions do not fail and take no time."""
        if binding.get("failure_result") not in (None, False):
            self._notes.add(
                binding.file, binding.line_of("failure_result"), f"{binding}: failure_result: {FAILING}."
            )
        if binding.get("timeout") not in (None, 30):
            self._notes.add(
                binding.file,
                binding.line_of("timeout"),
                f"{binding}: timeout is not converted: conditions take no time.",
            )

    def _name(self, binding: AuthentikEntry, key: str, value: Any) -> str:
        name = self._objects.referenced_name(value, "name" if key == "group" else "username")
        name = group_name(name) if key == "group" else name
        if not name:
            raise NotConvertible(f"the {key} that the binding names is missing in the files", binding.line)
        return name

    def _policy(self, binding: AuthentikEntry, value: Any, negate: bool, found: PolicyEvaluation) -> None:
        policy = self._objects.find(value)
        if policy is None:
            raise NotConvertible(f"the policy {value} is missing in the files", binding.line)
        if policy.doubt:
            raise NotConvertible(policy.doubt, policy.line)
        countries = None if binding.boolean("failure_result") else _countries(policy)
        if countries:
            condition = negated(
                f"request.country in [{', '.join(map(quoted, countries))}]", negate, several=True
            )
            found.verdicts.append(PolicyVerdict(condition, condition))
            return
        found.add_unknown(self.source_comment(policy, " negated" if negate else ""))

    def source_comment(self, policy: AuthentikEntry, how: str = "") -> str:
        """Return a comment with the content of a policy, and note that it is not converted."""
        kind = policy.model.rpartition(".")[2]
        policy.is_reported = True
        self._notes.add(
            policy.file,
            policy.line,
            f"The policy {policy.title} ({kind}) is not converted; its source is in a comment.",
        )
        lines = [
            f"{key}:\n{value}"
            for key, value in policy.items()
            if key not in _SILENT_KEYS and value not in (None, "", [])
        ]
        return "\n".join([f"authentik: the policy {policy.title} ({kind}){how} is not converted:", *lines])

    def _note_unconverted(self, entry: AuthentikEntry, line: int, text: str) -> str:
        self._notes.add(entry.file, line, f"A policy of {entry} is not converted: {text}.")
        return f"authentik: a policy is not converted: {text}"


def _countries(policy: AuthentikEntry) -> list[str] | None:
    """Return the countries of a GeoIP policy that checks nothing else; None for any other policy."""
    ignored = ("name", "pk", "countries", "execution_logging")
    if policy.model != _GEO or any(value for key, value in policy.items() if key not in ignored):
        return None
    declared = policy.get("countries")
    if isinstance(declared, UnknownValue) or not isinstance(declared, list):
        return None
    names = [each.get("code") if isinstance(each, dict) else each for each in declared]
    found = [name.upper() for name in names if isinstance(name, str) and len(name) == 2]
    return found if len(found) == len(names) else None
