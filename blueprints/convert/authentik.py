"""Convert authentik's blueprints to blueprints of Foyer.

What cannot be converted is noted, and the stricter alternative replaces it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from blueprints.convert import objects as parts
from blueprints.convert.applications import PROVIDER, Applications
from blueprints.convert.brands import BRAND, Brands, TenantPlan
from blueprints.convert.entries import AuthentikEntry
from blueprints.convert.flows import FLOW, Flows
from blueprints.convert.groups import GROUP, USER
from blueprints.convert.policies import BINDING, Policies
from blueprints.convert.reading import read
from blueprints.convert.report import Block, Note, Notes, write
from blueprints.convert.steps import ConversionContext

_HEADER = (
    "Converted from authentik. Read the comments: a denying step replaces everything that was not converted."
)
_CONVERTED_MODELS = {BRAND, FLOW, BINDING, GROUP, USER, parts.APPLICATION, PROVIDER, parts.SCOPE}
_CONVERTED_MODELS |= {"authentik_flows.flowstagebinding", "authentik_stages_prompt.prompt"}
IGNORED_KEYS = {
    "name": "what authentik's own pages call it, wherever it is not what people read",
    "pk": "references are followed; database keys are not kept",
    "managed": "authentik's mark of what it ships",
    "order": "of policies, which are all asked; that of stages is read",
    "flow_set": "the flows of a stage, which its bindings say",
}
_MEANINGS = {
    "encryption_key": "tokens are signed and not encrypted",
    "backchannel_logout_uri": "applications are not notified of sign-outs",
    "backchannel_logout_uris": "applications are not notified of sign-outs",
    "logout_uri": "applications are not notified of sign-outs",
    "jwt_federation_sources": "clients don't authenticate with tokens of others here",
    "jwt_federation_providers": "clients don't authenticate with tokens of others here",
    "denied_action": "people who are denied see why, and are not redirected",
    "configure_flow": "people set up sign-in methods in the tenant's own flow",
    "remember_device": "known browsers have no shortcuts",
    "enrollment_flow": "no page leads to it",
    "recovery_flow": "no page leads to it",
    "passwordless_flow": "no page leads to it",
    "sources": "signing in with other services isn't supported",
    "roles": "conversion never gives a console role",
    "is_superuser": "conversion never makes anyone an administrator",
    "sub_mode": "the subject of a token is Foyer's own, the same for every application",
}


@dataclass(frozen=True)
class ConversionResult:
    """The blueprint as YAML and the notes for the administrator, in the order of the files."""

    text: str
    notes: tuple[Note, ...]


def convert(files: Iterable[Path]) -> ConversionResult:
    """Convert these files as one configuration; raise BadBlueprint if any file cannot be read.

    Nothing is executed or looked up.
    """
    names = list(files)
    notes = Notes()
    objects = read(names, notes)
    policies = Policies(objects, notes)
    context = ConversionContext(objects, policies, notes)
    flows = Flows(context)
    brands = Brands(context, flows)
    home, *others = brands.plans()
    blocks = [home.block, *_home_blocks(context, brands, home)]
    for plan in others:
        blocks += [plan.block, *plan.flows]
    _note_unread(context)
    blocks[0].comments.insert(0, _HEADER)
    order = {str(name): at for at, name in enumerate(names)}
    return ConversionResult(
        write(blocks),
        tuple(sorted(notes.notes, key=lambda note: (order.get(note.file, 0), note.line, note.text))),
    )


def _home_blocks(context: ConversionContext, brands: Brands, home: TenantPlan) -> list[Block]:
    """Return the blocks of the first tenant: groups, scopes, people, flows and applications."""
    devices = None if home.brand is None else bool(home.device)
    applications = Applications(context, devices=devices)
    blocks = []
    for entry in context.objects.by_model(parts.APPLICATION):
        if converted := applications.convert(entry):
            block, provider = converted
            if "device_code" in block.values["grants"] and (name := brands.device_flow(home, provider)):
                block.values["flows"] = {"device_code": name}
            blocks.append(block)
    people = parts.convert_people(context, home.name)
    group_names = {name for block in people for name in block.values.get("groups", [])} | applications.groups
    return [
        *parts.convert_groups(context, group_names),
        *parts.convert_scopes(context),
        *people,
        *home.flows,
        *blocks,
    ]


def _note_unread(context: ConversionContext) -> None:
    """Note everything that the conversion has not read."""
    for binding in context.policies.unused_bindings():
        if not binding.is_reported:
            context.note(binding, "the policies of its targets are not converted.")
            binding.is_reported = True
    for entry in context.objects.entries:
        if entry.is_reported:
            continue
        if entry.model not in _CONVERTED_MODELS and not entry.model.startswith(
            ("authentik_stages_", "authentik_policies")
        ):
            context.note(entry, "not converted: Foyer has no equivalent.")
        elif entry.is_unused:
            context.note(entry, "not converted: nothing that was converted uses it.")
        else:
            _note_unread_keys(entry, context)


def _note_unread_keys(entry: AuthentikEntry, context: ConversionContext) -> None:
    """Note the keys that were never read.

    A key without which something is looser or different is noted with its meaning, the others by name.
    """
    unread = [key for key in entry.unread_keys() if key not in IGNORED_KEYS]
    for key in unread:
        if meaning := _MEANINGS.get(key):
            context.note(entry, f"{key} is not converted: {meaning}.", key)
    if rest := [key for key in unread if key not in _MEANINGS]:
        context.note(entry, f"not converted: {', '.join(rest)}.", rest[0])
