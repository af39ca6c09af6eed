"""authentik's applications with their providers, converted to applications of Foyer."""

import re
from datetime import timedelta
from typing import Any

from blueprints.convert.durations import duration
from blueprints.convert.entries import Entry, NotCarried
from blueprints.convert.names import Names
from blueprints.convert.objects import OPENID, SCOPE, fits, is_scope, sound
from blueprints.convert.report import Block, Ours
from blueprints.convert.steps import Work
from flows.settings import write_duration
from idp.foundation.text import cleaned
from idp.oauth.models import client_id_syntax
from idp.tenancy.models import picture

PROVIDER = "authentik_providers_oauth2.oauth2provider"
_DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
ONE_MINUTE = timedelta(minutes=1)


class Applications:
    """Converts the applications, each with its OAuth2 provider."""

    def __init__(self, context: Work, *, devices: bool | None) -> None:
        """Start without any application.

        ``devices`` says whether the brand has a device flow. It is None when no brand is among the files.
        """
        self.work, self._devices = context, devices
        self._names = Names()
        self._clients: set[str] = set()
        self.groups: set[str] = set()

    def make(self, entry: Entry) -> tuple[Block, Entry] | None:
        """Return the document and the provider, or None if the application is omitted."""
        try:
            provider = self.work.objects.find(entry.take("provider"))
            if provider is None or provider.model != PROVIDER:
                raise NotCarried("the files have no OAuth2 provider for it", entry.line)
            block = self._document(entry, provider)
        except NotCarried as error:
            self.work.notes.add(entry.file, error.line, f"{entry} is omitted: {error.text}.")
            entry.told = True
            return None
        converted = sound("application", block, entry, self.work)
        return (converted, provider) if converted else None

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
        self._restrict_access(entry, provider, block)
        return block

    def _client(self, name: str, provider: Entry) -> dict[str, Any]:
        values: dict[str, Any] = {}
        client_id = provider.passed_on("client_id")
        if str(client_id) not in self._clients and (
            isinstance(client_id, Ours) or fits(client_id_syntax, client_id)
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
        """Return the lifetimes of codes and tokens, which are never longer than they were.

        A device code lives as long as an authorization code did in authentik.
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
            values["device"] = {"code_lifetime": self._limit(provider, key, code, timedelta(hours=1))}
        elif "device_code" in grants:
            grants.remove("device_code")
            self.work.note(
                provider, (f"{key}: shorter than the minimum here, so the device grant is omitted."), key
            )
        if (access := duration(provider, key := "access_token_validity")) is not None:
            if access < ONE_MINUTE:
                raise NotCarried(f"{key}: shorter than the minimum here, 1 minute", provider.line_of(key))
            values["access_token_lifetime"] = self._limit(provider, key, access, timedelta(days=1))
        if (refresh := duration(provider, "refresh_token_validity")) is not None:
            values["refresh_token_lifetime"] = write_duration(refresh)
        return values

    def _limit(self, provider: Entry, key: str, lifetime: timedelta, most: timedelta) -> str:
        if lifetime > most:
            self.work.note(provider, f"{key}: {write_duration(most)} is the maximum here.", key)
        return write_duration(min(lifetime, most))

    def _grants(self, provider: Entry, scopes: list[str]) -> list[str]:
        grant_types = (
            None
            if provider.get("grant_types") is None
            else [str(each) for each in provider.list("grant_types")]
        )
        device = bool(self._devices) and (grant_types is None or _DEVICE in grant_types)
        if self._devices is False:
            self.work.note(provider, "the device grant is omitted: the brand has no flow_device_code.")
        elif self._devices is None:
            hint = "give its file too, or add device_code to the grants"
            self.work.note(
                provider,
                f"the device grant is omitted: no brand with a flow_device_code is among the files; {hint}.",
            )
        elif not device:
            self.work.note(
                provider,
                "the device grant is omitted: device_code is not among its grant_types.",
                "grant_types",
            )
        refresh = "offline_access" in scopes and (grant_types is None or "refresh_token" in grant_types)
        if grant_types and (
            unsupported := [each for each in grant_types if each not in (_DEVICE, "refresh_token")]
        ):
            self.work.note(
                provider,
                f"grant_types {', '.join(unsupported)[:100]}: these grants aren't supported yet.",
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
            if name in OPENID or (name in described and is_scope(name)):
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

    def _restrict_access(self, entry: Entry, provider: Entry, block: Block) -> None:
        """Restrict the application to groups, or deactivate it if groups cannot express the restriction."""
        for target in (entry, provider):
            policies = self.work.policies.judge(target)
            if not policies:
                continue
            block.comments += policies.opaque
            allowed = policies.only_groups
            if allowed is None or "groups" in block.values:
                block.values["active"] = False
                block.comments += (
                    [f"authentik: who may use it: {' '.join(conditions)}"]
                    if (conditions := policies.conditions())
                    else []
                )
                self.work.note(target, "who may use it cannot be said by groups: it is deactivated.")
            else:
                block.values["groups"] = list(dict.fromkeys(allowed))
                self.groups |= set(allowed)
                if len(policies.verdicts) > len(policies.groups):
                    self.work.note(
                        target,
                        (
                            "it is for the people of its groups only; what its other policies "
                            "allow is not converted."
                        ),
                    )


def fits_picture(value: str) -> bool:
    """Return whether ``value`` is a picture that is embedded as a data: URL."""
    return value.startswith("data:") and fits(picture, value)
