"""The members of authentik's groups, including those of all child groups, as far as the files say."""

from typing import Any

from blueprints.convert.entries import AuthentikEntry, AuthentikObjects
from blueprints.convert.names import group_name
from blueprints.convert.verdicts import PolicyVerdict, negated, quoted

GROUP, USER = "authentik_core.group", "authentik_core.user"


class Groups:
    """The groups of all files, by name."""

    def __init__(self, objects: AuthentikObjects) -> None:
        self._objects = objects
        self._children: dict[str, list[str]] = {}
        self._unplaced: dict[str, None] = {}  # groups whose parents the files do not name
        self._incomplete: set[str] = set()  # groups of which not all members are in the files
        described = {group_name(group.title) for group in objects.by_model(GROUP)}
        for group in objects.by_model(GROUP):
            self._read(group, described)
        for user in objects.by_model(USER):
            for each in _list(user.peek("groups")):
                name = group_name(objects.referenced_name(each, "name"))
                self._unplaced |= {name: None} if name and name not in described else {}

    def _read(self, group: AuthentikEntry, described: set[str]) -> None:
        child = group_name(group.title)
        for each in [group.peek("parent"), *_list(group.peek("parents"))]:
            parent = group_name(self._objects.referenced_name(each, "name"))
            if parent:
                self._children.setdefault(parent, []).append(child)
            if each not in (None, "") and parent not in described:
                self._unplaced[parent or child] = None
        if not all(self._objects.referenced_name(each, "username") for each in _list(group.peek("users"))):
            self._incomplete.add(child)

    def members(self, *groups: str) -> list[str]:
        """Return these groups and all groups below them, because authentik counts their members too."""
        found: dict[str, None] = {}
        waiting = list(groups)
        while waiting:
            name = waiting.pop(0)
            if name not in found:
                found[name] = None
                waiting += self._children.get(name, [])
        return [name for name in found if name]

    def doubt(self, group: str) -> str:
        """Return why the members of the group are not certain, or "" if they are."""
        if self._incomplete & {*self.members(group)}:
            return f"not all people of {group} are in the files"
        unplaced = [name for name in self.members(*self._unplaced) if name not in self.members(group)]
        return (
            f"whether {', '.join(unplaced)[:200]} lies in {group} is missing in the files" if unplaced else ""
        )

    def verdict(self, group: str, negate: bool) -> PolicyVerdict:
        """Return the verdict on whether a person is in the group, or is not in it with ``negate``."""
        surely = self.members(group)
        may = [*surely, *(name for name in self.members(*self._unplaced) if name not in surely)]
        low, high = _membership_condition(surely, negate), _membership_condition(may, negate)
        if self._incomplete & {*surely}:
            low, high = (low, "false") if negate else (low, "true")
        return (
            PolicyVerdict(low, high, for_strangers=True)
            if negate
            else PolicyVerdict(high, low, for_strangers=False)
        )


def _membership_condition(groups: list[str], negate: bool) -> str:
    return negated(
        " || ".join(f"{quoted(name)} in person.groups" for name in groups), negate, several=len(groups) > 1
    )


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
