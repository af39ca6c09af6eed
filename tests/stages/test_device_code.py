"""device_code: reads a code as people type it, and says the same of every code that is not waiting."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine

from idp.devices.models import DeviceCode
from idp.tenancy.models import Tenant
from tests.support.client import Doors
from tests.support.flows import device_state, draw, row_of

WRONG = "valid or has expired. Check it, or get a new one"


@pytest.mark.parametrize(
    "way",
    [
        str,
        str.lower,
        lambda c: c.replace("-", ""),
        lambda c: c.replace("-", " "),
        lambda c: f" {c[:2]}.{c[2:]}_ ",
    ],
)
def test_a_code_is_read_in_any_spelling(door: Doors, way: Callable[[str], str]) -> None:
    """D22: case, dashes, spaces and punctuation do not matter."""
    browser = door()
    started = browser.start()
    assert browser.sign_in().submit(user_code=way(started.user_code)).step == "consent"


def test_wrong_expired_used_and_foreign_codes_look_alike(
    acme: Tenant, door: Doors, clock: time_machine.Traveller
) -> None:
    """D34: there is one message for every reason."""
    browser = door()
    expired = browser.start()
    clock.shift(timedelta(minutes=10))
    used, foreign = browser.start(), door("other.test").start()
    browser.approve(used)
    seen = browser.page()
    for code in (expired.user_code, used.user_code, foreign.user_code, "BCDF-GHJK", "AEIOU"):
        shown = seen.submit(user_code=code)
        assert (shown.step, shown.status) == ("device_code", 200)
        assert WRONG in shown.text
        assert "request" not in row_of(shown).state["facts"]
        seen = browser.page()


def test_a_complete_link_fills_in_and_submits_nothing(door: Doors) -> None:
    """D10, D30: the code is in the field, the device waits, and junk in the link is only text."""
    browser = door()
    started = browser.start()
    browser.sign_in()
    seen = browser.page(f"/device?user_code={started.user_code}")
    assert f'value="{started.user_code}"' in seen.text
    assert (seen.step, device_state(started)) == ("device_code", "pending")
    hostile = browser.page('/device?user_code="><script>alert(1)</script>')
    assert "<script>alert" not in hostile.text


def test_the_code_is_kept_sealed(acme: Tenant, door: Doors) -> None:
    """The run's row holds what consent must show, encrypted; the hint of the link too."""
    browser = door()
    started = browser.start()
    browser.sign_in()
    seen = browser.page(f"/device?user_code={started.user_code}").submit(user_code=started.user_code)
    stored = str(row_of(seen).state)
    assert started.user_code not in stored
    assert started.user_code.replace("-", "") not in stored
    assert started.user_code in seen.text


def test_the_settings_say_how_many_tries(acme: Tenant, door: Doors) -> None:
    """D34: for the person, over the lifetime of a code; the right code is refused while throttled."""
    draw(
        "identification",
        "password",
        "login",
        {"stage": "device_code", "settings": {"tries": 2}},
        "consent",
        "finish",
    )
    browser = door()
    started = browser.start()
    seen = browser.sign_in()
    statuses = [seen.submit(user_code=code).status for code in ("BCDF-GHJK", "BCDF-GHJL", started.user_code)]
    assert statuses == [200, 200, 429]
    assert DeviceCode.objects.get().state == "pending"
