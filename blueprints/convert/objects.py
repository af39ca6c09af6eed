"""authentik's groups, people, scopes, providers and applications as documents of ours."""

import re
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError as Invalid
from django.core.validators import validate_email
from pydantic import ValidationError

from blueprints.convert.entries import Entry, NotCarried
from blueprints.convert.names import Names
from blueprints.convert.report import Block, Ours
from blueprints.convert.steps import Work
from blueprints.document import KINDS
from flows.settings import write_duration
from idp import mailboxes
from idp.oauth.models import client_id_syntax, scope_syntax
from idp.oauth.scopes import STANDARD_SCOPES
from idp.tenancy.models import picture
from idp.text import fold

GROUP, USER, APPLICATION = "authentik_core.group", "authentik_core.user", "authentik_core.application"
PROVIDER, SCOPE = "authentik_providers_oauth2.oauth2provider", "authentik_providers_oauth2.scopemapping"
_DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
_UNITS = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86_400, "weeks": 604_800}
_LOOSE = ("title", "owner", "logo", "client_id", "name", "email", "description", "access_token_lifetime", "refresh_token_lifetime")


def sound(kind: str, block: Block, entry: Entry, work: Work) -> Block | None:
    """The document without what our validator refuses, each noted; None when what it refuses decides who may do what."""
    for _ in _LOOSE:
        try:
            KINDS[kind].model_validate({key: "" if isinstance(value, Ours) else value for key, value in block.plain().items()})
            return block
        except ValidationError as errors:
            said = errors.errors()[0]
            key = str(said["loc"][0]) if said["loc"] else ""
            if key not in _LOOSE or key not in block.values:
                work.note(entry, f"it is left out: {key}: {said['msg']}.")
                return None
            work.note(entry, f"{key} is not carried over: {said['msg']}.")
            del block.values[key]
    return None


def groups(work: Work, named: set[str]) -> list[Block]:
    """The groups, and those that something refers to."""
    found: dict[str, Block] = {}
    for entry in work.objects.of(GROUP):
        entry.used |= {"name", "pk", "users"}
        for key, why in (
            ("parent", "groups lie in no other ones here; where a policy names the upper group, its lower ones are named too"),
            ("parents", "groups lie in no other ones here; where a policy names the upper group, its lower ones are named too"),
            ("is_superuser", "nobody becomes an administrator by a group; give the person admin: true"),
        ):
            if entry.values.get(key):
                work.note(entry, f"{key} is not carried over: {why}.", key)
            entry.used.add(key)
        if made := sound("group", Block({"group": entry.title}), entry, work):
            found.setdefault(entry.title, made)
    for name in sorted(named - found.keys()):
        found[name] = Block({"group": name}, ["authentik: referred to, but not among the files"])
    return list(found.values())


def people(work: Work) -> list[Block]:
    """The people, without their passwords."""
    made: dict[str, Block] = {}
    listed = _listed(work)
    for entry in work.objects.of(USER):
        entry.used |= {"username", "pk"}
        try:
            block = _person(entry, listed.get(entry, set()), work)
        except NotCarried as error:
            work.notes.add(entry.file, error.line, f"{entry} is left out: {error.text}.")
            entry.used |= entry.values.keys()
            continue
        block = sound("person", block, entry, work) if block else None
        if block and fold(block.values["person"]) in made:
            work.note(entry, "it is left out: another person has the same username but for its spelling.")
        elif block:
            made[fold(block.values["person"])] = block
    _emails_once(made.values(), work)
    return list(made.values())


def _listed(work: Work) -> dict[Entry, set[str]]:
    """Whom the groups themselves name."""
    found: dict[Entry, set[str]] = {}
    for group in work.objects.of(GROUP):
        users = group.values.get("users")
        for each in users if isinstance(users, list) else []:
            if (entry := work.objects.find(each)) is not None:
                found.setdefault(entry, set()).add(group.title)
            else:
                work.note(group, "not all of its people are among the files.", "users")
    return found


def _person(entry: Entry, listed: set[str], work: Work) -> Block | None:
    kind = entry.text("type") or "internal"
    if kind not in ("internal", "external"):
        work.note(entry, f"it is left out: its type is {kind[:40]}, nobody who signs in.", "type")
        entry.used |= entry.values.keys()
        return None
    values: dict[str, Any] = {"person": entry.text("username"), "name": entry.text("name"), "email": entry.text("email")}
    if values["email"] and not _fits(validate_email, values["email"]):
        work.note(entry, "its email address is not valid and is left out.", "email")
        values["email"] = ""
    active = entry.true("is_active", True)
    named = [work.objects.named(each, "name") for each in entry.list("groups")]
    if "" in named:
        work.note(entry, "not all of its groups are named in the files.", "groups")
    member = {*filter(None, named), *listed}
    if "password" in entry.values:
        work.note(entry, "passwords are not carried over; send a recovery link.", "password")
        entry.used.add("password")
    values = {key: value for key, value in values.items() if value or key == "person"}
    return Block({**values, **({} if active else {"active": False}), **({"groups": sorted(member)} if member else {})})


def _fits(check: Callable[[Any], None], text: Any) -> bool:
    """Whether one of our validators accepts it."""
    try:
        check(text)
    except Invalid:
        return False
    return True


def _emails_once(made: Iterable[Block], work: Work) -> None:
    seen: set[str] = set()
    for block in made:
        email = mailboxes.key(block.values.get("email", ""))
        if email and email in seen:
            block.comments.append("authentik: somebody else has the same email address; it is left out here")
            del block.values["email"]
        seen.add(email)


def scopes(work: Work) -> list[Block]:
    """The scope mappings of their own, as scopes without what they put into tokens."""
    made: dict[str, Block] = {}
    for entry in work.objects.of(SCOPE):
        entry.used |= {"name", "scope_name", "description", "expression", "managed", "pk"}
        name = entry.values.get("scope_name")
        if not isinstance(name, str) or not _fits(scope_syntax, name):
            work.note(entry, "it is left out: it has no name of a scope.")
            continue
        if entry.values.get("expression"):
            work.note(entry, "what its expression puts into tokens is not carried over; its source stands in a comment.", "expression")
        said = entry.values.get("description")
        title = said if isinstance(said, str) and said.strip() else entry.title
        comments = (
            [f"authentik: its expression is not carried over:\n{entry.values['expression']}"] if entry.values.get("expression") else []
        )
        if name not in STANDARD_SCOPES:
            made.setdefault(name, Block({"scope": name, "title": title[:150]}, comments))
    return list(made.values())


class Applications:
    """The applications, each with its OAuth2 provider."""

    def __init__(self, work: Work, *, devices: bool | None) -> None:
        """``devices``: whether the brand has a flow for them; None when no brand is among the files."""
        self.work, self._devices = work, devices
        self._names = Names()
        self.groups: set[str] = set()
        self.scopes: dict[str, None] = {}

    def make(self, entry: Entry) -> tuple[Block, Entry] | None:
        """The document, and the provider; None when it is left out."""
        entry.used |= {"name", "slug", "policy_engine_mode", "pk"}
        try:
            provider = self.work.objects.find(entry.take("provider"))
            if provider is None or provider.model != PROVIDER:
                raise NotCarried("it has no OAuth2 provider among the files", entry.line)
            block = self._document(entry, provider)
        except NotCarried as error:
            self.work.notes.add(entry.file, error.line, f"{entry} is left out: {error.text}.")
            entry.used |= entry.values.keys()
            return None
        made = sound("application", block, entry, self.work)
        return (made, provider) if made else None

    def _document(self, entry: Entry, provider: Entry) -> Block:
        slug = entry.text("slug") or entry.title
        name = self._names.make(slug)
        if name != slug:
            self.work.note(entry, f"it is called {name} here.", "slug")
        values: dict[str, Any] = {"application": name, "title": str(entry.text("name") or slug)[:100]}
        if owner := entry.text("meta_publisher"):
            values["owner"] = owner[:100]
        logo = entry.text("meta_icon")
        if logo and _fits(picture, logo) and logo.startswith("data:"):
            values["logo"] = logo
        elif logo:
            self.work.note(entry, "its icon is not carried over: no page loads pictures from elsewhere.", "meta_icon")
        values |= self._client(name, provider)
        block = Block(values)
        self._access(entry, provider, block)
        return block

    def _client(self, name: str, provider: Entry) -> dict[str, Any]:
        provider.used |= {"name", "authorization_flow", "authentication_flow", "client_secret", "policy_engine_mode", "pk"}
        values: dict[str, Any] = {}
        client_id = provider.passed_on("client_id")
        if isinstance(client_id, Ours) or _fits(client_id_syntax, client_id):
            values["client_id"] = client_id
        else:
            self.work.note(provider, "it gets a new client id: there is none in the file, or none that is allowed.", "client_id")
        confidential = provider.text("client_type") != "public"
        if confidential:
            secret = f"{name}-client-secret"
            values["client_secret"] = Ours("secret", (secret,))
            self.work.note(provider, f"its client secret is not written down: enter it as the secret {secret}.", "client_secret")
        values["type"] = "confidential" if confidential else "public"
        scopes = self._scopes(provider)
        values |= {"grants": self._grants(provider, scopes), "scopes": scopes}
        for key, ours in (("access_token_validity", "access_token_lifetime"), ("refresh_token_validity", "refresh_token_lifetime")):
            if said := provider.text(key):
                values[ours] = _duration(said, provider.lines[key], key)
        if provider.take("redirect_uris"):
            self.work.note(provider, "redirect_uris are not carried over: there is no sign-in by redirection yet.", "redirect_uris")
        return values

    def _grants(self, provider: Entry, scopes: list[str]) -> list[str]:
        given = [str(each) for each in provider.list("grant_types")]
        device = self._devices is not False and (not given or _DEVICE in given)
        if self._devices is False:
            self.work.note(provider, "no device may ask for it: the brand has no flow_device_code.")
        elif self._devices is None and device:
            self.work.note(provider, "devices may ask for it, by the tenant's own flow: no brand is among the files that would tell.")
        refresh = "offline_access" in scopes and (not given or "refresh_token" in given)
        return [name for name, on in (("device_code", device), ("refresh_token", refresh)) if on]

    def _scopes(self, provider: Entry) -> list[str]:
        found: dict[str, None] = {}
        for each in provider.list("property_mappings"):
            name = self.work.objects.named(each, "scope_name")
            managed = re.fullmatch(r"goauthentik\.io/providers/oauth2/scope-([a-z_]+)", self.work.objects.named(each, "managed"))
            name = name or (managed[1] if managed else "")
            known = any(mapping.values.get("scope_name") == name for mapping in self.work.objects.of(SCOPE))
            if name in STANDARD_SCOPES or (known and _fits(scope_syntax, name)):
                found[name] = None
            else:
                self.work.note(provider, f"a scope mapping is not carried over: {name or each}.", "property_mappings")
        if not found:
            self.work.note(provider, "it has no scopes: no property_mappings that are known stand in the file.")
        return list(found)

    def _access(self, entry: Entry, provider: Entry, block: Block) -> None:
        """Who may use it: by groups, or nobody."""
        for target in (entry, provider):
            judged = self.work.policies.judge(target)
            if not judged:
                continue
            block.comments += judged.opaque
            allowed = judged.only_groups
            if allowed is None or "groups" in block.values:
                block.values["active"] = False
                self.work.note(target, "who may use it cannot be said by groups: it is switched off.")
            else:
                block.values["groups"] = list(dict.fromkeys(allowed))
                self.groups |= set(allowed)
                if judged.opaque or len(judged.known) > len(judged.groups):
                    self.work.note(target, "it is for the people of its groups only; what its other policies allow is not carried over.")


def _duration(text: str, line: int, key: str) -> str:
    """``hours=1;minutes=30`` as ours are written."""
    seconds = 0.0
    for part in text.split(";"):
        unit, _, number = part.strip().partition("=")
        if unit not in _UNITS or not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", number):
            raise NotCarried(f"{key}: {text[:50]} is no duration", line)
        seconds += float(number) * _UNITS[unit]
    whole = int(min(seconds, 999_999 * 60))
    return write_duration(timedelta(seconds=whole if whole <= 999_999 else whole - whole % 60))
