"""authentik's applications with their providers, converted to applications of Foyer."""

import re
from datetime import timedelta
from typing import Any

from blueprints.convert.durations import duration
from blueprints.convert.entries import AuthentikEntry, NotConvertible
from blueprints.convert.names import Names
from blueprints.convert.objects import PROTOCOL_SCOPES, SCOPE, drop_invalid_keys, is_scope, is_valid
from blueprints.convert.report import Block, FoyerTag
from blueprints.convert.steps import ConversionContext
from flows.settings import format_duration
from idp.foundation.text import clean_line
from idp.oauth.models import client_id_syntax
from idp.tenancy.models import picture

PROVIDER = "authentik_providers_oauth2.oauth2provider"
_DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
ONE_MINUTE = timedelta(minutes=1)


class Applications:
    """Converts the applications, each with its OAuth2 provider."""

    def __init__(self, context: ConversionContext, *, devices: bool | None) -> None:
        """Start without any application.

        ``devices`` says whether the brand has a device flow. It is None when no brand is among the files.
        """
        self.context, self._devices = context, devices
        self._names = Names()
        self._clients: set[str] = set()
        self.groups: set[str] = set()

    def convert(self, entry: AuthentikEntry) -> tuple[Block, AuthentikEntry] | None:
        """Return the document and the provider, or None if the application is omitted."""
        try:
            provider = self.context.objects.find(entry.known_value("provider"))
            if provider is None or provider.model != PROVIDER:
                raise NotConvertible("the files have no OAuth2 provider for it", entry.line)
            block = self._document(entry, provider)
        except NotConvertible as error:
            self.context.notes.add(entry.file, error.line, f"{entry} is omitted: {error.text}.")
            entry.is_reported = True
            return None
        converted = drop_invalid_keys("application", block, entry, self.context)
        return (converted, provider) if converted else None

    def _document(self, entry: AuthentikEntry, provider: AuthentikEntry) -> Block:
        slug = entry.text("slug") or entry.title
        name = self._names.unique_name(slug)
        if name != slug:
            self.context.note(entry, f"its ID is {name} here.", "slug")
        values: dict[str, Any] = {
            "application": name,
            "title": clean_line(entry.text("name"), 100) or clean_line(slug, 100) or name,
        }
        if owner := clean_line(entry.text("meta_publisher"), 100):
            values["owner"] = owner
        logo = entry.text("meta_icon")
        if logo and is_embedded_picture(logo):
            values["logo"] = logo
        elif logo:
            self.context.note(
                entry, "meta_icon is not converted: pages don't load external images.", "meta_icon"
            )
        values |= self._client(name, provider)
        block = Block(values)
        self._restrict_access(entry, provider, block)
        return block

    def _client(self, name: str, provider: AuthentikEntry) -> dict[str, Any]:
        values: dict[str, Any] = {}
        client_id = provider.text_or_tag("client_id")
        if str(client_id) not in self._clients and (
            isinstance(client_id, FoyerTag) or is_valid(client_id_syntax, client_id)
        ):
            values["client_id"] = client_id
            self._clients.add(str(client_id))
        else:
            self.context.note(
                provider,
                "it gets a new client ID: the file has none, or none that is allowed.",
                "client_id",
            )
        kind = provider.text("client_type") or "confidential"
        if kind not in ("public", "confidential"):
            raise NotConvertible(f"unknown client_type {kind[:30]}", provider.line_of("client_type"))
        if kind == "confidential":
            secret = f"{name}-client-secret"
            values["client_secret"] = FoyerTag("secret", (secret,))
            self.context.note(
                provider,
                f"its client secret is not included: save it as the secret {secret}.",
                "client_secret",
            )
        elif provider.get("client_secret") is not None:
            self.context.note(
                provider, "its client secret is omitted: a public client has none.", "client_secret"
            )
        provider.get("client_secret")
        values["type"] = kind
        scopes = self._scopes(provider)
        values |= {"grants": self._grants(provider, scopes), "scopes": scopes}
        values |= self._lifetimes(provider, values["grants"])
        if provider.known_value("redirect_uris"):
            self.context.note(
                provider,
                "redirect_uris are not converted: redirect sign-in isn't supported yet.",
                "redirect_uris",
            )
        return values

    def _lifetimes(self, provider: AuthentikEntry, grants: list[str]) -> dict[str, Any]:
        """Return the lifetimes of codes and tokens, which are never longer than they were.

        A device code lives as long as an authorization code did in authentik.
        """
        values: dict[str, Any] = {}
        key = "access_code_validity"
        code = duration(provider, key)
        if code is None:
            self.context.note(
                provider,
                f"device codes expire after 1 minute: {key} is not set, and that is authentik's default.",
            )
            code = ONE_MINUTE
        if code >= timedelta(seconds=30):
            values["device"] = {"code_lifetime": self._limit(provider, key, code, timedelta(hours=1))}
        elif "device_code" in grants:
            grants.remove("device_code")
            self.context.note(
                provider, (f"{key}: shorter than the minimum here, so the device grant is omitted."), key
            )
        key = "access_token_validity"
        if (access := duration(provider, key)) is not None:
            if access < ONE_MINUTE:
                raise NotConvertible(f"{key}: shorter than the minimum here, 1 minute", provider.line_of(key))
            values["access_token_lifetime"] = self._limit(provider, key, access, timedelta(days=1))
        if (refresh := duration(provider, "refresh_token_validity")) is not None:
            values["refresh_token_lifetime"] = format_duration(refresh)
        return values

    def _limit(self, provider: AuthentikEntry, key: str, lifetime: timedelta, most: timedelta) -> str:
        if lifetime > most:
            self.context.note(provider, f"{key}: {format_duration(most)} is the maximum here.", key)
        return format_duration(min(lifetime, most))

    def _grants(self, provider: AuthentikEntry, scopes: list[str]) -> list[str]:
        grant_types = (
            None
            if provider.get("grant_types") is None
            else [str(each) for each in provider.list("grant_types")]
        )
        device = bool(self._devices) and (grant_types is None or _DEVICE in grant_types)
        if self._devices is False:
            self.context.note(provider, "the device grant is omitted: the brand has no flow_device_code.")
        elif self._devices is None:
            hint = "give its file too, or add device_code to the grants"
            self.context.note(
                provider,
                f"the device grant is omitted: no brand with a flow_device_code is among the files; {hint}.",
            )
        elif not device:
            self.context.note(
                provider,
                "the device grant is omitted: device_code is not among its grant_types.",
                "grant_types",
            )
        refresh = "offline_access" in scopes and (grant_types is None or "refresh_token" in grant_types)
        if grant_types and (
            unsupported := [each for each in grant_types if each not in (_DEVICE, "refresh_token")]
        ):
            self.context.note(
                provider,
                f"grant_types {', '.join(unsupported)[:100]}: these grants aren't supported yet.",
                "grant_types",
            )
        return [name for name, on in (("device_code", device), ("refresh_token", refresh)) if on]

    def _scopes(self, provider: AuthentikEntry) -> list[str]:
        found: dict[str, None] = {}
        described = [mapping.peek("scope_name") for mapping in self.context.objects.by_model(SCOPE)]
        for each in provider.list("property_mappings"):
            name = self.context.objects.referenced_name(each, "scope_name")
            managed = re.fullmatch(
                r"goauthentik\.io/providers/oauth2/scope-([a-z_]+)",
                self.context.objects.referenced_name(each, "managed"),
            )
            name = name or (managed[1] if managed else "")
            if name in PROTOCOL_SCOPES or (name in described and is_scope(name)):
                found[name] = None
            else:
                self.context.note(
                    provider, f"a scope mapping is not converted: {name or each}.", "property_mappings"
                )
        if not found:
            self.context.note(
                provider, "it has no scopes: no property_mappings that are known stand in the file."
            )
        return list(found)

    def _restrict_access(self, entry: AuthentikEntry, provider: AuthentikEntry, block: Block) -> None:
        """Restrict the application to groups, or deactivate it if groups cannot express the restriction."""
        for target in (entry, provider):
            policies = self.context.policies.evaluate(target)
            if not policies:
                continue
            block.comments += policies.comments
            allowed = policies.sufficient_groups
            if allowed is None or "groups" in block.values:
                block.values["active"] = False
                block.comments += (
                    [f"authentik: who may use it: {' '.join(conditions)}"]
                    if (conditions := policies.conditions())
                    else []
                )
                self.context.note(target, "who may use it cannot be said by groups: it is deactivated.")
            else:
                block.values["groups"] = list(dict.fromkeys(allowed))
                self.groups |= set(allowed)
                if len(policies.verdicts) > len(policies.groups):
                    self.context.note(
                        target,
                        (
                            "it is for the people of its groups only; what its other policies "
                            "allow is not converted."
                        ),
                    )


def is_embedded_picture(value: str) -> bool:
    """Return whether ``value`` is a picture that is embedded as a data: URL."""
    return value.startswith("data:") and is_valid(picture, value)
