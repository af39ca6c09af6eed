"""Does what its settings say, so that a test can bring the engine into any situation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Barrier
from typing import Any
from uuid import uuid4

from django import forms
from django.utils import timezone

from flows.facts import Facts, Proof, SignedIn
from flows.run import Run
from flows.settings import StageSettings, setting
from flows.stage import Deny, Done, Leave, Outcome, Show, Stage
from idp.events.bus import publish
from idp.foundation.effects import Effect, EffectConflict
from idp.ratelimit.budgets import Budget, Spend

crashes: list[Exception] = []
meetings: list[Barrier] = []


@dataclass(frozen=True)
class Mark(Effect):
    """Leaves an event behind."""

    secret: str = field(default="the secret of the mark", repr=False)

    def apply(self) -> None:
        publish("probe.marked")


@dataclass(frozen=True)
class Lose(Effect):
    """Is always too late."""

    final: bool = False

    def apply(self) -> None:
        raise EffectConflict("Another request was first.", final=self.final)


def _crash() -> Outcome:
    if crashes:
        raise crashes.pop()
    return Done()


def _meet() -> Outcome:
    meetings[0].wait(10)
    return Done(effects=[Mark()])


def _second_factor(person: int) -> Outcome:
    return Done(Facts(second_factor=Proof(person, "otp", timezone.now())))


WAYS: dict[str, Callable[[], Outcome]] = {
    "ask": Show,
    "keep": lambda: Show(step_state={"number": uuid4().hex}),
    "pass": Done,
    "mark": lambda: Done(effects=[Mark()]),
    "show and mark": lambda: Show(message="Not yet.", effects=[Mark()]),
    "deny and mark": lambda: Deny("Not you.", effects=[Mark()]),
    "leave": lambda: Leave("/elsewhere", effects=[Mark()]),
    "lose": lambda: Done(effects=[Mark(), Lose()]),
    "lose for good": lambda: Done(effects=[Mark(), Lose(final=True)]),
    "crash": _crash,
    "meet": _meet,
    "strange": lambda: Done(Facts(signed_in=SignedIn(1, 1, timezone.now(), ()))),
    "foreign": lambda: _second_factor(987_654_321),
    "tattle": lambda: Done(outputs={"undeclared": "word"}),
}


class Probe(Stage):
    """On arrival it does one thing, on an answer another."""

    title = "Probe"
    gives = {"second_factor"}

    class Settings(StageSettings):
        enter: str = setting("ask", title="What it does on arrival")
        submit: str = setting("pass", title="What it does with an answer")
        tries: int = setting(0, title="How many answers it takes in ten minutes")

    class Form(forms.Form):
        answer = forms.CharField(max_length=20)

    def enter(self, run: Run) -> Outcome:
        return WAYS[self.settings.enter]()

    def context(self, run: Run) -> Mapping[str, Any]:
        return {"description": f"kept {run.step_state.get('number')}"}

    def attempts(self, run: Run, answer: Mapping[str, Any]) -> Sequence[Spend]:
        return (
            [Spend(Budget("probe", self.settings.tries, timedelta(minutes=10)), run.browser)]
            if self.settings.tries
            else []
        )

    def submit(self, run: Run, answer: Mapping[str, Any]) -> Outcome:
        return WAYS[self.settings.submit]()
