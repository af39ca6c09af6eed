"""authentik's groups, people, scopes, providers and applications as documents of ours."""

import re
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError as Invalid
from django.core.validators import validate_email
from pydantic import ValidationError

from blueprints.convert.durations import duration
from blueprints.convert.entries import Entry, NotCarried
from blueprints.convert.groups import GROUP, USER
from blueprints.convert.names import Names, group_name
from blueprints.convert.report import Block, Ours
from blueprints.convert.steps import Work
from blueprints.objects.document import KINDS
from flows.settings import write_duration
from flows.validation_messages import sentence
from idp.accounts.people import FIRST_ADMINISTRATOR
from idp.foundation import mailboxes
from idp.foundation.text import cleaned, fold
from idp.oauth.models import client_id_syntax, scope_syntax
from idp.oauth.scopes import is_reserved
from idp.tenancy.models import DEFAULT, picture

APPLICATION = "authentik_core.application"
PROVIDER, SCOPE = "authentik_providers_oauth2.oauth2provider", "authentik_providers_oauth2.scopemapping"
_DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
OPENID = ("openid", "profile", "email", "offline_access")
ONE_MINUTE = timedelta(minutes=1)
_LOOSE = ("title", "owner", "logo", "client_id", "name", "email", "description")  # what nobody is let in by


def sound(kind: str, block: Block, entry: Entry, work: Work) -> Block | None:
    """The document without what our validator refuses, each noted; None when what it refuses decides who may
    do what.
    """
    for _ in _LOOSE:
        try:
            KINDS[kind].model_validate(
                {key: "" if isinstance(value, Ours) else value for key, value in block.plain().items()}
            )
            return block
        except ValidationError as errors:
            said = errors.errors()[0]
            key = str(said["loc"][0]) if said["loc"] else ""
            if key not in _LOOSE or key not in block.values:
                work.note(entry, f"it is omitted: {key}: {sentence(said)}")
                return None
            work.note(entry, f"{key} is not converted: {sentence(said)}")
            del block.values[key]
    return None


def groups(work: Work, named: set[str]) -> list[Block]:
    """The groups, and those that something refers to."""
    found: dict[str, Block] = {}
    for entry in work.objects.of(GROUP):
        for key, why in (
            (
                "parent",
                (
                    "groups can't be nested here; where a policy names the upper group, its lower "
                    "ones are named too"
                ),
            ),
            (
                "parents",
                (
                    "groups can't be nested here; where a policy names the upper group, its lower "
                    "ones are named too"
                ),
            ),
            ("is_superuser", "groups don't make administrators; give the person the role"),
        ):
            if entry.get(key):
                work.note(entry, f"{key} is not converted: {why}.", key)
        entry.get("users")
        if name := group_name(entry.title):
            found.setdefault(name, Block({"group": name}))
        else:
            work.note(entry, "it is omitted: no group can have this name.", "name")
    for name in sorted(named - found.keys()):
        about = work.objects.entries[0]
        work.notes.add(
            about.file,
            1,
            (
                f"The group {name} is referred to, but missing in the files: which groups lie above "
                "it is not known."
            ),
        )
        found[name] = Block({"group": name}, ["authentik: referred to, but missing in the files"])
    return list(found.values())


def people(work: Work, tenant: str) -> list[Block]:
    """The people, without their passwords, as those of this tenant."""
    made: dict[str, Block] = {}
    listed = _listed(work)
    for entry in work.objects.of(USER):
        try:
            block = _person(entry, listed.get(entry, set()), work)
        except NotCarried as error:
            work.notes.add(entry.file, error.line, f"{entry} is omitted: {error.text}.")
            entry.told = True
            continue
        block = sound("person", block, entry, work) if block else None
        if block and fold(block.values["person"]) in made:
            work.note(entry, "it is omitted: another person has the same username but for its spelling.")
        elif block:
            made[name := fold(block.values["person"])] = block
            if (name, tenant) == (FIRST_ADMINISTRATOR, DEFAULT):
                work.note(
                    entry,
                    (
                        f"the first administrator is named {name} here, and applying this changes "
                        "that one: rename one of both."
                    ),
                )
    _emails_once(made.values(), work)
    return list(made.values())


def _listed(work: Work) -> dict[Entry, set[str]]:
    """Whom the groups themselves name."""
    found: dict[Entry, set[str]] = {}
    for group in work.objects.of(GROUP):
        users = group.get("users")
        for each in users if isinstance(users, list) else []:
            if (entry := work.objects.find(each)) is not None:
                found.setdefault(entry, set()).add(group_name(group.title))
            else:
                work.note(group, "not all of its people are in the files.", "users")
    return found


def _person(entry: Entry, listed: set[str], work: Work) -> Block | None:
    kind = entry.text("type") or "internal"
    if kind not in ("internal", "external"):
        work.note(entry, f"it is omitted: its type is {kind[:40]}, which doesn't sign in.", "type")
        entry.told = True
        return None
    values: dict[str, Any] = {
        "person": entry.text("username"),
        "name": cleaned(entry.text("name"), 150),
        "email": entry.text("email"),
    }
    if values["email"] and not _fits(validate_email, values["email"]):
        work.note(entry, "its email address is not valid and is omitted.", "email")
        values["email"] = ""
    active = entry.true("is_active", True)
    named = {group_name(work.objects.named(each, "name")) for each in entry.list("groups")} | listed
    member = {*filter(None, named)}
    if member < named:
        work.note(
            entry,
            (
                "not all of its groups are named in the files, and one of them may close "
                "something: it is deactivated."
            ),
            "groups",
        )
        active = False
    if entry.get("password") is not None:
        work.note(entry, "password is not converted; send a recovery link.", "password")
    values = {key: value for key, value in values.items() if value or key == "person"}
    return Block(
        {**values, **({} if active else {"active": False}), **({"groups": sorted(member)} if member else {})}
    )


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
            block.comments.append("authentik: someone else has the same email address; it is omitted here")
            del block.values["email"]
        seen.add(email)


def scopes(work: Work) -> list[Block]:
    """The scope mappings of their own, as scopes without what they put into tokens."""
    made: dict[str, Block] = {}
    for entry in work.objects.of(SCOPE):
        entry.get("managed")
        name = entry.get("scope_name")
        if not isinstance(name, str) or not (name in OPENID or _is_scope(name)):
            work.note(entry, "it is omitted: it has no name that a scope may have here.", "scope_name")
            continue
        comments, expression = [], entry.get("expression")
        if expression:
            work.note(
                entry,
                "what its expression puts into tokens is not converted; its source is in a comment.",
                "expression",
            )
            comments = [f"authentik: its expression is not converted:\n{expression}"]
        title = cleaned(entry.said("description"), 150) or cleaned(entry.title, 150) or name
        if name in OPENID:
            work.note(entry, f"the scope {name} is the one of the protocol, with its own words and claims.")
        elif name in made:
            work.note(entry, f"another mapping has the scope {name} too: that one's words stand.")
        else:
            made[name] = Block({"scope": name, "title": title}, comments)
    return list(made.values())


def _is_scope(name: str) -> bool:
    """Whether a scope of a tenant may have this name: those of the administration are nobody's to give."""
    return _fits(scope_syntax, name) and not is_reserved(name) and _sound({"scope": name, "title": "x"}) == ""


def _sound(document: dict[str, Any]) -> str:
    """What our validator refuses, or nothing."""
    try:
        KINDS[next(iter(document))].model_validate(document)
    except ValidationError as errors:
        return sentence(errors.errors()[0])
    return ""


class Applications:
    """The applications, each with its OAuth2 provider."""

    def __init__(self, work: Work, *, devices: bool | None) -> None:
        """``devices``: whether the brand has a flow for them; None when no brand is among the files."""
        self.work, self._devices = work, devices
        self._names = Names()
        self._clients: set[str] = set()
        self.groups: set[str] = set()

    def make(self, entry: Entry) -> tuple[Block, Entry] | None:
        """The document, and the provider; None when it is left out."""
        try:
            provider = self.work.objects.find(entry.take("provider"))
            if provider is None or provider.model != PROVIDER:
                raise NotCarried("the files have no OAuth2 provider for it", entry.line)
            block = self._document(entry, provider)
        except NotCarried as error:
            self.work.notes.add(entry.file, error.line, f"{entry} is omitted: {error.text}.")
            entry.told = True
            return None
        made = sound("application", block, entry, self.work)
        return (made, provider) if made else None

    def _document(self, entry: Entry, provider: Entry) -> Block:
        slug = entry.text("slug") or entry.title
        name = self._names.make(slug)
        if name != slug:
            self.work.note(entry, f"its ID is {name} here.", "slug")
        values: dict[str, Any] = {
            "application": name,
            "title": cleaned(entry.text("name"), 100) or cleaned(slug, 100) or name,
        }
        if owner := cleaned(entry.text("meta_publisher"), 100):
            values["owner"] = owner
        logo = entry.text("meta_icon")
        if logo and fits_picture(logo):
            values["logo"] = logo
        elif logo:
            self.work.note(
                entry, "meta_icon is not converted: pages don't load external images.", "meta_icon"
            )
        values |= self._client(name, provider)
        block = Block(values)
        self._access(entry, provider, block)
        return block

    def _client(self, name: str, provider: Entry) -> dict[str, Any]:
        values: dict[str, Any] = {}
        client_id = provider.passed_on("client_id")
        if str(client_id) not in self._clients and (
            isinstance(client_id, Ours) or _fits(client_id_syntax, client_id)
        ):
            values["client_id"] = client_id
            self._clients.add(str(client_id))
        else:
            self.work.note(
                provider,
                "it gets a new client ID: the file has none, or none that is allowed.",
                "client_id",
            )
        kind = provider.text("client_type") or "confidential"
        if kind not in ("public", "confidential"):
            raise NotCarried(f"unknown client_type {kind[:30]}", provider.line_of("client_type"))
        if kind == "confidential":
            secret = f"{name}-client-secret"
            values["client_secret"] = Ours("secret", (secret,))
            self.work.note(
                provider,
                f"its client secret is not included: save it as the secret {secret}.",
                "client_secret",
            )
        elif provider.get("client_secret") is not None:
            self.work.note(
                provider, "its client secret is omitted: a public client has none.", "client_secret"
            )
        provider.get("client_secret")
        values["type"] = kind
        scopes = self._scopes(provider)
        values |= {"grants": self._grants(provider, scopes), "scopes": scopes}
        values |= self._lifetimes(provider, values["grants"])
        if provider.take("redirect_uris"):
            self.work.note(
                provider,
                "redirect_uris are not converted: redirect sign-in isn't supported yet.",
                "redirect_uris",
            )
        return values

    def _lifetimes(self, provider: Entry, grants: list[str]) -> dict[str, Any]:
        """How long codes and tokens live: never longer than they did.

        A device's code lives as long as an authorization code there.
        """
        values: dict[str, Any] = {}
        code = duration(provider, key := "access_code_validity")
        if code is None:
            self.work.note(
                provider,
                f"device codes expire after 1 minute: {key} is not set, and that is authentik's default.",
            )
            code = ONE_MINUTE
        if code >= timedelta(seconds=30):
            values["device"] = {"code_lifetime": self._at_most(provider, key, code, timedelta(hours=1))}
        elif "device_code" in grants:
            grants.remove("device_code")
            self.work.note(
                provider, (f"{key}: shorter than the minimum here, so the device grant is omitted."), key
            )
        if (access := duration(provider, key := "access_token_validity")) is not None:
            if access < ONE_MINUTE:
                raise NotCarried(f"{key}: shorter than the minimum here, 1 minute", provider.line_of(key))
            values["access_token_lifetime"] = self._at_most(provider, key, access, timedelta(days=1))
        if (refresh := duration(provider, "refresh_token_validity")) is not None:
            values["refresh_token_lifetime"] = write_duration(refresh)
        return values

    def _at_most(self, provider: Entry, key: str, lifetime: timedelta, most: timedelta) -> str:
        if lifetime > most:
            self.work.note(provider, f"{key}: {write_duration(most)} is the maximum here.", key)
        return write_duration(min(lifetime, most))

    def _grants(self, provider: Entry, scopes: list[str]) -> list[str]:
        given = (
            None
            if provider.get("grant_types") is None
            else [str(each) for each in provider.list("grant_types")]
        )
        device = bool(self._devices) and (given is None or _DEVICE in given)
        if self._devices is False:
            self.work.note(provider, "the device grant is omitted: the brand has no flow_device_code.")
        elif self._devices is None:
            how = "give its file too, or add device_code to the grants"
            self.work.note(
                provider,
                f"the device grant is omitted: no brand with a flow_device_code is among the files; {how}.",
            )
        elif not device:
            self.work.note(
                provider,
                "the device grant is omitted: device_code is not among its grant_types.",
                "grant_types",
            )
        refresh = "offline_access" in scopes and (given is None or "refresh_token" in given)
        if given and (left := [each for each in given if each not in (_DEVICE, "refresh_token")]):
            self.work.note(
                provider,
                f"grant_types {', '.join(left)[:100]}: these grants aren't supported yet.",
                "grant_types",
            )
        return [name for name, on in (("device_code", device), ("refresh_token", refresh)) if on]

    def _scopes(self, provider: Entry) -> list[str]:
        found: dict[str, None] = {}
        described = [mapping.look("scope_name") for mapping in self.work.objects.of(SCOPE)]
        for each in provider.list("property_mappings"):
            name = self.work.objects.named(each, "scope_name")
            managed = re.fullmatch(
                r"goauthentik\.io/providers/oauth2/scope-([a-z_]+)", self.work.objects.named(each, "managed")
            )
            name = name or (managed[1] if managed else "")
            if name in OPENID or (name in described and _is_scope(name)):
                found[name] = None
            else:
                self.work.note(
                    provider, f"a scope mapping is not converted: {name or each}.", "property_mappings"
                )
        if not found:
            self.work.note(
                provider, "it has no scopes: no property_mappings that are known stand in the file."
            )
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
                block.comments += (
                    [f"authentik: who may use it: {' '.join(said)}"] if (said := judged.conditions()) else []
                )
                self.work.note(target, "who may use it cannot be said by groups: it is deactivated.")
            else:
                block.values["groups"] = list(dict.fromkeys(allowed))
                self.groups |= set(allowed)
                if len(judged.verdicts) > len(judged.groups):
                    self.work.note(
                        target,
                        (
                            "it is for the people of its groups only; what its other policies "
                            "allow is not converted."
                        ),
                    )


def fits_picture(said: str) -> bool:
    """Whether it is a picture that stands in the file itself."""
    return said.startswith("data:") and _fits(picture, said)
