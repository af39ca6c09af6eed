"""Tests of the contract that every stage must fulfill, shipped with Foyer.

Run them with ``pytest --pyargs flows.contract -k acme.badge --ds=idp.settings``.

They cover each registered stage and need nothing from its author. Their answers are empty or made up, so
nothing may be proved, learned or written by them.
"""

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import pytest
from django import forms
from django.db import connection
from django.template.loader import get_template
from django.utils import timezone
from pydantic import ValidationError

from flows.documents.schema import settings_schema
from flows.facts import (
    PERSON_FACTS,
    Approval,
    ClaimedPerson,
    ConnectionRequest,
    Facts,
    NewCredential,
    Proof,
    SignedIn,
    SignedOut,
)
from flows.registry import stages
from flows.run import Run, State
from flows.stage import Deny, Done, Leave, Outcome, Show, Stage
from idp.accounts.people import save_person
from idp.foundation.effects import Effect
from idp.foundation.sealing import Sealed
from idp.ratelimit.budgets import Spend
from idp.tenancy.scope import tenant_scope
from idp.tenancy.tenants import save_tenant

ANSWERS: tuple[dict[str, str], ...] = (
    {},
    {"unknown": "field"},
    {"decision": "perhaps"},
    {"name": "", "password": "", "user_code": ""},
)


@pytest.fixture(params=sorted(stages()))
def stage(request: Any) -> Stage:
    """Return each stage with its default settings."""
    return stages()[request.param]()


@pytest.fixture
def run(db: None, stage: Stage) -> Iterator[Run]:
    """Yield a run with the facts that the stage needs, about an existing person and a missing request."""
    with tenant_scope(save_tenant("contract")):
        person = save_person("alice", by="contract").pk
        now = timezone.now()
        known = Facts(
            person=ClaimedPerson(person, "alice"),
            proof=Proof(person, "pwd", now),
            second_factor=Proof(person, "otp", now),
            signed_in=SignedIn(person, 0, now, ("pwd",)),
            request=ConnectionRequest("device", 0, 0, (), "", Sealed.of("BCDF-GHJK")),
            consent=Approval(0, ()),
            credential=NewCredential(person, "totp", now),
            signed_out=SignedOut(0),
        )
        facts = known.only(stage.needs) | Facts(own={name: {} for name in stage.needs if name not in known})
        yield Run("contract", "contract", facts, {}, {}, "browser", None, "192.0.2.1", "contract", now)


@pytest.fixture
def nothing_is_written(run: Run) -> Iterator[None]:
    """Fail on any database statement other than a SELECT."""

    def only_select(execute: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
        assert sql.lstrip().upper().startswith("SELECT"), f"a stage wrote: {sql}"
        return execute(sql, parameters, many, context)

    with connection.execute_wrapper(only_select):
        yield


def test_it_declares_itself(stage: Stage) -> None:
    """A stage has a title, a docstring, defaults for all settings, and a schema that JSON can hold."""
    assert str(stage.title)
    assert type(stage).__doc__
    assert json.loads(json.dumps(settings_schema(type(stage))))["type"] == "object"
    with pytest.raises(ValidationError):
        stage.Settings.model_validate({"no-such-setting": 1})


def test_its_settings_survive_their_own_upgrade(stage: Stage) -> None:
    """Settings that are stored today can be read tomorrow."""
    stored = stage.settings.model_dump(mode="json")
    assert stage.Settings.model_validate(stage.upgrade(stored)) == stage.settings


@pytest.mark.usefixtures("nothing_is_written")
def test_arriving_reads_and_decides(stage: Stage, run: Run) -> None:
    """``enter`` writes nothing, proves nothing without an effect, and learns only what the stage gives."""
    _check_outcome(stage, stage.enter(run))


@pytest.mark.usefixtures("nothing_is_written")
@pytest.mark.parametrize("answer", ANSWERS, ids=["empty", "unknown", "made-up", "blank"])
def test_a_worthless_answer_proves_nothing(stage: Stage, run: Run, answer: dict[str, str]) -> None:
    """An empty answer, or one of unknown fields, gives no fact about a person and has no effect.

    CVE-2026-49448.
    """
    form = stage.form(run, answer)
    assert isinstance(form, forms.Form)
    if not form.is_valid():
        return
    assert all(isinstance(spend, Spend) for spend in stage.attempts(run, form.cleaned_data))
    outcome = _check_outcome(stage, stage.submit(run, form.cleaned_data))
    if isinstance(outcome, Done):
        assert not outcome.facts.names & set(PERSON_FACTS)
        assert not outcome.effects


@pytest.mark.usefixtures("nothing_is_written")
def test_its_page_can_be_shown(stage: Stage, run: Run) -> None:
    """The context is JSON (times aside), the form renders, and the template exists."""
    json.dumps(dict(stage.context(run)), default=str)
    assert str(stage.form(run)) is not None
    assert get_template(stage.template)


def test_what_it_keeps_can_be_stored(stage: Stage, run: Run) -> None:
    """What a Show stores survives a round trip through the row's JSON."""
    outcome = stage.enter(run)
    if isinstance(outcome, Show):
        state = State(kept=dict(outcome.step_state))
        assert State.load(json.loads(json.dumps(state.dump()))) == state


def _check_outcome(stage: Stage, outcome: Outcome) -> Outcome:
    assert isinstance(outcome, Show | Done | Deny | Leave)
    for effect in outcome.effects:
        assert isinstance(effect, Effect)
        assert dataclasses.is_dataclass(effect)
        with pytest.raises(dataclasses.FrozenInstanceError):
            effect.anything = 1  # type: ignore[attr-defined]
    if isinstance(outcome, Done):
        assert isinstance(outcome.facts, Facts)
        assert outcome.facts.names <= set(stage.gives)
    return outcome
