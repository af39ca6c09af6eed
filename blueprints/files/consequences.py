"""Warnings about what people will run into once a valid plan is applied."""

from collections.abc import Iterator, Mapping, Sequence

from blueprints.objects.kind import Change
from flows.documents.dead_ends import dead_end
from flows.documents.designations import AUTHENTICATION, PART
from flows.documents.document import FlowDocument
from flows.documents.versions import live_defaults


def outlook(tenant: str, changes: Sequence[Change], parts: Mapping[str, FlowDocument]) -> Iterator[str]:
    """Yield a sentence for each default flow that can no longer be completed or no longer exists.

    ``changes`` are those of the tenant in scope, with their actions decided. ``parts`` are the sub-flows as
    they will be.
    """
    flows = {each.name: each for each in changes if each.kind == "flow" and each.action != "unchanged"}
    if not flows:
        return
    planned = {name: each.located.document for name, each in flows.items() if each.located}
    for name, document in planned.items():
        if document.default and document.designation != PART and (step := dead_end(document, parts)):
            yield (f"The flow {name} of {tenant} can't be completed: the step {step} refuses everyone.")
    before = live_defaults()
    after = {name: each for name, each in before.items() if name not in flows}
    after |= {name: document.designation for name, document in planned.items() if document.default}
    for designation in sorted(set(before.values()) - set(after.values())):
        effect = ": no one can sign in." if designation == AUTHENTICATION else "."
        yield f"{tenant} no longer has a default flow for {designation}{effect}"
