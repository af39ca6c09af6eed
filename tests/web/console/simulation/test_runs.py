"""Runs in the console: those under way, where people leave a flow, and one run inspected.

No page shows a secret or anything of another tenant.
"""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from flows.editing.publishing import publish
from flows.models import Run
from flows.simulation import funnel
from idp.events.models import Event
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import Door
from tests.support.flows import SHIPPED, drawing
from tests.web.console.pages import entered
from tests.web.console.signed_in import text

HERE = "/console/flows/connect-a-device/runs"


def create_runs(*steps: int, host: str = "acme.test") -> None:
    """Create runs that have submitted this many answers.

    0 is only opened, 1 has named a person, 2 has proved them, 3 has entered a code, and 4 is approved.
    """
    for far in steps:
        door = Door(host)
        started, seen = door.start(), door.page("/device")
        answers = (
            {"name": "alice"},
            {"password": "alice-password-1"},
            {"user_code": started.user_code},
            {"decision": "approve"},
        )
        for answer in answers[:far]:
            seen = seen.submit(**answer)


def counted() -> None:
    """Sweep the funnel an hour later, when every run is over."""
    funnel.sweep(timezone.now() + timedelta(hours=1))


def cells(page: str, step: str) -> list[str]:
    """Return the numbers of a step in the funnel."""
    row = page[page.index(f"<code>{step}</code></th>") :].split("</tr>")[0]
    return re.findall(r'<td class="number">([^<]*)</td>', row)


def test_who_is_in_the_middle_of_it(acme: Tenant) -> None:
    """The list has the step of each run and a link to it, and omits runs that are over."""
    create_runs(0, 1, 4)
    page = text(entered("acme.test", acme, "helpdesk"), HERE)
    rows = re.findall(
        r'<a href="/console/runs/([0-9a-f]{32})"><code>[0-9a-f]{8}</code></a></td><td><code>(\w+)</code>',
        page,
    )
    assert sorted(rows) == sorted(
        (run.identifier, run.state["at"]) for run in Run.objects.filter(ended_at=None)
    )
    assert sorted(step for _, step in rows) == ["identification", "password"]


def test_the_funnel_of_each_version(acme: Tenant) -> None:
    """The funnel follows the order of the flow, with numbers beside the bars; each version has its own."""
    create_runs(0, 1, 2, 4)
    counted()
    opened = entered("acme.test", acme, "auditor")
    page = text(opened, HERE)
    assert [cells(page, step)[:4] for step in SHIPPED] == [
        ["4", "3", "0", "1"],
        ["3", "2", "0", "1"],
        ["2", "2", "0", "0"],
        ["2", "1", "0", "1"],
        ["1", "1", "0", "0"],
        ["1", "1", "0", "0"],
    ]
    assert re.search(r'<rect class="good" x="0.00" width="75.00"', page)
    assert '<svg class="bar" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">' in page
    publish(drawing(*SHIPPED, title="Another"), by="editor")
    assert "No completed runs of this version yet" in text(opened, HERE)
    assert cells(text(opened, f"{HERE}?which=1"), "password")[0] == "3"


def test_refusals_are_counted_apart(acme: Tenant) -> None:
    """Denied runs are not counted as abandoned."""
    publish(
        drawing("identification", {"stage": "deny", "when": 'person.username == "alice"'}, *SHIPPED[1:]),
        by="editor",
    )
    create_runs(1)
    counted()
    assert cells(text(entered("acme.test", acme, "auditor"), HERE), "deny")[:4] == ["1", "0", "1", "0"]


def test_one_run_looked_into(acme: Tenant) -> None:
    """The page shows the path with the reasons and the facts without secrets, and the access is recorded."""
    when = '"staff" in person.groups && !request.ip.within(tenant.networks)'
    publish(drawing(*SHIPPED[:2], {"stage": "totp", "when": when}, *SHIPPED[2:]), by="editor")
    create_runs(3)
    run = Run.objects.get()
    page = " ".join(text(entered("acme.test", acme, "helpdesk"), f"/console/runs/{run.identifier}").split())
    assert "in the group “staff”" in page
    assert "<code>person.groups</code> was" not in page
    assert "Waiting for input" in page
    assert "•••" in page
    assert not re.search(r"[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}", page)
    assert "$sealed" not in page
    event = Event.objects.get(kind="flow.inspected")
    assert (event.actor, event.target, event.data["run"]) == ("alice", "connect-a-device", run.identifier)


@pytest.mark.parametrize(
    ("role", "status"), [("owner", 200), ("admin", 200), ("helpdesk", 200), ("auditor", 200), ("", 403)]
)
def test_who_may(acme: Tenant, role: str, status: int) -> None:
    """Only roles that may see runs see them; the tabs are absent where the flows may not be seen."""
    create_runs(1)
    opened = entered("acme.test", acme, role)
    for path in (HERE, f"/console/runs/{Run.objects.get().identifier}"):
        page = text(opened, path, status)
        assert ('href="/console/flows/connect-a-device/versions' in page) == (
            status == 200 and role != "helpdesk"
        )


def test_another_tenants_runs_are_not_there(acme: Tenant, other: Tenant) -> None:
    """Another tenant's runs are not counted, and an attempt to inspect one leaves no event."""
    create_runs(1, host="other.test")
    with tenant_scope(other):
        theirs = Run.objects.get().identifier
    opened = entered("acme.test", acme, "admin")
    assert "No runs in progress." in text(opened, HERE)
    for path in (
        f"/console/runs/{theirs}",
        "/console/runs/nonsense",
        "/console/flows/theirs/runs",
        f"{HERE}?which=9",
        f"{HERE}?which=draft",
    ):
        text(opened, path, 404)
    assert not Event.objects.filter(kind="flow.inspected").exists()


def test_a_step_that_is_no_longer_known_is_counted_still(acme: Tenant) -> None:
    """The counts of a version that can no longer be read stay as they were stored."""
    create_runs(1)
    counted()
    version = publish(drawing(*SHIPPED, title="Another"), by="editor").version.flow.versions.get(number=1)
    type(version).objects.filter(pk=version.pk).update(
        digest="", document={**version.document, "steps": "none"}
    )
    assert cells(text(entered("acme.test", acme, "auditor"), f"{HERE}?which=1"), "identification")[0] == "1"
