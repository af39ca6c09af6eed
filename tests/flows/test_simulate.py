"""The dry run: says what every step would do, and writes nothing at all."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.core import mail
from django.core.cache import cache
from django.db import connection

from flows.document import FlowDocument
from flows.models import Run
from flows.planner import document_of
from flows.simulate import Report, Setting, simulate
from flows.versions import live_version
from idp.accounts.models import Person
from idp.devices.models import DeviceCode
from idp.tenancy.models import Tenant
from tests.engine import SHIPPED, drawing, only_select
from tests.kit import Door

NAME, PASSWORD = {"name": "alice"}, {"password": "alice-password-1"}


def _rows() -> dict[str, list[Any]]:
    """Everything in the database."""
    return {model._meta.db_table: list(model._base_manager.order_by("pk").values_list()) for model in apps.get_models()}


@pytest.fixture
def user_code(acme: Tenant, door: Callable[..., Door]) -> str:
    """Of a device that waits."""
    return door().start().user_code


@pytest.fixture
def nothing_written(user_code: str) -> Iterator[None]:
    """While the test runs every statement but SELECT is refused; afterwards every row of every table is as it was."""
    before = _rows()
    with connection.execute_wrapper(only_select):
        yield
    assert _rows() == before
    assert mail.outbox == []
    assert cache.get("device-poll:1") is None


def walk(answers: dict[str, dict[str, Any]], *steps: Any, setting: Setting | None = None) -> list[Report]:
    """A dry run of the drawn flow, or of the live one."""
    document: FlowDocument = drawing(*steps) if steps else document_of(live_version("device_code"))  # type: ignore[arg-type]
    return simulate(document, answers, setting)


def outcome(reports: list[Report]) -> tuple[str, str]:
    """The last step and what it came to."""
    return reports[-1].step, reports[-1].decision


def test_approving_names_its_effects_and_does_not_approve(nothing_written: None, user_code: str) -> None:
    """All the way to the last page: the device is approved in the report alone."""
    answers = {"identification": NAME, "password": PASSWORD, "device_code": {"user_code": user_code}, "consent": {"decision": "approve"}}
    reports = walk(answers)
    assert [(report.step, report.decision) for report in reports] == [*((step, "done") for step in SHIPPED[:-1]), ("finish", "ends")]
    effects = {report.step: [effect["effect"] for effect in report.effects] for report in reports}
    assert (effects["login"], effects["consent"], effects["finish"]) == (["SignIn"], ["ApproveDevice"], [])
    assert reports[4].learned == ("consent",)
    assert DeviceCode.objects.get().state == "pending"
    assert not Run.objects.exists()


def test_denying_names_its_effect(nothing_written: None, user_code: str) -> None:
    """And the device goes on waiting."""
    answers = {"identification": NAME, "password": PASSWORD, "device_code": {"user_code": user_code}, "consent": {"decision": "deny"}}
    reports = walk(answers)
    assert outcome(reports) == ("consent", "denied")
    assert reports[-1].effects[0]["effect"] == "DenyDevice"
    assert DeviceCode.objects.get().state == "pending"


@pytest.mark.parametrize(
    ("answers", "step", "said"),
    [
        ({}, "identification", ""),
        ({"identification": {}}, "identification", "This field is required."),
        ({"identification": NAME}, "password", ""),
        ({"identification": NAME, "password": {"password": "wrong"}}, "password", "That does not match."),
        ({"identification": {"name": "nobody"}, "password": PASSWORD}, "password", "That does not match."),
        ({"identification": {"name": "inactive"}, "password": {"password": "inactive-password-3"}}, "password", "That does not match."),
        ({"identification": NAME, "password": PASSWORD, "device_code": {"user_code": "BCDF-GHJK"}}, "device_code", "No device is waiting"),
    ],
)
def test_every_other_way_ends_by_asking(nothing_written: None, answers: dict[str, Any], step: str, said: str) -> None:
    """Unknown, inactive, wrong, empty, missing: no attempt is counted, no event written."""
    reports = walk(answers)
    assert outcome(reports) == (step, "asks")
    assert said in reports[-1].message


def test_attempts_are_not_counted(nothing_written: None) -> None:
    """A hundred wrong passwords in dry runs leave the door as open as before."""
    for _ in range(10):
        assert outcome(walk({"identification": NAME, "password": {"password": "wrong"}})) == ("password", "asks")
    assert outcome(walk({"identification": NAME, "password": PASSWORD})) == ("device_code", "asks")


def test_a_drawn_refusal_and_what_is_passed_over(nothing_written: None) -> None:
    """Decisions of the planner are reported beside those of the stages."""
    steps = ["identification", {"stage": "deny", "when": 'person.username == "bob"', "settings": {"message": "Not bob."}}, *SHIPPED[1:]]
    assert [(r.step, r.decision) for r in walk({"identification": NAME}, *steps)][1:] == [("deny", "passed over"), ("password", "asks")]
    reports = walk({"identification": {"name": "bob"}}, *steps)
    assert (outcome(reports), reports[-1].message) == (("deny", "denied"), "Not bob.")


def test_a_broken_flow_is_reported(nothing_written: None) -> None:
    """Where the engine would refuse the run."""
    reports = walk({}, "consent")
    assert (reports[-1].decision, reports[-1].message) == ("broken", "Step consent was reached without request, signed_in.")
    assert walk({}, "nonsense")[-1].message == "Step nonsense is of the stage nonsense, which is not installed."


def test_what_is_known_before(nothing_written: None) -> None:
    """As with a living session."""
    alice = Person.objects.get(username="alice").pk
    facts = {
        "person": {"id": alice, "name": "alice"},
        "proof": {"person": alice, "method": "pwd"},
        "signed_in": {"person": alice, "session": None},
    }
    reports = walk({}, setting=Setting(facts=facts))
    assert [(r.step, r.decision) for r in reports] == [*((step, "known before") for step in SHIPPED[:3]), ("device_code", "asks")]


def test_secrets_of_effects_are_left_out(acme: Tenant) -> None:
    """An old hash is upgraded in the report, and neither hash stands there."""
    old = PBKDF2PasswordHasher().encode("alice-password-1", "somesaltsomesaltsomesalt", iterations=1000)
    Person.objects.filter(username="alice").update(password=old)
    reports = walk({"identification": NAME, "password": PASSWORD})
    assert [dict(effect) for effect in reports[1].effects] == [{"effect": "UpgradeHash", "person": Person.objects.get(username="alice").pk}]
    assert "argon2" not in repr(reports)
    assert Person.objects.get(username="alice").password == old


def test_every_way_of_a_third_party_stage(third_party: None, nothing_written: None) -> None:
    """Whoever wrote the stage: its effects are listed, its secrets are not."""
    for way, decision in {"mark": "done", "deny and mark": "denied", "leave": "leaves", "show and mark": "asks", "lose": "done"}.items():
        reports = walk({"probe": {"answer": "x"}}, {"stage": "probe", "settings": {"submit": way}})
        assert outcome(reports) == ("probe", decision)
        assert reports[0].effects[0] == {"effect": "Mark"}
        assert "the secret of the mark" not in repr(reports)
    assert walk({"probe": {"answer": "x"}}, {"stage": "probe", "settings": {"submit": "strange"}})[-1].decision == "broken"
