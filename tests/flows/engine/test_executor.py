"""Every promise of the engine about a run, as the person in it or an attacker sees it."""

import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import time_machine
from django.db import connections
from django.utils import timezone
from pytest_django import Settings

from flows.models import Flow
from flows.models import Run as Row
from flows.registry import stages
from flows.run import Run
from flows.simulation import funnel
from flows.stage import Stage
from flows.tasks import sweep_runs
from idp.accounts import sessions
from idp.accounts.models import Person, Session
from idp.devices.models import DeviceCode
from idp.devices.service import ApproveDevice
from idp.events.models import Event
from idp.foundation.effects import EffectConflict
from idp.oauth.models import Application
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import Door, Doors, Seen
from tests.support.flows import SHIPPED, advance_to, device_state, draw, events, facts_of, row_of
from tests.thirdparty import probe


def probing(**settings: Any) -> dict[str, Any]:
    """Return a step whose behavior its settings choose."""
    return {"stage": "probe", "settings": settings}


# --- answers, pages, tokens ---------------------------------------------------------------------------------


def test_a_password_typed_into_a_stale_tab_is_not_taken_for_another_step(door: Doors) -> None:
    """traps.md: the form carries the step, so a stale answer shows the current question again.

    Nothing of the answer is stored.
    """
    name = door().page()
    password = name.submit(name="alice")
    shown = name.submit(name="bob")
    assert (shown.step, shown.path) == ("password", name.path)
    assert row_of(shown).state["facts"]["person"]["name"] == "alice"
    code = password.submit(password="alice-password-1")
    shown = password.submit(password="bob-password-22")
    assert shown.step == code.step == "device_code"
    assert "bob-password-22" not in str(row_of(shown).state)


def test_a_reload_shows_what_was_kept(third_party: None, acme: Tenant, door: Doors) -> None:
    """``enter`` runs once for each arrival, however often the page is loaded."""
    draw(probing(enter="keep"))
    seen = door().page()
    kept = row_of(seen).state["kept"]["number"]
    revision = row_of(seen).revision
    for _ in range(3):
        assert f"kept {kept}" in seen.door.page(seen.path).text
    assert row_of(seen).revision == revision
    seen.submit(answer="on")
    assert row_of(seen).state["kept"] == {}


@pytest.mark.parametrize("method", ["get", "head"])
def test_reading_applies_no_effect(third_party: None, acme: Tenant, door: Doors, method: str) -> None:
    """D30, Keycloak #26100, authentik's finish stage: an outcome with effects waits for Continue."""
    draw(probing(enter="mark"))
    seen = door().page()
    for _ in range(3):
        getattr(seen.door.http, method)(seen.path)
    assert (seen.title, events("probe.marked"), row_of(seen).state["decided"]) == ("Probe", 0, {})
    seen.submit()
    assert (events("probe.marked"), row_of(seen).state["decided"]["probe"]) == (1, "done")
    seen.submit()
    assert events("probe.marked") == 1


@pytest.mark.parametrize("way", ["show and mark", "deny and mark", "leave"])
def test_effects_of_every_outcome_are_applied_once(
    third_party: None, acme: Tenant, door: Doors, way: str
) -> None:
    """Show, Deny and Leave carry effects as Done does, and a GET applies none of them."""
    draw(probing(enter=way))
    seen = door().page()
    assert events("probe.marked") == 0
    seen.submit()
    assert events("probe.marked") == 1


def test_a_run_that_leaves_goes_where_the_stage_said(third_party: None, acme: Tenant, door: Doors) -> None:
    """B4: it redirects with 303, so that nothing is posted twice, and its page redirects there ever after."""
    draw(probing(submit="leave"))
    seen = door().page()
    for response in (
        seen.door.http.post(seen.path, {**seen.hidden, "answer": "x"}),
        seen.door.http.get(seen.path),
    ):
        assert (response.status_code, response["Location"]) == (303, "/elsewhere")


def test_a_token_belongs_to_one_run_and_one_step(door: Doors) -> None:
    """B19: neither the token of the step before nor that of a second run of the same browser opens a step."""
    first = door().page()
    second = first.door.page()
    assert first.path != second.path
    password = first.submit(name="alice")
    for token in (first.hidden["token"], second.hidden["token"], second.submit(name="alice").hidden["token"]):
        assert password.submit(token=token, password="alice-password-1").step == "password"
    assert facts_of(password) == {"person"}
    assert password.submit(password="alice-password-1").step == "device_code"


def test_a_token_is_not_taken_after_another_browser_copied_the_page(door: Doors) -> None:
    """Login CSRF: an attacker's own form, with a token of the attacker's own run, signs no one else in."""
    attacker, victim = door().page(), door().page()
    assert victim.door.http.post(attacker.path, {**attacker.hidden, "name": "bob"}).status_code == 404
    assert victim.submit(token=attacker.hidden["token"], name="bob").step == "identification"


# --- tabs, people, sessions ---------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_two_tabs_finish_in_either_order(door: Doors, order: tuple[int, int]) -> None:
    """A run of one tab never breaks that of another (authentik #6954).

    It holds although signing in changes the session's key.
    """
    browser = door()
    devices = [browser.start(), browser.start()]
    tabs = [browser.page().submit(name="alice") for _ in devices]
    tabs = [tab.submit(password="alice-password-1") for tab in tabs]
    assert [tab.step for tab in tabs] == ["device_code", "device_code"]
    for at in order:
        tabs[at] = tabs[at].submit(user_code=devices[at].user_code)
    for at in reversed(order):
        assert tabs[at].submit(decision="approve").title == "Approved – return to your device"
    assert set(DeviceCode.unscoped.values_list("state", flat=True)) == {"approved"}
    assert Session.unscoped.filter(ended_at=None).count() == 1


def test_signing_in_as_another_person_ends_the_runs_of_the_browser(door: Doors) -> None:
    """D30: bob's browser cannot finish what alice began, and her consent page is dead for him."""
    browser = door()
    started = browser.start()
    alice = browser.sign_in().submit(user_code=started.user_code)
    assert alice.step == "consent"
    claimed = browser.page("/device?switch").submit(name="alice")
    bob = browser.page("/device?switch").submit(name="bob").submit(password="bob-password-22")
    assert bob.step == "device_code"
    for tab, fields in ((alice, {"decision": "approve"}), (claimed, {"password": "alice-password-1"})):
        ended = tab.submit(**fields)
        assert ended.title == "Someone else signed in"
        assert "alice" not in ended.text
    assert device_state(started) == "pending"
    assert Session.unscoped.filter(person__username="alice", ended_at=None).count() == 0
    assert bob.submit(user_code=started.user_code).step == "consent"


def test_a_living_session_is_not_asked_again(door: Doors) -> None:
    """Identification, password and login are known before; the device's code and consent are asked."""
    browser = door()
    browser.approve(browser.start())
    started = browser.start()
    seen = browser.page()
    assert seen.step == "device_code"
    assert row_of(seen).state["decided"] == dict.fromkeys(
        ("identification", "password", "login"), "known before"
    )
    consent = seen.submit(user_code=started.user_code)
    assert (consent.step, device_state(started)) == ("consent", "pending")


def test_consent_is_asked_for_every_device(door: Doors) -> None:
    """Spring's verification filter, Keycloak #26100: consent always waits for a POST.

    A complete link, a session and an earlier consent do not replace it.
    """
    browser = door()
    browser.approve(browser.start())
    started = browser.start()
    seen = browser.page(started.answer["verification_uri_complete"].removeprefix("http://acme.test"))
    assert seen.step == "device_code"
    assert started.user_code in seen.text
    assert device_state(started) == "pending"


def test_a_step_that_gives_nothing_is_never_passed_over(acme: Tenant, door: Doors) -> None:
    """A person who is already signed in meets a deny step too."""
    browser = door()
    started = browser.start()
    browser.approve(started)
    draw(
        "identification",
        "password",
        "login",
        {"stage": "deny", "settings": {"message": "Closed today."}},
        "device_code",
        "consent",
        "finish",
    )
    seen = browser.page()
    assert "Closed today." in seen.text
    assert (seen.step, row_of(seen).state["end"]["kind"]) == ("", "denied")


def test_switching_asks_as_if_no_one_were_signed_in(door: Doors) -> None:
    """``?switch`` lets another person sign in; the session goes on until they do."""
    browser = door()
    browser.sign_in()
    assert browser.page("/device?switch").step == "identification"
    assert browser.page().step == "device_code"


@pytest.mark.parametrize("how", ["signed out", "session ended", "deactivated", "password changed elsewhere"])
def test_a_run_ends_with_its_session(acme: Tenant, door: Doors, how: str) -> None:
    """CVE-2025-29928, CVE-2025-53942: each advance first checks the session and the person.

    The session must be alive and the person active.
    """
    browser = door()
    started = browser.start()
    consent = browser.sign_in().submit(user_code=started.user_code)
    alice = Person.objects.get(username="alice")
    match how:
        case "signed out":
            browser.http.post("/sign-out")
        case "session ended":
            sessions.end(Session.objects.get(ended_at=None).pk, why="an administrator")
        case "deactivated":
            Person.objects.filter(pk=alice.pk).update(is_active=False)
        case _:
            sessions.end_sessions(alice, why="password changed")
    ended = consent.submit(decision="approve")
    assert (ended.title, device_state(started)) == ("You were signed out", "pending")
    assert browser.page(consent.path).title == "You were signed out"


def test_the_session_of_another_browser_does_not_carry_a_run(acme: Tenant, door: Doors) -> None:
    """The run's nonce without the session's cookie, and another session of the same person, end the run."""
    browser, second = door(), door()
    started = browser.start()
    consent = browser.sign_in().submit(user_code=started.user_code)
    second.sign_in()
    browser.http.cookies["foyer_session"] = second.http.cookies["foyer_session"].value
    assert consent.submit(decision="approve").title == "You were signed out"
    assert device_state(started) == "pending"


# --- facts --------------------------------------------------------------------------------------------------


def test_claiming_another_person_drops_every_proof(acme: Tenant, door: Doors) -> None:
    """traps.md, identified is not authenticated: alice's password is no proof of bob."""
    draw(
        "identification",
        "password",
        {"id": "again", "stage": "identification"},
        "login",
        "device_code",
        "consent",
        "finish",
    )
    seen = door().page().submit(name="alice").submit(password="alice-password-1")
    assert seen.step == "again"
    refused = seen.submit(name="bob")
    assert refused.title == "Something went wrong"
    assert facts_of(refused) == {"person"}
    assert (Session.objects.count(), events("flow.broken")) == (0, 1)


def test_claiming_the_same_person_again_keeps_the_proof(acme: Tenant, door: Doors) -> None:
    """Alice by her email address is still alice."""
    draw(
        "identification",
        "password",
        {"id": "again", "stage": "identification"},
        "login",
        "device_code",
        "consent",
        "finish",
    )
    seen = door().page().submit(name="alice").submit(password="alice-password-1")
    assert seen.submit(name="ALICE@acme.test ").step == "device_code"


@pytest.mark.parametrize("way", ["foreign", "strange"])
def test_a_stage_cannot_prove_another_person_or_give_what_it_does_not_declare(
    third_party: None, acme: Tenant, door: Doors, way: str
) -> None:
    """BrokenFlow: a proof of no known person, or an undeclared session, refuses the run.

    An event notifies the administrator.
    """
    draw("identification", probing(submit=way))
    refused = door().page().submit(name="alice").submit(answer="x")
    assert (refused.title, facts_of(refused), events("flow.broken")) == (
        "Something went wrong",
        {"person"},
        1,
    )


def test_needs_that_are_unmet_when_it_comes_to_it_refuse_the_run(acme: Tenant, door: Doors) -> None:
    """Identified is not authenticated: a condition that leaves the password out signs no one in."""
    draw(
        "identification",
        {"stage": "password", "when": 'request.agent == "never"'},
        "login",
        "device_code",
        "consent",
        "finish",
    )
    refused = door().page().submit(name="alice")
    assert refused.title == "Something went wrong"
    event = Event.objects.get(kind="flow.broken")
    assert "login was reached without proof" in event.data["why"]
    assert (event.actor, event.target, Session.objects.count()) == ("alice", "connect-a-device", 0)
    assert "proof" not in refused.text


@pytest.mark.parametrize("method", ["enter", "context", "submit"])
def test_a_stage_that_reads_more_than_it_needs_refuses_the_run(
    third_party: None, acme: Tenant, door: Doors, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """A fact that is not known is a fault of the flow, wherever the stage reads it; an event names it."""

    def read(stage: Stage, run: Run, *answer: object) -> object:
        return run.facts.proof

    monkeypatch.setattr(stages()["probe"], method, read)
    draw("identification", probing())
    seen = door().page().submit(name="alice")
    refused = seen.submit(answer="x") if method == "submit" else seen
    assert (refused.title, facts_of(refused)) == ("Something went wrong", {"person"})
    assert "reads proof, which is not known" in Event.objects.get(kind="flow.broken").data["why"]


def test_a_stage_that_was_taken_away_refuses_the_run(
    third_party: None, acme: Tenant, settings: Settings, door: Doors
) -> None:
    """A removed wheel refuses new runs and those under way; no step is passed over."""
    draw("identification", "password", "word", "login", "device_code", "consent", "finish")
    seen = door().page().submit(name="alice").submit(password="alice-password-1")
    assert seen.step == "word"
    settings.STAGE_PACKAGES = ["stages"]
    stages.cache_clear()
    assert seen.door.page(seen.path).title == "Something went wrong"
    new_run = door().page().submit(name="alice").submit(password="alice-password-1")
    assert (new_run.title, Session.objects.count(), events("flow.broken")) == ("Something went wrong", 0, 2)


# --- time, races, crashes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["identification", "password", "device_code", "consent"])
def test_a_run_expires_after_thirty_minutes_with_no_worker_running(
    door: Doors, clock: time_machine.Traveller, step: str
) -> None:
    """CVE-2025-64708: expiry is judged when read, and the answer that comes too late does nothing."""
    browser = door()
    seen = advance_to(browser, step, browser.start())
    clock.shift(timedelta(minutes=29, seconds=59))
    assert browser.page(seen.path).step == step
    clock.shift(timedelta(seconds=1))
    before = facts_of(seen)
    late = seen.submit(name="alice", password="alice-password-1", decision="approve")
    assert (late.title, facts_of(seen)) == ("This took too long", before)
    assert not DeviceCode.unscoped.filter(state="approved").exists()


def test_the_last_page_stays_readable_until_the_run_expires(
    door: Doors, clock: time_machine.Traveller
) -> None:
    """``Show(last=True)`` ends the run, and its page expires with it."""
    browser = door()
    last = browser.approve(browser.start())
    clock.shift(timedelta(minutes=29))
    assert "Acme TV" in browser.page(last.path).text
    clock.shift(timedelta(minutes=1))
    late = browser.page(last.path)
    assert late.title == "This took too long"
    assert "Acme TV" not in late.text


def test_the_sweep_deletes_expired_runs_of_every_tenant_and_no_other(
    door: Doors, clock: time_machine.Traveller
) -> None:
    """The sweep works in batches, a second one finds nothing, and a run that still lives stays."""
    for host in ("acme.test", "other.test"):
        for _ in range(3):
            door(host).page()
    clock.shift(timedelta(minutes=20))
    young = door().page()
    clock.shift(timedelta(minutes=11))
    with tenant_scope(Tenant.objects.get(name="acme")):
        assert funnel.sweep(timezone.now(), batch=2) == 4, "two counted, two deleted"
        assert Row.objects.count() == 2
    assert Row.unscoped.filter(tenant__name="other").count() == 3
    sweep_runs()
    assert [row.pk for row in Row.unscoped.all()] == [row_of(young).pk]
    sweep_runs()
    assert young.submit(name="alice").step == "password"


def test_two_answers_at_the_same_moment_run_a_step_once(
    transactional_db: None, third_party: None, tenants: dict[str, Tenant], door: Doors
) -> None:
    """A double click: the compare-and-set lets one of the two judged answers through.

    The effects happen once.
    """
    with tenant_scope(tenants["acme"]):
        draw(probing(submit="meet"))
    seen = door().page()
    probe.meetings[:] = [threading.Barrier(2)]
    shown: list[Seen] = []

    def post() -> None:
        second = Door()
        second.http.cookies.update(seen.door.http.cookies)
        shown.append(Seen(second, seen.door.http.get(seen.path), seen.path))
        response = second.http.post(seen.path, {**seen.hidden, "answer": "x"})
        assert response.status_code == 303
        connections.close_all()

    _at_once(post, post)
    assert (len(shown), events("probe.marked"), row_of(seen).state["decided"]["probe"]) == (2, 1, "done")


def test_two_sign_ins_at_the_same_moment_open_one_session(
    transactional_db: None, third_party: None, tenants: dict[str, Tenant], door: Doors
) -> None:
    """The losers of the race are rolled back without a session row or an event.

    The winner's run goes on. A loser has no cookie of the session yet, as the second click of a browser has
    not: that must not end the run.
    """
    with tenant_scope(tenants["acme"]):
        draw(*SHIPPED)
    seen = door().page().submit(name="alice")
    browsers = [Door() for _ in range(4)]

    def post(browser: Door) -> None:
        browser.http.cookies.update(seen.door.http.cookies)
        assert browser.http.post(seen.path, {**seen.hidden, "password": "alice-password-1"}).status_code in (
            200,
            303,
        )
        connections.close_all()

    _at_once(*(partial(post, browser) for browser in browsers))
    assert (Session.unscoped.count(), events("session.started")) == (1, 1)
    assert set(row_of(seen).state["facts"]) == {"person", "proof", "signed_in"}
    winners = [browser for browser in browsers if "foyer_session" in browser.http.cookies]
    assert [browser.page(seen.path).step for browser in winners] == ["device_code"]


def _at_once(*functions: Callable[[], None]) -> None:
    """Run the functions in threads and raise what one of them raises."""
    failed: list[BaseException] = []

    def guarded(function: Callable[[], None]) -> None:
        try:
            function()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=guarded, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not failed, failed


def test_an_effect_that_was_lost_rolls_the_whole_step_back(
    third_party: None, acme: Tenant, door: Doors
) -> None:
    """A step applies all of its effects or none.

    The first one's row is gone, and the page says why and asks again.
    """
    draw(probing(submit="lose"))
    seen = door().page().submit(answer="x")
    assert seen.step == "probe"
    assert "Another request was first." in seen.text
    assert (events("probe.marked"), row_of(seen).state["decided"]) == (0, {})


@pytest.mark.parametrize("at", ["enter", "submit"])
def test_an_effect_that_was_lost_for_good_ends_the_run(
    third_party: None, acme: Tenant, door: Doors, at: str
) -> None:
    """The run ends, because nothing that could be entered would help."""
    draw(probing(**{at: "lose for good"}))
    seen = door().page().submit(answer="x")
    assert (seen.title, row_of(seen).state["end"]["kind"], events("probe.marked")) == (
        "That didn't work",
        "denied",
        0,
    )
    assert "Another request was first." in seen.text


def test_a_crash_gives_no_attempt_back_and_leaves_the_run_where_it_was(
    third_party: None, acme: Tenant, door: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attempts are charged before they are judged, and neither an exception nor a lost race returns one."""
    draw(probing(submit="crash", tries=2))
    seen = door().page()
    seen.door.http.raise_request_exception = False
    for _ in range(2):
        monkeypatch.setattr(probe, "crashes", [RuntimeError("no")])
        assert seen.submit(answer="x").status == 500
    throttled = seen.submit(answer="x")
    assert (throttled.status, throttled.step) == (429, "probe")
    assert int(throttled.response["Retry-After"]) > 500


def test_a_success_gives_back_its_own_attempt_only(third_party: None, acme: Tenant, door: Doors) -> None:
    """The failures before it still count."""
    draw("identification", "password", "word", "login", "device_code", "consent", "finish")
    for _ in range(2):
        advance_to(door(), "word", door().start()).submit(word="wrong")
    for _ in range(3):
        assert advance_to(door(), "word", door().start()).submit(word="sesame").step == "device_code"
    advance_to(door(), "word", door().start()).submit(word="wrong")
    assert advance_to(door(), "word", door().start()).submit(word="sesame").status == 429


def _crashed_before_login(door: Doors, monkeypatch: pytest.MonkeyPatch) -> Seen:
    draw("identification", "password", probing(enter="crash"), "login", "device_code", "consent", "finish")
    monkeypatch.setattr(probe, "crashes", [RuntimeError("the power went")])
    seen = door().page().submit(name="alice")
    seen.door.http.raise_request_exception = False
    assert seen.submit(password="alice-password-1").status == 500
    return seen


def test_a_crash_between_two_steps_leaves_no_one_signed_in_and_the_run_goes_on(
    third_party: None, acme: Tenant, door: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The decided step stays decided, and the next GET shows the sign-in, which waits for Continue."""
    seen = _crashed_before_login(door, monkeypatch)
    assert (facts_of(seen), Session.objects.count()) == ({"person", "proof"}, 0)
    resumed = seen.door.page(seen.path)
    assert (resumed.step, Session.objects.count()) == ("login", 0)
    assert resumed.submit().step == "device_code"
    assert Session.objects.filter(ended_at=None).count() == 1


def test_a_forged_post_does_not_carry_on_a_run_that_stands_between_two_steps(
    third_party: None, acme: Tenant, door: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """B19: every form has a token, also where the engine has to go on before it can show one."""
    seen = _crashed_before_login(door, monkeypatch)
    seen.door.http.post(seen.path, {"step": "login", "token": "0" * 64})
    assert Session.objects.count() == 0


# --- limits -------------------------------------------------------------------------------------------------


def test_runs_are_limited_by_address(settings: Settings, door: Doors, clock: time_machine.Traveller) -> None:
    """Per network (IPv6: per /64) and tenant; one that ended or expired no longer counts."""
    settings.RUNS_PER_ADDRESS = 3
    for at in range(3):
        assert door(address=f"2001:db8::{at + 1}").page().submit(name="alice").step == "password"
    full = door(address="2001:db8::ffff").page()
    assert (full.status, full.title, int(full.response["Retry-After"])) == (429, "Too many sign-ins", 300)
    assert door(address="2001:db8:0:1::1").page().step == "identification"
    assert door("other.test", address="2001:db8::1").page().step == "identification"
    clock.shift(timedelta(minutes=31))
    assert door(address="2001:db8::1").page().step == "identification"


def test_a_tenant_without_a_flow_says_so(door: Doors, db: None) -> None:
    """It shows a page, not a server error."""
    with tenant_scope(Tenant.objects.get(name="other")):
        Flow.objects.update(live=None)
    seen = door("other.test").page()
    assert (seen.status, seen.title) == (404, "This isn't set up yet")
    assert door().page().step == "identification"


# --- versions and applications' own flows -------------------------------------------------------------------


def test_publishing_in_between_leaves_a_run_on_its_version(acme: Tenant, door: Doors) -> None:
    """A run under way keeps its version, and the next run uses the new one."""
    seen = door().page()
    draw({"stage": "deny", "settings": {"message": "Closed."}}, *SHIPPED)
    assert seen.submit(name="alice").step == "password"
    assert "Closed." in door().page().text


def _strict(acme: Tenant, *steps: Any) -> None:
    """Publish a flow of these steps that the television's application requires."""
    draw(*steps, flow="strict", default=False)
    Application.objects.filter(name="tv").update(flows={"device_code": "strict"})


def test_a_run_goes_on_in_the_flow_that_the_application_requires(
    third_party: None, acme: Tenant, door: Doors
) -> None:
    """What was learned stays known, and what that flow requires in addition is asked before consent."""
    _strict(acme, "identification", "password", "login", "word", "device_code", "consent", "finish")
    browser = door()
    started = browser.start()
    seen = browser.sign_in().submit(user_code=started.user_code)
    assert seen.step == "word"
    assert seen.submit(word="wrong").step == "word"
    assert seen.submit(word="sesame").submit(decision="approve").title == "Approved – return to your device"
    assert (device_state(started), row_of(seen).version.flow.name) == ("approved", "strict")


def test_typing_the_code_at_the_weaker_flow_does_not_reach_consent(
    third_party: None, acme: Tenant, door: Doors
) -> None:
    """In the application's own flow, which demands more, only the right word leads on to consent."""
    _strict(acme, "identification", "password", "login", "word", "device_code", "consent", "finish")
    browser = door()
    started = browser.start()
    seen = browser.sign_in().submit(user_code=started.user_code)
    for fields in (
        {"decision": "approve"},
        {"step": "consent", "decision": "approve"},
        {"word": ""},
        {"user_code": started.user_code},
    ):
        seen.submit(**fields)
    assert (device_state(started), row_of(seen).state["at"]) == ("pending", "word")


def test_an_open_consent_page_does_not_outlive_a_stricter_flow(acme: Tenant, door: Doors) -> None:
    """The approval is refused when the administrator tightened the application meanwhile.

    The device receives no decision.
    """
    browser = door()
    started = browser.start()
    consent = browser.sign_in().submit(user_code=started.user_code)
    _strict(acme, "identification", "password", "login", "device_code", "consent", "finish")
    refused = consent.submit(decision="approve")
    assert refused.title == "That didn't work"
    assert device_state(started) == "pending"


def test_approving_itself_refuses_the_wrong_flow(acme: Tenant, door: Doors) -> None:
    """The verb, not only the engine, holds the application to its flow.

    A session of another tenant approves nothing.
    """
    browser = door()
    started = browser.start()
    consent = browser.sign_in().submit(user_code=started.user_code)
    _strict(acme, "identification", "password", "login", "device_code", "consent", "finish")
    session = row_of(consent).state["facts"]["signed_in"]["session"]
    device = DeviceCode.objects.get().pk
    for flow in ("connect-a-device", "", "Strict"):
        with pytest.raises(EffectConflict, match="a different way"):
            ApproveDevice(device, session, ("openid",), flow).apply()
    with tenant_scope(Tenant.objects.get(name="other")), pytest.raises(EffectConflict):
        ApproveDevice(device, session, ("openid",), "strict").apply()
    assert device_state(started) == "pending"
    ApproveDevice(device, session, ("openid",), "strict").apply()
    assert device_state(started) == "approved"


def test_an_application_whose_flow_is_gone_connects_no_one(acme: Tenant, door: Doors) -> None:
    """The default flow does not replace it: the run is refused, and an event names what is missing."""
    Application.objects.filter(name="tv").update(flows={"device_code": "vanished"})
    browser = door()
    started = browser.start()
    seen = browser.sign_in().submit(user_code=started.user_code)
    assert (seen.title, device_state(started)) == ("Something went wrong", "pending")
    assert "vanished" in Event.objects.get(kind="flow.broken").data["why"]


def test_a_person_who_may_not_use_the_application_is_refused_before_consent(
    acme: Tenant, door: Doors
) -> None:
    """CVE-2024-38371: access is checked at approval too; bob is not in the group."""
    browser = door()
    started = browser.start("staff-console", "openid")
    refused = browser.sign_in("bob", "bob-password-22").submit(user_code=started.user_code)
    assert "have access to Staff console" in refused.text
    assert device_state(started) == "pending"
