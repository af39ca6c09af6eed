"""Compare blueprints with what is stored: nothing is written, and the number of queries is constant."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError

from blueprints.files import secrets
from blueprints.files.consequences import describe_consequences
from blueprints.files.order import missing_references, sort_documents
from blueprints.files.pending_people import with_pending_people
from blueprints.files.problems import BadBlueprint, Problem
from blueprints.files.prune import check_still_used, deleted_names, plan_pruning, takeover_notes
from blueprints.files.read import LocatedDocument, Upload, read_with_problems
from blueprints.files.tags import SecretTag
from blueprints.models import Owned, Result
from blueprints.objects.document import PersonDocument
from blueprints.objects.kind import HIDDEN, KeyChange, Kind, ObjectChange
from blueprints.objects.registry import KINDS
from flows.documents.document import FlowDocument
from flows.documents.versions import InvalidFlow, live_sub_flows
from flows.editing.publishing import prepare
from idp.accounts.roles import SHARED_SECRETS
from idp.foundation.sealing import mac
from idp.ratelimit.budgets import Budget, Exhausted, Spend, charge, refund
from idp.tenancy import tenants
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope

Progress = Callable[[str], object]
_MAX_NAMED = 20
_COMPARISON_BUDGET = Budget("blueprint.secret", 20, timedelta(hours=1))


@dataclass(frozen=True)
class MissingSecret:
    """A secret that is referenced and does not exist."""

    tenant: str
    name: str
    located: LocatedDocument


@dataclass
class Plan:
    """What applying would do.

    ``seen`` is the newest result at the time of the plan. ``notes`` is what a person should know in addition.
    """

    blueprint: str
    source_digest: str
    newest_result: int
    changes: list[ObjectChange] = field(default_factory=list)
    missing: list[MissingSecret] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        """The number of objects that are created, updated, deleted and unchanged."""
        found = Counter(change.action for change in self.changes)
        return {action: found[action] for action in ("create", "update", "delete", "unchanged")}

    @property
    def effective(self) -> list[ObjectChange]:
        """The changes that change something."""
        return [change for change in self.changes if change.action != "unchanged"]

    @property
    def digest(self) -> str:
        """A digest of what the plan is based on: the stored state and the requested changes."""
        basis = [
            (*each.identity, each.action, each.before, each.desired, each.keys, each.dependencies)
            for each in self.effective
        ]
        return hashlib.sha256(json.dumps(basis, sort_keys=True, default=str).encode()).hexdigest()[:16]


def make_plan(
    paths: Sequence[Path | Upload],
    *,
    name: str = "",
    variables: Mapping[str, str] | None = None,
    prune: bool = False,
    progress: Progress = lambda text: None,
) -> Plan:
    """Read, check and compare the files; raise BadBlueprint with everything that is wrong.

    ``name`` is the name of the blueprint, by default that of its first file or folder. With ``prune`` the
    plan also deletes what the blueprint managed and no longer contains. ``progress`` receives the name of
    each phase.
    """
    progress("reading")
    source = read_with_problems(paths, variables)
    # otherwise an invalid document would count as missing
    prune = prune and not source.problems
    newest = Result.objects.order_by("-pk").values_list("pk", flat=True).first()
    plan = Plan(
        name or default_name(paths),
        source.digest,
        newest or 0,
        notes=[*_unused_files_note(source.unused_files), *source.notes],
    )
    problems = list(source.problems)
    by_tenant: dict[str, list[LocatedDocument]] = defaultdict(list)
    for located in source.documents:
        by_tenant[located.tenant].append(located)
    released = _released_domains(source.documents)
    for tenant, documents in by_tenant.items():
        progress(f"comparing {tenant}")
        row, declared = tenants.by_name(tenant), [each for each in documents if not each.only_names_tenant]
        if row is None and not any(each.kind == "tenant" for each in declared):
            if documents[0].kind != "tenant":
                problems.append(documents[0].problem([documents[0].kind], f"There is no tenant {tenant}."))
                continue
            declared = [documents[0], *declared]  # naming a tenant is enough to create it
        with tenant_scope(_with_planned_networks(row or Tenant(pk=-1, name=tenant), declared)):
            problems += _compare(plan, declared, documents[0], prune, released)
    if problems:
        raise BadBlueprint(problems)
    plan.missing = list({(each.tenant, each.name): each for each in plan.missing}.values())
    return plan


def _unused_files_note(files: Sequence[Path]) -> list[str]:
    """Return a note about files in the folders that were not read or have no document."""
    more = f" and {len(files) - _MAX_NAMED} more" if len(files) > _MAX_NAMED else ""
    return [f"No document found in {', '.join(map(str, files[:_MAX_NAMED]))}{more}."] if files else []


def _with_planned_networks(tenant: Tenant, documents: Iterable[LocatedDocument]) -> Tenant:
    """Set the trusted networks as they will be, because the tests of the applied flows depend on them."""
    for each in documents:
        if each.kind == "tenant" and "networks" in each.document.model_fields_set:
            tenant.networks = list(each.document.networks)
    return tenant


def default_name(paths: Sequence[Path | Upload]) -> str:
    """Return the default name of a blueprint."""
    return Path(str(paths[0])).resolve().stem[:200]


@dataclass(frozen=True)
class TenantContents:
    """What a tenant has, read once.

    ``parts`` are the sub-flows as they will be. ``pending_people`` are the pending people. ``planned_names``
    holds the names that these documents create and that conditions may refer to.
    """

    owned: Mapping[tuple[str, str], Owned]
    parts: Mapping[str, FlowDocument]
    value_of: Callable[[str], str | None] = field(repr=False)
    pending_people: dict[str, PersonDocument] = field(default_factory=dict)
    planned_names: Mapping[str, Collection[str]] = field(default_factory=dict)


def _released_domains(documents: Iterable[LocatedDocument]) -> frozenset[str]:
    """Return the host names that tenants release, so that others may take them."""
    found: set[str] = set()
    for each in documents:
        if (
            each.kind == "tenant"
            and "domains" in each.document.model_fields_set
            and "tenants.edit" in each.rights
        ):
            row = tenants.by_name(each.name)
            found |= tenants.released_domains(row, each.document.domains) if row else set()
    return frozenset(found)


def _compare(
    plan: Plan, documents: list[LocatedDocument], at: LocatedDocument, prune: bool, released: frozenset[str]
) -> list[Problem]:
    """Add the changes of one tenant to the plan, in the order of writing, and return the problems.

    ``at`` is the document that names the tenant first.

    Every check is made against what the tenant will have, without what is pruned.
    """
    ordered, problems, circular = sort_documents(documents)
    owned = {(row.kind, row.name): row for row in Owned.objects.all()}
    requested, deletions = _initial_changes(ordered), list[ObjectChange]()
    if prune:
        deletions, notes = plan_pruning(plan.blueprint, at.tenant, requested, owned.values())
        plan.notes += notes
    problems += [
        *missing_references(documents, deleted_names(deletions)),
        *check_still_used([*requested, *deletions], at),
    ]
    flows = {each.name: each.document for each in ordered if each.kind == "flow"}
    value_of = secrets.secret_lookup(shared=all(SHARED_SECRETS in each.rights for each in documents))
    contents = TenantContents(
        owned, {**live_sub_flows(), **flows} if flows else {}, value_of, planned_names=_planned_names(ordered)
    )
    for change in requested:
        change.released_domains = released
    for kind in KINDS.values():
        kind_changes = [each for each in requested if each.kind == kind.name]
        kind_deletions = [each for each in deletions if each.kind == kind.name]
        problems += _complete_kind(plan, kind, kind_changes, kind_deletions, contents, circular)
    changes = [*requested, *deletions]
    plan.changes += changes
    plan.notes += [
        *takeover_notes(plan.blueprint, at.tenant, requested, owned),
        *describe_consequences(at.tenant, changes, contents.parts),
    ]
    return problems


def _complete_kind(
    plan: Plan,
    kind: Kind,
    changes: list[ObjectChange],
    deletions: list[ObjectChange],
    contents: TenantContents,
    circular: Collection[str],
) -> list[Problem]:
    """Complete the changes of one kind, except ``circular`` flows, and return the problems."""
    problems: list[Problem] = []
    for change in changes:
        if kind.name == "flow" and change.name in circular:
            continue
        problems += complete_change(plan, kind, change, contents)
        if change.before is None and kind.name == "person" and change.located:
            contents.pending_people[change.name] = change.located.document
    conflicts = kind.find_conflicts([*changes, *deletions]) if changes else ()
    return problems + [each.located.problem(path, text) for each, path, text in conflicts if each.located]


def _initial_changes(ordered: Sequence[LocatedDocument]) -> list[ObjectChange]:
    """Return an undecided change for each document, with the stored and the requested values."""
    changes = []
    for kind in KINDS.values():
        documents = [each for each in ordered if each.kind == kind.name]
        current = kind.current([each.name for each in documents]) if documents else {}
        changes += [build_change(located, current.get(located.name)) for located in documents]
    return changes


def build_change(located: LocatedDocument, before: dict[str, Any] | None) -> ObjectChange:
    """Return the change of one document, before anything is decided."""
    given = KINDS[located.kind].desired(located.document)
    return ObjectChange(
        located.tenant, located.kind, located.name, "unchanged", located=located, before=before, desired=given
    )


def _planned_names(documents: Iterable[LocatedDocument]) -> dict[str, list[str]]:
    """Return the names by kind that conditions may refer to once these documents are applied."""
    found = defaultdict(list)
    for each in documents:
        found[each.kind].append(each.name)
        if each.kind == "application":
            found["client id"].append(each.document.client_id)
    return found


def complete_change(
    plan: Plan, kind: Kind, change: ObjectChange, contents: TenantContents
) -> Iterator[Problem]:
    """Complete a change with its keys, its action and what the kind prepares; yield its problems."""
    located = change.located
    if located is None:
        return
    try:
        if kind.name == "flow":
            prepared = prepare(
                with_pending_people(located.document, contents.pending_people),
                contents.parts,
                planned_names=contents.planned_names,
            )
            change.prepared = replace(prepared, document=located.document)
        change.keys += kind.difference(change)
        secret = _secret_to_store(plan, kind, change, contents)
        yield from _report_weak_secret(plan, kind, change, secret)
        kind.prepare(change, secret)
        plan.notes += [
            f"{change.kind} {change.name} of {change.tenant}: {text}" for text in kind.advice(change, secret)
        ]
    except InvalidFlow as refused:
        yield from (located.problem(finding.path, finding.message) for finding in refused.findings)
    except ValidationError as error:
        messages = error.message_dict if hasattr(error, "error_dict") else {change.kind: error.messages}
        yield from (
            located.problem([_document_key(change.kind, column)], text)
            for column, texts in messages.items()
            for text in texts
        )
    except secrets.BadSecret as bad:
        yield located.problem([kind.secret_key], str(bad))
    change.action = "update" if change.keys else "unchanged"
    if change.before is None:
        change.action = "create"
    if kind.name == "flow" and change.prepared and change.action != "unchanged":
        warnings = (f"{'.'.join(map(str, each.path))}: {each.message}" for each in change.prepared.warnings)
        plan.notes += [f"flow {change.name} of {change.tenant}: {text}" for text in warnings]


def _report_weak_secret(
    plan: Plan, kind: Kind, change: ObjectChange, secret: str | None
) -> Iterator[Problem]:
    """Yield a problem for each weakness of a password that a person typed or uploaded.

    In the server's own files a weak password is only noted.
    """
    located = change.located
    for text in kind.secret_weaknesses(change, secret) if secret and located else ():
        if located and located.from_person:
            yield located.problem([kind.secret_key], text)
        else:
            plan.notes.append(
                f"The {kind.secret_key} of {change.kind} {change.name} of {change.tenant} is weak. {text}"
            )


def _secret_to_store(plan: Plan, kind: Kind, change: ObjectChange, contents: TenantContents) -> str | None:
    """Return the secret to store; None if it is already stored or none is given.

    A change is listed among the keys, without its value.
    """
    located = change.located
    if not kind.secret_key or located is None or kind.secret_key not in located.document.model_fields_set:
        return None
    declared = getattr(located.document, kind.secret_key)
    value = contents.value_of(declared.name) if isinstance(declared, SecretTag) else str(declared)
    stored, owned = (change.before or {}).get("$secret", ""), contents.owned.get((kind.name, change.name))
    recorded = owned.keys.get("$secret", {}) if owned else {}
    record = {
        "name": secret_name(declared),
        "mac": mac("blueprint.secret", value) if value else recorded.get("mac", ""),
        "state": stored,
    }
    if value is None:
        if not stored:
            plan.missing.append(MissingSecret(change.tenant, declared.name, located))
            change.keys.append(KeyChange(kind.secret_key, None, str(declared)))
            return "not there yet"
        change.desired["$secret"] = record
        return None
    if not value:
        return None
    applied = (recorded.get("mac"), recorded.get("state")) == (record["mac"], stored)
    if stored and _is_stored(kind, change, value, applied):
        change.desired["$secret"] = record
        return None
    change.keys.append(
        KeyChange(
            kind.secret_key,
            HIDDEN if stored else None,
            str(declared) if isinstance(declared, SecretTag) else HIDDEN,
        )
    )
    return value


def _is_stored(kind: Kind, change: ObjectChange, value: str, applied: bool) -> bool:
    """Return whether this is the stored secret.

    A person learns this only a few times, because otherwise each plan would be a free guess. After twenty
    wrong values within an hour, any value counts as different.
    """
    if change.may(SHARED_SECRETS):
        return applied or kind.secret_matches(change, value)
    receipts = charge([Spend(_COMPARISON_BUDGET, f"{change.kind} {change.name}")])
    if isinstance(receipts, Exhausted) or not (applied or kind.secret_matches(change, value)):
        return False
    refund(receipts)
    return True


def secret_name(said: object) -> str:
    """Return the name of a ``!secret``; "" for a value that is written in the file."""
    return said.name if isinstance(said, SecretTag) else ""


_KEYS = {
    "__all__": "",
    "username": "person",
    "secret_hash": "client_secret",
    "confidential": "type",
    "is_active": "active",
}


def _document_key(kind: str, column: str) -> str:
    """Return the key of the document for this column.

    Only a person has a ``name`` in addition to the name that identifies the document.
    """
    return kind if column == "name" and kind != "person" else _KEYS.get(column, column)
