"""The dry run says what every step would do and writes nothing at all."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.core import mail
from django.core.cache import cache
from django.db import connection

from flows.documents.document import Circumstances, SimulatedUser
from flows.documents.published import document_of
from flows.documents.versions import live_version
from flows.models import Run
from flows.simulation.simulate import PersonNotFound, StepReport, simulate
from idp.accounts import credentials, people
from idp.accounts.models import Person, Session
from idp.accounts.simulated import PK, SimulatedPerson, current_person, simulate_person
from idp.devices.models import DeviceCode
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import Doors
from tests.support.flows import SHIPPED, drawing, only_select

NAME, PASSWORD = {"name": "alice"}, {"password": "alice-password-1"}


def _rows() -> dict[str, list[Any]]:
    """Return every row of the database, by table."""
    return {
        model._meta.db_table: list(model._base_manager.order_by("pk").values_list())
        for model in apps.get_models()
    }


@pytest.fixture
def user_code(acme: Tenant, door: Doors) -> str:
    """Return the user code of a device that waits."""
    return door().start().user_code


@pytest.fixture
def nothing_written(user_code: str) -> Iterator[None]:
    """Refuse every statement but SELECT during the test.

    Afterwards every row of every table is as it was.
    """
    before = _rows()
    with connection.execute_wrapper(only_select):
        yield
    assert _rows() == before
    assert mail.outbox == []
    assert cache.get("device-poll:1") is None


def dry_run(answers: dict[str, Any], *steps: Any, **more: Any) -> list[StepReport]:
    """Return the reports of a dry run of these steps, or of the live flow."""
    if steps:
        return simulate(drawing(*steps), answers, **more)
    live = live_version("device_code")
    assert live is not None
    return simulate(document_of(live), answers, **more)


def outcome(reports: list[StepReport]) -> tuple[str, str]:
    """Return the last step and its decision."""
    return reports[-1].step, reports[-1].decision


def test_approving_names_its_effects_and_does_not_approve(nothing_written: None, user_code: str) -> None:
    """The dry run reaches the last page, and the device is approved in the report alone."""
    answers = {
        "identification": NAME,
        "password": PASSWORD,
        "device_code": {"user_code": user_code},
        "consent": {"decision": "approve"},
    }
    reports = dry_run(answers)
    assert [(report.step, report.decision) for report in reports] == [
        *((step, "done") for step in SHIPPED[:-1]),
        ("finish", "ends"),
    ]
    effects = {report.step: [effect["effect"] for effect in report.effects] for report in reports}
    assert (effects["login"], effects["consent"], effects["finish"]) == (["SignIn"], ["ApproveDevice"], [])
    assert reports[4].learned == ("consent",)
    assert DeviceCode.objects.get().state == "pending"
    assert not Run.objects.exists()


def test_denying_names_its_effect(nothing_written: None, user_code: str) -> None:
    """The device goes on waiting."""
    answers = {
        "identification": NAME,
        "password": PASSWORD,
        "device_code": {"user_code": user_code},
        "consent": {"decision": "deny"},
    }
    reports = dry_run(answers)
    assert outcome(reports) == ("consent", "denied")
    assert reports[-1].effects[0]["effect"] == "DenyDevice"
    assert DeviceCode.objects.get().state == "pending"


@pytest.mark.parametrize(
    ("answers", "step", "said"),
    [
        ({}, "identification", ""),
        ({"identification": {}}, "identification", "This field is required."),
        ({"identification": NAME}, "password", ""),
        (
            {"identification": NAME, "password": {"password": "wrong"}},
            "password",
            "Incorrect username or password.",
        ),
        (
            {"identification": {"name": "nobody"}, "password": PASSWORD},
            "password",
            "Incorrect username or password.",
        ),
        (
            {"identification": {"name": "inactive"}, "password": {"password": "inactive-password-3"}},
            "password",
            "Incorrect username or password.",
        ),
        (
            {"identification": NAME, "password": PASSWORD, "device_code": {"user_code": "BCDF-GHJK"}},
            "device_code",
            "valid or has expired. Check it, or get a new one",
        ),
    ],
)
def test_every_other_way_ends_by_asking(
    nothing_written: None, answers: dict[str, Any], step: str, said: str
) -> None:
    """Unknown, inactive, wrong, empty or missing: no attempt is counted, no event written."""
    reports = dry_run(answers)
    assert outcome(reports) == (step, "asks")
    assert said in reports[-1].message


def test_attempts_are_not_counted(nothing_written: None) -> None:
    """A hundred wrong passwords in dry runs use no attempt of a real sign-in."""
    for _ in range(10):
        assert outcome(dry_run({"identification": NAME, "password": {"password": "wrong"}})) == (
            "password",
            "asks",
        )
    assert outcome(dry_run({"identification": NAME, "password": PASSWORD})) == ("device_code", "asks")


def test_a_drawn_refusal_and_what_is_passed_over(nothing_written: None) -> None:
    """Decisions of the planner are reported beside those of the stages."""
    steps = [
        "identification",
        {"stage": "deny", "when": 'person.username == "bob"', "settings": {"message": "Not bob."}},
        *SHIPPED[1:],
    ]
    assert [(r.step, r.decision) for r in dry_run({"identification": NAME}, *steps)][1:] == [
        ("deny", "passed over"),
        ("password", "asks"),
    ]
    reports = dry_run({"identification": {"name": "bob"}}, *steps)
    assert (outcome(reports), reports[-1].message) == (("deny", "denied"), "Not bob.")


def test_a_broken_flow_is_reported(nothing_written: None) -> None:
    """It is reported where the engine would refuse the run."""
    reports = dry_run({}, "consent")
    assert (reports[-1].decision, reports[-1].message) == (
        "broken",
        "Step consent was reached without request, signed_in.",
    )
    assert (
        dry_run({}, "nonsense")[-1].message
        == "Step nonsense is of the stage nonsense, which is not installed."
    )


def test_what_is_known_before(nothing_written: None) -> None:
    """Facts can be given, as a living session gives them."""
    reports = dry_run({}, person="alice", request=Circumstances(signed_in=("pwd",), session_age=60))
    assert [(r.step, r.decision) for r in reports] == [
        *((step, "known before") for step in SHIPPED[:3]),
        ("device_code", "asks"),
    ]


def test_secrets_of_effects_are_left_out(acme: Tenant) -> None:
    """An old hash is upgraded in the report, and the report contains neither hash."""
    old = PBKDF2PasswordHasher().encode("alice-password-1", "somesaltsomesaltsomesalt", iterations=1000)
    Person.objects.filter(username="alice").update(password=old)
    reports = dry_run({"identification": NAME, "password": PASSWORD})
    assert [dict(effect) for effect in reports[1].effects] == [
        {"effect": "UpgradeHash", "person": Person.objects.get(username="alice").pk}
    ]
    assert "argon2" not in repr(reports)
    assert Person.objects.get(username="alice").password == old


def test_every_way_of_a_third_party_stage(third_party: None, nothing_written: None) -> None:
    """The effects of a third-party stage are listed, its secrets are not."""
    for way, decision in {
        "mark": "done",
        "deny and mark": "denied",
        "leave": "leaves",
        "show and mark": "asks",
        "lose": "done",
    }.items():
        reports = dry_run({"probe": {"answer": "x"}}, {"stage": "probe", "settings": {"submit": way}})
        assert outcome(reports) == ("probe", decision)
        assert reports[0].effects[0] == {"effect": "Mark"}
        assert "the secret of the mark" not in repr(reports)
    assert (
        dry_run({"probe": {"answer": "x"}}, {"stage": "probe", "settings": {"submit": "strange"}})[
            -1
        ].decision
        == "broken"
    )


# --- simulated people ---------------------------------------------------------------------------------------

SIMULATED = SimulatedUser(
    username="Newcomer",
    name="Newcomer",
    email="Newcomer@Example.test",
    groups=("sales", "staff"),
    credentials=("password", "totp"),
    attributes={"team": "blue"},
    role="admin",
)
CLAIM = {"identification": {"name": "newcomer"}}


@pytest.mark.parametrize(
    ("when", "applies"),
    [
        ('"staff" in person.groups && "sales" in person.groups', True),
        ('"admins" in person.groups', False),
        ('person.credentials == ["password", "totp"]', True),
        ('"recovery_code" in person.credentials', False),
        ('person.attributes["team"] == "blue"', True),
        (
            (
                'person.username == "newcomer" && person.email == "newcomer@example.test" && '
                "person.email_verified && person.admin"
            ),
            True,
        ),
        ('request.time - person.created < duration("1m")', True),
    ],
)
def test_conditions_know_a_simulated_person(nothing_written: None, when: str, applies: bool) -> None:
    """Groups, credentials and attributes are known as if there were a row."""
    reports = dry_run(CLAIM, "identification", {"stage": "choice", "when": when}, person=SIMULATED)
    assert reports[1].decision == ("asks" if applies else "passed over")
    assert reports[1].condition is not None
    assert (reports[1].condition["when"], reports[1].condition["applied"]) == (when, applies)


def test_the_reason_names_what_is_about_the_request_and_the_configuration(nothing_written: None) -> None:
    """It names what the condition read of these, and nothing of the person."""
    when = '"staff" in person.groups && request.ip.within(tenant.networks)'
    (_, report) = dry_run(
        CLAIM,
        "identification",
        {"stage": "deny", "when": when},
        person=SIMULATED,
        request=Circumstances(address="192.0.2.7"),
    )
    assert report.condition == {
        "when": when,
        "applied": False,
        "values": {"request.ip": "192.0.2.7", "tenant.networks": ["127.0.0.0/8"]},
    }


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ('request.time.getHours("Europe/Berlin") < 8', "2026-11-28 17:40 Europe/Berlin"),
        (
            'request.time.getHours("Asia/Kolkata") < 8 || request.time.getDayOfWeek("Asia/Kolkata") == 0',
            "2026-11-28 22:10 Asia/Kolkata",
        ),
        (
            'request.time.getHours("Europe/Berlin") < 8 || request.time.getHours("Asia/Kolkata") < 8',
            "2026-11-28 16:40 UTC",
        ),
        ('request.time.getHours("+05:00") < 8', "2026-11-28 16:40 UTC"),
        ("request.time.getHours() < 8", "2026-11-28 16:40 UTC"),
        ('request.time > timestamp("2027-01-01T00:00:00Z")', "2026-11-28 16:40 UTC"),
    ],
)
def test_the_reason_has_the_time_as_the_condition_reads_it(
    nothing_written: None, when: str, expected: str
) -> None:
    """The time is in the condition's time zone, to the minute."""
    at = Circumstances(time="2026-11-28T16:40:37.972659+00:00")
    (report,) = dry_run({}, {"stage": "deny", "when": when}, request=at)[:1]
    assert report.condition is not None
    assert report.condition["values"] == {"request.time": expected}


def test_nothing_is_simulated_after_the_dry_run(nothing_written: None) -> None:
    """Nothing is simulated within another dry run or after a failed one either."""
    dry_run(CLAIM, person=SIMULATED)
    assert (current_person(), people.identify("newcomer", ["username"]).id, people.find(PK)) == (
        None,
        None,
        None,
    )
    assert outcome(dry_run({**CLAIM, "password": "passes"}))[1] == "broken"
    with pytest.raises(PersonNotFound):
        dry_run({}, person="newcomer")
    with pytest.raises(RuntimeError), simulate_person(SimulatedPerson("newcomer")):
        raise RuntimeError
    assert current_person() is None


def test_a_simulated_person_has_no_password(nothing_written: None) -> None:
    """A simulated person has no password that could be guessed, not the empty one either.

    A real code is asked of a real row.
    """
    for password in ("", "password", "!", "newcomer"):
        assert outcome(dry_run({**CLAIM, "password": {"password": password}}, person=SIMULATED)) == (
            "password",
            "asks",
        )
    reports = dry_run(
        {**CLAIM, "password": "passes", "totp": {"code": "123456"}},
        "identification",
        "password",
        "totp",
        person=SIMULATED,
    )
    assert outcome(reports) == ("totp", "asks")


def test_a_simulated_person_never_signs_in(acme: Tenant, door: Doors) -> None:
    """They cannot sign in on the real pages, even while a dry run is under way on this very thread."""
    seen = door().page()
    with simulate_person(SimulatedPerson("newcomer", credentials=("password",))):
        for password in ("", "newcomer", "password"):
            assert door().page().submit(name="bob").submit(password=password).step == "password"
        verdict = credentials.check_password(people.find(PK), "")
        assert not verdict.correct
    assert seen.submit(name="newcomer").submit(password="password").step == "password"
    assert Session.objects.count() == 0


def test_a_simulated_person_hides_no_one(acme: Tenant) -> None:
    """A real person of another name is still found, and their password is still judged."""
    assert outcome(dry_run({"identification": NAME, "password": PASSWORD}, person=SIMULATED)) == (
        "device_code",
        "asks",
    )


# --- circumstances ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "when"),
    [
        (
            Circumstances(address="2001:db8::7"),
            'request.ip == "2001:db8::7" && !request.ip.within(tenant.networks)',
        ),
        (Circumstances(agent="Kiosk/2"), 'request.agent == "Kiosk/2"'),
        (
            Circumstances(time="2026-12-24T22:00:00+01:00"),
            'request.time.getHours("UTC") == 21 && request.time.getDate("UTC") == 24',
        ),
        (Circumstances(country="DE"), 'request.country == "DE"'),
        (
            Circumstances(signed_in=("pwd", "otp"), session_age=3600),
            'session.active && session.methods == ["pwd", "otp"]',
        ),
        (
            Circumstances(signed_in=("pwd",), session_age=3600),
            'session.age == duration("1h") && !second_factor.present',
        ),
        (
            Circumstances(signed_in=("pwd", "otp")),
            'second_factor.method == "otp" && session.age == duration("0s")',
        ),
        (Circumstances(), "!session.active"),
    ],
)
def test_conditions_know_the_circumstances(nothing_written: None, request_: Circumstances, when: str) -> None:
    """Conditions see the address, the time and the session."""
    reports = dry_run({}, {"stage": "choice", "when": when}, person="alice", request=request_)
    assert outcome(reports) == ("choice", "asks"), reports[-1]


@pytest.mark.parametrize(
    "when",
    [
        'application.client_id == "tv" && application.name == "tv"',
        'request.kind == "device" && request.scopes == ["openid", "email"]',
        'device.address == "198.51.100.4" && !device.same_network',
        'device.age == duration("5m")',
    ],
)
def test_conditions_know_the_request_that_is_taken_for_granted(nothing_written: None, when: str) -> None:
    """A simulated device has its application, its scopes, its address and its age."""
    asked = Circumstances(
        application="tv",
        scopes=("openid", "email"),
        device_address="198.51.100.4",
        device_age=300,
        time="2026-11-20T12:00:00Z",
    )
    reports = dry_run(
        {"device_code": "passes"}, "device_code", {"stage": "choice", "when": when}, request=asked
    )
    assert outcome(reports) == ("choice", "asks"), reports[-1]


# --- passes, refuses, pages ---------------------------------------------------------------------------------


def test_a_step_whose_result_is_taken_for_granted(nothing_written: None) -> None:
    """Its facts name the person of the dry run and how the stage proves, and it has no effects."""
    answers = {"identification": "passes", "password": "passes", "totp": "passes"}
    reports = dry_run(answers, "identification", "password", "totp", "login", "device_code", person=SIMULATED)
    assert [(report.step, report.decision) for report in reports][:4] == [
        *((step, "done") for step in ("identification", "password", "totp", "login"))
    ]
    assert [report.learned for report in reports[:4]] == [
        ("person",),
        ("proof",),
        ("second_factor",),
        ("signed_in",),
    ]
    assert [effect["effect"] for effect in reports[3].effects] == ["SignIn"]
    assert (reports[3].effects[0]["person"], reports[3].effects[0]["methods"]) == (PK, ("pwd", "otp"))
    assert [report.effects for report in reports[:3]] == [(), (), ()]


def test_a_proof_of_no_one_is_broken(nothing_written: None) -> None:
    """``passes`` proves no one where no one was named."""
    assert outcome(dry_run({"identification": "passes", "password": "passes"}))[1] == "broken"


def test_a_step_that_is_set_to_refuse(nothing_written: None) -> None:
    """It ends the dry run, or leaves its section, as the real one would."""
    reports = dry_run({"choice": "refuses"}, "choice", "deny")
    assert [(report.step, report.decision) for report in reports] == [("choice", "denied")]
    box = {"group": "box", "on_refusal": "continue", "steps": [{"stage": "choice"}, {"stage": "prompt"}]}
    reports = dry_run(
        {"choice": "refuses"},
        box,
        {"stage": "choice", "id": "after", "when": 'steps.box.decision == "refused"'},
    )
    assert [(report.step, report.decision) for report in reports] == [
        ("box", "entered"),
        ("choice", "refused"),
        ("box", "refused"),
        ("prompt", "passed over"),
        ("after", "asks"),
    ]


def test_what_a_page_would_show(nothing_written: None) -> None:
    """The report has the title, the description and the fields, and what the answer resulted in."""
    options = [{"value": "a", "title": "Apple"}, {"value": "b", "title": "Berry"}]
    settings = {"title": "Which one?", "text": "Choose well.", "options": options}
    reports = dry_run(
        {"choice": {"choice": "b"}},
        {"stage": "choice", "settings": settings},
        {"stage": "choice", "id": "more"},
    )
    assert (reports[0].decision, reports[0].outputs) == ("done", {"choice": "b"})
    assert reports[1].shows == {
        "title": "How do you want to continue?",
        "description": "",
        "fields": [{"name": "choice", "label": "Your choice"}],
    }
    (wrong,) = dry_run({"choice": {"choice": "c"}}, {"stage": "choice", "settings": settings})
    assert (wrong.decision, wrong.shows and wrong.shows["title"]) == ("asks", "Which one?")
    assert "not one of the available choices" in wrong.message


def test_secrets_that_are_shown_once_are_not_reported(nothing_written: None) -> None:
    """A new authenticator secret is on the page and never in a report."""
    answers = {"identification": "passes", "password": "passes"}
    factor = {"stage": "totp", "settings": {"missing": "set_up"}}
    reports = dry_run(answers, "identification", "password", factor, person=SimulatedUser())
    assert outcome(reports) == ("totp", "asks")
    assert re.search(r"[A-Z2-7]{16,}", repr(reports)) is None


def test_sub_flows_in_a_dry_run(nothing_written: None) -> None:
    """Sub-flows are given as they are, published or not; one that is missing is broken, never empty."""
    part = drawing({"stage": "choice", "id": "inner"}, flow="part", **{"for": "part"})
    document = drawing({"flow": "part"}, {"stage": "choice", "id": "after"})
    reports = simulate(document, {"part.inner": {"choice": "yes"}}, sub_flows={"part": part})
    assert [(report.step, report.decision) for report in reports] == [
        ("part", "entered"),
        ("part.inner", "done"),
        ("after", "asks"),
    ]
    (broken,) = simulate(document, {})
    assert (broken.decision, "which doesn't exist" in broken.message) == ("broken", True)


def test_people_of_another_tenant_are_unknown(nothing_written: None, other: Tenant) -> None:
    """A dry run reads the tenant in scope and no other."""
    acme = people.identify("alice", ["username"]).id
    assert isinstance(acme, int)
    with tenant_scope(other):
        assert people.identify("alice", ["username"]).id not in (acme, None)
        assert people.find(acme) is None


# --- dry runs in the console --------------------------------------------------------------------------------


def test_what_could_be_guessed_is_not_judged(nothing_written: None, user_code: str) -> None:
    """No answer of a stage that proves a person or counts attempts is judged, right or wrong.

    A stage at which nothing can be guessed is still judged.
    """
    for password in ("alice-password-1", "wrong"):
        reports = dry_run({"identification": NAME, "password": {"password": password}}, verify_answers=False)
        assert outcome(reports) == ("password", "asks")
        assert reports[-1].message.startswith("Tests don't check this answer")
    proved = {"identification": NAME, "password": "passes"}
    for code in (user_code, "BCDF-GHJK"):
        assert outcome(dry_run({**proved, "device_code": {"user_code": code}}, verify_answers=False)) == (
            "device_code",
            "asks",
        )
    assert outcome(dry_run({"choice": {"choice": "no"}}, "choice", "deny", verify_answers=False)) == (
        "deny",
        "denied",
    )


def test_a_step_without_an_answer_passes_where_one_says_so(nothing_written: None) -> None:
    """All steps pass but those at which the dry run is to stop.

    A step that decides by itself does so, and only what was taken for granted is marked.
    """
    reports = dry_run({}, person=SIMULATED, pause_at=())
    assert [(report.step, report.decision) for report in reports] == [
        *((step, "done") for step in SHIPPED[:-1]),
        ("finish", "ends"),
    ]
    assert [report.step for report in reports if report.assumed] == [
        "identification",
        "password",
        "device_code",
        "consent",
    ]
    assert outcome(dry_run({}, person=SIMULATED, pause_at=("password",))) == ("password", "asks")
    refused = dry_run({}, *SHIPPED[:2], {"stage": "recovery_code"}, person=SIMULATED, pause_at=())
    assert outcome(refused) == ("recovery_code", "denied")


def test_consent_of_a_device_that_was_assumed(nothing_written: None) -> None:
    """Its page is shown and answered as the real one's, and the effects name a simulated device."""
    proved = dict.fromkeys(("identification", "password", "device_code"), "passes")
    reports = dry_run(proved, person=SIMULATED)
    assert (outcome(reports), reports[-1].shows and reports[-1].shows["title"]) == (
        ("consent", "asks"),
        "Connect this device?",
    )
    for decision, effect in {"approve": "ApproveDevice", "deny": "DenyDevice"}.items():
        reports = dry_run({**proved, "consent": {"decision": decision}}, person=SIMULATED)
        (described,) = next(report.effects for report in reports if report.step == "consent")
        assert (described["effect"], described["device"]) == (effect, 0)
    staff_only = dry_run(
        proved,
        person=SimulatedUser(username="nobody-special"),
        request=Circumstances(application="staff-console"),
    )
    assert (outcome(staff_only), "have access to" in staff_only[-1].message) == (
        ("consent", "denied"),
        True,
    )


def test_no_one_is_named_without_the_right_to_view_people(nothing_written: None) -> None:
    """A person of the tenant ends as an unknown one does.

    It holds for the person of the dry run and for a name that is typed.
    """
    with pytest.raises(PersonNotFound):
        dry_run({}, person="alice", may_view_people=False)
    for name in ("alice", "nobody"):
        reports = dry_run({"identification": {"name": name}}, person=SIMULATED, may_view_people=False)
        assert outcome(reports) == ("identification", "asks")
        assert reports[-1].message.startswith("Your role can't view people")
    assert (
        outcome(dry_run({**CLAIM, "password": "passes"}, person=SIMULATED, may_view_people=False))[0]
        == "device_code"
    )
