"""What becomes of authentik's policies: those that can be said as a condition are, and every other one stands for the stricter side."""

import json
from dataclasses import dataclass, field
from typing import Any

from blueprints.convert.entries import Entry, NotCarried, Objects
from blueprints.convert.report import Notes
from blueprints.convert.values import Unknown
from idp.text import fold

BINDING = "authentik_policies.policybinding"
_GEO = "authentik_policies_geoip.geoippolicy"
_SOURCES = ("expression", "countries", "asns", "threshold", "error_message")


@dataclass
class Judgement:
    """The policies of one object. ``known``: those that became conditions; ``opaque``: the others, as comments.

    ``everyone``: they must all agree (``policy_engine_mode: all``), else one is enough.
    """

    known: list[str] = field(default_factory=list)
    opaque: list[str] = field(default_factory=list)
    groups: list[list[str]] = field(default_factory=list)
    everyone: bool = False

    def __bool__(self) -> bool:
        return bool(self.known or self.opaque)

    @property
    def at_least(self) -> str | None:
        """A condition that is true wherever the policies may agree; None: always. For what protects: it is asked for too often."""
        if self.everyone:
            return " && ".join(self.known) or None
        return None if self.opaque or not self.known else " || ".join(self.known)

    @property
    def at_most(self) -> str | None:
        """A condition that is true only where the policies surely agree; None: nowhere. For what opens: it opens too seldom."""
        if self.everyone:
            return None if self.opaque or not self.known else " && ".join(self.known)
        return " || ".join(self.known) or None

    @property
    def only_groups(self) -> list[str] | None:
        """The groups one of which is surely enough; None when that cannot be said by groups."""
        if self.everyone and (self.opaque or len(self.known) > 1):
            return None
        return [name for names in self.groups for name in names] or None


class Policies:
    """The bindings of all files, by what they are bound to."""

    def __init__(self, objects: Objects, notes: Notes) -> None:
        self._objects, self._notes = objects, notes
        self._bound: dict[Entry, list[Entry]] = {}
        self._judged: set[Entry] = set()
        self._stray: dict[str, list[str]] = {}
        self._children: dict[str, list[str]] = {}
        for binding in objects.of(BINDING):
            target = objects.find(binding.values.get("target"))
            binding.used.add("target")
            if target is None:
                self._without_target(binding)
            else:
                self._bound.setdefault(target, []).append(binding)
        self._descent()

    def judge(self, target: Entry) -> Judgement:
        """What the policies of this object come to."""
        self._judged.add(target)
        strays = self._stray.get(target.file, [])
        target.used.add("policy_engine_mode")
        found = Judgement(opaque=list(strays))
        try:
            found.everyone = target.text("policy_engine_mode") == "all" or bool(strays)
        except NotCarried as error:
            found.opaque.append(self._left(target, error.line, error.text))
        for binding in self._bound.get(target, []):
            try:
                self._one(binding, target, found)
            except NotCarried as error:
                found.opaque.append(self._left(binding, error.line, error.text))
                policy = self._objects.find(binding.values.get("policy"))
                found.opaque += [self.source(policy)] if policy else []
        return found

    def never_asked(self) -> list[Entry]:
        """The bindings of objects whose policies nothing of ours asks for."""
        return [binding for target, bindings in self._bound.items() if target not in self._judged for binding in bindings]

    def members(self, group: str) -> list[str]:
        """The group and all groups below it: authentik counts their people as its own."""
        found: dict[str, None] = {}
        waiting = [group]
        while waiting:
            name = waiting.pop(0)
            if name not in found:
                found[name] = None
                waiting += self._children.get(name, [])
        return list(found)

    def _without_target(self, binding: Entry) -> None:
        """A policy of an object that other files describe is left out; one that may belong to anything here stands before all of it."""
        binding.used |= binding.values.keys()
        if self._objects.elsewhere(binding.values.get("target")):
            text = "A policy binding whose target is not among the files is not carried over."
        else:
            text = "What a policy is bound to is not known: it stands before every flow and application of this file."
            self._stray.setdefault(binding.file, []).append(f"authentik: line {binding.line}: {text}")
        self._notes.add(binding.file, binding.line, text)

    def _descent(self) -> None:
        for group in self._objects.of("authentik_core.group"):
            above = [group.values.get("parent"), *(_list(group.values.get("parents")))]
            for each in above:
                parent = self._objects.named(each, "name")
                if parent:
                    self._children.setdefault(parent, []).append(group.title)

    def _one(self, binding: Entry, target: Entry, found: Judgement) -> None:
        binding.used |= {"order", "timeout", "failure_result"}
        if not binding.true("enabled", True):
            self._notes.add(binding.file, binding.line, f"A disabled policy binding of {target} is left out, as authentik passes over it.")
            return
        negate = binding.true("negate")
        group, user, policy = (binding.take(key) for key in ("group", "user", "policy"))
        if sum(each is not None for each in (group, user, policy)) > 1:
            raise NotCarried("a policy binding of more than one kind", binding.line)
        if group is not None:
            names = self.members(self._name(binding, "group", group))
            condition = " || ".join(f"{quoted(name)} in person.groups" for name in names)
            found.known.append(_negated(condition, negate, several=len(names) > 1))
            found.groups += [] if negate else [names]
        elif user is not None:
            name = self._name(binding, "user", user)
            found.known.append(f"person.username {'!=' if negate else '=='} {quoted(fold(name))}")
        elif policy is not None:
            self._policy(binding, policy, negate, found)
        else:
            raise NotCarried("a policy binding without a policy, group or user", binding.line)

    def _name(self, binding: Entry, key: str, value: Any) -> str:
        name = self._objects.named(value, "name" if key == "group" else "username")
        if not name:
            raise NotCarried(f"the {key} that the binding names is not among the files", binding.line)
        return name

    def _policy(self, binding: Entry, value: Any, negate: bool, found: Judgement) -> None:
        policy = self._objects.find(value)
        if policy is None:
            raise NotCarried(f"the policy {value} is not among the files", binding.line)
        countries = _countries(policy)
        if countries:
            condition = f"request.country in [{', '.join(map(quoted, countries))}]"
            found.known.append(_negated(condition, negate, several=True))
            return
        found.opaque.append(self.source(policy, " negated" if negate else ""))

    def source(self, policy: Entry, how: str = "") -> str:
        """The comment that tells what a policy said; noted as not carried over."""
        kind = policy.model.rpartition(".")[2]
        policy.used |= policy.values.keys()
        self._notes.add(
            policy.file, policy.line, f"The policy {policy.title} ({kind}) is not carried over; its source stands in a comment."
        )
        said = [f"{key}:\n{policy.values[key]}" for key in _SOURCES if policy.values.get(key) not in (None, "", [])]
        return "\n".join([f"authentik: the policy {policy.title} ({kind}){how} is not carried over:", *said])

    def _left(self, entry: Entry, line: int, text: str) -> str:
        self._notes.add(entry.file, line, f"A policy of {entry} is not carried over: {text}.")
        return f"authentik: a policy is not carried over: {text}"


def quoted(text: str) -> str:
    """A text as CEL writes it."""
    return json.dumps(text, ensure_ascii=False)


def _negated(condition: str, negate: bool, *, several: bool) -> str:
    inside = f"({condition})" if several else condition
    return f"!({condition})" if negate else inside


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _countries(policy: Entry) -> list[str] | None:
    """The countries of a GeoIP policy that asks for nothing else."""
    if policy.model != _GEO or any(
        policy.values.get(key) for key in policy.values.keys() - {"name", "pk", "countries", "execution_logging"}
    ):
        return None
    said = policy.values.get("countries")
    if isinstance(said, Unknown) or not isinstance(said, list):
        return None
    names = [each.get("code") if isinstance(each, dict) else each for each in said]
    policy.used |= policy.values.keys()
    found = [name.upper() for name in names if isinstance(name, str) and len(name) == 2]
    return found if len(found) == len(names) else None
