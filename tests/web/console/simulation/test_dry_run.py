"""The dry run in the console: its whole input is in the address, and every step says why.

Nothing can be guessed or written with it.
"""

import re
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.apps import apps
from django.core import mail
from django.db import connection

from flows.editing.drafts import draft_of, save_draft
from flows.editing.publishing import publish
from idp.ratelimit.models import Attempt
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.flows import SHIPPED, drawing, only_select
from tests.web.console.pages import entered
from tests.web.console.signed_in import posted, text

HERE = "/console/flows/connect-a-device/try"
AWAY = '"staff" in person.groups && !request.ip.within(tenant.networks)'
REASON = {
    "id": "reason",
    "stage": "prompt",
    "settings": {"fields": [{"name": "why", "label": "Why here?", "required": True}], "keep": False},
}
FLOW = (*SHIPPED[:2], {"group": "away", "when": AWAY, "steps": [{"stage": "totp"}, REASON]}, *SHIPPED[2:])
STAFF = {"groups": "staff", "credentials": ["password", "totp"], "address": "203.0.113.9"}


def drawn(*steps: Any, **more: Any) -> None:
    """Publish the live flow."""
    publish(drawing(*(steps or FLOW), **more), by="editor")


def tried(acme: Tenant, as_role: str = "admin", /, **said: Any) -> str:
    """Return the page of a dry run with its white space collapsed."""
    page = text(entered("acme.test", acme, as_role), f"{HERE}?{urlencode(said, doseq=True)}")
    return " ".join(page.split())


def step(page: str, name: str) -> str:
    """Return one step of the path."""
    return page[page.index(f'<li id="step-{name}"') + 1 :].partition("<li id=")[0]


def decisions(page: str) -> dict[str, str]:
    """Return the decision about each step in the words of the page."""
    return dict(re.findall(r'<li id="step-([\w.-]+)".*?<p class="decision">(.*?)</p>', page))


def test_the_path_lights_up_at_once(acme: Tenant) -> None:
    """Without any input, the dry run of a simulated person shows the whole path at once.

    Each step shows what it learns and would do, or why it is passed over.
    """
    drawn()
    page = tried(acme)
    assert decisions(page) == {
        "identification": "Passed",
        "password": "Passed",
        "away": "Skipped",
        "totp": "Skipped",
        "reason": "Skipped",
        "login": "Passed",
        "device_code": "Passed",
        "consent": "Passed",
        "finish": "Shows the last page",
    }
    assert "Flow completed." in page
    away = step(page, "away")
    assert "Condition not met" in away
    assert "in the group “staff”" in away
    assert "<code>request.ip</code> is <b>" in away
    assert "authenticated" in step(page, "password")
    assert "Signs the person in" in step(page, "login")


def test_who_comes_from_where_decides(acme: Tenant) -> None:
    """Staff from outside the trusted networks enter the section.

    The answers are in the address, so a reload preserves them.
    """
    drawn()
    page = tried(acme, **STAFF, **{"do.reason": "typed", "in.reason.why": "I visit a customer"})
    assert {name: decisions(page)[name] for name in ("away", "totp", "reason", "finish")} == {
        "away": "Entered",
        "totp": "Passed",
        "reason": "Passed",
        "finish": "Shows the last page",
    }
    assert "<code>request.ip</code> is <b>203.0.113.9</b>" in step(page, "away")
    assert 'name="in.reason.why" value="I visit a customer"' in page
    assert 'value="203.0.113.9"' in page
    assert decisions(tried(acme, **STAFF, **{"do.totp": "refuses"}))["totp"] == "Denied – flow ends"


def test_a_dry_run_stops_where_requested_and_at_a_wrong_answer(acme: Tenant) -> None:
    """The dry run shows the page where it stops, and the later steps are not reached."""
    drawn()
    page = tried(acme, **{"do.password": "open"})
    assert (decisions(page)["password"], decisions(page)["login"]) == (
        "Waiting for input",
        "Not reached",
    )
    assert ">Password</a>" in step(page, "password")
    page = tried(acme, **STAFF, **{"do.reason": "typed"})
    assert "This field is required." in step(page, "reason")


def test_consent_of_a_simulated_device(acme: Tenant) -> None:
    """The consent page is simulated like the real one: approval would connect, and denial would deny."""
    page = tried(acme, **{"do.consent": "typed", "in.consent.decision": "approve"})
    assert "Connects the device" in step(page, "consent")
    page = tried(acme, **{"do.consent": "typed", "in.consent.decision": "deny"})
    assert (decisions(page)["consent"], "Denies the device" in page) == ("Denied – flow ends", True)


def test_a_dry_run_with_a_person_of_the_tenant(acme: Tenant, other: Tenant) -> None:
    """A dry run with a real person uses their own groups; an unknown name is reported."""
    drawn()
    page = tried(acme, who="real", person="alice", address="203.0.113.9")
    assert "<code>person.groups</code> is" not in page
    assert (decisions(page)["totp"], "Your account has none" in page or "your account has none" in page) == (
        "Denied – flow ends",
        True,
    )
    assert "No user with this username." in tried(acme, who="real", person="nobody")
    with tenant_scope(other):
        publish(drawing(*FLOW), by="editor")


def test_what_is_known_from_a_session(acme: Tenant) -> None:
    """A signed-in person is not asked again."""
    page = tried(acme, signed_in=["pwd"], session_age="10m")
    assert [decisions(page)[name] for name in SHIPPED[:3]] == ["Already done in this session"] * 3


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"address": "nonsense"}, "is no IP address"),
        ({"session_age": "long"}, "Enter a duration like 30s"),
        ({"time": "tomorrow"}, "Enter a time like 2026-11-21T18:30."),
        ({"attributes": "blue"}, "Enter one per line"),
        ({"who": "real"}, "Enter a username."),
        ({"role": "king"}, "Use "),
    ],
)
def test_an_impossible_dry_run_is_reported_and_not_done(
    acme: Tenant, said: dict[str, str], message: str
) -> None:
    """An impossible input has its message beside what was typed, which stays."""
    page = tried(acme, **said)
    assert message in page
    assert decisions(page) == {}


def test_no_password_can_be_guessed(acme: Tenant) -> None:
    """An answer that would prove a person's identity is never checked.

    The page does not offer it, and a manually written address has the same result for the right password and
    a wrong one.
    """
    for password in ("bob-password-22", "wrong"):
        said = {"who": "real", "person": "bob", "do.password": "typed", "in.password.password": password}
        page = tried(acme, **said)
        assert decisions(page)["password"] == "Passed"
        assert "They answer" not in step(page, "password")
        assert password not in step(page, "password")
    for code in ("BCDF-GHJK", "nonsense"):
        assert (
            decisions(tried(acme, **{"do.device_code": "typed", "in.device_code.user_code": code}))[
                "device_code"
            ]
            == "Passed"
        )
    assert Attempt.objects.count() == 0


def test_who_may_not_look_at_people_learns_nothing_about_them(acme: Tenant) -> None:
    """A flow editor uses simulated people only.

    Neither choosing a person nor typing a name reveals their groups, and the search finds no one for them.
    """
    drawn()
    page = tried(acme, "editor", who="real", person="alice")
    assert "Your role can&#x27;t view people" in page
    assert decisions(page) == {}
    page = tried(acme, "editor", **{"do.identification": "typed", "in.identification.name": "alice"})
    assert "<b>staff</b>" not in page
    assert "no person can be named here" in step(page, "identification")
    assert 'name="who" value="real"' not in page
    text(entered("acme.test", acme, "editor"), "/console/dry-run/people?person=a", 403)


def test_people_and_applications_are_found(acme: Tenant, other: Tenant) -> None:
    """People and applications of this tenant are found by a fragment of their name."""
    opened = entered("acme.test", acme, "admin")
    with tenant_scope(other):
        apps.get_model("accounts.Person").objects.create(username="alicia")
    found = text(opened, "/console/dry-run/people?person=ali")
    assert ('value="alice"' in found, "alicia" in found) == (True, False)
    assert 'value="kiosk"' in text(opened, "/console/dry-run/applications?application=kio")


def test_nothing_is_written(acme: Tenant) -> None:
    """No statement but SELECT runs, every row stays as it was, and no mail is sent."""
    drawn()
    opened = entered("acme.test", acme, "admin")
    rows = {model: list(model._base_manager.order_by("pk").values_list()) for model in apps.get_models()}
    with connection.execute_wrapper(only_select):
        for said in (
            {},
            STAFF,
            {"who": "real", "person": "alice"},
            {"do.consent": "typed", "in.consent.decision": "approve"},
            {"tests": "1"},
        ):
            text(opened, f"{HERE}?{urlencode(said, doseq=True)}")
    assert {
        model: list(model._base_manager.order_by("pk").values_list()) for model in apps.get_models()
    } == rows
    assert mail.outbox == []


def test_a_dry_run_is_stored_as_a_test(acme: Tenant) -> None:
    """A dry run is stored as a flow test of the draft, which is created from the live version if needed.

    The test has the person, the address, the answers and the expected result. It passes, and the same dry run
    can be opened again.
    """
    drawn()
    said = urlencode({**STAFF, "do.reason": "typed", "in.reason.why": "I visit"}, doseq=True)
    opened = entered("acme.test", acme, "editor")
    assert posted(opened, f"{HERE}/keep", {"query": said, "name": "staff from elsewhere"}) == f"{HERE}?{said}"
    draft = draft_of("connect-a-device")
    assert draft
    (test,) = draft.document["tests"]
    assert (test["name"], test["person"]["groups"], test["request"]) == (
        "staff from elsewhere",
        ["staff"],
        {"address": "203.0.113.9"},
    )
    assert test["answers"] == {
        "identification": "passes",
        "password": "passes",
        "totp": "passes",
        "reason": {"why": "I visit"},
        "device_code": "passes",
        "consent": "passes",
    }
    assert (test["expect"]["away"], test["expect"]["reason"], test.get("ends", "finished")) == (
        "entered",
        "done",
        "finished",
    )
    page = " ".join(text(opened, f"{HERE}?which=draft&tests=1").split())
    assert ">Passed<" in page
    (again,) = re.findall(r'<a href="(\?which=draft&amp;[^"#]*)">staff from elsewhere</a>', page)
    assert parse_qs(urlsplit(again.replace("&amp;", "&")).query)["in.reason.why"] == ["I visit"]
    assert decisions(" ".join(text(opened, HERE + again.replace("&amp;", "&")).split()))["reason"] == "Passed"


def test_storing_adds_to_the_draft_as_it_is_by_then(acme: Tenant) -> None:
    """Another editor's change is not overwritten, and no two tests have one name."""
    save_draft("connect-a-device", drawing(*FLOW, title="Theirs").as_json(), by="clerk", revision=None)
    opened = entered("acme.test", acme, "editor")
    for name in ("one", "two", "one"):
        posted(opened, f"{HERE}/keep", {"query": "which=1", "name": name})
    assert "A test with this name already exists" in text(opened, HERE)
    draft = draft_of("connect-a-device")
    assert draft
    assert (draft.document["title"], [test["name"] for test in draft.document["tests"]]) == (
        "Theirs",
        ["one", "two"],
    )


@pytest.mark.parametrize("query", ["address=nonsense", "who=real&person=alice", "", "which=draft"])
def test_an_impossible_dry_run_is_not_stored(acme: Tenant, query: str) -> None:
    """An impossible dry run is not stored as a test.

    Cases are an invalid address, a person whom an editor may not name, a test without a name, and a draft
    that is no flow.
    """
    if query == "which=draft":
        save_draft("connect-a-device", {"for": "device_code", "title": ""}, by="clerk", revision=None)
    before = draft_of("connect-a-device")
    name = "" if query == "" else "kept"
    posted(entered("acme.test", acme, "editor"), f"{HERE}/keep", {"query": query, "name": name})
    assert draft_of("connect-a-device") == before
    assert before is None or before.revision == 1


def test_a_failing_test_says_why(acme: Tenant) -> None:
    """A test that fails after a change of the draft says why."""
    answers = {"identification": "passes", "password": "passes", "device_code": "passes", "consent": "passes"}
    tests = [{"name": "no one needs a code", "answers": answers, "expect": {"totp": "done"}}]
    save_draft("connect-a-device", drawing(*FLOW, tests=tests).as_json(), by="editor", revision=None)
    page = text(entered("acme.test", acme, "editor"), f"{HERE}?tests=1")
    assert ">Failed<" in page
    assert "totp should be done, but was passed over" in page


def test_a_broken_flow_says_so(acme: Tenant) -> None:
    """An error of the engine is shown in its own words, and so is a step that is not installed."""
    save_draft("connect-a-device", drawing("consent").as_json(), by="editor", revision=None)
    assert "Step consent was reached without request, signed_in." in tried(acme)
    save_draft("connect-a-device", drawing("nonsense").as_json(), by="editor", revision=1)
    assert "which is not installed" in tried(acme)


def test_who_may(acme: Tenant, other: Tenant) -> None:
    """An auditor tries dry runs and stores none; the help desk sees no flows; another tenant's are a 404."""
    opened = entered("acme.test", acme, "auditor")
    assert "Save as test" not in text(opened, HERE)
    posted(opened, f"{HERE}/keep", {"query": "", "name": "kept"}, 403)
    text(opened, f"{HERE}/keep", 405)
    text(entered("acme.test", acme, "helpdesk"), HERE, 403)
    with tenant_scope(other):
        save_draft("theirs", drawing("identification", flow="theirs").as_json(), by="editor", revision=None)
    text(entered("acme.test", acme, "admin"), "/console/flows/theirs/try", 404)
    posted(
        entered("acme.test", acme, "admin"),
        "/console/flows/theirs/try/keep",
        {"query": "", "name": "kept"},
        404,
    )
    assert draft_of("connect-a-device") is None


def test_hostile_words_are_only_words(acme: Tenant) -> None:
    """Hostile input stays text in every field of the form and in every answer."""
    evil = '"><script>alert(1)</script>'
    names = (
        "person",
        "groups",
        "username",
        "name",
        "email",
        "attributes",
        "address",
        "application",
        "agent",
        "country",
        "scopes",
        "time",
    )
    drawn()
    page = tried(
        acme,
        **dict.fromkeys(names, evil),
        **{f"do.{evil}": "typed", f"in.reason.{evil}": evil, "which": "1", "who": evil},
    )
    assert "<script>alert" not in page
    page = tried(acme, **STAFF | {"do.reason": "typed", "in.reason.why": evil, "groups": "staff " + evil})
    assert "<script>alert" not in page
    assert decisions(page)["finish"] == "Shows the last page"


def test_what_is_wrong_leads_to_its_field(acme: Tenant) -> None:
    """WCAG 3.3.1: each message is a link to its field, which is on the page."""
    opened = entered("acme.test", acme, "editor")
    page = text(
        opened,
        f"{HERE}?address=nowhere&session_age=long&time=noon&attributes=x&device_age=old&device_address=y",
    )
    found = re.findall(r'<li><a href="#(\w+)">', page)
    assert {"address", "session_age", "time", "attributes"} <= set(found)
    assert all(f'id="{field}"' in page for field in found)
