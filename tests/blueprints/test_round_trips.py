"""Any change by any view, command or API exports to a file that applies again.

It applies here without a change, and elsewhere as the same bytes.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blueprints.files.apply import apply
from blueprints.files.emit import emit
from blueprints.files.export import export
from blueprints.files.plan import make_plan
from blueprints.files.problems import BadBlueprint
from blueprints.objects import edit
from flows.documents import versions
from flows.editing import publishing
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope

NAMES = ("one", "two")
STEPS = [{"stage": "identification"}, {"stage": "password"}, {"stage": "login"}]
DEVICE = [*STEPS, {"stage": "device_code"}, {"stage": "consent"}]
some = st.sampled_from(NAMES)
several = st.lists(some, unique=True)
ASKS = [{"stage": "prompt", "settings": {"title": "T", "fields": [{"name": "team"}]}}]


def flow(name: str, part: str, tested: str, default: bool) -> dict[str, Any]:
    """Return a flow for devices, perhaps with a sub-flow, and with a test of an existing person."""
    steps = [{"flow": f"part-{part}"}, {"stage": "finish"}] if part else [{"stage": "finish"}]
    test = {
        "name": "t",
        "person": tested,
        "answers": {each["stage"]: "passes" for each in DEVICE},
        "ends": "asks" if part else "finished",
    }
    more = {"tests": [test]} if tested else {}
    return {
        "flow": name,
        "title": name,
        "for": "device_code",
        "default": default,
        "steps": [*DEVICE, *steps],
        **more,
    }


def application(
    name: str, groups: Sequence[str], scopes: Sequence[str], flow: str, client_id: str
) -> dict[str, Any]:
    """Return an application that names everything that an application may name."""
    said = {"client_id": client_id, "groups": groups, "scopes": [f"s:{each}" for each in scopes]}
    return {"application": name, **said, "flows": {"device_code": flow} if flow else {}}


FIRST: list[dict[str, Any]] = [
    {"group": "one"},
    {"group": "two"},
    {"scope": "s:one", "title": "one"},
    {"scope": "s:two", "title": "two"},
    {"person": "one", "groups": ["one"]},
    {"person": "two", "email": "p@acme.test"},
    {"flow": "part-one", "title": "one", "for": "part", "steps": ASKS},
    {"flow": "part-two", "title": "two", "for": "part", "steps": ASKS},
    flow("one", "one", "", True),
    flow("two", "", "two", False),
    application("one", ["one"], ["one"], "one", "c"),
    application("two", ["two"], ["one", "two"], "two", "d"),
]
documents = st.one_of(
    st.builds(lambda name: {"group": name}, some),
    st.builds(lambda name, title: {"scope": f"s:{name}", "title": title}, some, some),
    st.builds(
        lambda name, groups, email: {"person": name, "groups": groups, "email": email},
        some,
        several,
        st.sampled_from(["", "p@acme.test"]),
    ),
    st.builds(lambda name: {"flow": f"part-{name}", "title": name, "for": "part", "steps": ASKS}, some),
    st.builds(flow, some, st.sampled_from(["", *NAMES]), st.sampled_from(["", *NAMES]), st.booleans()),
    st.builds(
        application, some, several, several, st.sampled_from(["", *NAMES]), st.sampled_from(["c", "d"])
    ),
)
kinds = st.sampled_from(["group", "scope", "person", "flow", "application"])
changes = st.lists(
    st.one_of(
        st.tuples(st.just("apply"), st.lists(documents, min_size=1, max_size=4), st.booleans()),
        st.tuples(st.just("save"), documents, st.none()),
        st.tuples(
            st.just("delete"), kinds, st.sampled_from([*NAMES, "s:one", "s:two", "part-one", "part-two"])
        ),
        st.tuples(st.just("roll back"), some, st.integers(1, 2)),
    ),
    min_size=2,
    max_size=8,
)


@pytest.fixture
def empty(db: None) -> Tenant:
    """Return a tenant with nothing in it."""
    return Tenant.objects.create(name="acme", title="Acme")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes)
def test_what_is_exported_goes_in_again(empty: Tenant, sequence: Sequence[Any]) -> None:
    """The plan of the export has no problem, no change and no note.

    Another tenant that it is applied to exports the same bytes.
    """
    with TemporaryDirectory() as folder, suppress(_Undone), transaction.atomic():
        file = Path(folder, "b.yaml")
        file.write_text(emit([{"tenant": "acme"}, *FIRST]))
        apply([file], name="b")
        for what, first, second in sequence:
            with (
                suppress(
                    BadBlueprint,
                    edit.InvalidObject,
                    edit.ObjectNotFound,
                    versions.InvalidFlow,
                    versions.NoSuchVersion,
                ),
                tenant_scope(empty),
            ):
                _change(file, what, first, second)
        with tenant_scope(empty):
            text = export()
        file.write_text(text)
        plan = make_plan([file])
        assert (plan.effective, plan.missing, plan.notes) == ([], [], []), (sequence, text)
        there = text.replace("tenant: acme", "tenant: other")
        file.write_text(there)
        apply([file], name="other")
        with tenant_scope(Tenant.objects.get(name="other")):
            assert export() == there.replace("The tenant acme", "The tenant other")
        raise _Undone


class _Undone(Exception):
    """An exception that rolls everything back: the next example begins with nothing."""


def _change(file: Path, what: str, first: Any, second: Any) -> None:
    if what == "apply":
        file.write_text(emit([{"tenant": "acme"}, *_once(first)]))
        apply([file], name="b", prune=second)
    elif what == "save":
        kind = next(iter(first))
        if kind == "flow":
            publishing.publish(versions.parse_flow(first), by="alice")
        else:
            edit.save(kind, first, by="alice")
    elif what == "delete":
        edit.delete(first, second, by="alice")
    else:
        publishing.roll_back(first, second, by="alice")


def _once(said: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return list({next(iter(each.items())): each for each in said}.values())
