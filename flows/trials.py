"""Keeps a walk that somebody has tried as one of the flow's own tests."""

from flows.document import FlowTest
from flows.lint import Finding
from flows.models import Draft
from flows.versions import RefusedFlow, draft_of, parse, save_draft, version_of


def keep_test(name: str, test: FlowTest, *, by: str) -> Draft:
    """Adds the test to the flow's draft, which is begun from what is live where there is none.

    Raises NoSuchVersion, DraftMoved, or RefusedFlow where the draft is no flow yet or has a test of this name.
    """
    draft = draft_of(name)
    document = parse({**(draft.document if draft else version_of(name).document), "flow": name})
    if any(each.name == test.name for each in document.tests):
        raise RefusedFlow([Finding(("tests", "name"), "There is a test of this name already: give it another one.")])
    tests = [*document.as_json().get("tests", []), test.model_dump(mode="json", exclude_defaults=True)]
    kept = parse({**document.as_json(), "tests": tests})
    return save_draft(name, kept.as_json(), by=by, revision=draft.revision if draft else None)
