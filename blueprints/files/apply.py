"""Apply blueprints, each completely or not at all and one after the other.

A blueprint is applied in one transaction that only writes; everything slow happens before.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import groupby
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import ngettext

from blueprints.files import secrets
from blueprints.files.order import missing_references
from blueprints.files.plan import MissingSecret, Plan, Progress, make_plan, secret_name
from blueprints.files.problems import BadBlueprint, Problem
from blueprints.files.prune import deleted_names, remaining_uses
from blueprints.files.read import Upload
from blueprints.models import Owned, Result
from blueprints.objects.kind import BLUEPRINT_ACTOR, ObjectChange
from blueprints.objects.registry import KINDS
from flows.documents.versions import InvalidFlow
from idp.accounts.bulk import LastAdministrator
from idp.accounts.roles import SHARED_SECRETS
from idp.events.bus import publish
from idp.foundation.errors import Changed
from idp.foundation.sealing import mac, new_token
from idp.tenancy import tenants
from idp.tenancy.models import Tenant
from idp.tenancy.rows import write_columns
from idp.tenancy.scope import tenant_scope

ShowSecrets = Callable[[Plan, Sequence[tuple[str, str, str]]], object]
"""Receives the plan, and the tenant, name and value of each secret that is generated."""
_MAX_ATTEMPTS = 5


class PlanChanged(Changed):
    """Something has changed since the preview. Create a new plan and review it."""


class WriteConflict(Exception):
    """Another transaction wrote between the comparison and the writing."""


def apply(
    paths: Iterable[Path | Upload],
    *,
    name: str = "",
    by: str = BLUEPRINT_ACTOR,
    variables: Mapping[str, str] | None = None,
    prune: bool = False,
    show_generated: ShowSecrets | None = None,
    expect: str = "",
    source_digest: str = "",
    progress: Progress = lambda text: None,
    check: Callable[[Plan], object] = lambda plan: None,
) -> Plan:
    """Apply the files and return the plan that was carried out; raise BadBlueprint or PlanChanged.

    If it raises, nothing was written. An apply that finds another one running waits, and then compares again.

    ``show_generated`` receives the missing secrets that are generated, before they are committed. If it
    raises, nothing is written, so that no secret is stored that no one saw. Without it a missing secret is a
    problem. ``expect`` is the state of the plan that was agreed to. ``source_digest`` is stored with the
    result in place of the plan's own. ``progress`` receives the name of each phase. ``check`` may raise to
    refuse what is about to be written.
    """
    sources, generated_secrets = list(paths), dict[tuple[str, str], str]()
    for _ in range(_MAX_ATTEMPTS):
        plan = make_plan(sources, name=name, variables=variables, prune=prune, progress=progress)
        plan.source_digest = source_digest or plan.source_digest
        if expect and plan.digest != expect:
            raise PlanChanged
        check(plan)
        generated = _generate_missing(plan, generated_secrets if show_generated else None)
        _hash_secrets(plan, generated, progress)
        try:
            _write(plan, generated, by, progress, show_generated)
        except WriteConflict as error:
            conflict = error
            continue
        return plan
    raise PlanChanged from conflict


def record_plan(plan: Plan, by: str) -> None:
    """Store the result of a plan, unless the same blueprint was applied last and there was nothing to do."""
    last = Result.objects.filter(blueprint=plan.blueprint).order_by("-pk").first()
    if plan.effective or last is None or not last.succeeded or last.edition != plan.source_digest:
        record_result(plan.blueprint, plan.source_digest, by, counts=plan.counts, messages=plan.notes)


def record_result(
    blueprint: str,
    digest: str,
    by: str,
    *,
    counts: Mapping[str, int],
    messages: Sequence[str],
    succeeded: bool = True,
) -> None:
    """Store one attempt with its messages."""
    values = {"counts": dict(counts), "messages": list(messages), "succeeded": succeeded}
    Result.objects.create(blueprint=blueprint, edition=digest, at=timezone.now(), by=by, **values)


@transaction.atomic
def record_failure(blueprint: str, digest: str, by: str, *, messages: Sequence[str]) -> None:
    """Store a failed attempt, unless the last stored attempt is the same failure.

    Two processes may have tried at once.
    """
    lock_for_writing(nested=True)
    last = Result.objects.filter(blueprint=blueprint).order_by("-pk").first()
    if last is None or last.succeeded or (last.edition, last.messages) != (digest, list(messages)):
        record_result(blueprint, digest, by, counts={}, messages=messages, succeeded=False)


def latest_results(limit: int = 20, blueprint: str = "") -> list[Result]:
    """Return the last attempts, of this blueprint or of any, newest first."""
    return list(
        Result.objects.filter(**({"blueprint": blueprint} if blueprint else {})).order_by("-pk")[:limit]
    )


def attempted_blueprints() -> set[str]:
    """Return the names of all blueprints that have ever been tried."""
    return set(Result.objects.values_list("blueprint", flat=True).distinct())


def failing_results() -> list[Result]:
    """Return the last attempt of each blueprint whose last attempt failed, newest first.

    This covers the whole installation and returns at most 20.
    """
    last = Result.objects.values("blueprint").annotate(newest=Max("pk"))
    return list(Result.objects.filter(pk__in=last.values("newest"), succeeded=False).order_by("-pk")[:20])


def _generate_missing(plan: Plan, values: dict[tuple[str, str], str] | None) -> dict[tuple[str, str], str]:
    """Return new values for the missing secrets; raise BadBlueprint if none may be generated.

    ``values`` holds those of earlier attempts, so that every retry uses the same ones.
    """
    if plan.missing and values is None:
        raise BadBlueprint([_missing_secret_problem(each) for each in plan.missing])
    generated = values if values is not None else {}
    return {
        key: generated.setdefault(key, new_token())
        for each in plan.missing
        if (key := (each.tenant, each.name))
    }


def _missing_secret_problem(missing: MissingSecret) -> Problem:
    option = "" if tenants.by_name(missing.tenant) else " --new-tenant"
    command = f"manage.py secret set {missing.name} --tenant {missing.tenant}{option}"
    key, text = KINDS[missing.located.kind].secret_key, f"The secret {missing.name} is missing"
    return missing.located.problem(
        (key,), f"{text}. Add it to FOYER_SECRETS, save it with {command}, or use --generate-secrets."
    )


def _hash_secrets(plan: Plan, generated: Mapping[tuple[str, str], str], tell: Progress) -> None:
    """Hash new passwords and secrets, which takes time and must not hold a lock."""
    with_new_secret = [
        change
        for change in plan.effective
        if change.located and any(key.key == KINDS[change.kind].secret_key for key in change.keys)
    ]
    if with_new_secret:
        tell(ngettext("hashing %d secret", "hashing %d secrets", len(with_new_secret)) % len(with_new_secret))
    for change in with_new_secret:
        with _scope_of(change.tenant):
            value = _secret_value(change, generated)
            KINDS[change.kind].prepare(change, value)
            KINDS[change.kind].hash_secret(change, value)
            change.desired["$secret"] = {
                "name": secret_name(_declared_secret(change)),
                "mac": mac("blueprint.secret", value),
                "state": None,
            }


def _secret_value(change: ObjectChange, generated: Mapping[tuple[str, str], str]) -> str:
    declared = _declared_secret(change)
    if isinstance(declared, str):
        return declared
    return (
        generated.get((change.tenant, declared.name))
        or secrets.value_of(declared.name, shared=change.may(SHARED_SECRETS))
        or ""
    )


def _declared_secret(change: ObjectChange) -> Any:
    return getattr(change.located.document, KINDS[change.kind].secret_key)  # type: ignore[union-attr]


def _write(
    plan: Plan, generated: Mapping[tuple[str, str], str], by: str, tell: Progress, show: ShowSecrets | None
) -> None:
    nested = connection.in_atomic_block
    try:
        with transaction.atomic():
            lock_for_writing(nested)
            _write_all(plan, generated, by, tell)
            if show and generated:
                show(plan, [(tenant, name, value) for (tenant, name), value in generated.items()])
    except OperationalError as error:
        # a serialization failure: another transaction changed one of the rows first
        if str(getattr(error.__cause__, "sqlstate", "")).startswith("40"):
            raise WriteConflict from error
        raise
    except (IntegrityError, ValidationError, InvalidFlow, LastAdministrator) as error:
        raise WriteConflict from error  # it was valid a moment ago; the next comparison locates the problem


def _write_all(plan: Plan, generated: Mapping[tuple[str, str], str], by: str, tell: Progress) -> None:
    if (Result.objects.order_by("-pk").values_list("pk", flat=True).first() or 0) != plan.newest_result:
        raise WriteConflict
    by_tenant = [
        (tenant, list(changes)) for tenant, changes in groupby(plan.changes, key=lambda change: change.tenant)
    ]
    for tenant, changes in by_tenant:
        _release(tenant, changes)
    for tenant, changes in by_tenant:
        tell(f"writing {tenant}")
        _write_tenant(plan, tenant, changes, by)
    for (tenant, name), value in generated.items():
        with _scope_of(tenant):
            secrets.save(name, value, by=by)
    record_plan(plan, by)


def _release(tenant: str, changes: list[ObjectChange]) -> None:
    """Check that nothing has changed since the comparison, then release values that others may take."""
    with _scope_of(tenant) as row:
        check_unchanged(changes)
        deleted = deleted_names(changes)
        if missing_references([each.located for each in changes if each.located], deleted) or remaining_uses(
            changes
        ):
            raise WriteConflict
        for name, names in deleted.items():
            KINDS[name].release(names)
        for change in changes:
            if (
                change.kind == "tenant"
                and "domains" in change.desired
                and row.pk > 0
                and change.may("tenants.edit")
            ):
                tenants.release_domains(row, change.desired["domains"])


def _write_tenant(plan: Plan, tenant: str, changes: list[ObjectChange], by: str) -> None:
    with _scope_of(tenant):
        KINDS["tenant"].write(
            [
                change
                for change in changes
                if change.kind == "tenant" and change.action in ("create", "update")
            ],
            by=BLUEPRINT_ACTOR,
        )
    with _scope_of(tenant):
        for kind in KINDS.values():
            kind_changes = [
                change
                for change in changes
                if change.kind == kind.name and change.action in ("create", "update")
            ]
            if kind_changes and kind.name != "tenant":
                kind.write(kind_changes, by=BLUEPRINT_ACTOR)
        for name, deleted in groupby(
            [change for change in changes if change.action == "delete"], key=lambda change: change.kind
        ):
            KINDS[name].delete([change.name for change in deleted], by=BLUEPRINT_ACTOR)
        _record_ownership(plan.blueprint, changes)
        if any(change.action != "unchanged" for change in changes):
            publish("blueprint.applied", actor=by, target=plan.blueprint, counts=plan.counts)


def check_unchanged(changes: Sequence[ObjectChange]) -> None:
    """Raise WriteConflict if an object to be changed is no longer as it was compared."""
    for kind in KINDS.values():
        expected = {
            change.name: change.before
            for change in changes
            if change.kind == kind.name and change.action != "unchanged"
        }
        if expected and kind.current(list(expected)) != {
            name: before for name, before in expected.items() if before is not None
        }:
            raise WriteConflict


def _record_ownership(blueprint: str, changes: Sequence[ObjectChange]) -> None:
    """Store which blueprint manages each object and the applied values; write only what differs."""
    owned = {(row.kind, row.name): row for row in Owned.objects.all()}
    stored = {
        kind: KINDS[kind].current([each.name for each in changes if each.kind == kind])
        for kind in _kinds_with_secrets(changes)
    }
    created, updated, now = list[Owned](), list[Owned](), timezone.now()
    for change in changes:
        if change.action == "delete":
            continue
        keys = dict(change.desired)
        if "$secret" in keys:
            keys["$secret"] = {**keys["$secret"], "state": stored[change.kind][change.name]["$secret"]}
        row = owned.get((change.kind, change.name))
        if (
            row is None
            or row.blueprint != blueprint
            or change.action != "unchanged"
            or not _is_equal(change.kind, row.keys, keys)
        ):
            if row is None:
                row = Owned(kind=change.kind, name=change.name)
                created.append(row)
            else:
                updated.append(row)
            row.blueprint, row.keys, row.applied_at, row.drift = blueprint, keys, now, None
    Owned.objects.bulk_create(created, batch_size=500)
    write_columns(updated, ["blueprint", "keys", "applied_at", "drift"])
    deleted = [
        owned[change.kind, change.name].pk
        for change in changes
        if change.action == "delete" and (change.kind, change.name) in owned
    ]
    Owned.objects.filter(pk__in=deleted).delete()


def _is_equal(kind: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return one.keys() == other.keys() and all(
        KINDS[kind].is_equal(key, value, other[key]) for key, value in one.items()
    )


def _kinds_with_secrets(changes: Sequence[ObjectChange]) -> set[str]:
    return {change.kind for change in changes if "$secret" in change.desired}


def _scope_of(tenant: str) -> AbstractContextManager[Tenant]:
    return tenant_scope(tenants.by_name(tenant) or Tenant(pk=-1, name=tenant))


def lock_for_writing(nested: bool) -> None:
    """Keep everyone else from applying until the transaction ends; SQLite has a single writer anyway.

    On PostgreSQL the transaction sees one snapshot, taken after the wait, because locking a table takes none.
    If another transaction changes a row between our read and our write, this one fails and starts over.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            if not nested:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor.execute(f"LOCK TABLE {Result._meta.db_table} IN SHARE ROW EXCLUSIVE MODE")
