"""The dry run in the console: the whole walk stands in the address, every step says why, and nothing can be
guessed or written with it.
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
from tests.engine import SHIPPED, drawing, only_select
from tests.web.console.kit import posted, text
from tests.web.console.pages import entered

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
    """The live flow."""
    publish(drawing(*(steps or FLOW), **more), by="editor")


def tried(acme: Tenant, as_role: str = "admin", /, **said: Any) -> str:
    """The page of a walk, with its white space as one reads it."""
    page = " ".join(
        text(entered("acme.test", acme, as_role), f"{HERE}?{urlencode(said, doseq=True)}").split()
    )
    return page


def step(page: str, name: str) -> str:
    """One step of the path."""
    return page[page.index(f'<li id="step-{name}"') + 1 :].partition("<li id=")[0]


def decisions(page: str) -> dict[str, str]:
    """What became of each step, as the page says it."""
    return dict(re.findall(r'<li id="step-([\w.-]+)".*?<p class="decision">(.*?)</p>', page))


def test_the_path_lights_up_at_once(acme: Tenant) -> None:
    """Without a word said somebody invented walks through: what each step learns and would do, and why one is
    passed over.
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
    """Staff from elsewhere enter the group; what the answers are stands in the address, so that a reload
    keeps it.
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


def test_a_walk_stops_where_one_says_and_where_an_answer_is_wrong(acme: Tenant) -> None:
    """With what the page would show; later steps stay dark."""
    drawn()
    page = tried(acme, **{"do.password": "open"})
    assert (decisions(page)["password"], decisions(page)["login"]) == (
        "Waiting for input",
        "Not reached",
    )
    assert ">Password</a>" in step(page, "password")
    page = tried(acme, **STAFF, **{"do.reason": "typed"})
    assert "This field is required." in step(page, "reason")


def test_consent_of_an_invented_device(acme: Tenant) -> None:
    """Its page is walked as the real one: to approve would connect, to refuse would refuse."""
    page = tried(acme, **{"do.consent": "typed", "in.consent.decision": "approve"})
    assert "Connects the device" in step(page, "consent")
    page = tried(acme, **{"do.consent": "typed", "in.consent.decision": "deny"})
    assert (decisions(page)["consent"], "Denies the device" in page) == ("Denied – flow ends", True)


def test_somebody_of_the_tenant_walks(acme: Tenant, other: Tenant) -> None:
    """With their own groups; a name that nobody has is said."""
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
    """Whoever is signed in is not asked again."""
    page = tried(acme, signed_in=["pwd"], session_age="10m")
    assert [decisions(page)[name] for name in SHIPPED[:3]] == ["Already done in this session"] * 3


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"address": "nonsense"}, "is no IP address"),
        ({"session_age": "long"}, "Enter a duration like 30s"),
        ({"time": "tomorrow"}, "Enter a time like 2026-11-21T18:30."),
        ({"attributes": "blue"}, "Enter one per line"),
        ({"who": "real"}, "Enter a username."),
        ({"role": "king"}, "Use "),
    ],
)
def test_what_cannot_be_is_said_and_nobody_walks(acme: Tenant, said: dict[str, str], told: str) -> None:
    """Beside what was typed, which stays."""
    page = tried(acme, **said)
    assert told in page
    assert decisions(page) == {}


def test_no_password_can_be_guessed(acme: Tenant) -> None:
    """An answer that would prove somebody is never judged: the page does not offer it, and an address that
    was written by hand gets the same walk for the right password and a wrong one.
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
    """A flow editor invents people: neither choosing somebody nor typing a name tells their groups, and
    nobody is found for them.
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
    """By a part of their name, in this tenant."""
    opened = entered("acme.test", acme, "admin")
    with tenant_scope(other):
        apps.get_model("accounts.Person").objects.create(username="alicia")
    found = text(opened, "/console/dry-run/people?person=ali")
    assert ('value="alice"' in found, "alicia" in found) == (True, False)
    assert 'value="kiosk"' in text(opened, "/console/dry-run/applications?application=kio")


def test_nothing_is_written(acme: Tenant) -> None:
    """Every statement but SELECT is refused; afterwards every row is as it was, and nothing was sent."""
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


def test_a_walk_is_kept_as_a_test(acme: Tenant) -> None:
    """Of the draft, which is begun from what is live: who, from where, what was answered and what came of it;
    it passes, and it can be walked again.
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


def test_keeping_adds_to_whatever_the_draft_is_by_then(acme: Tenant) -> None:
    """Nothing of another editor is overwritten, and two tests never have one name."""
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
def test_what_cannot_be_walked_is_not_kept(acme: Tenant, query: str) -> None:
    """A wrong circumstance, somebody whom an editor may not name, a test without a name, a draft that is no
    flow.
    """
    if query == "which=draft":
        save_draft("connect-a-device", {"for": "device_code", "title": ""}, by="clerk", revision=None)
    before = draft_of("connect-a-device")
    name = "" if query == "" else "kept"
    posted(entered("acme.test", acme, "editor"), f"{HERE}/keep", {"query": query, "name": name})
    assert draft_of("connect-a-device") == before
    assert before is None or before.revision == 1


def test_a_failing_test_says_why(acme: Tenant) -> None:
    """Where the draft was changed since."""
    answers = {"identification": "passes", "password": "passes", "device_code": "passes", "consent": "passes"}
    tests = [{"name": "nobody needs a code", "answers": answers, "expect": {"totp": "done"}}]
    save_draft("connect-a-device", drawing(*FLOW, tests=tests).as_json(), by="editor", revision=None)
    page = text(entered("acme.test", acme, "editor"), f"{HERE}?tests=1")
    assert ">Failed<" in page
    assert "totp should be done, but was passed over" in page


def test_a_broken_flow_says_so(acme: Tenant) -> None:
    """What the engine would refuse is told in its words; a step that is not installed too."""
    save_draft("connect-a-device", drawing("consent").as_json(), by="editor", revision=None)
    assert "Step consent was reached without request, signed_in." in tried(acme)
    save_draft("connect-a-device", drawing("nonsense").as_json(), by="editor", revision=1)
    assert "which is not installed" in tried(acme)


def test_who_may(acme: Tenant, other: Tenant) -> None:
    """An auditor tries and keeps nothing; help desk may not look at flows; the neighbour's are not there."""
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
    """In every field of the form and in every answer."""
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
    """WCAG 3.3.1: each message is a link to the field that it is about, which is on the page."""
    opened = entered("acme.test", acme, "editor")
    page = text(
        opened,
        f"{HERE}?address=nowhere&session_age=long&time=noon&attributes=x&device_age=old&device_address=y",
    )
    found = re.findall(r'<li><a href="#(\w+)">', page)
    assert {"address", "session_age", "time", "attributes"} <= set(found)
    assert all(f'id="{field}"' in page for field in found)
