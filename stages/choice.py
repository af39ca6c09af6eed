"""Asks a question with a few answers, for later conditions."""

from collections.abc import Mapping
from typing import Any, Self

from django import forms
from django.utils.translation import gettext_lazy as _
from pydantic import model_validator

from flows.run import Run
from flows.settings import StageSettings, Text, setting
from flows.stage import Done, Outcome, Stage
from flows.validation_messages import with_message
from idp.foundation.condition_variables import VariableType

_VALUE_MESSAGE = "Use letters, digits, dashes and underscores, up to 50 characters."


class Option(StageSettings):
    """One option: the value for conditions, and how it is shown on the page."""

    value: str = setting(
        "yes", pattern=with_message(r"^[A-Za-z0-9_-]{1,50}$", _VALUE_MESSAGE), title=_("Value in conditions")
    )
    title: str = setting("", max_length=100, title=_("Label"))
    description: str = setting("", max_length=300, title=_("Description"))


class Choice(Stage):
    """Asks the person to choose one of several options.

    A choice proves nothing. Later steps can depend on it: `steps.<step id>.choice == "<value>"`.
    """

    title = _("How do you want to continue?")
    template = "stages/choice.html"

    class Settings(StageSettings):
        title: str = setting("", max_length=100, title=_("Heading"))
        text: str = setting("", max_length=500, title=_("Text below the heading"))
        options: tuple[Option, ...] = setting(
            (Option(value="yes", title="Yes"), Option(value="no", title="No")),
            min_length=2,
            max_length=12,
            title=_("Options"),
        )
        default: str = setting("", max_length=50, title=_("Preselected value (blank: none)"))

        @model_validator(mode="after")
        def _check_options(self) -> Self:
            values = [option.value for option in self.options]
            if twice := sorted({value for value in values if values.count(value) > 1}):
                raise ValueError(f"two options have the value {', '.join(twice)}")
            if self.default and self.default not in values:
                raise ValueError(f"default must be one of {', '.join(values)}")
            return self

    class Form(forms.Form):
        choice = forms.ChoiceField(
            widget=forms.RadioSelect,
            label=_("Your choice"),
            error_messages={"required": _("Choose an option.")},
        )

    def outputs(self) -> Mapping[str, VariableType]:
        return {"choice": "string"}

    def branches(self) -> Mapping[str, Mapping[str, Text]]:
        return {"choice": {option.value: option.title or option.value for option in self.settings.options}}

    def form(self, run: Run, data: Mapping[str, Any] | None = None) -> forms.Form:
        form = super().form(run, data)
        options = [(option.value, option.title or option.value) for option in self.settings.options]
        form.fields["choice"].choices = options  # type: ignore[attr-defined]
        return form

    def initial(self, run: Run) -> Mapping[str, Any]:
        return {"choice": self.settings.default}

    def context(self, run: Run) -> Mapping[str, Any]:
        options = [
            {**option.model_dump(), "title": option.title or option.value} for option in self.settings.options
        ]
        return {
            "title": self.settings.title or self.title,
            "description": self.settings.text,
            "options": options,
        }

    def submit(self, run: Run, answer: Mapping[str, Any]) -> Outcome:
        return Done(outputs={"choice": answer["choice"]})
