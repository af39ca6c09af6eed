"""Applications: OAuth clients."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError

from blueprints.files.tags import SecretTag
from blueprints.objects.document import SHORT_GRANTS, ApplicationDocument
from blueprints.objects.kind import (
    KeyChange,
    Kind,
    ObjectChange,
    Reference,
    filter_by_names,
    find_duplicates,
    select_names,
)
from flows.settings import format_duration, parse_duration
from idp.foundation.sealing import constant_time_equal, digest
from idp.oauth import bulk
from idp.oauth.clients import UNGUESSABLE_LENGTH
from idp.oauth.models import Application
from idp.oauth.scopes import STANDARD_SCOPES, administrative_scopes
from idp.oauth.tokens import REFRESH

_PLAIN = (
    "title",
    "owner",
    "verified",
    "logo",
    "client_id",
    "grants",
    "scopes",
    "administers",
    "groups",
    "flows",
)
# what the approval of an owner refers to
_IDENTITY = ("title", "owner", "verified", "logo", "client_id", "client_secret", "type", "grants")
_LIMITS = ("pending_limit", "pending_limit_per_address")
_DURATIONS = {
    "access_token_lifetime": "access_token_lifetime",
    "refresh_token_lifetime": "refresh_token_lifetime",
}
_DURATIONS |= {"device.code_lifetime": "device_code_lifetime", "device.interval": "device_interval"}


class ApplicationKind(Kind):
    """The kind of OAuth clients.

    A client secret is compared and stored as its hash, and is never read back.
    """

    name = "application"
    secret_key = "client_secret"  # noqa: S105 the name of a key
    unordered_keys = frozenset({"grants", "scopes", "groups"})

    def current(self, names: Collection[str] | None) -> dict[str, dict[str, Any]]:
        return select_names(
            {row.name: _stored_values(row) for row in filter_by_names(Application.objects.all(), names)},
            names,
        )

    def defaults(self) -> dict[str, Any]:
        return _stored_values(Application(client_id=""))

    def references(self, document: ApplicationDocument) -> Iterable[Reference]:
        for at, name in enumerate(document.groups):
            yield Reference("group", name, ("groups", at))
        for at, name in enumerate(document.scopes):
            if name not in STANDARD_SCOPES:
                yield Reference("scope", name, ("scopes", at))
        for at, name in enumerate(document.grants):
            yield Reference("grant", name, ("grants", at))
        for designation, name in document.flows.items():
            yield Reference(f"flow for {designation}", name, ("flows", designation))

    def difference(self, change: ObjectChange) -> list[KeyChange]:
        """Return the changes key by key, with grants under their short names."""
        return [_with_short_grants(key) for key in super().difference(change)]

    def readable_changes(self, key: KeyChange) -> list[KeyChange]:
        return [_with_short_grants(key)]

    def possible_referrers(self, gone: Mapping[str, Collection[str]]) -> Collection[str] | None:
        return None if gone.keys() & {"group", "scope", "flow"} else ()

    def stored_document(self, keys: Mapping[str, Any]) -> Any:
        return super().stored_document({"groups": (), "scopes": (), "grants": (), "flows": {}, **keys})

    def secret_matches(self, change: ObjectChange, value: str) -> bool:
        return is_client_secret(change.name, value)

    def prepare(self, change: ObjectChange, secret: str | None) -> None:
        _check_approval(change)
        new_secret = {"secret_hash": digest(secret)} if secret else {}
        whole = {
            "title": change.name,
            **_columns(change.before or {}),
            **_columns(change.desired),
            **new_secret,
        }
        if change.before is not None and change.before.get("type") == "confidential":
            whole.setdefault("secret_hash", "kept")
        bulk.validate_row(Application(name=change.name, **whole))
        given = {key: value for key, value in change.desired.items() if change.writes(key)}
        change.prepared = whole if change.before is None else _columns(given) | new_secret

    def advice(self, change: ObjectChange, secret: str | None) -> Iterable[str]:
        after = {**self.defaults(), **(change.before or {}), **change.desired}
        if secret and change.located:
            if len(secret) < UNGUESSABLE_LENGTH and not isinstance(
                change.located.document.client_secret, SecretTag
            ):
                yield (
                    f"The client_secret has fewer than {UNGUESSABLE_LENGTH} characters and could be guessed."
                )
            if (
                not isinstance(change.located.document.client_secret, SecretTag)
                and not change.located.from_person
            ):
                yield (
                    "The client_secret is stored in the file in plain text. Use !secret NAME to keep it out."
                )
        uses_refresh = REFRESH in after["grants"] and (change.writes("grants") or change.writes("scopes"))
        if uses_refresh and "offline_access" not in after["scopes"]:
            yield ("The grant refresh_token has no effect without the scope offline_access.")

    def find_conflicts(
        self, changes: Sequence[ObjectChange]
    ) -> Iterable[tuple[ObjectChange, tuple[str | int, ...], str]]:
        for change, owner in find_duplicates(changes, "client_id", bulk.owners_of_client_ids):
            yield (
                change,
                ("client_id",),
                f"The client ID {change.desired['client_id']} is already used by {owner}.",
            )

    def write(self, changes: Sequence[ObjectChange], *, by: str) -> None:
        bulk.change(
            Application,
            {change.name: change.prepared for change in changes if change.action == "update"},
            by=by,
        )
        # after the updates, which may release client IDs
        new = [change for change in changes if change.action == "create"]
        bulk.create([Application(name=change.name, **change.prepared) for change in new], by=by)

    def release(self, names: Collection[str]) -> None:
        bulk.release_client_ids(Application.objects.filter(name__in=names))

    def delete(self, names: Collection[str], *, by: str) -> None:
        bulk.delete(Application, names, by=by)


def _with_short_grants(key: KeyChange) -> KeyChange:
    if key.key != "grants":
        return key
    old, new = (
        [SHORT_GRANTS.get(each, each) for each in side] if isinstance(side, list) else side
        for side in (key.old, key.new)
    )
    return KeyChange(key.key, old, new)


def _check_approval(change: ObjectChange) -> None:
    """Raise ValidationError if the author, who is not an owner, would grant administration access.

    This includes extending such access. The identity of an approved application stays as it was approved,
    unless the same change revokes the approval.
    """
    before, message = (
        change.before or {},
        "Only an owner can approve administration access.",
    )
    if change.may("applications.approve"):
        return
    if change.desired.get("administers") and not before.get("administers"):
        raise ValidationError({"administers": message})
    if set(administrative_scopes(change.desired.get("scopes", ()))) - set(before.get("scopes", ())):
        raise ValidationError({"scopes": message})
    if (
        before.get("administers")
        and change.desired.get("administers", True)
        and (other := [key for key in _IDENTITY if change.writes(key)])
    ):
        raise ValidationError(
            dict.fromkeys(
                other,
                "An owner approved this application for administration. Only an owner can change this.",
            )
        )


def is_client_secret(name: str, value: str) -> bool:
    """Return whether ``value`` is the client secret of the application with this name."""
    row = Application.objects.filter(name=name).first()
    return row is not None and constant_time_equal(row.secret_hash, digest(value))


def _stored_values(row: Application) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in _PLAIN}
    values |= {"type": "confidential" if row.confidential else "public", "active": row.is_active}
    values["$secret"] = digest(row.secret_hash)[:16] if row.secret_hash else ""
    values |= {f"device.{name}": getattr(row, f"device_{name}") for name in _LIMITS}
    return values | {
        key: format_duration(timedelta(seconds=getattr(row, column))) for key, column in _DURATIONS.items()
    }


def _columns(given: dict[str, Any]) -> dict[str, Any]:
    values = {name: given[name] for name in _PLAIN if name in given}
    values |= {f"device_{name}": given[f"device.{name}"] for name in _LIMITS if f"device.{name}" in given}
    values |= {
        column: int(parse_duration(given[key]).total_seconds())
        for key, column in _DURATIONS.items()
        if key in given
    }
    if "type" in given:
        values["confidential"] = given["type"] == "confidential"
    if "active" in given:
        values["is_active"] = given["active"]
    return values
