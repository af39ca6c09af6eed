"""Conditions, sections, choices, sub-flows and refusals that go on.

A run can be started again, with or without what was learned.
"""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from flows.documents.versions import InvalidFlow
from flows.editing.publishing import publish
from flows.models import Flow
from flows.models import Run as Row
from idp.accounts import credentials
from idp.accounts.models import Person, Session
from idp.oauth.models import Application
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import Doors, Seen
from tests.support.credentials import code, give_totp
from tests.support.flows import (
    SHIPPED,
    advance_to,
    device_state,
    draw,
    drawing,
    events,
    facts_of,
    restart_token,
    restarted,
    row_of,
)

ALICE, PASSWORD = {"name": "alice"}, {"password": "alice-password-1"}
REST = ("login", "device_code", "consent", "finish")


def step(stage: str, name: str = "", **more: Any) -> dict[str, Any]:
    """Return a step of this stage with a name, a condition and settings."""
    return {"stage": stage, **({"id": name} if name else {}), **more}


def shut(name: str, when: str | None = None, **more: Any) -> dict[str, Any]:
    """Return a deny step whose message contains its own name."""
    return step(
        "deny", name, settings={"message": f"Refused by {name}."}, **({"when": when} if when else {}), **more
    )


def group(name: str, *steps: Any, **more: Any) -> dict[str, Any]:
    """Return a section of these steps."""
    return {"group": name, "steps": [step(each) if isinstance(each, str) else each for each in steps], **more}


def part(name: str, *steps: Any, **more: Any) -> None:
    """Publish a sub-flow to which other flows refer."""
    publish(drawing(*steps, flow=name, **{"for": "part", **more}), by="test")


def pick(*values: str) -> dict[str, Any]:
    """Return the settings of a choice."""
    return {"options": [{"value": value, "title": value} for value in values]}


def decided(seen: Seen) -> dict[str, str]:
    """Return the decisions in the run's row, by step."""
    return dict(row_of(seen).state["decided"])


# --- conditions, sections, choices --------------------------------------------------------------------------


@pytest.mark.parametrize(("chosen", "met"), [("left", "inner"), ("right", "shut")])
def test_a_choice_leads_into_a_group_or_past_it(acme: Tenant, door: Doors, chosen: str, met: str) -> None:
    """Later steps see ``steps.<id>.choice``.

    A section that does not apply is passed over with all sections within it.
    """
    draw(
        step("choice", "which-way", settings=pick("left", "right")),
        group(
            "both",
            group("deep", step("choice", "inner")),
            step("choice", "second"),
            when='steps.which_way.choice == "left"',
        ),
        shut("shut", 'steps.both.decision == "passed over" && steps.inner.decision == "passed over"'),
    )
    seen = door().page().submit(choice=chosen)
    assert seen.step == met or f"Refused by {met}." in seen.text
    fate = "entered" if chosen == "left" else "passed over"
    assert decided(seen)["both"] == fate
    assert decided(seen)["deep"] == fate
    assert decided(seen).get("second") == (None if chosen == "left" else "passed over")


def test_the_condition_of_a_group_is_asked_once(acme: Tenant, door: Doors) -> None:
    """The condition is evaluated on arrival only.

    A later change neither opens nor closes the section for a person who is in it.
    """
    draw(
        "identification",
        "password",
        group("staff", step("choice", "a"), step("choice", "b"), when='"staff" in person.groups'),
        *REST,
    )
    seen = door().page().submit(**ALICE).submit(**PASSWORD)
    assert seen.step == "a"
    Person.objects.get(username="alice").groups.clear()
    seen = seen.submit(choice="yes")
    assert seen.step == "b"
    assert row_of(seen).state["read"]["staff"] == {
        "when": '"staff" in person.groups',
        "applied": True,
        "values": {},
    }
    assert seen.submit(choice="yes").step == "device_code"


def test_a_condition_that_fails_refuses_instead_of_passing_the_group_over(acme: Tenant, door: Doors) -> None:
    """CVE-2024-47070: a condition that cannot be evaluated never leaves a guarded section out."""
    draw(
        "identification",
        "password",
        group("guard", shut("guarded"), when='person.attributes["missing"] == "x"'),
        *REST,
    )
    seen = door().page().submit(**ALICE).submit(**PASSWORD)
    assert (seen.title, events("flow.broken"), Session.objects.count()) == ("Something went wrong", 1, 0)


def test_a_fact_that_is_only_given_in_a_group_is_missing_outside(acme: Tenant, door: Doors) -> None:
    """Identified is not authenticated: a section with the password that does not apply signs no one in."""
    draw("identification", group("strong", "password", when='request.agent == "never"'), *REST)
    seen = door().page().submit(**ALICE)
    assert (seen.title, Session.objects.count()) == ("Something went wrong", 0)


# --- sub-flows ----------------------------------------------------------------------------------------------


def test_a_sub_flow_runs_where_it_is_named_and_sees_its_own_steps_only(acme: Tenant, door: Doors) -> None:
    """Its ``steps.way`` is its own step and not the outer flow's step of that name.

    Its facts are the run's.
    """
    part(
        "ways", step("choice", "way", settings=pick("in", "out")), shut("inner", 'steps.way.choice == "out"')
    )
    draw(
        step("choice", "way", settings=pick("out", "in")),
        {"flow": "ways"},
        shut("outer", 'steps.way.choice == "out" && steps.ways.decision == "entered"'),
    )
    seen = door().page().submit(choice="out")
    assert seen.step == "ways.way"
    seen = seen.submit(choice="in")
    assert "Refused by outer." in seen.text
    assert decided(seen) == {
        "way": "done",
        "ways": "entered",
        "ways.way": "done",
        "ways.inner": "passed over",
        "outer": "refused",
    }


def test_a_sub_flow_cannot_read_the_steps_around_it(acme: Tenant) -> None:
    """A sub-flow is published without knowing where it is used, and an outer flow cannot read its steps."""
    with pytest.raises(InvalidFlow, match=r"Unknown name steps\.way"):
        part("ways", shut("inner", 'steps.way.choice == "out"'))
    part("inside", step("choice", "way"))
    with pytest.raises(InvalidFlow, match=r"Unknown name steps\.way"):
        draw({"flow": "inside"}, shut("outer", 'steps.way.choice == "yes"'))


def test_the_same_sub_flow_twice_is_asked_twice(acme: Tenant, door: Doors) -> None:
    """Each place under its own name, with its own answers."""
    part(
        "ways", step("choice", "way", settings=pick("in", "out")), shut("inner", 'steps.way.choice == "out"')
    )
    draw({"flow": "ways", "id": "first"}, {"flow": "ways", "id": "second"})
    seen = door().page().submit(choice="in")
    assert seen.step == "second.way"
    assert "Refused by inner." in seen.submit(choice="out").text


def test_a_step_cannot_stand_for_one_in_a_sub_flow(acme: Tenant) -> None:
    """Deciding a step of the outer flow does not decide one of the same name in the sub-flow.

    Otherwise a second factor, for example, would be skipped unasked.
    """
    part("factor", step("totp", "code"))
    for twin in ("factor.code", "factor-code"):
        with pytest.raises(InvalidFlow, match=r"(Two steps have the|Step) ID factor\.code"):
            draw("identification", "password", shut(twin, "false"), {"flow": "factor"}, *REST)


def test_a_sub_flow_with_a_condition_proves_nothing_when_passed_over(acme: Tenant, door: Doors) -> None:
    """The password of a sub-flow that did not apply is not asked, and then no one is signed in."""
    part("proving", "password")
    draw("identification", {"flow": "proving", "when": 'request.agent == "never"'}, *REST)
    seen = door().page().submit(**ALICE)
    assert (seen.title, decided(seen)["proving.password"], Session.objects.count()) == (
        "Something went wrong",
        "passed over",
        0,
    )


# --- refusals that go on ------------------------------------------------------------------------------------


def test_a_step_may_refuse_and_the_run_goes_on(acme: Tenant, door: Doors) -> None:
    """The next step is asked and sees the refusal, and the event says that it went on."""
    draw(shut("soft", on_refusal="continue"), step("choice", "seen", when='steps.soft.decision == "refused"'))
    seen = door().page()
    assert (seen.step, decided(seen)["soft"]) == ("seen", "refused")
    assert events("flow.denied") == 1


@pytest.mark.parametrize("box", ["group", "flow"])
def test_a_refusal_leaves_the_rest_of_its_box(acme: Tenant, door: Doors, box: str) -> None:
    """The rest of a section or sub-flow that says ``continue`` is passed over, nested ones too."""
    steps = [
        step("choice", "ask"),
        group("deep", shut("hard"), step("choice", "after")),
        step("choice", "last"),
    ]
    if box == "flow":
        part("box", *steps)
        draw(
            {"flow": "box", "on_refusal": "continue"},
            step("choice", "beyond", when='steps.box.decision == "refused"'),
        )
    else:
        draw(
            group("box", *steps, on_refusal="continue"),
            step("choice", "beyond", when='steps.box.decision == "refused"'),
        )
    seen = door().page().submit(choice="yes")
    assert seen.step == "beyond"
    head = "box." if box == "flow" else ""
    fates = {name.removeprefix(head): fate for name, fate in decided(seen).items()}
    assert fates == {
        "box": "refused",
        "ask": "done",
        "deep": "entered",
        "hard": "refused",
        "after": "passed over",
        "last": "passed over",
    }


def test_the_innermost_box_that_goes_on_catches_the_refusal(acme: Tenant, door: Doors) -> None:
    """Only its rest is left out, not that of the sections around it."""
    inner = group("inner", shut("hard"), step("choice", "a"), on_refusal="continue")
    draw(group("outer", inner, step("choice", "b"), on_refusal="continue"))
    seen = door().page()
    assert (seen.step, decided(seen)["a"], decided(seen)["outer"]) == ("b", "passed over", "entered")


def test_a_refusal_that_goes_on_proves_nothing(acme: Tenant, door: Doors) -> None:
    """After no app, refused, continue: a step that needs the second factor's fact refuses for good."""
    strict = shut("strict", "!second_factor.present")
    draw("identification", "password", step("totp", on_refusal="continue"), strict, *REST)
    seen = door().page().submit(**ALICE).submit(**PASSWORD)
    assert "Refused by strict." in seen.text
    assert (facts_of(seen), Session.objects.count()) == ({"person", "proof"}, 0)


def test_a_refused_consent_cannot_be_gone_round(acme: Tenant, door: Doors) -> None:
    """Hydra #4110: a second consent step in the same run does not turn a refusal into a yes."""
    twice = step("consent", "again")
    draw(*SHIPPED[:4], step("consent", on_refusal="continue"), twice)
    browser = door()
    started = browser.start()
    seen = browser.sign_in().submit(user_code=started.user_code).submit(decision="deny")
    assert "already used or has expired" in seen.text
    assert device_state(started) == "denied"


# --- the values of a stage ----------------------------------------------------------------------------------


def test_a_stage_gives_only_the_values_it_declares(third_party: None, acme: Tenant, door: Doors) -> None:
    """A value that ``words`` does not name refuses the run: conditions read only what lint has seen."""
    draw(step("probe", settings={"submit": "tattle"}))
    seen = door().page().submit(answer="x")
    assert (seen.title, facts_of(seen)) == ("Something went wrong", set())
    assert row_of(seen).state["outputs"] == {}


# --- what is known before -----------------------------------------------------------------------------------


def test_a_stage_that_asks_again_is_entered_although_the_session_proves_all_of_it(
    acme: Tenant, door: Doors
) -> None:
    """With ``reauthenticate`` of 0s the session alone is never enough, and no other step is asked."""
    draw(
        "identification",
        "password",
        "login",
        step("reauthenticate", settings={"max_age": "0s"}),
        "device_code",
        "consent",
        "finish",
    )
    browser = door()
    browser.page().submit(**ALICE).submit(**PASSWORD)
    seen = browser.page()
    assert seen.step == "reauthenticate"
    assert set(decided(seen).values()) == {"known before"}
    assert seen.submit(password="wrong").step == "reauthenticate"
    assert seen.submit(**PASSWORD).step == "device_code"


# --- an application's own flow ------------------------------------------------------------------------------


def test_an_application_goes_on_in_its_own_flow_with_the_facts_so_far(acme: Tenant, door: Doors) -> None:
    """Only what its flow asks in addition is asked: the second factor.

    Its conditions see no step of the flow before.
    """
    give_totp()
    draw("identification", "password", "totp", *REST, flow="strict", default=False)
    Application.objects.filter(name="tv").update(
        flows={"device_code": "strict", "authentication": "never-looked-at"}
    )
    browser = door()
    started = browser.start()
    seen = browser.sign_in().submit(user_code=started.user_code)
    assert (seen.step, row_of(seen).version.flow.name) == ("totp", "strict")
    assert decided(seen) == {"identification": "known before", "password": "known before"}
    assert row_of(seen).state["before"][0]["decided"]["device_code"] == "done"
    assert seen.submit(code="000000").step == "totp"
    seen = seen.submit(code=code())
    assert seen.submit(decision="approve").title == "Approved – return to your device"
    assert device_state(started) == "approved"


# --- starting again -----------------------------------------------------------------------------------------


def totp_flow() -> None:
    """Publish a flow whose session only begins after a second factor.

    For a while its proof stands alone.
    """
    give_totp()
    draw("identification", "password", "totp", *REST)


@pytest.mark.parametrize(("keep", "asked"), [({"keep": "yes"}, "totp"), ({}, "identification")])
def test_starting_again_with_and_without_what_was_learned(
    acme: Tenant, door: Doors, keep: dict[str, str], asked: str
) -> None:
    """The old run is over, the new one asks what is not known, and the right code still signs in."""
    totp_flow()
    seen = door().page().submit(**ALICE).submit(**PASSWORD)
    again = restarted(seen, **keep)
    assert (again.step, again.path != seen.path) == (asked, True)
    assert seen.door.page(seen.path).title == "Started again"
    assert seen.submit(code=code()).title == "Started again"
    assert Session.objects.count() == 0
    if keep:
        assert decided(again) == {"identification": "known before", "password": "known before"}
        assert again.submit(code=code()).step == "device_code"


def test_a_proof_never_passes_to_another_person(acme: Tenant, door: Doors) -> None:
    """A proof is lost when the run starts again as another person.

    Started again as alice, the run takes no other name any more.
    """
    totp_flow()
    seen = restarted(door().page().submit(**ALICE).submit(**PASSWORD), keep="yes")
    alice = row_of(seen).person
    assert seen.submit(step="identification", name="bob").step == "totp"
    assert (row_of(seen).person, facts_of(seen)) == (alice, {"person", "proof"})
    bob = restarted(seen).submit(name="bob")
    assert (bob.step, facts_of(bob)) == ("password", {"person"})
    assert bob.submit(**PASSWORD).step == "password"
    assert restarted(bob, keep="yes").step == "password"
    assert Session.objects.count() == 0


def test_a_proof_is_kept_for_a_runs_lifetime_at_most(
    acme: Tenant, door: Doors, clock: time_machine.Traveller
) -> None:
    """What was proved 30 minutes ago is asked again, however often the run starts again.

    The name is not asked again.
    """
    totp_flow()
    seen = door().page().submit(**ALICE).submit(**PASSWORD)
    for _ in range(2):
        clock.shift(timedelta(minutes=14))
        seen = restarted(seen, keep="yes")
        assert seen.step == "totp"
    clock.shift(timedelta(minutes=3))
    seen = restarted(seen, keep="yes")
    assert (seen.step, facts_of(seen)) == ("password", {"person"})


def test_no_one_continues_what_another_person_was_refused(acme: Tenant, door: Doors) -> None:
    """The button on alice's refused page asks for her password again after bob signed in at the browser."""
    draw("identification", "password", shut("closed", 'person.username == "alice"'), *REST)
    browser = door()
    refused = browser.page().submit(**ALICE).submit(**PASSWORD)
    assert "Refused by closed." in refused.text
    token = refused.hidden["token"]
    assert browser.page().submit(name="bob").submit(password="bob-password-22").step == "device_code"
    publish(drawing(*SHIPPED), by="test")
    again = restarted(refused, token, keep="yes")
    assert facts_of(again) <= {"person"}
    assert again.step in ("identification", "password")
    assert Session.objects.filter(person__username="alice").count() == 0


def test_a_run_that_another_persons_sign_in_ended_keeps_nothing(acme: Tenant, door: Doors) -> None:
    """A run under way that another person's sign-in ended keeps nothing, not even the name."""
    totp_flow()
    browser = door()
    alice = browser.page().submit(**ALICE).submit(**PASSWORD)
    token = restart_token(alice)
    draw(*SHIPPED)
    assert browser.page().submit(name="bob").submit(password="bob-password-22").step == "device_code"
    again = restarted(alice, token, keep="yes")
    assert (again.step, facts_of(again)) == ("identification", set())


@pytest.mark.parametrize(
    "how", ["another browser", "another run", "no token", "guessed", "the step's", "neighbour"]
)
def test_only_the_page_itself_starts_its_run_again(acme: Tenant, door: Doors, how: str) -> None:
    """B19: the token belongs to browser and run.

    A stranger's run is as if it did not exist, and nothing is begun.
    """
    totp_flow()
    seen = door().page().submit(**ALICE).submit(**PASSWORD)
    stranger = door("other.test" if how == "neighbour" else "acme.test").page()
    token = restart_token(seen)
    second = seen.door.page("/device?switch")
    before = Row.unscoped.count()
    match how:
        case "another browser" | "neighbour":
            response = stranger.door.http.post(f"{seen.path}restart", {"token": token, "keep": "yes"})
            expected = 404
        case "another run":
            response, expected = (
                seen.door.http.post(f"{second.path}restart", {"token": token, "keep": "yes"}),
                409,
            )
        case _:
            wrong = {
                "no token": {},
                "guessed": {"token": "0" * 64},
                "the step's": {"token": seen.hidden["token"]},
            }[how]
            response, expected = seen.door.http.post(f"{seen.path}restart", {**wrong, "keep": "yes"}), 409
    assert (response.status_code, Row.unscoped.count()) == (expected, before)
    assert seen.submit(code=code()).step == "device_code"


def test_looking_starts_nothing_again(acme: Tenant, door: Doors) -> None:
    """A GET is refused, even with the right token."""
    seen = door().page()
    token = restart_token(seen)
    assert seen.door.http.get(f"{seen.path}restart", {"token": token}).status_code == 405
    assert Row.unscoped.count() == 1


def test_consent_is_never_kept(acme: Tenant, door: Doors) -> None:
    """Neither the consent nor the request is carried over.

    The code is typed again, and a second device waits for its own yes.
    """
    browser = door()
    first = browser.start()
    last = browser.approve(first)
    second = browser.start()
    again = restarted(last, keep="yes")
    assert (again.step, facts_of(again)) == ("device_code", {"person", "proof", "signed_in"})
    consent = again.submit(user_code=second.user_code)
    assert (consent.step, device_state(second)) == ("consent", "pending")


@pytest.mark.parametrize("end", ["denied", "expired", "finished", "signed out"])
def test_a_run_that_is_over_may_be_started_again(
    acme: Tenant, door: Doors, clock: time_machine.Traveller, end: str
) -> None:
    """A session that still holds is carried over.

    Nothing is carried over of a run that expired or whose session ended.
    """
    browser = door()
    started = browser.start()
    seen = browser.sign_in().submit(user_code=started.user_code)
    match end:
        case "denied":
            seen = seen.submit(decision="deny")
        case "finished":
            seen = seen.submit(decision="approve")
        case "expired":
            clock.shift(timedelta(minutes=31))
        case _:
            browser.http.post("/sign-out")
    again = restarted(seen, keep="yes")
    assert again.step == ("device_code" if end in ("denied", "finished") else "identification")
    assert "consent" not in facts_of(again)
    assert restarted(seen).step == "identification"


def test_a_denied_page_offers_to_start_again(acme: Tenant, door: Doors) -> None:
    """The page's own button starts it again, and signing in still waits for its own press."""
    draw("identification", "password", shut("closed", 'person.username == "alice"'), *REST)
    refused = door().page().submit(**ALICE).submit(**PASSWORD)
    publish(drawing(*SHIPPED), by="test")
    response = refused.door.http.post(
        f"{refused.path}restart", {**refused.hidden, "keep": "yes"}, follow=True
    )
    again = Seen(refused.door, response, response.redirect_chain[-1][0])
    assert (again.step, Session.objects.count()) == ("login", 0)
    assert again.submit().step == "device_code"


def test_a_run_of_an_applications_own_flow_starts_again_in_it(acme: Tenant, door: Doors) -> None:
    """A run whose flow is gone says so."""
    draw(
        "identification",
        "password",
        "login",
        step("choice", "own"),
        "device_code",
        "consent",
        flow="own",
        default=False,
    )
    Application.objects.filter(name="tv").update(flows={"device_code": "own"})
    browser = door()
    seen = browser.sign_in().submit(user_code=browser.start().user_code)
    assert seen.step == "own"
    again = restarted(seen, keep="yes")
    assert (again.step, row_of(again).version.flow.name) == ("own", "own")
    Flow.objects.filter(name="own").update(live=None)
    gone = restarted(again)
    assert (gone.status, gone.title) == (404, "This isn't set up yet")


@pytest.mark.parametrize("how", ["password changed", "deactivated"])
def test_a_proof_ends_with_what_proved_it(acme: Tenant, door: Doors, how: str) -> None:
    """B15, CVE-2025-53942: neither going on nor starting again takes an old proof.

    That holds between password and session too.
    """
    totp_flow()
    seen = door().page().submit(**ALICE).submit(**PASSWORD)
    token = restart_token(seen)
    alice = Person.objects.get(username="alice")
    if how == "deactivated":
        Person.objects.filter(pk=alice.pk).update(is_active=False)
    else:
        credentials.store_password(alice, credentials.hash_password("another-password-4"), by="alice")
    assert seen.submit(code=code()).title == "This request has expired"
    again = restarted(seen, token, keep="yes")
    assert (again.step, Session.objects.count()) == ("identification", 0)


def test_starting_again_counts_against_the_address(acme: Tenant, settings: Settings, door: Doors) -> None:
    """The old run ends first, so a browser can start again forever and never exceeds its limit of runs."""
    settings.RUNS_PER_ADDRESS = 1
    seen = door().page()
    for _ in range(3):
        seen = restarted(seen)
        assert seen.step == "identification"
    assert Row.objects.filter(ended_at=None).count() == 1


def test_the_neighbours_flow_has_no_branches_of_ours(acme: Tenant, other: Tenant, door: Doors) -> None:
    """Sub-flows and applications' flows are found in the tenant in scope only."""
    part("ours", "password")
    with tenant_scope(other), pytest.raises(InvalidFlow, match="Sub-flow ours isn't published"):
        draw("identification", {"flow": "ours"}, *REST)
    assert advance_to(door("other.test"), "password", door("other.test").start()).step == "password"


def test_a_page_in_a_deep_branch_costs_no_more_statements(acme: Tenant, door: Doors) -> None:
    """Layout and conditions come from memory: forty sections that do not apply query nothing."""
    draw("identification", "password", *REST)
    flat = door().page()
    draw(
        "identification",
        *[group(f"g{at}", shut(f"s{at}"), when='request.agent == "x"') for at in range(40)],
        "password",
        *REST,
    )
    deep = door().page()
    counts = []
    for seen in (flat, deep):
        with CaptureQueriesContext(connection) as asked:
            assert seen.submit(**ALICE).step == "password"
        counts.append(len(asked))
    assert counts[0] == counts[1]
