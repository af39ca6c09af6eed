"""authentik's brands, converted to tenants with their flows."""

import re
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

from blueprints.convert.applications import fits_picture
from blueprints.convert.entries import Entry, NotCarried
from blueprints.convert.flows import DESIGNATIONS, FLOW, Flows
from blueprints.convert.names import Names
from blueprints.convert.report import Block, Ours
from blueprints.convert.steps import Work, refusal
from idp.foundation.text import cleaned
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
class Plan:
    """One tenant: its document and its flows. ``brand`` is None if no brand is among the files."""

    name: str
    brand: Entry | None
    home: bool
    block: Block
    names: Names = field(default_factory=Names)
    flows: list[Block] = field(default_factory=list)
    chosen: dict[str, Entry] = field(default_factory=dict)
    device: str = ""
    device_flow: Entry | None = None
    made: dict[tuple[Any, ...], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for shipped in _SHIPPED.values() if self.name == DEFAULT else ():
            self.names.make(shipped)

    def name_of(self, slug: str, designation: str, *, default: bool) -> str:
        """Return the name of the converted flow.

        In the default tenant, its own default flows replace the shipped ones under their names.
        """
        shipped = _SHIPPED.get(designation) if default and self.name == DEFAULT else None
        return shipped or self.names.make(slug)


class Brands:
    """Converts the brands to tenants; people and applications belong to the first one, the home tenant."""

    def __init__(self, context: Work, flows: Flows) -> None:
        self.work, self.flows = context, flows
        self._names, self._hosts = Names(), set[str]()
        self._names.make(DEFAULT)  # reserved for the default brand

    def plans(self) -> list[Plan]:
        """Return every tenant with its flows, the home tenant first."""
        brands = self.work.objects.of(BRAND)
        home = next((each for each in brands if _is_default(each)), brands[0] if len(brands) == 1 else None)
        ordered = [home, *(each for each in brands if each is not home)]
        plans = [self._tenant_plan(each, home=at == 0) for at, each in enumerate(ordered)]
        for plan in plans:
            self._select_flows(plan)
            self._add_flows(plan)
        return plans

    def device_flow(self, plan: Plan, provider: Entry) -> str:
        """Return the name of the flow that devices of this provider need; "" for the tenant's default."""
        login, own = self._referenced_flow(provider, "authentication_flow"), ""
        authorization = self._referenced_flow(provider, "authorization_flow")
        if isinstance(authorization, str) and authorization in _CONSENT_ONLY:
            text = (
                f"{authorization} is missing in the files, and taken to hold nothing but consent as "
                "authentik ships it."
            )
            self.work.note(provider, text, "authorization_flow")
            authorization = None
        if authorization is None or (
            isinstance(authorization, Entry) and not self._without_consent(authorization)
        ):
            authorization = None
        if login is plan.chosen.get("authentication"):
            login = None
        if login is None and authorization is None:
            return own
        if (login, authorization) not in plan.made:
            plan.made[login, authorization] = self._add_device_flow(
                plan, login, authorization, provider, default=False
            )
        return plan.made[login, authorization]

    def _tenant_plan(self, brand: Entry | None, *, home: bool) -> Plan:
        if brand is None:
            return Plan(DEFAULT, None, home, Block({"tenant": DEFAULT}))
        is_default = _is_default(brand)
        name = DEFAULT if home and is_default else self._names.make(brand.title)
        values: dict[str, Any] = {"tenant": name}
        if title := self._text_or_tag(brand, "branding_title"):
            values |= (
                {"title": shown}
                if (shown := title if isinstance(title, Ours) else cleaned(title, 100))
                else {}
            )
        logo = self._text_or_tag(brand, "branding_logo")
        if isinstance(logo, str) and fits_picture(logo):
            values["logo"] = logo
        elif logo:
            self.work.note(
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
            self.work.note(brand, text)
        elif not is_default:
            self.work.note(
                brand,
                (
                    "the files have no default brand: people, groups and applications go into the "
                    f"tenant {name}."
                ),
            )
        return Plan(name, brand, home, Block(values))

    def _text_or_tag(self, brand: Entry, key: str) -> Any:
        try:
            return brand.passed_on(key)
        except NotCarried as error:
            self.work.notes.add(brand.file, error.line, f"{brand}: {error.text}; not converted.")
            return ""

    def _domains(self, brand: Entry, name: str) -> list[Any]:
        """Return the domains of the tenant.

        authentik compares the end of the host name; here that is the domain itself and all of its subdomains.
        """
        domain = self._text_or_tag(brand, "domain")
        if isinstance(domain, Ours):
            self.work.note(brand, "only the host itself leads to it, not those that end with it.", "domain")
            return [domain]
        domain = domain.lower().lstrip(".")
        if domain in ("", "authentik-default"):
            return []
        taken = domain in self._hosts or (domain in settings.DEFAULT_HOSTS and name != DEFAULT)
        if taken or not _HOST.match(domain):
            self.work.note(
                brand,
                f"the domain {domain[:80]} is {'taken' if taken else 'not a host name'} and omitted.",
                "domain",
            )
            return []
        self._hosts.add(domain)
        return [domain] if domain in settings.DEFAULT_HOSTS else [domain, f"*.{domain}"]

    def _select_flows(self, plan: Plan) -> None:
        """Select the flow of each purpose: the one that the brand names.

        Without one, the first flow by slug is selected, as authentik does.
        """
        for key, designation in _KEYS.items():
            found = self._referenced_flow(plan.brand, key) if plan.brand else None
            if isinstance(found, Entry) and DESIGNATIONS.get(found.said("designation")) == designation:
                plan.chosen[designation] = found
            elif found is not None and plan.brand:
                reason = "is missing in the files" if isinstance(found, str) else "has a different purpose"
                self.work.note(plan.brand, f"{key}: {found} {reason}.", key)
        for designation in ("authentication", "logout") if plan.home else ():
            is_named = plan.brand is not None and any(
                plan.brand.get(key) for key, each in _KEYS.items() if each == designation
            )
            candidates = [
                each
                for each in self.work.objects.of(FLOW)
                if DESIGNATIONS.get(each.said("designation")) == designation
            ]
            if candidates and not is_named and designation not in plan.chosen:
                plan.chosen[designation] = min(candidates, key=lambda each: each.said("slug"))
                if len(candidates) > 1:
                    flow = plan.chosen[designation]
                    self.work.note(
                        flow, f"no brand names a flow for {designation}: this one is the first by slug."
                    )
        settings_flows = [
            each for each in self.work.objects.of(FLOW) if each.said("designation") == "stage_configuration"
        ]
        settings_flows = [each for each in settings_flows if each is not self._device_entry(plan)]
        if plan.home and len(settings_flows) == 1:
            plan.chosen.setdefault("credential_setup", settings_flows[0])

    def _device_entry(self, plan: Plan) -> Entry | None:
        found = self._referenced_flow(plan.brand, "flow_device_code") if plan.brand else None
        return found if isinstance(found, Entry) else None

    def _add_flows(self, plan: Plan) -> None:
        plan.device_flow = self._device_entry(plan)
        flows = self.work.objects.of(FLOW) if plan.home else list(dict.fromkeys(plan.chosen.values()))
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
            about = plan.brand or self.work.objects.of(FLOW)[0]
            self.work.note(
                about,
                (
                    f"the default tenant keeps its shipped flows {', '.join(shipped)}, "
                    "which sign people in in their own way."
                ),
            )

    def _add_flow(self, plan: Plan, flow: Entry) -> None:
        purpose = flow.said("designation")
        designation = DESIGNATIONS.get(purpose)
        if designation is None:
            reason = (
                "its steps stand in the flows of devices"
                if purpose == "authorization"
                else "this purpose isn't supported"
            )
            self.work.note(
                flow, f"a flow for {purpose[:30]} is not converted by itself: {reason}.", "designation"
            )
            self.flows.steps(flow)
            flow.told = True
            return
        steps = self.flows.steps(flow)
        if designation == "credential_setup" or (
            designation != "authentication" and self.flows.requires_sign_in(flow)
        ):
            steps = [*self._sign_in(plan, None), *steps]
        default = plan.chosen.get(designation) is flow
        slug = flow.said("slug") or flow.title
        name = plan.name_of(slug, designation, default=default)
        self._note_name(flow, slug, name)
        plan.flows.append(self.flows.document(name, flow, designation, steps, default=default))

    def _note_name(self, flow: Entry, slug: str, name: str) -> None:
        if name != slug:
            self.work.note(flow, f"its ID is {name} here, not {slug}.", "slug")

    def _add_device_flow(
        self, plan: Plan, login: Any, authorization: Any, source: Entry, *, default: bool
    ) -> str:
        """Add a device flow to the plan and return its name.

        authentik signs the person in, runs the brand's flow, asks for the code and then runs the provider's
        flow. Here all of that is one flow.
        """
        slug = (plan.device_flow or source).said("slug") or "connect-a-device"
        name = plan.name_of(slug if default else f"{slug}-{source.title}", "device_code", default=default)
        if plan.device_flow and default:
            self._note_name(plan.device_flow, slug, name)
        brand_steps = self.flows.steps(plan.device_flow) if plan.device_flow else []
        missing = [each for each in (login, authorization) if isinstance(each, str)]
        steps = [
            refusal("missing-flow", f"authentik: the flow {each} is missing in the files") for each in missing
        ]
        for each in missing:
            self.work.note(source, f"the flow {each} is missing in the files: devices are refused.")
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
            self.work.note(
                source, "devices sign in, enter the code and are always asked for consent, in one flow."
            )
        title = source if source.model == FLOW else plan.device_flow or source
        plan.flows.append(self.flows.document(name, title, "device_code", steps, default=default))
        return name

    def _without_consent(self, flow: Entry) -> list[Block]:
        return [step for step in self.flows.steps(flow) if step.values.get("stage") != "consent"]

    def _sign_in(self, plan: Plan, login: Entry | None) -> list[Block]:
        flow = login or plan.chosen.get("authentication")
        if flow is None:
            return [refusal("sign-in", "authentik: the flow by which people sign in is missing in the files")]
        return self.flows.steps(flow)

    def _referenced_flow(self, entry: Entry, key: str) -> Entry | str | None:
        """Return the flow under this key; its name if it is not among the files."""
        value = entry.get(key)
        if value in (None, ""):
            return None
        found = self.work.objects.find(value)
        if found is not None and found.model == FLOW:
            return found
        return self.work.objects.named(value, "slug") or str(value)


def _is_default(brand: Entry) -> bool:
    try:
        return brand.true("default")
    except NotCarried:
        return False
