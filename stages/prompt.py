"""Asks for the information that an administrator wants."""

from collections.abc import Collection, Mapping
from typing import Any, Self

from django import forms
from django.utils.translation import gettext_lazy as _
from pydantic import field_validator, model_validator

from flows.documents.secret_prompts import find_secret_word
from flows.fields import Field
from flows.run import Run
from flows.settings import StageSettings, setting
from flows.stage import Done, Outcome, Stage
from idp.accounts.people import KeepAttributes
from idp.foundation.condition_variables import EMPTY_VALUES, VariableType

_FREE_TEXT_TYPES = ("text", "long_text", "number")  # the other types accept only a fixed format
_DEFAULT_FIELD = Field(name="phone", label="Phone number", type="phone", required=True)


class Prompt(Stage):
    """Asks the person to fill in fields that you define, and can save the answers to their attributes.

    Later conditions read an answer as `steps.<step id>.<field name>`, and a saved one as
    `person.attributes["<field name>"]`.
    """

    title = _("Tell us a bit more")
    needs = {"person", "proof"}

    class Settings(StageSettings):
        title: str = setting("", max_length=100, title=_("Heading"))
        text: str = setting("", max_length=500, title=_("Text below the heading"))
        fields: tuple[Field, ...] = setting((_DEFAULT_FIELD,), min_length=1, max_length=20, title=_("Fields"))
        keep: bool = setting(True, title=_("Save answers to the person's attributes"))

        @field_validator("fields")
        @classmethod
        def _check_names(cls, fields: tuple[Field, ...]) -> tuple[Field, ...]:
            names = [field.name for field in fields]
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise ValueError(f"two fields have the name {', '.join(twice)}")
            return fields

        @model_validator(mode="after")
        def _check_secrets(self) -> Self:
            for field in self.fields:
                if field.type in _FREE_TEXT_TYPES and (
                    secret := find_secret_word(field.name, field.label, field.help, self.title)
                ):
                    raise ValueError(
                        f"{field.name}: a prompt can't ask for a {secret}, because its answers are not "
                        "secret. Use the stage that verifies it"
                    )
            return self

    def outputs(self) -> Mapping[str, VariableType]:
        return {field.name: field.variable_type for field in self.settings.fields}

    def free_text_outputs(self) -> Collection[str]:
        return {field.name for field in self.settings.fields if field.type in _FREE_TEXT_TYPES}

    def form(self, run: Run, data: Mapping[str, Any] | None = None) -> forms.Form:
        form = super().form(run, data)
        form.fields = {field.name: field.form_field() for field in self.settings.fields}
        return form

    def initial(self, run: Run) -> Mapping[str, Any]:
        attributes = run.person.attributes if self.settings.keep and run.person else {}
        return {
            name: attributes[name] for name in self.outputs() if isinstance(attributes.get(name), str | int)
        }

    def context(self, run: Run) -> Mapping[str, Any]:
        return {"title": self.settings.title or self.title, "description": self.settings.text}

    def submit(self, run: Run, answer: Mapping[str, Any]) -> Outcome:
        values = {field.name: field.json_value(answer[field.name]) for field in self.settings.fields}
        outputs = {
            name: EMPTY_VALUES[type_] if values[name] is None else values[name]
            for name, type_ in self.outputs().items()
        }
        effects = [KeepAttributes(run.facts.proof.person, values)] if self.settings.keep else []
        return Done(effects=effects, outputs=outputs)
