"""Starting a run again as JSON; ``tests/web/test_runs_api.py`` tests the rest of a run."""

import pytest

from idp.accounts.models import Session
from idp.tenancy.models import Tenant
from tests.support.client import Doors
from tests.support.flows import device_state
from tests.web.test_runs_api import Program

pytestmark = pytest.mark.both_modes


def restarted(program: Program, keep: object) -> Program:
    """Return the same program at the new run."""
    headers = {"Authorization": f"Run {program.secret}"}
    program.begun = program.door.http.post(
        f"{program.url}restart", {"keep": keep}, content_type="application/json", headers=headers
    )
    if program.begun.status_code == 201:
        program.now = program.begun.json()
        program.url = program.now["url"]
    return program


def living() -> int:
    """Return how many sessions there are."""
    return Session.objects.filter(ended_at=None).count()


def test_with_what_was_learned(acme: Tenant, door: Doors) -> None:
    """The password is not asked for again, but consent is; the secret stays, and is not returned again."""
    device = door()
    started = device.start()
    program = Program(door()).to_consent(started)
    first = program.url
    restarted(program, keep=True)
    assert (program.begun.status_code, program.now["step"]) == (201, "device_code")
    assert program.url != first
    assert "secret" not in program.now
    assert living() == 1
    assert program.answer(user_code=started.user_code)["step"] == "consent"
    assert device_state(started) == "pending"
    assert program.answer(decision="approve")["kind"] == "last"
    assert device.poll(started).status_code == 200
    assert living() == 0


def test_the_run_that_was_left_is_over(acme: Tenant, door: Doors) -> None:
    """The previous run accepts no answer, and reading it does not end the session that it handed over."""
    started = door().start()
    program = Program(door()).to_consent(started)
    left = program.url
    restarted(program, keep=True)
    new, program.url = program.url, left
    assert program.look().json()["kind"] == "lost"
    assert program.answer(step="consent", decision="approve")["kind"] == "lost"
    program.url = new
    assert (program.look().json()["step"], living(), device_state(started)) == ("device_code", 1, "pending")


def test_as_a_new_visitor(acme: Tenant, door: Doors) -> None:
    """The new run knows nothing, and the session ends because it would be unreachable."""
    program = Program(door())
    program.answer(name="alice")
    program.answer(password="alice-password-1")
    assert living() == 1
    restarted(program, keep=False)
    assert (program.begun.status_code, program.now["step"], living()) == (201, "identification", 0)
    assert "person" not in program.now


def test_a_run_that_has_ended_starts_with_nothing(acme: Tenant, door: Doors) -> None:
    """The session ended with its run, so the new run starts with a sign-in."""
    started = door().start()
    program = Program(door()).to_consent(started)
    assert program.answer(decision="deny")["kind"] == "denied"
    assert restarted(program, keep=True).now["step"] in ("identification", "password")
    assert living() == 0
    assert device_state(started) == "denied"


@pytest.mark.parametrize("keep", [None, 1, "true", [], {}])
def test_keep_is_said_plainly(door: Doors, keep: object) -> None:
    """An invalid ``keep`` is a 400, and the run stays where it was."""
    program = Program(door())
    assert restarted(program, keep).begun.json()["error_description"].startswith("keep: ")
    assert program.begun.status_code == 400
    assert program.look().json()["step"] == "identification"


def test_only_with_the_runs_own_secret(door: Doors) -> None:
    """Another run's secret or another tenant's is a 404, and no secret is a 401; the run goes on."""
    program, foreign = Program(door()), Program(door("other.test"))
    mine = program.secret
    program.secret = foreign.secret
    assert restarted(program, keep=True).begun.status_code == 404
    program.secret = " "
    assert restarted(program, keep=True).begun.status_code == 401
    program.secret, program.door.http.defaults["HTTP_HOST"] = mine, "other.test"
    assert restarted(program, keep=False).begun.status_code == 404
    program.door.http.defaults["HTTP_HOST"] = "acme.test"
    assert program.look().json()["step"] == "identification"
