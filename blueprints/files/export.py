"""Export a running tenant as documents that can be applied again: by name and never with a secret."""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from blueprints.files import secrets
from blueprints.files.emit import emit, order_keys
from blueprints.files.tags import SecretTag
from blueprints.models import Owned
from blueprints.objects.application import is_client_secret
from blueprints.objects.document import DOCUMENTS, SHORT_GRANTS
from blueprints.objects.registry import KINDS
from flows.documents.document import FlowDocument, StepDocument
from flows.documents.versions import sub_flow_names
from flows.registry import stages
from idp.foundation.errors import NotFound
from idp.tenancy.models import DEFAULT
from idp.tenancy.scope import current_tenant

_ALWAYS = {
    "tenant": ("title",),
    "application": ("title", "client_id"),
    "scope": ("title",),
    "mail": ("subject", "text"),
}


class NoSuchFlow(NotFound):
    """No published flow has this ID."""


def export(*, flow: str = "", without: Collection[str] = (), compare: bool = False) -> str:
    """Return the tenant in scope as YAML, without these kinds, or one ``flow`` with its sub-flows.

    Raise NoSuchFlow.

    With ``compare`` the name of a secret may reveal that it is the stored one. This is for the command line,
    and not for a person who could guess values with it.
    """
    if flow:
        owner = current_tenant().name
        return emit([*([{"tenant": owner}] if owner != DEFAULT else []), *_one_flow(flow)])
    header = f"# The tenant {current_tenant().name}. Secrets are referenced, not included.\n"
    return header + emit(_all_documents(without, compare))


def _all_documents(without: Collection[str], compare: bool) -> Iterator[dict[str, Any]]:
    owned = {
        (row.kind, row.name): row.keys.get("$secret", {})
        for row in Owned.objects.filter(kind__in=("person", "application"))
    }
    look_up = secrets.secret_lookup(shared=compare)
    for kind in KINDS.values():
        if kind.name == "flow":
            yield from _flows()
        elif kind.name not in without or kind.name == "tenant":
            current = kind.current(None)
            for name in sorted(current):
                keys = {"": name, **current[name]}
                yield _document(
                    kind.name,
                    keys,
                    _secret_tag(kind.name, keys, owned.get((kind.name, name), {}), look_up, compare),
                )


def _document(kind: str, keys: Mapping[str, Any], secret: SecretTag | None) -> dict[str, Any]:
    """Return a document with only the keys that differ from the defaults, in the order of the declaration."""
    defaults, nested = KINDS[kind].defaults(), dict[str, Any]()
    for key, value in keys.items():
        if key and key != "$secret" and (key in _ALWAYS.get(kind, ()) or value != defaults.get(key)):
            group, _, inner = key.rpartition(".")
            (nested.setdefault(group, {}) if group else nested)[inner] = value
    if "grants" in nested:
        nested["grants"] = [SHORT_GRANTS.get(grant, grant) for grant in nested["grants"]]
    if secret:
        nested[KINDS[kind].secret_key] = secret
    return dict(order_keys(DOCUMENTS[kind], {kind: keys[""], **nested}))


def _secret_tag(
    kind: str,
    keys: Mapping[str, Any],
    applied: Mapping[str, Any],
    look_up: Callable[[str], str | None],
    compare: bool,
) -> SecretTag | None:
    """Return the secret name under which the object was applied, if that secret is still the stored one.

    A confidential application without such a name gets a free one.
    """
    if applied.get("name") and applied.get("state") == keys.get("$secret"):
        return SecretTag(applied["name"])
    if kind != "application" or keys["type"] != "confidential":
        return None
    name, number = f"{keys['']}-client-secret", 1
    while (value := _existing_secret(look_up, name)) is not None and not (
        compare and is_client_secret(keys[""], value)
    ):
        number += 1
        name = f"{keys['']}-client-secret-{number}"
    return SecretTag(name)


def _existing_secret(look_up: Callable[[str], str | None], name: str) -> str | None:
    """Return the secret with this name, or None if the name is free or its file cannot be read.

    An unreadable file is reported when the export is applied.
    """
    try:
        return look_up(name)
    except secrets.BadSecret:
        return None


def _flows() -> Iterator[dict[str, Any]]:
    """Yield the flows by name, each after its sub-flows."""
    documents = {
        name: FlowDocument.model_validate(keys["document"])
        for name, keys in KINDS["flow"].current(None).items()
    }
    visited: set[str] = set()

    def visit(name: str) -> Iterator[dict[str, Any]]:
        if name in documents and name not in visited:
            visited.add(name)
            for sub_flow in sorted(sub_flow_names(documents[name])):
                yield from visit(sub_flow)
            yield _flow(documents[name])

    for name in sorted(documents):
        yield from visit(name)


def _one_flow(root: str) -> list[dict[str, Any]]:
    flows = {document["flow"]: document for document in _flows()}
    if root not in flows:
        raise NoSuchFlow
    needed, pending = set[str](), [root]
    while pending:
        name = pending.pop()
        if name in flows and name not in needed:
            needed.add(name)
            pending += sub_flow_names(FlowDocument.model_validate(flows[name]))
    return [document for name, document in flows.items() if name in needed]


def _flow(document: FlowDocument) -> dict[str, Any]:
    ordered = order_keys(FlowDocument, document.as_json())
    return {**ordered, "steps": [_step(each) for each in ordered["steps"]]}


def _step(step: dict[str, Any]) -> dict[str, Any]:
    """Return a step with its id first, then its stage, and its settings as the stage declares them."""
    ordered = order_keys(StepDocument, step)
    stage = stages().get(step.get("stage", ""))
    if stage and "settings" in step:
        ordered["settings"] = order_keys(stage.Settings, step["settings"])
    if "steps" in step:
        ordered["steps"] = [_step(each) for each in step["steps"]]
    return dict(ordered)
