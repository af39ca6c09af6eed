"""Asks for a second word."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django import forms

from flows.facts import Facts, Proof
from flows.run import Run
from flows.settings import StageSettings, setting
from flows.stage import Done, Outcome, Show, Stage
from idp.ratelimit.budgets import Budget, Spend


class Word(Stage):
    """A small second factor: the word that the settings name."""

    title = "Say the word"
    needs = {"person", "proof"}
    gives = {"second_factor"}

    class Settings(StageSettings):
        word: str = setting("sesame", min_length=4, title="The word")

    class Form(forms.Form):
        word = forms.CharField(max_length=50)

    def attempts(self, run: Run, answer: Mapping[str, Any]) -> Sequence[Spend]:
        return [Spend(Budget("word", 3, timedelta(minutes=10)), str(run.facts.person.id))]

    def submit(self, run: Run, answer: Mapping[str, Any]) -> Outcome:
        if answer["word"] != self.settings.word:
            return Show(errors={"word": "That is not it."})
        return Done(Facts(second_factor=Proof(run.facts.proof.person, "otp", run.now)))
