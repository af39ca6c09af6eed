"""A program that renders no HTML completes every shipped flow."""

import pytest
import time_machine

from idp.accounts.credentials import kinds_of
from idp.accounts.models import Person, Session
from idp.tenancy.models import Tenant
from tests.journeys.shipped import ship
from tests.support.client import Doors
from tests.support.credentials import code, give_codes, give_totp
from tests.support.flows import device_state
from tests.web.test_runs_api import Program

ALICE = ({"name": "alice"}, {"password": "alice-password-1"})


@pytest.fixture
def shipped(acme: Tenant) -> Tenant:
    """Acme with the flows of every installation."""
    ship()
    return acme


def steps(program: Program, *answers: dict[str, str]) -> list[str]:
    """Submit these answers, and return the step at which each was asked for and the result."""
    seen = [program.now.get("step", program.now["kind"])]
    for fields in answers:
        now = program.answer(**fields)
        assert not now.get("errors"), now
        seen.append(now.get("step", now["kind"]))
    return seen


def test_signing_in_with_two_factors(shipped: Tenant, door: Doors) -> None:
    """The program submits name, password, method and code; the end returns nothing and ends the session."""
    give_totp()
    codes = give_codes()
    program = Program(door(), "authentication")
    way = steps(program, *ALICE, {"choice": "totp"}, {"code": code()})
    assert way == ["identification", "password", "second-factor.how", "second-factor.totp", "finished"]
    way = steps(Program(door(), "authentication"), *ALICE, {"choice": "recovery_code"}, {"code": codes[0]})
    assert way[-2:] == ["second-factor.recovery_code", "finished"]
    assert not Session.objects.filter(ended_at=None).exists()


def test_connecting_a_device(shipped: Tenant, door: Doors) -> None:
    """The program completes the flow down to the approval."""
    give_totp("bob")
    device = door()
    started = device.start()
    program = Program(door())
    answers = (
        {"name": "bob"},
        {"password": "bob-password-22"},
        {"code": code()},
        {"user_code": started.user_code},
        {"decision": "approve"},
    )
    assert steps(program, *answers)[-3:] == ["device_code", "consent", "finish"]
    assert device_state(started) == "approved"
    assert device.poll(started).status_code == 200


def test_setting_up_credentials(shipped: Tenant, door: Doors, clock: time_machine.Traveller) -> None:
    """An authenticator app shows its secret once; recovery codes are stored on the program's confirmation."""
    alice = Person.objects.get(username="alice")
    program = Program(door(), "credential_setup")
    assert steps(program, *ALICE, {"choice": "totp"})[-1] == "totp_setup"
    secret = program.now["context"]["secret"].replace(" ", "")
    assert steps(program, {"code": code(secret=secret)})[-1] == "finished"
    assert kinds_of(alice.pk) == ["password", "totp"]
    clock.shift(60)
    program = Program(door(), "credential_setup")
    assert (
        steps(program, *ALICE, {"code": code(secret=secret)}, {"choice": "recovery_code"})[-1]
        == "recovery_code_setup"
    )
    assert len(program.now["context"]["codes"]) == 10
    assert kinds_of(alice.pk) == ["password", "totp"], "not before the program confirms them"
    assert steps(program, {"saved": "yes"})[-1] == "finished"
    assert "recovery_code" in kinds_of(alice.pk)


def test_signing_out(shipped: Tenant, door: Doors) -> None:
    """A run of the API has no person's session, so signing out ends nothing and is no error."""
    door().sign_in()
    assert steps(Program(door(), "logout")) == ["finished"]
    assert Session.objects.filter(ended_at=None).count() == 1
