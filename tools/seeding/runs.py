"""Simulated runs of the live flows, some in progress and some ended; counted at once, as by the sweep."""

from collections.abc import Iterator
from datetime import timedelta
from random import Random

from flows.documents.published import layout_of
from flows.models import Flow, Run, Version
from flows.run import State
from flows.simulation import funnel
from idp.ratelimit.budgets import address_key
from tools.seeding.plan import Seed, address, hexadecimal, later

ENDS = ("finished", "finished", "finished", "denied", "leave", "")  # "": in progress


def fill(seed: Seed, people: list[int]) -> None:
    """Insert runs of every default flow, and count the ended ones in the funnel."""
    seed.insert("runs", _runs(seed, people))
    while funnel.sweep(seed.now, batch=1000):
        pass


def _runs(seed: Seed, people: list[int]) -> Iterator[Run]:
    chance, own = seed.shared_random("runs"), seed.tenant_random("runs")
    live = (
        Flow.objects.select_related("live")
        .filter(live__isnull=False, is_default=True)
        .exclude(designation="part")
    )
    flows = [
        (flow.live, [node.id for node in layout_of(flow.live).nodes])
        for flow in live.order_by("name")
        if flow.live
    ]
    for _ in range(seed.sizes.runs):
        version, nodes = chance.choice(flows)
        started, end = seed.now - timedelta(seconds=chance.randrange(1, 1800)), chance.choice(ENDS)
        duration = timedelta(seconds=chance.randrange(3, 120))
        yield Run(
            identifier=hexadecimal(own, 32),
            nonce_hash=hexadecimal(own, 64),
            version=version,
            state=_state(chance, version, nodes, end),
            person=chance.choice(people),
            network=address_key(address(chance)),
            started_at=started,
            expires_at=later(chance, seed.now, 1),
            ended_at=min(started + duration, seed.now) if end else None,
        )


def _state(chance: Random, version: Version, nodes: list[str], end: str) -> dict[str, object]:
    """Return the state as the engine leaves it: a finished run has every step decided.

    Any other run has its steps decided up to a random one.
    """
    state, at = State(), 0
    reached = len(nodes) if end in ("finished", "leave") else chance.randrange(1, len(nodes) + 1)
    for node in nodes[:reached]:
        state.ask(node, at)
        at += chance.randrange(500, 20_000)
        state.decide(node, "done", at=at)
    if end in ("denied", "") and reached:
        last = nodes[reached - 1]
        del state.decided[last], state.outputs[last]
        state.times[last][1], state.at = None, last
    state.end = {"kind": end, "title": "", "message": ""} if end else None
    return state.dump()
