"""Warnings about what people will run into once a valid plan is applied."""

from collections.abc import Iterator, Mapping, Sequence

from blueprints.objects.kind import ObjectChange
from flows.documents.dead_ends import find_dead_end
from flows.documents.designations import AUTHENTICATION, SUB_FLOW
from flows.documents.document import FlowDocument
from flows.documents.versions import live_defaults


def describe_consequences(
    tenant: str, changes: Sequence[ObjectChange], parts: Mapping[str, FlowDocument]
) -> Iterator[str]:
    """Yield a sentence for each default flow that can no longer be completed or no longer exists.

    ``changes`` are those of the tenant in scope, with their actions decided. ``parts`` are the sub-flows as
    they will be.
    """
    flows = {each.name: each for each in changes if each.kind == "flow" and each.action != "unchanged"}
    if not flows:
        return
    planned = {name: each.located.document for name, each in flows.items() if each.located}
    for name, document in planned.items():
        if document.default and document.designation != SUB_FLOW and (step := find_dead_end(document, parts)):
            yield (f"The flow {name} of {tenant} can't be completed: the step {step} refuses everyone.")
    before = live_defaults()
    after = {name: each for name, each in before.items() if name not in flows}
    after |= {name: document.designation for name, document in planned.items() if document.default}
    for designation in sorted(set(before.values()) - set(after.values())):
        effect = ": no one can sign in." if designation == AUTHENTICATION else "."
        yield f"{tenant} no longer has a default flow for {designation}{effect}"
