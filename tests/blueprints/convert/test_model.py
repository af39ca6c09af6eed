"""The conversion agrees with a model of authentik.

Everyone who is asked there is asked here, and everyone who is let in here is let in there.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations, product
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.blueprints.convert.converting import APPLICATION, SECRET_SAUCE, SIGN_IN, converted, written
from tests.blueprints.convert.test_strict import mfa

GROUPS = ("staff", "night")
DESCRIBED = "- {model: authentik_core.group, id: staff, identifiers: {name: staff}}\n"
DESCRIBED += (
    "- {model: authentik_core.group, id: night, identifiers: {name: night}, attrs: {parent: !KeyOf staff}}"
)


@dataclass(frozen=True)
class Subject:
    """A person as conditions read them."""

    username: str
    groups: tuple[str, ...]


SUBJECTS = [
    Subject(name, chosen) for name in ("alice", "bob") for n in range(3) for chosen in combinations(GROUPS, n)
]


@dataclass(frozen=True)
class Bound:
    """One policy as it is bound: a group, a person, or a source with any result."""

    what: str
    negate: bool
    enabled: bool

    def written(self, target: str, at: int) -> str:
        """Return the binding as authentik's files have it."""
        said = {
            "alice": "user: !Find [authentik_core.user, [username, alice]]",
            "sauce": "policy: !KeyOf sauce",
        }
        what = said.get(self.what, f"group: !KeyOf {self.what}")
        attrs = f"negate: {str(self.negate).lower()}, enabled: {str(self.enabled).lower()}, {what}"
        identifiers = f"target: !KeyOf {target}, order: {at}"
        return (
            f"- {{model: authentik_policies.policybinding, identifiers: {{{identifiers}}}, attrs: "
            f"{{{attrs}}}}}"
        )

    def passes(self, person: Subject | None, sauce: bool) -> bool:
        """Return the result for this person; None is a person who is not known yet."""
        below = {"staff": {"staff", "night"}, "night": {"night"}}
        if self.what == "sauce":
            said = sauce
        elif self.what == "alice":
            said = person is not None and person.username == "alice"
        else:
            said = person is not None and bool(below[self.what] & {*person.groups})
        return said is not self.negate


def agree(policies: Iterable[Bound], mode: str, person: Subject | None, sauce: bool) -> bool:
    """Return the result of authentik's engine; no policies at all agree."""
    found = [each.passes(person, sauce) for each in policies if each.enabled]
    return not found or (all(found) if mode == "all" else any(found))


def holds(condition: str, person: Subject) -> bool:
    """Return whether one of our conditions is true of this person."""
    python = condition.replace("&&", " and ").replace("||", " or ").replace("!(", " not (")
    return bool(eval(python, {"__builtins__": {}}, {"person": person}))  # noqa: S307 our own text


FLAGS = [
    {},
    *(
        {"evaluate_on_plan": plan, "re_evaluate_policies": again}
        for plan, again in product((False, True), repeat=2)
    ),
]
KINDS = [
    Bound(what, negate, enabled=True) for what in (*GROUPS, "alice", "sauce") for negate in (False, True)
]
policies = st.lists(st.sampled_from([*KINDS, Bound("staff", negate=False, enabled=False)]), max_size=3)
modes = st.sampled_from(["any", "all"])


def compared(folder: Path, bound: list[Bound], said: dict[str, bool], mode: str, *, opens: bool) -> None:
    """Compare a stage for every person, signed in as the flow begins or not.

    The source of a policy may have any result at either moment.
    """
    attrs = ", ".join(
        [f"{key}: {str(value).lower()}" for key, value in said.items()] + [f"policy_engine_mode: {mode}"]
    )
    flow = (
        SIGN_IN.replace(
            "stage: !KeyOf login, order: 90}", f"stage: !KeyOf login, order: 90}}, attrs: {{{attrs}}}"
        )
        if opens
        else SIGN_IN
    )
    target = "b-login" if opens else "b-mfa"
    entries = [
        flow,
        mfa("" if opens else attrs),
        SECRET_SAUCE,
        DESCRIBED,
        *(each.written(target, at) for at, each in enumerate(bound)),
    ]
    steps = converted([written(folder, *entries)]).steps()
    condition = next(each for each in steps if each.startswith("login" if opens else "totp")).partition(
        " when "
    )[2]
    for person, signed_in, planned, reached in product(SUBJECTS, (True, False), (True, False), (True, False)):
        known = person if signed_in else None
        there = not said.get("evaluate_on_plan") or agree(bound, mode, known, planned)
        there = there and (
            agree(bound, mode, person, reached) if said.get("re_evaluate_policies", True) else True
        )
        here = (not condition or holds(condition, person)) and "deny" not in steps
        assert (there or not here) if opens else (here or not there), (
            person,
            signed_in,
            planned,
            reached,
            bound,
            steps,
        )


@pytest.mark.parametrize("opens", [True, False], ids=["opens", "guards"])
@pytest.mark.parametrize("said", FLAGS, ids=str)
def test_each_policy_at_each_moment(tmp_path: Path, said: dict[str, bool], opens: bool) -> None:
    """A stage that guards applies wherever it did, and one that opens applies nowhere else."""
    for policy in KINDS:
        compared(tmp_path, [policy], said, "any", opens=opens)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bound=policies, said=st.sampled_from(FLAGS), mode=modes, opens=st.booleans())
def test_several_policies_together(
    tmp_path: Path, bound: list[Bound], said: dict[str, bool], mode: str, opens: bool
) -> None:
    """Guarding and opening stages agree with any number of policies, in either mode."""
    compared(tmp_path, bound, said, mode, opens=opens)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bound=policies, mode=modes)
def test_flows_let_in_whom_they_let_in(tmp_path: Path, bound: list[Bound], mode: str) -> None:
    """The policies of a flow for signing in are evaluated before the person is known."""
    flow = SIGN_IN.replace("name: Sign in", f"policy_engine_mode: {mode}, name: Sign in")
    entries = [flow, SECRET_SAUCE, DESCRIBED, *(each.written("flow", at) for at, each in enumerate(bound))]
    steps = converted([written(tmp_path, *entries)]).steps()
    refusing = [each.partition(" when ")[2] for each in steps if each.startswith("deny")]
    for person, planned in product(SUBJECTS, (True, False)):
        here = not any(not condition or holds(condition, person) for condition in refusing)
        assert agree(bound, mode, None, planned) or not here, (person, planned, steps)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bound=policies, mode=modes)
def test_applications_are_for_whom_they_were(tmp_path: Path, bound: list[Bound], mode: str) -> None:
    """An application is restricted by its groups, or switched off."""
    app = APPLICATION.replace("{name: TV, provider", f"{{policy_engine_mode: {mode}, name: TV, provider")
    entries = [app, SECRET_SAUCE, DESCRIBED, *(each.written("app", at) for at, each in enumerate(bound))]
    made = converted([written(tmp_path, *entries)]).one("application")
    for person, sauce in product(SUBJECTS, (True, False)):
        here = made.get("active", True) and (
            not made.get("groups") or bool({*made["groups"]} & {*person.groups})
        )
        assert agree(bound, mode, person, sauce) or not here, (person, sauce, made)
