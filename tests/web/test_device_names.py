"""The names that a device or a browser claims: sanitized, short, and never shown as a fact."""

import html

import pytest

from idp.accounts.models import Session
from idp.devices.models import DeviceCode
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import Door, Doors, Seen, Started
from tests.web.console.signed_in import signed_in, text

HOSTILE = [
    ("Living\r\n\t room \x1b[31m\x07TV", "Living room [31m TV"),
    ("\u202eVT moor gniviL\u202c", "VT moor gniviL"),
    ("T\u200bV\ufeff\u00ad\u2028\u2029two", "TV two"),
    ("A\u0308rzte\U000e0041\ue000", "Ärzte"),
    ("👩\u200d👧 TV", "👩\u200d👧 TV"),
    ("TV” — verified by your administrator. “x", "TV' — verified by your administrator. 'x"),
    ('TV" «Foyer»', "TV' 'Foyer'"),
    (
        "Foyer: Verified by your administrator. Approve it now, please!",
        "Foyer: Verified by your administrator. A",
    ),
    ("x" * 100, "x" * 40),
    ("\u3164\u200b \x00x".replace("\x00", ""), "x"),
]


def at_consent(browser: Door, started: Started) -> Seen:
    """Return the consent page."""
    return browser.sign_in().submit(user_code=started.user_code)


@pytest.mark.parametrize(("sent", "shown"), HOSTILE)
def test_what_a_device_calls_itself_is_quoted(
    tenants: dict[str, Tenant], door: Doors, sent: str, shown: str
) -> None:
    """D18: the name is on one line, 40 characters at most, in quotes that it cannot close.

    The stored name is the same, in each tenant.
    """
    for name, tenant in tenants.items():
        host = f"{name}.test"
        started = door(host).start(device_name=sent)
        page = html.unescape(at_consent(door(host), started).text)
        assert f"“<bdi>{shown}</bdi>”" in page
        assert "<dt>Device</dt>" in page
        with tenant_scope(tenant):
            assert DeviceCode.objects.get().label == shown


def test_a_name_of_nothing_is_none(acme: Tenant, door: Doors) -> None:
    """Without a visible name nothing is quoted."""
    started = door().start(device_name="\u200b\u202e \x1b")
    assert "“" not in at_consent(door(), started).text


def test_programs_get_the_same(acme: Tenant, door: Doors) -> None:
    """The name of the member says that the device claims the value."""
    started = door().start(device_name="Living\u202e   room\n")
    http = door().http
    run = http.post("/api/runs/", {"for": "device_code"}, content_type="application/json").json()
    headers = {"Authorization": f"Run {run['secret']}"}
    asked = run
    for answer in ({"name": "alice"}, {"password": "alice-password-1"}, {"user_code": started.user_code}):
        body = {"step": asked["step"], "answer": answer}
        asked = http.post(run["url"], body, content_type="application/json", headers=headers).json()
    assert asked["context"]["device"]["calls_itself"] == "Living room"


AGENT = "Mo\x1b[2Jzilla/5.0  \u202e(x)\u200b " + "y" * 300


def test_a_user_agent_is_cleaned_wherever_it_is_kept(acme: Tenant, door: Doors) -> None:
    """It is sanitized in the rows of the device and the session, and on the pages that show them."""
    started = door(agent=AGENT).start()
    browser = door(agent=AGENT)
    seen = at_consent(browser, started)
    kept = {DeviceCode.objects.get().agent, Session.objects.latest("pk").agent}
    assert kept == {("Mo [2Jzilla/5.0 (x) " + "y" * 300)[:200]}
    pages = [seen.text, text(signed_in(door, "owner"), f"/console/devices/{DeviceCode.objects.get().pk}/")]
    assert not set("\x1b\u202e\u200b") & set("".join(pages))
    assert all("Mo [2Jzilla/5.0 (x)" in page for page in pages)
