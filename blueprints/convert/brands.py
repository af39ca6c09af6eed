"""authentik's brands, converted to tenants with their flows."""

import re
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

from blueprints.convert.applications import is_embedded_picture
from blueprints.convert.entries import AuthentikEntry, NotConvertible
from blueprints.convert.flows import DESIGNATIONS, FLOW, Flows
from blueprints.convert.names import Names
from blueprints.convert.report import Block, FoyerTag
from blueprints.convert.steps import ConversionContext, deny_step
from idp.foundation.text import clean_line
from idp.tenancy.models import DEFAULT

BRAND = "authentik_brands.brand"
_HOST = re.compile(r"\A(?=.{1,251}\Z)[a-z0-9]([a-z0-9-]{0,62})(\.[a-z0-9]([a-z0-9-]{0,62}))*\Z")
_KEYS = {
    "flow_authentication": "authentication",
    "flow_invalidation": "logout",
    "flow_recovery": "recovery",
    "flow_user_settings": "credential_setup",
}
_CONSENT_ONLY = (
    "default-provider-authorization-explicit-consent",
    "default-provider-authorization-implicit-consent",
)

_SHIPPED = {
    "authentication": "sign-in",
    "device_code": "connect-a-device",
    "logout": "sign-out",
    "credential_setup": "set-up-credentials",
}


@dataclass
class TenantPlan:
    """One tenant: its document and its flows. ``brand`` is None if no brand is among the files."""

    name: str
    brand: AuthentikEntry | None
    is_home: bool
    block: Block
    names: Names = field(default_factory=Names)
    flows: list[Block] = field(default_factory=list)
    selected_flows: dict[str, AuthentikEntry] = field(default_factory=dict)
    device: str = ""
    device_flow: AuthentikEntry | None = None
    provider_device_flows: dict[tuple[Any, ...], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for shipped in _SHIPPED.values() if self.name == DEFAULT else ():
            self.names.unique_name(shipped)

    def name_of(self, slug: str, designation: str, *, default: bool) -> str:
        """Return the name of the converted flow.

        In the default tenant, its own default flows replace the shipped ones under their names.
        """
        shipped = _SHIPPED.get(designation) if default and self.name == DEFAULT else None
        return shipped or self.names.unique_name(slug)


class Brands:
    """Converts the brands to tenants; people and applications belong to the first one, the home tenant."""

    def __init__(self, context: ConversionContext, flows: Flows) -> None:
        self.context, self.flows = context, flows
        self._names, self._hosts = Names(), set[str]()
        self._names.unique_name(DEFAULT)  # reserved for the default brand

    def plans(self) -> list[TenantPlan]:
        """Return every tenant with its flows, the home tenant first."""
        brands = self.context.objects.by_model(BRAND)
        home = next((each for each in brands if _is_default(each)), brands[0] if len(brands) == 1 else None)
        ordered = [home, *(each for each in brands if each is not home)]
        plans = [self._tenant_plan(each, home=at == 0) for at, each in enumerate(ordered)]
        for plan in plans:
            self._select_flows(plan)
            self._add_flows(plan)
        return plans

    def device_flow(self, plan: TenantPlan, provider: AuthentikEntry) -> str:
        """Return the name of the flow that devices of this provider need; "" for the tenant's default."""
        login, own = self._referenced_flow(provider, "authentication_flow"), ""
        authorization = self._referenced_flow(provider, "authorization_flow")
        if isinstance(authorization, str) and authorization in _CONSENT_ONLY:
            text = (
                f"{authorization} is missing in the files, and taken to hold nothing but consent as "
                "authentik ships it."
            )
            self.context.note(provider, text, "authorization_flow")
            authorization = None
        if authorization is None or (
            isinstance(authorization, AuthentikEntry) and not self._without_consent(authorization)
        ):
            authorization = None
        if login is plan.selected_flows.get("authentication"):
            login = None
        if login is None and authorization is None:
            return own
        if (login, authorization) not in plan.provider_device_flows:
            plan.provider_device_flows[login, authorization] = self._add_device_flow(
                plan, login, authorization, provider, default=False
            )
        return plan.provider_device_flows[login, authorization]

    def _tenant_plan(self, brand: AuthentikEntry | None, *, home: bool) -> TenantPlan:
        if brand is None:
            return TenantPlan(DEFAULT, None, home, Block({"tenant": DEFAULT}))
        is_default = _is_default(brand)
        name = DEFAULT if home and is_default else self._names.unique_name(brand.title)
        values: dict[str, Any] = {"tenant": name}
        title = self._text_or_tag(brand, "branding_title")
        if title and not isinstance(title, FoyerTag):
            title = clean_line(title, 100)
        if title:
            values["title"] = title
        logo = self._text_or_tag(brand, "branding_logo")
        if isinstance(logo, str) and is_embedded_picture(logo):
            values["logo"] = logo
        elif logo:
            self.context.note(
                brand,
                ("branding_logo is not converted: give the picture as a data: address, in the file itself."),
                "branding_logo",
            )
        if domains := self._domains(brand, name):
            values["domains"] = domains
        if not home:
            text = (
                "people, groups and applications belong to a single tenant and were added to the "
                "first one; this one only has flows."
            )
            self.context.note(brand, text)
        elif not is_default:
            self.context.note(
                brand,
                (
                    "the files have no default brand: people, groups and applications go into the "
                    f"tenant {name}."
                ),
            )
        return TenantPlan(name, brand, home, Block(values))

    def _text_or_tag(self, brand: AuthentikEntry, key: str) -> Any:
        try:
            return brand.text_or_tag(key)
        except NotConvertible as error:
            self.context.notes.add(brand.file, error.line, f"{brand}: {error.text}; not converted.")
            return ""

    def _domains(self, brand: AuthentikEntry, name: str) -> list[Any]:
        """Return the domains of the tenant.

        authentik compares the end of the host name; here that is the domain itself and all of its subdomains.
        """
        domain = self._text_or_tag(brand, "domain")
        if isinstance(domain, FoyerTag):
            self.context.note(
                brand, "only the host itself leads to it, not those that end with it.", "domain"
            )
            return [domain]
        domain = domain.lower().lstrip(".")
        if domain in ("", "authentik-default"):
            return []
        taken = domain in self._hosts or (domain in settings.DEFAULT_HOSTS and name != DEFAULT)
        if taken or not _HOST.match(domain):
            self.context.note(
                brand,
                f"the domain {domain[:80]} is {'taken' if taken else 'not a host name'} and omitted.",
                "domain",
            )
            return []
        self._hosts.add(domain)
        return [domain] if domain in settings.DEFAULT_HOSTS else [domain, f"*.{domain}"]

    def _select_flows(self, plan: TenantPlan) -> None:
        """Select the flow of each purpose: the one that the brand names.

        Without one, the first flow by slug is selected, as authentik does.
        """
        for key, designation in _KEYS.items():
            found = self._referenced_flow(plan.brand, key) if plan.brand else None
            if (
                isinstance(found, AuthentikEntry)
                and DESIGNATIONS.get(found.plain_text("designation")) == designation
            ):
                plan.selected_flows[designation] = found
            elif found is not None and plan.brand:
                reason = "is missing in the files" if isinstance(found, str) else "has a different purpose"
                self.context.note(plan.brand, f"{key}: {found} {reason}.", key)
        for designation in ("authentication", "logout") if plan.is_home else ():
            is_named = plan.brand is not None and any(
                plan.brand.get(key) for key, each in _KEYS.items() if each == designation
            )
            candidates = [
                each
                for each in self.context.objects.by_model(FLOW)
                if DESIGNATIONS.get(each.plain_text("designation")) == designation
            ]
            if candidates and not is_named and designation not in plan.selected_flows:
                plan.selected_flows[designation] = min(candidates, key=lambda each: each.plain_text("slug"))
                if len(candidates) > 1:
                    flow = plan.selected_flows[designation]
                    self.context.note(
                        flow, f"no brand names a flow for {designation}: this one is the first by slug."
                    )
        settings_flows = [
            each
            for each in self.context.objects.by_model(FLOW)
            if each.plain_text("designation") == "stage_configuration"
        ]
        settings_flows = [each for each in settings_flows if each is not self._device_entry(plan)]
        if plan.is_home and len(settings_flows) == 1:
            plan.selected_flows.setdefault("credential_setup", settings_flows[0])

    def _device_entry(self, plan: TenantPlan) -> AuthentikEntry | None:
        found = self._referenced_flow(plan.brand, "flow_device_code") if plan.brand else None
        return found if isinstance(found, AuthentikEntry) else None

    def _add_flows(self, plan: TenantPlan) -> None:
        plan.device_flow = self._device_entry(plan)
        flows = (
            self.context.objects.by_model(FLOW)
            if plan.is_home
            else list(dict.fromkeys(plan.selected_flows.values()))
        )
        for flow in flows:
            if flow is not plan.device_flow:
                self._add_flow(plan, flow)
        referred = self._referenced_flow(plan.brand, "flow_device_code") if plan.brand else None
        if referred is not None and plan.brand:
            plan.device = self._add_device_flow(
                plan,
                None,
                None if plan.device_flow else str(referred),
                plan.device_flow or plan.brand,
                default=True,
            )
        shipped = sorted({*_SHIPPED.values()} - {block.values["flow"] for block in plan.flows} - {"sign-out"})
        if plan.name == DEFAULT and plan.flows and shipped:
            about = plan.brand or self.context.objects.by_model(FLOW)[0]
            self.context.note(
                about,
                (
                    f"the default tenant keeps its shipped flows {', '.join(shipped)}, "
                    "which sign people in in their own way."
                ),
            )

    def _add_flow(self, plan: TenantPlan, flow: AuthentikEntry) -> None:
        purpose = flow.plain_text("designation")
        designation = DESIGNATIONS.get(purpose)
        if designation is None:
            reason = (
                "its steps stand in the flows of devices"
                if purpose == "authorization"
                else "this purpose isn't supported"
            )
            self.context.note(
                flow, f"a flow for {purpose[:30]} is not converted by itself: {reason}.", "designation"
            )
            self.flows.steps(flow)
            flow.is_reported = True
            return
        steps = self.flows.steps(flow)
        if designation == "credential_setup" or (
            designation != "authentication" and self.flows.requires_sign_in(flow)
        ):
            steps = [*self._sign_in(plan, None), *steps]
        default = plan.selected_flows.get(designation) is flow
        slug = flow.plain_text("slug") or flow.title
        name = plan.name_of(slug, designation, default=default)
        self._note_name(flow, slug, name)
        plan.flows.append(self.flows.build_document(name, flow, designation, steps, default=default))

    def _note_name(self, flow: AuthentikEntry, slug: str, name: str) -> None:
        if name != slug:
            self.context.note(flow, f"its ID is {name} here, not {slug}.", "slug")

    def _add_device_flow(
        self, plan: TenantPlan, login: Any, authorization: Any, source: AuthentikEntry, *, default: bool
    ) -> str:
        """Add a device flow to the plan and return its name.

        authentik signs the person in, runs the brand's flow, asks for the code and then runs the provider's
        flow. Here all of that is one flow.
        """
        slug = (plan.device_flow or source).plain_text("slug") or "connect-a-device"
        name = plan.name_of(slug if default else f"{slug}-{source.title}", "device_code", default=default)
        if plan.device_flow and default:
            self._note_name(plan.device_flow, slug, name)
        brand_steps = self.flows.steps(plan.device_flow) if plan.device_flow else []
        missing = [each for each in (login, authorization) if isinstance(each, str)]
        steps = [
            deny_step("missing-flow", f"authentik: the flow {each} is missing in the files")
            for each in missing
        ]
        for each in missing:
            self.context.note(source, f"the flow {each} is missing in the files: devices are refused.")
        if not missing:
            consent = (
                [step for step in self.flows.steps(authorization) if step.values.get("stage") == "consent"]
                if authorization
                else []
            )
            comments = [comment for step in consent for comment in step.comments]
            last = [
                Block({"stage": "device_code"}),
                *(self._without_consent(authorization) if authorization else []),
            ]
            steps = [
                *self._sign_in(plan, login),
                *brand_steps,
                *last,
                Block({"stage": "consent"}, comments),
                Block({"stage": "finish"}),
            ]
            self.context.note(
                source, "devices sign in, enter the code and are always asked for consent, in one flow."
            )
        title = source if source.model == FLOW else plan.device_flow or source
        plan.flows.append(self.flows.build_document(name, title, "device_code", steps, default=default))
        return name

    def _without_consent(self, flow: AuthentikEntry) -> list[Block]:
        return [step for step in self.flows.steps(flow) if step.values.get("stage") != "consent"]

    def _sign_in(self, plan: TenantPlan, login: AuthentikEntry | None) -> list[Block]:
        flow = login or plan.selected_flows.get("authentication")
        if flow is None:
            return [
                deny_step("sign-in", "authentik: the flow by which people sign in is missing in the files")
            ]
        return self.flows.steps(flow)

    def _referenced_flow(self, entry: AuthentikEntry, key: str) -> AuthentikEntry | str | None:
        """Return the flow under this key; its name if it is not among the files."""
        value = entry.get(key)
        if value in (None, ""):
            return None
        found = self.context.objects.find(value)
        if found is not None and found.model == FLOW:
            return found
        return self.context.objects.referenced_name(value, "slug") or str(value)


def _is_default(brand: AuthentikEntry) -> bool:
    try:
        return brand.boolean("default")
    except NotConvertible:
        return False
