"""Find what was changed manually since a blueprint was applied, key by key, and by whom."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from django.db import transaction

from blueprints.models import Owned
from blueprints.objects.kind import BLUEPRINT_ACTOR, HIDDEN, KeyChange
from blueprints.objects.registry import KINDS
from idp.events.bus import changes_since, publish

GONE = KeyChange("", "there", "deleted")
_VERBS = ("created", "changed", "deleted")
_KIND_VERBS = {
    "person": ("groups_changed", "attributes_changed", "password_changed"),
    "flow": ("published", "rolled_back"),
}


@dataclass(frozen=True)
class Drift:
    """One object that differs from what was applied.

    ``keys`` holds the applied value as old and the current value as new. ``by`` and ``at`` are "" if no event
    records the change.
    """

    blueprint: str
    kind: str
    name: str
    keys: tuple[KeyChange, ...]
    by: str = ""
    at: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the drift as JSON data, for programs and for the table."""
        return asdict(self)


def find_drift(blueprint: str = "") -> list[Drift]:
    """Return every object of this blueprint, or of any, that has drifted in the tenant in scope.

    This takes a small, constant number of queries.
    """
    owned = list(Owned.objects.filter(**({"blueprint": blueprint} if blueprint else {})))
    found = [
        (row, keys) for kind, rows in _group_by_kind(owned).items() for row, keys in _compare(kind, rows)
    ]
    last_changes = _last_changes([row for row, _ in found])
    return [
        Drift(
            row.blueprint, row.kind, row.name, tuple(keys), *last_changes.get((row.kind, row.name), ("", ""))
        )
        for row, keys in found
    ]


def owning_blueprints() -> set[str]:
    """Return the names of the blueprints that manage an object of the tenant in scope."""
    return set(Owned.objects.values_list("blueprint", flat=True).distinct())


@transaction.atomic
def record_drift() -> None:
    """Store the drift of each object, and publish one event when drift begins and one when it ends."""
    current = {(each.kind, each.name): each for each in find_drift()}
    rows = []
    for row in Owned.objects.select_for_update():
        each = current.get((row.kind, row.name))
        drift = each.as_json() if each else None
        if _as_stored(drift) == row.drift:
            continue
        if bool(drift) != bool(row.drift):
            kind = "blueprint.drifted" if each else "blueprint.drift_ended"
            keys = [key.key for key in each.keys] if each else []
            reference = {"target": row.name, "topic": topic_of(row.pk)}
            publish(
                kind,
                actor=BLUEPRINT_ACTOR,
                blueprint=row.blueprint,
                what=row.kind,
                keys=keys,
                by=each.by if each else "",
                **reference,
            )
        row.drift = drift
        rows.append(row)
    Owned.objects.bulk_update(rows, ["drift"], batch_size=200)


def topic_of(owned: int) -> str:
    """Return the topic of the events about an owned object."""
    return f"owned:{owned}"


def stored_drift() -> list[Mapping[str, Any]]:
    """Return the drift that the last check stored, with one query and without comparing anything."""
    return [
        row.drift or {}
        for row in Owned.objects.filter(drift__isnull=False).order_by("blueprint", "kind", "name")
    ]


def _group_by_kind(owned: Iterable[Owned]) -> dict[str, list[Owned]]:
    rows = defaultdict(list)
    for row in owned:
        rows[row.kind].append(row)
    return {kind: sorted(rows[kind], key=lambda row: row.name) for kind in KINDS if kind in rows}


def _compare(kind: str, rows: Sequence[Owned]) -> list[tuple[Owned, list[KeyChange]]]:
    current = KINDS[kind].current([row.name for row in rows])
    compared = [
        (row, _changed_keys(kind, row.keys, current[row.name]) if row.name in current else [GONE])
        for row in rows
    ]
    return [(row, keys) for row, keys in compared if keys]


def _changed_keys(kind: str, applied: Mapping[str, Any], now: Mapping[str, Any]) -> list[KeyChange]:
    keys = [
        KeyChange(key, value, now.get(key))
        for key, value in applied.items()
        if key != "$secret" and not KINDS[kind].is_equal(key, value, now.get(key))
    ]
    if "$secret" in applied and applied["$secret"]["state"] != now.get("$secret"):
        keys.append(KeyChange(KINDS[kind].secret_key, HIDDEN, HIDDEN if now.get("$secret") else None))
    return [shown for key in keys for shown in KINDS[kind].readable_changes(key)]


def _last_changes(rows: Sequence[Owned]) -> dict[tuple[str, str], tuple[str, str]]:
    """Return who changed each of these objects last, and when, by kind and name.

    Changes by blueprints themselves do not count.
    """
    if not rows:
        return {}
    since = {(row.kind, row.name): row.applied_at for row in rows}
    kinds = [
        f"{kind}.{did}"
        for kind in {row.kind for row in rows}
        for did in (*_VERBS, *_KIND_VERBS.get(kind, ()))
    ]
    found: dict[tuple[str, str], tuple[str, str]] = {}
    for did, target, actor, at in changes_since(min(since.values()), kinds, exclude_actor=BLUEPRINT_ACTOR):
        identity = (did.partition(".")[0], target)
        if identity in since and at >= since[identity]:
            found[identity] = (actor, at.isoformat())
    return found


def _as_stored(drift: dict[str, Any] | None) -> Any:
    """Return the drift as it comes back from JSON, where tuples are lists."""
    return drift and {**drift, "keys": [dict(key) for key in drift["keys"]]}
