"""What no stage is ever allowed to do, in the product or by a third party.

Each registered stage and three of a third party are tested behind the public door.
"""

from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from flows.facts import Approval, ClaimedPerson, ConnectionRequest, Facts, Proof, SignedIn
from flows.models import Run as Row
from flows.registry import stages
from flows.run import Run, State
from flows.stage import Deny, Done, Leave, Show
from idp.accounts.models import Person
from idp.devices.models import DeviceCode
from idp.events.models import Event
from idp.foundation.sealing import Sealed
from idp.ratelimit.models import Attempt
from tests.support.client import Door, Seen
from tests.support.credentials import RIGHT, equip
from tests.support.flows import NEVER, SHIPPED, advance_to, draw, only_select, right_answer, row_of

THIRD_PARTY = ("probe", "shut", "word")
BEFORE_LOGIN = ("password", "word", "prompt", "totp", "recovery_code")
EVERY = (*sorted(stages()), *THIRD_PARTY)


class Arrived:
    """A run whose next right answer would decide the stage.

    It is on the stage's page, or on the last page before it where the stage asks nothing.
    """

    def __init__(self, kind: str, door: Door) -> None:
        equip(kind)
        draw(*_flow_with(kind))
        self.door, self.started = door, door.start()
        before = _asked_before(kind)
        self.seen = advance_to(door, before, self.started)
        assert self.seen.step in (before, ""), self.seen.text
        self.row = row_of(self.seen)
        self.state = self.row.state

    def assert_nothing_decided(self) -> None:
        """Assert no further fact, no step forward, no decided device, and no new sign-in."""
        now = Row.unscoped.get(pk=self.row.pk).state
        assert now["facts"] == self.state["facts"]
        assert now["decided"] == self.state["decided"]
        assert now["at"] == self.state["at"]
        assert set(DeviceCode.unscoped.values_list("state", flat=True)) == {"pending"}


def _flow_with(kind: str) -> tuple[str | dict[str, Any], ...]:
    """The shipped flow, with the stage as early in it as its needs allow."""
    if kind in SHIPPED:
        return SHIPPED
    if kind == "logout":  # no stage after it can need a session
        return (*SHIPPED[:3], kind)
    stage, known, steps = stages()[kind], set[str](), list(SHIPPED)
    for at, each in enumerate(SHIPPED):
        # its end needs a page before it, to be seen
        if set(stage.needs) <= known and (at or kind != "redirect"):
            step: str | dict[str, Any] = (
                {"stage": kind, "settings": {"max_age": "0s"}} if kind == "reauthenticate" else kind
            )
            return (*steps[:at], step, *steps[at:])
        known |= stages()[each].gives
    return (*steps, kind, NEVER)


def _asked_before(kind: str) -> str:
    """The step whose page is open when the stage is next."""
    before = {
        "login": "password",
        "logout": "password",
        "finish": "consent",
        "redirect": "identification",
        "deny_device": "device_code",
    }
    return before.get(kind, kind)


@pytest.fixture
def arrived(request: pytest.FixtureRequest, third_party: None, acme: object, door: object) -> Arrived:
    """At the stage of the parametrized kind."""
    return Arrived(request.getfixturevalue("kind"), request.getfixturevalue("door")())


pytestmark = pytest.mark.parametrize("kind", EVERY)


def _right(arrived: Arrived) -> dict[str, str]:
    step = arrived.seen.step
    if step in ("probe", "shut", ""):
        return {"answer": "anything"}
    if step in RIGHT:
        return RIGHT[step](arrived.seen)
    return right_answer(step, arrived.started)


def _post(seen: Seen, **fields: str) -> object:
    return seen.door.http.post(seen.path, fields)


def test_an_empty_answer_decides_nothing(kind: str, arrived: Arrived) -> None:
    """CVE-2026-49448: a POST of the hidden fields alone passes no stage."""
    arrived.seen.submit()
    arrived.assert_nothing_decided()


def test_unknown_and_empty_fields_decide_nothing(kind: str, arrived: Arrived) -> None:
    """CVE-2026-49448: an answer of unknown or of empty fields decides nothing."""
    empty = dict.fromkeys(_right(arrived), "") if kind != "shut" else {}
    arrived.seen.submit(
        **empty, unknown="1", done="true", person="1", proof="1", consent="approve", facts="{}"
    )
    arrived.assert_nothing_decided()


def test_reading_decides_nothing_and_writes_nothing(kind: str, arrived: Arrived) -> None:
    """D30: GET and HEAD, with the right answer and token in the query, apply no effect.

    They leave every table as it was.
    """
    before = (arrived.row.revision, Event.unscoped.count(), Attempt.unscoped.count())
    for read in (arrived.door.http.get, arrived.door.http.head):
        read(arrived.seen.path, {**arrived.seen.hidden, **_right(arrived)})
        arrived.assert_nothing_decided()
        assert (
            Row.unscoped.get(pk=arrived.row.pk).revision,
            Event.unscoped.count(),
            Attempt.unscoped.count(),
        ) == before


def test_other_methods_are_refused(kind: str, arrived: Arrived) -> None:
    """405, and nothing decided."""
    for method in ("put", "patch", "delete"):
        assert getattr(arrived.door.http, method)(arrived.seen.path).status_code == 405
    arrived.assert_nothing_decided()


def test_an_answer_to_another_step_decides_nothing(kind: str, arrived: Arrived) -> None:
    """traps.md, stale tab: an answer that names another step is not taken for this one.

    That holds with this page's token, and with none.
    """
    for step in ("identification", "password", "login", "device_code", "consent", "finish", "nothing", ""):
        if step != arrived.seen.step:
            arrived.seen.submit(step=step, **_right(arrived))
    arrived.assert_nothing_decided()


def test_without_the_right_token_nothing_is_decided(kind: str, arrived: Arrived) -> None:
    """B19, authentik's anonymous flow posts: the token of the form is missing, empty, guessed or junk."""
    fields = {"step": arrived.seen.step, **_right(arrived)}
    for forged in ({}, {"token": ""}, {"token": "0" * 64}, {"token": "ü"}):
        _post(arrived.seen, **fields, **forged)
        arrived.assert_nothing_decided()


def test_the_token_of_another_run_decides_nothing(kind: str, arrived: Arrived) -> None:
    """The same browser's second tab has its own token."""
    second = arrived.door.page("/device?switch")
    arrived.seen.submit(token=second.hidden.get("token", "none"), **_right(arrived))
    arrived.assert_nothing_decided()


def test_a_foreign_run_is_as_if_it_did_not_exist(kind: str, arrived: Arrived, door: object) -> None:
    """D25: another browser, one of another tenant, and this browser at another tenant's host get 404.

    That holds for everything that they send.
    """
    answer = {**arrived.seen.hidden, **_right(arrived)}
    for stranger in (Door("acme.test"), Door("other.test")):
        stranger.page("/device")
        assert stranger.http.get(arrived.seen.path).status_code == 404
        assert stranger.http.post(arrived.seen.path, answer).status_code == 404
    arrived.door.http.defaults["HTTP_HOST"] = "other.test"
    assert arrived.door.http.post(arrived.seen.path, answer).status_code == 404
    arrived.assert_nothing_decided()


def test_an_answer_that_comes_twice_counts_once(kind: str, arrived: Arrived) -> None:
    """A double click, or Back and again, changes nothing more than the first one did."""
    first = arrived.seen.submit(**_right(arrived))
    row, event_count = Row.unscoped.get(pk=arrived.row.pk), Event.unscoped.count()
    again = arrived.seen.submit(**_right(arrived))
    after = Row.unscoped.get(pk=arrived.row.pk)
    assert after.state["facts"] == row.state["facts"]
    assert after.state["decided"] == row.state["decided"]
    if first.step != arrived.seen.step:
        assert (after.revision, Event.unscoped.count(), again.title) == (
            row.revision,
            event_count,
            first.title,
        )


def test_the_right_answer_gives_at_most_what_is_declared(kind: str, arrived: Arrived) -> None:
    """A stage that gives nothing proves nothing, and a step that cannot be passed stays where it is."""
    arrived.seen.submit(**_right(arrived))
    learned = set(Row.unscoped.get(pk=arrived.row.pk).state["facts"]) - set(arrived.state["facts"])
    follows = stages()["login"].gives if arrived.seen.step in BEFORE_LOGIN else set()  # login asks nothing
    assert learned <= set(stages()[kind].gives) | set(
        stages().get(arrived.seen.step, stages()[kind]).gives
    ) | set(follows)
    if kind in ("shut", "deny"):
        assert not learned
        arrived.assert_nothing_decided()


def test_the_stage_never_writes(kind: str, arrived: Arrived) -> None:
    """Stages read and decide: entering, showing and judging a right answer issue no statement but SELECT."""
    stage, run = stages()[kind], _as_the_stage_sees_it(arrived)
    answer = _right(arrived)
    with connection.execute_wrapper(only_select):
        outcomes = [stage().enter(run), stage().submit(run, answer)]
        stage().form(run, answer).is_valid()
        stage().context(run)
    assert all(isinstance(outcome, Show | Done | Deny | Leave) for outcome in outcomes)


def _as_the_stage_sees_it(arrived: Arrived) -> Run:
    """The run with every fact that any stage may need, whether or not it had come so far."""
    person, device = Person.objects.get(username="alice").pk, DeviceCode.objects.get().pk
    application = DeviceCode.objects.get().application_id
    now = timezone.now()
    more = Facts(
        person=ClaimedPerson(person, "alice"),
        proof=Proof(person, "pwd", now),
        signed_in=SignedIn(person, 1, now, ("pwd",)),
        request=ConnectionRequest("device", device, application, (), "", Sealed.of("BCDF-GHJK")),
        consent=Approval(device, ()),
    )
    state = State.load(arrived.state)
    return Run(
        arrived.row.identifier,
        "",
        more | state.facts,
        state.kept,
        {},
        "",
        1,
        "127.0.0.1",
        "",
        now,
    )
