"""What policies come to, as conditions between which the truth lies: one for what guards, one for
what opens.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Verdict:
    """What one policy, or several together, come to: two conditions between which the truth lies.

    ``may`` is true wherever they may agree, ``surely`` only where they surely do. ``stranger``: what a policy
    about a person says of somebody who is not known yet; None where it does not ask who somebody is.
    """

    may: str = "true"
    surely: str = "false"
    stranger: bool | None = None

    @property
    def known(self) -> bool:
        """Whether it could be said as a condition."""
        return self != Verdict()

    def of_strangers(self) -> "Verdict":
        """The same where authentik asks before anybody has said who they are, unless they were signed in
        already.
        """
        if self.stranger is None:
            return self
        return replace(self, may="true") if self.stranger else replace(self, surely="false")


@dataclass
class Judgement:
    """The policies of one object.

    ``verdicts``: of each; ``opaque``: the comments of those that are not known.

    ``everyone``: they must all agree (``policy_engine_mode: all``), else one is enough; None: that is not
    known.
    """

    verdicts: list[Verdict] = field(default_factory=list)
    opaque: list[str] = field(default_factory=list)
    groups: list[list[str]] = field(default_factory=list)
    everyone: bool | None = False

    def __bool__(self) -> bool:
        return bool(self.verdicts)

    @property
    def asks_who(self) -> bool:
        """Whether any of them asks who somebody is."""
        return any(each.stranger is not None for each in self.verdicts)

    def conditions(self) -> list[str]:
        """Those that could be said, for a comment, after the word of how they count."""
        known = [each.may for each in self.verdicts if each.known]
        if not known:
            return []
        how = "all or any of" if self.everyone is None else "all of" if self.everyone else "any of"
        return [how, *known]

    def doubt(self, *comments: str) -> None:
        """One more policy, of which nothing is known."""
        self.verdicts.append(Verdict())
        self.opaque += comments

    def together(self, *, strangers: bool = False) -> Verdict:
        """What they come to; ``strangers``: asked before it is known who is there."""
        found = [each.of_strangers() if strangers else each for each in self.verdicts]
        may, surely = [each.may for each in found], [each.surely for each in found]
        return Verdict(
            all_of(may) if self.everyone else any_of(may),
            any_of(surely) if self.everyone is False else all_of(surely),
        )

    @property
    def only_groups(self) -> list[str] | None:
        """The groups one of which is surely enough; None when that cannot be said by groups."""
        if self.everyone is not False and len(self.verdicts) > 1:
            return None
        return [name for names in self.groups for name in names] or None


def quoted(text: str) -> str:
    """A text as CEL writes it."""
    return json.dumps(text, ensure_ascii=False)


def all_of(conditions: Iterable[str]) -> str:
    """The condition that all of these hold; each stands for itself, in brackets where it must."""
    kept = list(dict.fromkeys(each for each in conditions if each != "true"))
    return "false" if "false" in kept else " && ".join(kept) or "true"


def any_of(conditions: Iterable[str]) -> str:
    """The condition that one of these holds."""
    kept = list(dict.fromkeys(each for each in conditions if each != "false"))
    return "true" if "true" in kept else " || ".join(kept) or "false"


def negated(condition: str, negate: bool, *, several: bool) -> str:
    """The condition, or its opposite; ``several``: it must stand in brackets beside others."""
    inside = f"({condition})" if several else condition
    return f"!({condition})" if negate else inside
