"""The flow engine: a page and an answer over HTTP, decisions over 5, 20 and 80 steps, and publishing."""

import atexit
import logging
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import django
import httpx

from benchmarks.product import HIDDEN, Product, quantiles

_folder = tempfile.mkdtemp(prefix="foyer-benchmark-")
atexit.register(shutil.rmtree, _folder, ignore_errors=True)
os.environ |= {"DJANGO_SETTINGS_MODULE": "idp.settings", "FOYER_DATA": _folder}
django.setup()
logging.getLogger("httpx").setLevel(logging.WARNING)

from django.utils import timezone  # noqa: E402

from flows.conditions import expressions  # noqa: E402
from flows.documents.document import Circumstances, FlowDocument, SimulatedUser  # noqa: E402
from flows.documents.layout import lay_out  # noqa: E402
from flows.documents.lint import lint  # noqa: E402
from flows.documents.published import content_digest, layout_of  # noqa: E402
from flows.engine.planner import next_step  # noqa: E402  after django.setup()
from flows.facts import Facts, build_session_facts  # noqa: E402
from flows.models import Version  # noqa: E402
from flows.run import State  # noqa: E402
from flows.simulation.simulate import simulate  # noqa: E402
from idp.accounts.simulated import PK, SimulatedPerson, simulate_person  # noqa: E402
from idp.foundation.condition_variables import EvaluationContext  # noqa: E402
from idp.tenancy.models import Tenant  # noqa: E402
from idp.tenancy.scope import tenant_scope  # noqa: E402

SIZES = (5, 20, 80)
ROUNDS = 15
PAGES = 150  # at most 200 runs per address may be in progress
_WHEN = (
    '!request.ip.within(tenant.networks) && "staff" in person.groups',
    'request.agent.contains("Television")',
    'person.username == "nobody" || !session.active',
)


def build_flow(size: int) -> FlowDocument:
    """Return a flow of this many steps, all decided before the last one.

    Three in four have a condition that is evaluated and does not apply. The others are known before.
    """
    steps: list[dict[str, Any]] = [
        {"id": f"s{at}", "stage": "password"}
        if at % 4 == 0
        else {"id": f"s{at}", "stage": "deny", "when": _WHEN[at % 4 - 1]}
        for at in range(size - 1)
    ]
    return FlowDocument.model_validate(
        {"flow": "drawn", "title": "Drawn", "for": "device_code", "steps": [*steps, {"stage": "device_code"}]}
    )


def cached_decision(size: int) -> Callable[[], None]:
    """Return one decision on a version that has run before, as a request makes it.

    It finds the layout and decides up to the last step.
    """
    document, facts = build_flow(size).as_json(), session_facts()
    version = Version(document=document, parts={}, digest=content_digest(document, {}))

    def decide() -> None:
        state = State(facts=facts, seeds=sorted(facts.names))
        step = next_step(layout_of(version), state, office_context(facts))
        assert step is not None
        assert step.id == "device_code"
        assert len(state.decided) == size - 1

    return decide


def compile_flow() -> None:
    """Lay out a version of 20 steps and compile every condition, as its first run does once."""
    for cached in (expressions.compile_condition, expressions._environment):
        cached.cache_clear()
    layout = lay_out(build_flow(20), {})
    assert [box.condition for box in layout.nodes]


def dry_run() -> None:
    """Run the same flow as a dry run, by the same person."""
    alice = SimulatedUser(username="alice", groups=("staff",))
    reports = simulate(
        build_flow(20), person=alice, request=Circumstances(address="10.1.2.3", signed_in=("pwd",))
    )
    assert (len(reports), reports[-1].decision) == (20, "asks")


def lint_flow() -> None:
    """Lint the same flow, as before it is published."""
    lint(build_flow(20))


def session_facts() -> Facts:
    """Return the facts that a living session proves."""
    now = timezone.now()
    return build_session_facts(PK, "alice", 1, now, {"pwd": now})


def office_context(facts: Facts) -> EvaluationContext:
    """Return the context of a request from the office."""
    return EvaluationContext(facts, "10.1.2.3", "Mozilla/5.0 (X11; Linux x86_64)")


def cpu_milliseconds(function: Callable[[], None], times: int) -> float:
    """Return the average processor time of one call; other programs on the machine do not count."""
    start = time.thread_time()
    for _ in range(times):
        function()
    return 1000 * (time.thread_time() - start) / times


def medians(functions: dict[str, Callable[[], None]], times: int) -> dict[str, float]:
    """Return the medians of ``ROUNDS`` rounds.

    Every function has its turn in each round, so that a busy moment affects all of them.
    """
    rounds: dict[str, list[float]] = {name: [] for name in functions}
    for function in functions.values():
        function()
    for _ in range(ROUNDS):
        for name, function in functions.items():
            rounds[name].append(cpu_milliseconds(function, times))
    return {name: statistics.median(found) for name, found in rounds.items()}


def over_http(product: Product) -> tuple[list[float], list[float], list[float]]:
    """Return the seconds of each health page, page of a run, and answer to it (a name, by POST)."""
    alive, pages, answers = [], [], []
    with httpx.Client(base_url=product.url, timeout=30) as http:
        for _ in range(PAGES):
            run = http.get("/device?switch").headers["location"]
            alive.append(_timed(partial(http.get, "/health/live"), 200)[0])
            taken, page = _timed(partial(http.get, run), 200)
            pages.append(taken)
            hidden = dict(HIDDEN.findall(page.text))
            answers.append(_timed(partial(http.post, run, data={**hidden, "name": "admin"}), 303)[0])
            http.cookies.clear()
    return alive, pages, answers


def _timed(request: Callable[[], httpx.Response], status: int) -> tuple[float, httpx.Response]:
    start = time.perf_counter()
    response = request()
    taken = time.perf_counter() - start
    assert response.status_code == status, response.text
    return taken, response


def main() -> None:
    """Print the tables."""
    person = SimulatedPerson("alice", groups=("staff",), credentials=("password",))
    with tenant_scope(Tenant(name="acme", networks=["10.0.0.0/8"])), simulate_person(person):
        decisions = medians({str(size): cached_decision(size) for size in SIZES}, 100)
        others = medians({"compile": compile_flow, "dry run": dry_run, "lint": lint_flow}, 3)
    print("| steps | one decision, ms of processor time | µs a step |\n| --- | --- | --- |")
    for size in SIZES:
        print(f"| {size} | {decisions[str(size)]:.3f} | {1000 * decisions[str(size)] / size:.1f} |")
    print("\n| a flow of 20 steps, 14 with a condition | ms of processor time |\n| --- | --- |")
    print(*(f"| {name} | {taken:.1f} |" for name, taken in others.items()), sep="\n")
    with Product() as product:
        product.start()
        alive, pages, answers = over_http(product)
    print(f"\n| {PAGES} of each, one at a time | median ms | p99 ms |\n| --- | --- | --- |")
    for name, taken in (
        ("health (nothing of the engine)", alive),
        ("a page (GET)", pages),
        ("an answer (POST)", answers),
    ):
        print(f"| {name} | {quantiles(taken)} |")


if __name__ == "__main__":
    main()
