"""The results of policies as pairs of conditions: one for steps that restrict, one for steps that grant.

The exact result lies between the two.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

_COMBINATIONS = {True: "all of", False: "any of", None: "all or any of"}


@dataclass(frozen=True)
class PolicyVerdict:
    """The result of one or several policies, as two conditions between which the exact result lies.

    ``possible`` is true wherever the policies possibly agree, ``certain`` only where they certainly do.
    ``for_strangers`` is the result of a policy about a person who is not known yet. It is None if the policy
    does not depend on the person.
    """

    possible: str = "true"
    certain: str = "false"
    for_strangers: bool | None = None

    @property
    def is_known(self) -> bool:
        """Whether the policy can be expressed as a condition."""
        return self != PolicyVerdict()

    def before_sign_in(self) -> "PolicyVerdict":
        """Return the verdict for a policy that authentik evaluates before the person is known.

        The person may have been signed in already.
        """
        if self.for_strangers is None:
            return self
        return replace(self, possible="true") if self.for_strangers else replace(self, certain="false")


@dataclass
class PolicyEvaluation:
    """The policies of one object.

    ``verdicts`` has one item for each policy. ``comments`` holds the comments of the unknown ones.

    ``require_all`` says that all must agree (``policy_engine_mode: all``); otherwise one is enough. It is
    None if that is not known.
    """

    verdicts: list[PolicyVerdict] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    groups: list[list[str]] = field(default_factory=list)
    require_all: bool | None = False

    def __bool__(self) -> bool:
        return bool(self.verdicts)

    @property
    def depends_on_person(self) -> bool:
        """Whether any of the policies depends on the person."""
        return any(each.for_strangers is not None for each in self.verdicts)

    def conditions(self) -> list[str]:
        """Return the known conditions for a comment, after a phrase for how they are combined."""
        known = [each.possible for each in self.verdicts if each.is_known]
        if not known:
            return []
        return [_COMBINATIONS[self.require_all], *known]

    def add_unknown(self, *comments: str) -> None:
        """Add a policy of which nothing is known."""
        self.verdicts.append(PolicyVerdict())
        self.comments += comments

    def combine(self, *, strangers: bool = False) -> PolicyVerdict:
        """Return the combined verdict.

        With ``strangers`` the policies are evaluated before the person is known.
        """
        verdicts = [each.before_sign_in() if strangers else each for each in self.verdicts]
        may, surely = [each.possible for each in verdicts], [each.certain for each in verdicts]
        return PolicyVerdict(
            all_of(may) if self.require_all else any_of(may),
            any_of(surely) if self.require_all is False else all_of(surely),
        )

    @property
    def sufficient_groups(self) -> list[str] | None:
        """The groups of which one is certainly enough; None if groups cannot express the policies."""
        if self.require_all is not False and len(self.verdicts) > 1:
            return None
        return [name for names in self.groups for name in names] or None


def quoted(text: str) -> str:
    """Return the text as a CEL string."""
    return json.dumps(text, ensure_ascii=False)


def all_of(conditions: Iterable[str]) -> str:
    """Return the condition that all of these hold; each must be in brackets where it needs them."""
    remaining = list(dict.fromkeys(each for each in conditions if each != "true"))
    return "false" if "false" in remaining else " && ".join(remaining) or "true"


def any_of(conditions: Iterable[str]) -> str:
    """Return the condition that one of these holds."""
    remaining = list(dict.fromkeys(each for each in conditions if each != "false"))
    return "true" if "true" in remaining else " || ".join(remaining) or "false"


def negated(condition: str, negate: bool, *, several: bool) -> str:
    """Return the condition or its opposite; ``several`` puts it in brackets, so that it can be combined."""
    inside = f"({condition})" if several else condition
    return f"!({condition})" if negate else inside
