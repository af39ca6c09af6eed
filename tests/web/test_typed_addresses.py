"""Addresses that people type from the screen of a device, or send to another browser."""

from collections.abc import Callable

import pytest

from flows.documents.designations import DESIGNATIONS
from idp.tenancy.models import Tenant
from tests.support.client import Doors

ENTRIES = [each.address for each in DESIGNATIONS.values() if each.address]


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("change", [str.title, str.upper, str.lower])
@pytest.mark.parametrize("slash", ["", "/"])
def test_capitals_and_a_slash_lead_on(
    door: Doors, entry: str, change: Callable[[str], str], slash: str
) -> None:
    """D7: other spellings redirect by a 303 to the one address with the query, on each tenant's host."""
    typed = f"/{change(entry)}{slash}"
    if typed == f"/{entry}":
        return
    for host in ("acme.test", "other.test"):
        for query in ("", "?user_code=BCDF-GHJK&next=%2Fx%3Fa%3D%C3%A9&switch", "?%00&//evil.example"):
            found = door(host).get(typed + query)
            assert (found.status_code, found["Location"], found.cookies) == (303, f"/{entry}{query}", {})
        assert door(host).http.head(typed).status_code == 303
        assert door(host).post(typed, {"user_code": "x"}).status_code in (403, 405)


@pytest.mark.parametrize(
    "path", ["/device//", "/devices", "/device/x", "/device%0a", "/%20device", "/ſign-in"]
)
def test_other_addresses_stay_unknown(door: Doors, path: str) -> None:
    """Other addresses are not guessed."""
    assert door().get(path).status_code == 404


def test_the_code_comes_along(door: Doors, acme: Tenant) -> None:
    """D5: a complete link with a mistyped slash still fills in the code."""
    started = door().start()
    seen = (
        door()
        .page(f"/Device/?user_code={started.user_code}")
        .submit(name="alice")
        .submit(password="alice-password-1")
    )
    assert (seen.step, started.user_code in seen.text) == ("device_code", True)


def test_the_address_of_a_run_in_another_browser_leads_on(door: Doors, acme: Tenant) -> None:
    """The address of a run in another browser offers a new start and shows no code.

    A person who has the address does not necessarily have the device.
    """
    started = door().start()
    mine = door().page(f"/device?user_code={started.user_code}")
    for host in ("acme.test", "other.test"):
        other = door(host).page(mine.path)
        assert (other.status, 'href="/device"' in other.text) == (404, True)
        assert started.user_code not in other.text
    assert mine.submit(name="alice").submit(password="alice-password-1").step == "device_code"
