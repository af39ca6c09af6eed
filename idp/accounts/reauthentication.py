"""Reauthentication before a person changes how they sign in: what is asked for, and its effects."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from idp.accounts import recovery_codes, totp
from idp.accounts.credentials import (
    PASSWORD,
    TOTP,
    PasswordField,
    check_password,
    has_second_factor,
    kinds_of,
)
from idp.accounts.known_browsers import KnownBrowser
from idp.accounts.models import Person
from idp.accounts.throttling import second_factor_budgets, session_budgets
from idp.foundation.clocks import age
from idp.foundation.effects import Effect
from idp.ratelimit.budgets import Spend

MAX_AGE = timedelta(minutes=10)
CODE = "code"
PASSWORD_METHOD, CODE_METHOD = "pwd", totp.METHOD
CANNOT_REAUTHENTICATE = _("There's no way to confirm your identity here. Sign out and sign in again.")
_WRONG = _("Incorrect. Check it and try again.")


@dataclass(frozen=True)
class ProofTimes:
    """When a person last proved a first factor (a password, a key) and a second one; None for never."""

    first: datetime | None
    second: datetime | None


def required_fields(
    person: int, proved: ProofTimes, now: datetime, *, max_age: timedelta = MAX_AGE, all_factors: bool = True
) -> tuple[str, ...] | None:
    """Return the fields of :class:`ReauthenticationForm` that must be filled in; () where none must.

    Returns None where the account has nothing to ask for.

    ``all_factors``: ask for all factors of the account, so that a password alone never changes a second
    factor. Otherwise one proof is enough.
    """

    def stale(*moments: datetime | None) -> bool:
        return all(at is None or age(at, now) >= max_age for at in moments)

    has_password, fields = PASSWORD in kinds_of(person), list[str]()
    if has_password and stale(proved.first):
        fields.append(PASSWORD)
    alone = not has_password and stale(proved.first, proved.second)  # a code is all that can be asked for
    code = stale(proved.second) if all_factors and has_second_factor(person) else alone
    if code and not _has_codes(person):
        return None
    return (*fields, CODE) if code else tuple(fields)


class ReauthenticationForm(forms.Form):
    """The form for reauthentication: the password, and a code of any kind that the person has."""

    password = PasswordField(label=_("Password"), autocomplete="current-password")
    code = forms.CharField(label=_("Authenticator or recovery code"), max_length=64)

    def __init__(self, person: int, names: Collection[str], data: Mapping[str, Any] | None = None) -> None:
        super().__init__(data)
        self.fields[CODE] = _code_field(person)
        for name in {PASSWORD, CODE} - set(names):
            del self.fields[name]


@dataclass(frozen=True)
class ReauthenticationResult:
    """The result of reauthentication: errors, or what was proved.

    ``errors``: messages by field. ``methods``: the methods that were proved (RFC 8176). ``effects``: what
    must be done.
    """

    errors: Mapping[str, Any] = field(default_factory=dict)
    methods: tuple[str, ...] = ()
    effects: tuple[Effect, ...] = ()


def budgets(
    person: Person | None, session: int, address: str, browser: KnownBrowser, answer: Mapping[str, Any]
) -> Sequence[Spend]:
    """Return what one answer costs.

    A password costs a budget of the session, a code the same as at sign-in.
    """
    password = session_budgets(session) if PASSWORD in answer else ()
    return (*password, *(second_factor_budgets(person, address, browser) if CODE in answer else ()))


def check_answer(
    person: Person | None, key: int, answer: Mapping[str, Any], now: datetime
) -> ReauthenticationResult:
    """Check a valid answer of :class:`ReauthenticationForm`; no code is used unless every field is right."""
    wrong, methods, effects = dict[str, Any](), list[str](), list[Effect]()
    if PASSWORD in answer:
        methods.append(PASSWORD_METHOD)
        if not check_password(person, answer[PASSWORD]).correct:
            wrong[PASSWORD] = _WRONG
    if CODE in answer:
        methods.append(CODE_METHOD)
        effect = _code_effect(key, answer[CODE], now)
        if effect is None:
            wrong[CODE] = _WRONG
        else:
            effects.append(effect)
    return (
        ReauthenticationResult(wrong) if wrong else ReauthenticationResult({}, tuple(methods), tuple(effects))
    )


def _has_codes(person: int) -> bool:
    return TOTP in kinds_of(person) or bool(recovery_codes.count_unused(person))


def _code_field(person: int) -> forms.Field:
    if not person or not recovery_codes.count_unused(person):
        return totp.CodeField(label=_("Authenticator code"))
    has_app = TOTP in kinds_of(person)
    label = _("Authenticator or recovery code") if has_app else _("Recovery code")
    hints = {
        "autocomplete": "one-time-code" if has_app else "off",
        "autocapitalize": "none",
        "spellcheck": "false",
    }
    return forms.CharField(label=label, max_length=64, widget=forms.TextInput(hints))


def _code_effect(person: int, typed: str, now: datetime) -> Effect | None:
    """Return the effect of using this code, or None for a wrong one.

    Six digits are a code of an authenticator app. Everything else is a recovery code, which has ten
    characters.
    """
    try:
        return totp.verify(person, totp.CodeField().clean(typed), now)
    except ValidationError:
        return recovery_codes.verify(person, typed)
