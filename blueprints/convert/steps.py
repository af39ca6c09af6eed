"""authentik's stages, converted to steps, or to a denying step that states what is missing."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from blueprints.convert.durations import duration
from blueprints.convert.entries import AuthentikEntry, AuthentikObjects, NotConvertible
from blueprints.convert.names import short_name
from blueprints.convert.policies import Policies
from blueprints.convert.report import Block, Notes
from flows.settings import format_duration
from idp.foundation.text import clean_line
from stages.login import MAX_LIFETIME, MIN_LIFETIME

_ASKS_PASSWORD = "authentik_stages_password.passwordstage"  # noqa: S105 a model
DENY_MESSAGE = "This step isn't available yet. Ask an administrator."
_TYPES = {
    "text": "text",
    "text_area": "long_text",
    "email": "email",
    "number": "number",
    "checkbox": "checkbox",
    "date": "date",
}
_DISPLAY_TYPES = (
    "static",
    "separator",
    "hidden",
    "text_read_only",
    "text_area_read_only",
    "alert_info",
    "alert_warning",
    "alert_danger",
)
_FIXED_SETTINGS = {
    "case_insensitive_matching": True,
    "pretend_user_exists": True,
    "show_matched_user": True,
}


@dataclass
class ConversionContext:
    """The shared state of a conversion.

    ``saves_answers`` says whether the current flow saves the answers to its prompts.
    """

    objects: AuthentikObjects
    policies: Policies
    notes: Notes
    saves_answers: bool = False

    def note(self, entry: AuthentikEntry, text: str, key: str = "") -> None:
        """Add a note at a key of the entry, or at its beginning."""
        self.notes.add(entry.file, entry.line_of(key), f"{entry}: {text}")


def deny_step(name: str, *comments: str) -> Block:
    """Return a step that denies everyone, with the reason as a comment."""
    return Block(
        {"id": short_name(name), "stage": "deny", "settings": {"message": DENY_MESSAGE}}, list(comments)
    )


def convert_stage(stage: AuthentikEntry, context: ConversionContext) -> list[Block]:
    """Return the steps that do what the stage did; a denying step replaces what cannot be converted."""
    make = _STAGES.get(stage.model)
    stage.is_used = True
    try:
        if make is None or stage.doubt:
            raise NotConvertible(stage.doubt or "this stage isn't supported yet", stage.line)
        steps = make(stage, context)
    except NotConvertible as error:
        stage.is_reported = True
        context.notes.add(stage.file, error.line, f"{stage}: {error.text}; a denying step replaces it.")
        return [deny_step(stage.title, f"authentik: {stage} is not converted: {error.text}")]
    return steps


def _step(kind: str, **settings: Any) -> Block:
    return Block({"stage": kind, **({"settings": settings} if settings else {})})


def _identification(stage: AuthentikEntry, context: ConversionContext) -> list[Block]:
    fields = [str(each) for each in stage.list("user_fields")]
    known = [each for each in fields if each in ("username", "email")]
    if not known:
        raise NotConvertible("people are found by nothing that is known here", stage.line_of("user_fields"))
    if len(known) < len(fields):
        context.note(stage, f"people are not found by {', '.join(set(fields) - set(known))}.", "user_fields")
    for key, fixed in _FIXED_SETTINGS.items():
        if stage.boolean(key, fixed) is not fixed:
            context.note(stage, f"{key} is not converted: it is always {str(fixed).lower()} here.", key)
    steps = [_step("identification", fields=known)]
    for key in ("captcha_stage", "webauthn_stage"):
        if stage.known_value(key):
            context.note(stage, f"{key} is not converted; a denying step replaces it.", key)
            steps.append(deny_step(key, f"authentik: {stage}: the {key} is not converted"))
    password = stage.known_value("password_stage")
    if password:
        entry = context.objects.find(password)
        if entry is None:
            context.note(
                stage,
                (
                    "its password stage is missing in the files; the password is asked as it is by "
                    "default here."
                ),
                "password_stage",
            )
        if entry is not None and entry.model != _ASKS_PASSWORD:
            raise NotConvertible(
                "its password_stage is none that asks for a password", stage.line_of("password_stage")
            )
        steps += convert_stage(entry, context) if entry else [_step("password")]
    return steps


def _password(stage: AuthentikEntry, context: ConversionContext) -> list[Block]:
    backends = [str(each) for each in stage.list("backends")]
    if backends and not any(each.endswith("InbuiltBackend") for each in backends):
        raise NotConvertible("passwords are stored elsewhere", stage.line_of("backends"))
    if len(backends) > 1:
        others = ", ".join(
            each.rpartition(".")[2] for each in backends if not each.endswith("InbuiltBackend")
        )
        context.note(stage, f"only passwords stored here are checked, not {others}.", "backends")
    attempts = stage.known_value("failed_attempts_before_cancel")
    if attempts is None:
        return [_step("password")]
    free = attempts if isinstance(attempts, int) and 1 <= attempts <= 20 else None
    text = (
        f"after {free or 'a few'} wrong passwords people must wait, longer each time; the flow is "
        "not cancelled."
    )
    context.note(stage, text, "failed_attempts_before_cancel")
    return [_step("password", **({"free": free} if free else {}))]


def _validate(stage: AuthentikEntry, context: ConversionContext) -> list[Block]:
    device_classes = [str(each) for each in stage.list("device_classes")] or [
        "static",
        "totp",
        "webauthn",
        "duo",
        "sms",
        "email",
    ]
    known: list[str] = [each for each in ("totp", "static") if each in device_classes]
    if not known:
        raise NotConvertible(
            f"none of {', '.join(device_classes)} is there yet", stage.line_of("device_classes")
        )
    if others := [each for each in device_classes if each not in known]:
        context.note(
            stage,
            (
                f"{', '.join(others)} can't be asked for here yet: people with nothing else count "
                "as having none."
            ),
            "device_classes",
        )
    missing = _missing_action(stage, context, known)
    if stage.known_value("last_auth_threshold") not in (None, "", "seconds=0"):
        context.note(
            stage,
            "last_auth_threshold is not converted: it is asked in every sign-in.",
            "last_auth_threshold",
        )
    context.note(stage, "authenticators are not in blueprints: people must set theirs up again.")
    if len(known) == 1:
        return [_step("totp" if known == ["totp"] else "recovery_code", missing=missing)]
    return [_code_choice(stage, missing)]


def _code_choice(stage: AuthentikEntry, missing: str) -> Block:
    """Return a section that asks for an authenticator code or a recovery code, as the person chooses."""
    choice_id = short_name(f"{stage.title}-how")
    choice_variable = f"steps.{re.sub('[^a-z0-9]', '_', choice_id)}.choice"
    has_codes, has_app = '"recovery_code" in person.credentials', '"totp" in person.credentials'
    options = [
        Block({"value": "totp", "title": "Use my authenticator app"}),
        Block({"value": "recovery_code", "title": "Use a recovery code"}),
    ]
    choice = {
        "title": "Confirm it's you",
        "options": [each.values for each in options],
        "default": "totp",
    }
    inner = [
        Block({"id": choice_id, "stage": "choice", "when": f"{has_app} && {has_codes}", "settings": choice}),
        Block(
            {
                "stage": "totp",
                "when": f'!({has_codes}) || ({has_app} && {choice_variable} != "recovery_code")',
                "settings": {"missing": missing},
            }
        ),
        Block(
            {
                "stage": "recovery_code",
                "when": f'{has_codes} && ({choice_variable} == "recovery_code" || !({has_app}))',
            }
        ),
    ]
    return Block({"group": short_name(stage.title), "steps": inner})


def _missing_action(stage: AuthentikEntry, context: ConversionContext, known: list[str]) -> str:
    action = stage.text("not_configured_action") or "skip"
    if action not in ("skip", "deny", "configure"):
        raise NotConvertible(
            f"unknown not_configured_action {action[:30]}", stage.line_of("not_configured_action")
        )
    if action != "configure":
        return "skip" if action == "skip" else "refuse"
    setups = [context.objects.find(each) for each in stage.list("configuration_stages")]
    wanted = "authenticator_totp" if "totp" in known else "authenticator_static"
    if not any(each is not None and wanted in each.model for each in setups):
        text = (
            "none of its configuration_stages can be converted: people without an authenticator are denied."
        )
        context.note(stage, text, "configuration_stages")
        return "refuse"
    return "set_up"


def _prompt(stage: AuthentikEntry, context: ConversionContext) -> list[Block]:
    found = [context.objects.find(each) for each in stage.list("fields")]
    if None in found or not found:
        raise NotConvertible("not all of its fields are in the files", stage.line_of("fields"))
    fields = [_field(each, context) for each in sorted((each for each in found if each), key=_order)]
    visible = [each for each in fields if each]
    names = [each["name"] for each in visible]
    if len(set(names)) < len(names):
        raise NotConvertible("two of its fields have the same name", stage.line)
    if not visible:
        raise NotConvertible("none of its fields asks for input", stage.line)
    steps = [_step("prompt", fields=visible, **({} if context.saves_answers else {"keep": False}))]
    for each in stage.list("validation_policies"):
        policy = context.objects.find(each)
        reason = (
            context.policies.source_comment(policy)
            if policy
            else "authentik: a validation policy that is missing in the files is not converted"
        )
        steps.append(deny_step(f"{stage.title}-validation", reason))
        context.note(
            stage,
            "a validation policy is not converted; a denying step is added after the question.",
            "validation_policies",
        )
    return steps


def _order(prompt: AuthentikEntry) -> tuple[float, int]:
    order = prompt.get("order")
    return (order if isinstance(order, int | float) else 0, prompt.line)


def _field(prompt: AuthentikEntry, context: ConversionContext) -> dict[str, Any] | None:
    kind = prompt.text("type") or "text"
    key = prompt.text("field_key")
    if kind in _DISPLAY_TYPES:
        prompt.is_reported = True
        context.note(prompt, f"a field of the type {kind} asks for nothing and is omitted.", "type")
        return None
    field_type = _TYPES.get(kind)
    if field_type is None:
        raise NotConvertible(
            f"its field {key} is of the type {kind}, which is not there", prompt.line_of("type")
        )
    name = re.sub(r"[^a-z0-9_]", "_", key.rpartition(".")[2].lower()).strip("_")[:45]
    name = name if re.match(r"[a-z]", name) else f"field_{name}".rstrip("_")
    if name != key:
        context.note(prompt, f"the field {key} is named {name} here.", "field_key")
    field = {
        "name": name,
        "label": clean_line(prompt.text("label"), 100),
        "type": field_type,
        "help": clean_line(prompt.text("sub_text"), 300),
    }
    return {key: value for key, value in field.items() if value} | (
        {"required": True} if prompt.boolean("required") else {}
    )


def _user_write(stage: AuthentikEntry, context: ConversionContext) -> list[Block]:
    raise NotConvertible(
        "prompt saves its answers on the person itself; flows can't create accounts yet", stage.line
    )


def _redirect(stage: AuthentikEntry, context: ConversionContext) -> list[Block]:
    if stage.text("mode") not in ("", "static"):
        raise NotConvertible("it leads to another flow", stage.line_of("mode"))
    return [_step("redirect", to=stage.text("target_static"))]


def _deny(stage: AuthentikEntry, context: ConversionContext) -> list[Block]:
    message = clean_line(stage.text("deny_message"), 300)
    return [_step("deny", **({"message": message} if message else {}))]


def _consent(stage: AuthentikEntry, context: ConversionContext) -> list[Block]:
    if stage.text("mode") not in ("", "always_require"):
        context.note(stage, "mode: consent is asked every time; it is not remembered.", "mode")
    if stage.get("consent_expire_in") is not None:
        context.note(
            stage, "consent_expire_in is not converted: consents aren't remembered.", "consent_expire_in"
        )
    return [_step("consent")]


_SESSION_BINDINGS = {
    "network_binding": "it binds the session to a network, and here a stolen one would work from any",
    "geoip_binding": "it binds the session to a place, and here a stolen one would work from any",
}


def _login(stage: AuthentikEntry, context: ConversionContext) -> list[Block]:
    for key, why in _SESSION_BINDINGS.items():
        if stage.text(key) not in ("", "no_binding"):
            raise NotConvertible(f"{key}: {why}", stage.line_of(key))
    key = "terminate_other_sessions"
    if stage.boolean(key):
        raise NotConvertible(
            f"{key}: it ends the person's other sessions, which would go on here", stage.line_of(key)
        )
    key = "remember_me_offset"
    if stage.known_value(key) not in (None, "", "seconds=0"):
        context.note(stage, f"{key} is not converted: people can't choose to stay signed in longer.", key)
    key = "session_duration"
    wanted = duration(stage, key)
    if not wanted:  # in authentik the session lasts until the browser is closed
        context.note(
            stage,
            f"a session ends after {format_duration(MAX_LIFETIME)}, "
            "whether the browser was closed before or not.",
            key,
        )
        return [_step("login")]
    if wanted < MIN_LIFETIME:
        raise NotConvertible(
            f"{key}: shorter than the minimum here, {format_duration(MIN_LIFETIME)}", stage.line_of(key)
        )
    if wanted >= MAX_LIFETIME:
        context.note(
            stage, f"{key}: a session ends after {format_duration(MAX_LIFETIME)} at the latest.", key
        )
        return [_step("login")]
    return [_step("login", session_lifetime=format_duration(wanted))]


def _simple(kind: str) -> Callable[[AuthentikEntry, ConversionContext], list[Block]]:
    return lambda stage, context: [_step(kind)]


_STAGES: dict[str, Callable[[AuthentikEntry, ConversionContext], list[Block]]] = {
    "authentik_stages_identification.identificationstage": _identification,
    _ASKS_PASSWORD: _password,
    "authentik_stages_authenticator_validate.authenticatorvalidatestage": _validate,
    "authentik_stages_authenticator_totp.authenticatortotpstage": _simple("totp_setup"),
    "authentik_stages_authenticator_static.authenticatorstaticstage": _simple("recovery_code_setup"),
    "authentik_stages_user_login.userloginstage": _login,
    "authentik_stages_user_logout.userlogoutstage": _simple("logout"),
    "authentik_stages_user_write.userwritestage": _user_write,
    "authentik_stages_consent.consentstage": _consent,
    "authentik_stages_deny.denystage": _deny,
    "authentik_stages_prompt.promptstage": _prompt,
    "authentik_stages_redirect.redirectstage": _redirect,
}
