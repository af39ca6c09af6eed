"""Reads authentik's blueprints and writes ours; whatever is not carried over is noted, and stands for the stricter side."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from blueprints.convert import objects as parts
from blueprints.convert.brands import BRAND, Brands, Plan
from blueprints.convert.entries import Entry, read
from blueprints.convert.flows import FLOW, Flows
from blueprints.convert.policies import BINDING, Policies
from blueprints.convert.report import Block, Note, Notes, write
from blueprints.convert.steps import Work

_HEAD = "Converted from authentik. Read the comments: a step that refuses stands wherever something was not carried over."
_KNOWN = {BRAND, FLOW, BINDING, parts.GROUP, parts.USER, parts.APPLICATION, parts.PROVIDER, parts.SCOPE}
_KNOWN |= {"authentik_flows.flowstagebinding", "authentik_stages_prompt.prompt"}


@dataclass(frozen=True)
class Converted:
    """The blueprint as YAML, and what an administrator should look at, in the order of the files."""

    text: str
    notes: tuple[Note, ...]


def convert(files: Iterable[Path]) -> Converted:
    """Converts these files as one configuration; raises BadBlueprint when any cannot be read. Nothing is executed or looked up."""
    names = list(files)
    notes = Notes()
    objects = read(names, notes)
    policies = Policies(objects, notes)
    work = Work(objects, policies, notes)
    flows = Flows(work)
    brands = Brands(work, flows)
    home, *others = brands.plans()
    blocks = [home.block, *_home(work, brands, home)]
    for plan in others:
        blocks += [plan.block, *plan.flows]
    _rest(work)
    blocks[0].comments.insert(0, _HEAD)
    order = {str(name): at for at, name in enumerate(names)}
    return Converted(write(blocks), tuple(sorted(notes.kept, key=lambda note: (order.get(note.file, 0), note.line, note.text))))


def _home(work: Work, brands: Brands, home: Plan) -> list[Block]:
    """What belongs to the first tenant: groups, scopes, people, flows and applications."""
    devices = None if home.brand is None else bool(home.device)
    applications = parts.Applications(work, devices=devices)
    made = []
    for entry in work.objects.of(parts.APPLICATION):
        if found := applications.make(entry):
            block, provider = found
            if "device_code" in block.values["grants"] and (name := brands.device_flow(home, provider)):
                block.values["flows"] = {"device_code": name}
            made.append(block)
    people = parts.people(work)
    named = {name for block in people for name in block.values.get("groups", [])} | applications.groups
    return [*parts.groups(work, named), *parts.scopes(work), *people, *home.flows, *made]


def _rest(work: Work) -> None:
    """Notes everything that nothing of the conversion has read."""
    for binding in work.policies.never_asked():
        work.note(binding, "policies of what it is bound to are not carried over.")
        binding.used |= binding.values.keys()
    for entry in work.objects.entries:
        if entry.model not in _KNOWN and not entry.model.startswith(("authentik_stages_", "authentik_policies")):
            work.note(entry, "it is not carried over: there is nothing like it here.")
        elif not entry.used:
            work.note(entry, "it is not carried over: nothing that is carried over uses it.")
        elif left := _unread(entry):
            work.note(entry, f"not carried over: {', '.join(left)}.", left[0])


def _unread(entry: Entry) -> list[str]:
    """The keys that were never looked at and say something."""
    return [key for key, value in entry.values.items() if key not in entry.used and value not in (None, "", [], {}) and key != "managed"]
