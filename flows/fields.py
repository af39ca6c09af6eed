"""Fields that an administrator declares in a stage's settings, and their form fields."""

from collections.abc import Callable
from functools import lru_cache
from typing import Annotated, Any, Literal, Self

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _
from pydantic import AfterValidator, StringConstraints, TypeAdapter, model_validator
from pydantic_core import SchemaError
from pydantic_core import ValidationError as NoMatch

from flows.settings import StageSettings, setting
from flows.validation_messages import with_message
from idp.foundation.condition_variables import VariableType
from idp.foundation.text import clean_line, clean_lines

FieldType = Literal["text", "long_text", "email", "number", "checkbox", "date", "select", "phone"]
MAX_INTEGER = 2**53 - 1  # the largest integer that JSON transports exactly
_MAX_CLEANED_LENGTH = (
    20_000  # above any max_length, so that the field rejects long text instead of cutting it
)
_TEXT_TYPES = ("text", "long_text", "email", "phone")
_USED_NAMES = {
    "token",
    "step",
    "decision",
}  # hidden inputs of every page, and the engine's output of every step
_CEL_KEYWORDS = {
    "in",
    "true",
    "false",
    "null",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
}
_RESERVED = {*_USED_NAMES, *_CEL_KEYWORDS, "namespace", "package", "return", "var", "void", "while"}


@lru_cache(maxsize=1024)
def _full_match_adapter(pattern: str) -> TypeAdapter[str]:
    """Return an adapter that matches the whole text in linear time.

    Pydantic's regular expressions do not backtrack.
    """
    # also unwrapped, so that a bracket in it cannot close the added one
    for each in (pattern, f"^(?:{pattern})$"):
        adapter = TypeAdapter(Annotated[str, StringConstraints(pattern=each)])
    return adapter


def _check_pattern(pattern: str) -> str:
    try:
        _full_match_adapter(pattern)
    except SchemaError:
        raise ValueError(
            "enter a valid regular expression; look-around and back references are not supported"
        ) from None
    return pattern


def _check_name(name: str) -> str:
    if name in _RESERVED:
        raise ValueError(f"{name} is a reserved name; choose another one")
    return name


_NAME_MESSAGE = "Use lowercase letters, digits and underscores, starting with a letter, up to 50 characters."
FieldName = Annotated[
    str,
    StringConstraints(pattern=with_message(r"^[a-z][a-z0-9_]{0,49}$", _NAME_MESSAGE)),
    AfterValidator(_check_name),
]
FieldChoice = Annotated[str, StringConstraints(min_length=1, max_length=100)]


class Field(StageSettings):
    """One question: its name in conditions and on the person, how it is asked, and what is accepted."""

    name: FieldName = setting("answer", title=_("Name in conditions and attributes"))
    label: str = setting("", max_length=150, title=_("Label"))
    type: FieldType = setting("text", title=_("Type"))
    required: bool = setting(False, title=_("Required"))
    choices: tuple[FieldChoice, ...] = setting((), max_length=100, title=_("Options"))
    help: str = setting("", max_length=300, title=_("Help text"))
    max_length: int = setting(200, ge=1, le=4000, title=_("Maximum length"))
    pattern: Annotated[str, AfterValidator(_check_pattern)] = setting(
        "", max_length=200, title=_("Pattern (regular expression for the whole answer)")
    )
    minimum: int = setting(-MAX_INTEGER, ge=-MAX_INTEGER, le=MAX_INTEGER, title=_("Minimum"))
    maximum: int = setting(MAX_INTEGER, ge=-MAX_INTEGER, le=MAX_INTEGER, title=_("Maximum"))

    @model_validator(mode="after")
    def _check_consistency(self) -> Self:
        if (self.type == "select") is not bool(self.choices):
            raise ValueError(f"{self.name}: a select needs options, and only a select can have them")
        if len(set(self.choices)) < len(self.choices):
            raise ValueError(f"{self.name}: options must be unique")
        if self.type != "number" and (self.minimum, self.maximum) != (-MAX_INTEGER, MAX_INTEGER):
            raise ValueError(f"{self.name}: only a number can have a minimum and a maximum")
        if self.type not in _TEXT_TYPES and self.pattern:
            raise ValueError(f"{self.name}: only a text can have a pattern")
        if self.minimum > self.maximum:
            raise ValueError(f"{self.name}: the minimum must not exceed the maximum")
        return self

    @property
    def variable_type(self) -> VariableType:
        """The type of its variable in conditions."""
        words: dict[str, VariableType] = {"number": "int", "checkbox": "bool"}
        return words.get(self.type, "string")

    def form_field(self) -> forms.Field:
        """Return the form field."""
        return _FORM_FIELDS[self.type](
            self, {"label": self.label or self.name, "required": self.required, "help_text": self.help}
        )

    def json_value(self, value: Any) -> Any:
        """Return the cleaned answer as JSON: None for an empty number, a date in ISO 8601."""
        return value.isoformat() if hasattr(value, "isoformat") else value


class _SingleLineField(forms.CharField):
    """A text on one line without invisible characters.

    Anything can be pasted, and conditions and the person's attributes contain it later.
    """

    def to_python(self, value: Any) -> str:
        return clean_line(super().to_python(value) or "", _MAX_CLEANED_LENGTH)


class _MultiLineField(forms.CharField):
    """A text on several lines without invisible characters."""

    def to_python(self, value: Any) -> str:
        return clean_lines(super().to_python(value) or "", _MAX_CLEANED_LENGTH)


class _DateField(forms.DateField):
    """A date; a JSON client may send any type instead."""

    def to_python(self, value: Any) -> Any:
        return super().to_python(None if value is None else str(value))


class _PhoneField(forms.CharField):
    """A telephone number, stored without spaces and punctuation."""

    def clean(self, value: Any) -> str:
        number = super().clean(value)
        return "".join(sign for sign in number if sign in "+0123456789")


_phone_validator = RegexValidator(
    r"\A\+?[0-9(][0-9 ()/.-]{3,28}[0-9]\Z", _("Enter a telephone number, like +49 30 901820.")
)


def _pattern_validator(pattern: str) -> Callable[[str], None]:
    def check(value: str) -> None:
        try:
            _full_match_adapter(pattern).validate_python(value)
        except NoMatch:
            raise ValidationError(_("This is not in the form that is asked for.")) from None

    return check


def _text_field(
    kind: type[forms.CharField], widget: forms.Widget, *validators: Any
) -> Callable[[Field, dict[str, Any]], forms.Field]:
    def make(field: Field, described: dict[str, Any]) -> forms.Field:
        checks = [*validators, *([_pattern_validator(field.pattern)] if field.pattern else [])]
        return kind(**described, max_length=field.max_length, widget=widget, validators=checks)

    return make


_BOUNDS = {"min_value": _("Enter %(limit_value)s or more."), "max_value": _("Enter %(limit_value)s or less.")}
_FORM_FIELDS: dict[str, Callable[[Field, dict[str, Any]], forms.Field]] = {
    "text": _text_field(_SingleLineField, forms.TextInput()),
    "long_text": _text_field(_MultiLineField, forms.Textarea({"rows": 4})),
    "email": _text_field(forms.EmailField, forms.EmailInput({"autocomplete": "email"})),
    "phone": _text_field(
        _PhoneField, forms.TextInput({"type": "tel", "autocomplete": "tel"}), _phone_validator
    ),
    "number": lambda field, described: forms.IntegerField(
        **described, min_value=field.minimum, max_value=field.maximum, error_messages=_BOUNDS
    ),
    "checkbox": lambda field, described: forms.BooleanField(**described),
    "date": lambda field, described: _DateField(
        **described, input_formats=["%Y-%m-%d"], widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d")
    ),
    "select": lambda field, described: forms.ChoiceField(
        **described, choices=[("", _("Choose one")), *((each, each) for each in field.choices)]
    ),
}
