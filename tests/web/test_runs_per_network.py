"""How many runs a network may have: strangers lock no one out, and the number of rows is bounded."""

from pathlib import Path
from typing import Any

import pytest
import time_machine

from blueprints.files.apply import apply
from flows.models import Run
from idp.accounts.models import Session
from idp.tenancy.models import Tenant
from tests.support.client import Doors, Write

LEAVING = """
tenant: acme
---
flow: leaving
title: Sign out
for: logout
steps:
  - stage: logout
"""


@pytest.fixture
def leaving(tenants: dict[str, Tenant], write_blueprint: Write) -> None:
    """Give acme a flow for signing out."""
    apply([write_blueprint(LEAVING)])


@pytest.fixture(autouse=True)
def few(settings: Any) -> None:
    """Allow three runs for each network."""
    settings.RUNS_PER_ADDRESS = 3


def fill(door: Doors) -> None:
    """Fill the network's places with answered runs under way."""
    for _ in range(3):
        page = door().page()
        if page.step:
            page.submit(name="bob")
    assert door().page().status == 429


def test_unanswered_runs_make_room(door: Doors, acme: Tenant) -> None:
    """D35: visits without an answer refuse no one and end no answered run; their rows are bounded."""
    honest = door().page().submit(name="alice")
    for path in ("/device", "/sign-in", "/device", "/sign-in", "/device"):
        door().get(path)
    assert Run.objects.count() == 3
    assert honest.submit(password="alice-password-1").step == "device_code"


def test_signing_out_needs_no_room(door: Doors, acme: Tenant, leaving: Any) -> None:
    """With every place of the network taken, a person still signs out by the button and by the page."""
    person = door()
    person.sign_in()
    fill(door)
    assert person.get("/sign-out", follow=True).status_code == 200
    person.http.post("/sign-out")
    assert not Session.objects.filter(ended_at=None).exists()


def test_signing_out_where_even_the_restart_is_refused(
    door: Doors, acme: Tenant, settings: Any, leaving: Any
) -> None:
    """With a limit of zero, signing out by POST still works."""
    person = door()
    person.sign_in()
    settings.RUNS_PER_ADDRESS = 0
    assert person.http.post("/sign-out").status_code in (200, 303)
    assert not Session.objects.filter(ended_at=None).exists()


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("into", ["image", "iframe", "script", "empty", ""])
def test_a_page_elsewhere_begins_no_run(door: Doors, acme: Tenant, site: Path, into: Any) -> None:
    """Fetch Metadata: a page that another site embeds or loads in the background creates no run.

    It reveals nothing.
    """
    for path in ("/sign-in", "/device", "/sign-out", "/credentials"):
        answer = door().get(path, HTTP_SEC_FETCH_SITE=site, HTTP_SEC_FETCH_DEST=into)
        assert (answer.status_code, answer.content) == (403, b"")
    assert not Run.objects.exists()


@pytest.mark.parametrize(
    ("site", "into"), [("cross-site", "document"), ("none", "document"), ("same-origin", "empty")]
)
def test_a_link_elsewhere_does(door: Doors, acme: Tenant, site: Path, into: Any) -> None:
    """A link on another site, a bookmark and the site's own pages still start a run."""
    assert door().get("/device", HTTP_SEC_FETCH_SITE=site, HTTP_SEC_FETCH_DEST=into).status_code == 303


def test_starting_again_is_bounded(door: Doors, acme: Tenant, clock: time_machine.Traveller) -> None:
    """A run that is restarted repeatedly leaves few rows and is then refused for a while.

    The run itself is not affected.
    """
    begun = door().http.post("/api/runs/", {"for": "device_code"}, content_type="application/json").json()
    url, who, answers = begun["url"], door().http, []
    secret = {"Authorization": f"Run {begun['secret']}"}
    for _ in range(103):
        answer = who.post(f"{url}restart", {"keep": True}, content_type="application/json", headers=secret)
        answers.append(answer.status_code)
        if answer.status_code == 201:
            url = answer.json()["url"]
    assert answers == [201] * 100 + [429] * 3
    assert Run.objects.count() <= 5
    assert who.get(url, headers=secret).json()["kind"] == "ask"
    clock.shift(601)
    assert (
        who.post(f"{url}restart", {"keep": True}, content_type="application/json", headers=secret).status_code
        == 201
    )


def test_visits_that_end_at_once_are_bounded(door: Doors, acme: Tenant, leaving: Any) -> None:
    """Signing out without a session ends at once, and the number of such rows is bounded too."""
    for _ in range(12):
        door().get("/sign-out")
    assert Run.objects.count() <= 4
