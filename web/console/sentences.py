"""Events as sentences with links, for the live feed, lists and the history of objects."""

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from string import Formatter
from typing import Any

from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

SentencePart = list[str]  # the text, and the URL if it is a link
_BAD = {"device.denied", "device.revoked", "tokens.revoked", "events.left_out", "blueprint.drifted"}
_GOOD = {"session.started", "device.approved", "device.redeemed"}
_MACHINES = {"blueprint", "seed"}
# columns whose key in documents has another name
_KEY_NAMES = {"is_active": "active", "secret_hash": "secret"}
_BAD_ENDS = ("_failed", "_refused", "throttled", "_lengthened", ".denied", ".broken", ".refused")

_SENTENCES = {
    "session.started": gettext_noop("{who} signed in"),
    "session.ended": gettext_noop("{whom} was signed out"),
    "session.ended by another": gettext_noop("{who} signed {whom} out"),
    "session.stepped_up": gettext_noop("{who} verified a second factor"),
    "session.proved_again": gettext_noop("{who} re-authenticated"),
    "device.started": gettext_noop("A device requested access to {app}"),
    "device.code_entered": gettext_noop("{who} entered a device code for {app}"),
    "device.approved": gettext_noop("{who} approved {app}"),
    "device.denied": gettext_noop("{who} denied {app}"),
    "device.expired": gettext_noop("Device request for {app} expired"),
    "device.redeemed": gettext_noop("{app} connected for {who}"),
    "device.revoked": gettext_noop("{who} revoked a device’s access to {app}"),
    "device.start_refused": gettext_noop("Device request for {app} rejected"),
    "device.codes_lengthened": gettext_noop("Device codes are being guessed: new codes are longer now"),
    "device.guessing_throttled": gettext_noop("Too many wrong device codes: attempts are throttled"),
    "device.all_dropped": gettext_noop("All pending device requests were dropped"),
    "tokens.issued": gettext_noop("{app} got tokens for {who}"),
    "tokens.repeated": gettext_noop("{app} requested the tokens of {who} again"),
    "tokens.refused": gettext_noop("Token request of {app} for {who} rejected"),
    "tokens.revoked": gettext_noop("The tokens of {app} for {whom} were revoked"),
    "tokens.revoked by another": gettext_noop("{who} revoked the tokens of {app} for {whom}"),
    "client.throttled": gettext_noop("{app} is throttled: too many wrong secrets"),
    "flow.step_failed": gettext_noop("{who} failed at the step {what}"),
    "flow.step_failed password": gettext_noop("Wrong password for {who}"),
    "flow.step_failed totp": gettext_noop("Wrong authenticator code for {who}"),
    "flow.step_failed recovery_code": gettext_noop("Wrong recovery code for {who}"),
    "flow.step_failed device_code": gettext_noop("{who} entered an unknown code"),
    "flow.denied": gettext_noop("{who} was denied at the step {what}"),
    "flow.throttled": gettext_noop("{who} is throttled: too many attempts at the step {what}"),
    "flow.start_refused": gettext_noop("Too many sign-ins at once: {what} is throttled"),
    "flow.broken": gettext_noop("The flow {flow} is misconfigured and denied {who}"),
    "flow.published": gettext_noop("{who} published the flow {flow}"),
    "flow.rolled_back": gettext_noop("{who} rolled the flow {flow} back"),
    "flow.inspected": gettext_noop("{who} viewed a run of {what}"),
    "person.credential_used": gettext_noop("{who} used a second factor"),
    "person.credential_added": gettext_noop("{who} set up a second factor"),
    "person.credential_replaced": gettext_noop("{who} replaced a second factor"),
    "person.credential_removed": gettext_noop("{who} removed a second factor of {whom}"),
    "person.password_changed": gettext_noop("{who} changed the password of {whom}"),
    "person.groups_changed": gettext_noop("{who} changed the groups of {whom}"),
    "person.attributes_changed": gettext_noop("{who} changed attributes of {whom}"),
    "person.recovery_link_made": gettext_noop("{who} created a recovery link for {whom}"),
    "person.created": gettext_noop("{who} created {whom}"),
    "person.changed": gettext_noop("{who} changed {whom}"),
    "person.deleted": gettext_noop("{who} deleted {what}"),
    "application.created": gettext_noop("{who} created the application {named}"),
    "application.changed": gettext_noop("{who} changed the application {named}"),
    "application.deleted": gettext_noop("{who} deleted the application {what}"),
    "key.rotated": gettext_noop("{who} created the signing key {what}"),
    "key.retired": gettext_noop("{who} retired the signing key {what}"),
    "group.created": gettext_noop("{who} created the group {what}"),
    "group.deleted": gettext_noop("{who} deleted the group {what}"),
    "scope.created": gettext_noop("{who} created the scope {what}"),
    "scope.changed": gettext_noop("{who} changed the scope {what}"),
    "scope.deleted": gettext_noop("{who} deleted the scope {what}"),
    "tenant.created": gettext_noop("{who} created the tenant {what}"),
    "tenant.changed": gettext_noop("{who} changed the tenant {what}"),
    "tenant.domain_approved": gettext_noop("{who} approved a domain of the tenant {what}"),
    "tenant.domain_refused": gettext_noop("{who} rejected a domain of the tenant {what}"),
    "mail.changed": gettext_noop("{who} edited the email template {what}"),
    "mail.deleted": gettext_noop("{who} reset the email template {what} to default"),
    "secret.set": gettext_noop("{who} set the secret {what}"),
    "secret.removed": gettext_noop("{who} deleted the secret {what}"),
    "flow.draft_discarded": gettext_noop("{who} discarded the draft of {flow}"),
    "flow.deleted": gettext_noop("{who} deleted the flow {what}"),
    "blueprint.applied": gettext_noop("{who} applied the blueprint {what}"),
    "blueprint.drifted": gettext_noop("{what} has drifted from its blueprint"),
    "blueprint.drift_ended": gettext_noop("{what} matches its blueprint again"),
    "events.left_out": gettext_noop("Too many {what} events: some were dropped"),
}
_DEFAULT_SENTENCE = gettext_noop("{who}: {kind} {what}")
_PLACEHOLDERS: dict[str, Callable[[Mapping[str, Any]], SentencePart]] = {
    "who": lambda row: person_link(row["actor"]) if row["actor"] else [_("Someone")],
    "whom": lambda row: (
        person_link(row["target"] or row["actor"]) if row["target"] or row["actor"] else [_("Someone")]
    ),
    "what": lambda row: [row["target"]],
    "kind": lambda row: [row["kind"]],
    "app": lambda row: application_link(row["application"]) if row["application"] else [_("an application")],
    "named": lambda row: application_link(row["target"]),
    "flow": lambda row: _link(row["target"], "builder", row["target"]),
}


def describe_event(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event as JSON for display.

    ``tone``: good, bad or "". ``parts``: the parts of its sentence. ``about``: the object that it is about.
    """
    parts = [*_sentence(row), *_origin(row), *_reason(row)]
    return {"tone": tone(row["kind"]), "parts": parts, "about": subject_link(row)}


def tone(kind: str) -> str:
    """Return whether events of this kind are ``good``, ``bad`` or neither ("")."""
    if kind in _BAD or kind.endswith(_BAD_ENDS):
        return "bad"
    return "good" if kind in _GOOD else ""


def person_link(username: str) -> SentencePart:
    """Return a link to a person; commands and services act too, and have no page."""
    is_machine = " " in username or username in _MACHINES
    return [username] if is_machine else _link(username, "people-one", username)


def application_link(name: str) -> SentencePart:
    """Return a link to an application."""
    return _link(name, "applications-one", name)


def subject_link(row: Mapping[str, Any]) -> SentencePart:
    """Return a link to the device or run that an event is about; [] for other events."""
    kind, _space, number = str(row["target"]).partition(" ")
    if kind == "device" and number.isdecimal():
        return _link(_("device %(number)s") % {"number": number}, "device", number)
    run = str(row["data"].get("run", ""))
    return _link(_("run"), "run", run) if run else []


def _sentence(row: Mapping[str, Any]) -> Iterator[SentencePart]:
    stage, kind = row["data"].get("stage", ""), row["kind"]
    by = "by another" if row["actor"] and row["target"] and row["actor"] != row["target"] else ""
    sentence = (
        _SENTENCES.get(f"{kind} {stage}")
        or _SENTENCES.get(f"{kind} {by}")
        or _SENTENCES.get(kind, _DEFAULT_SENTENCE)
    )
    for text, word, *_rest in Formatter().parse(_(sentence)):
        if text:
            yield [text]
        if word:
            yield _PLACEHOLDERS[word](row)


def _reason(row: Mapping[str, Any]) -> Iterator[SentencePart]:
    """Yield the reason of the event, or else the keys that were changed."""
    keys = row["data"].get("keys") if row["kind"].endswith(("changed", "drifted")) else None
    names = [_KEY_NAMES.get(str(key), str(key)) for key in keys] if isinstance(keys, list) else []
    why = str(row["data"].get("why") or ", ".join(names))[:200]
    if why:
        yield [f": {why}"]


def _origin(row: Mapping[str, Any]) -> Iterator[SentencePart]:
    if row["address"]:
        yield [_(" from %(address)s") % {"address": row["address"]}]


def _link(text: str, name: str, key: str) -> SentencePart:
    url = console_url(name, key)
    return [text, url] if url else [text]


@lru_cache(maxsize=4096)
def console_url(name: str, *key: str) -> str:
    """Return the URL of a page of the console; "" if there is none for these keys."""
    try:
        return reverse(f"console:{name}", args=key)
    except NoReverseMatch:
        return ""
