"""A device asks, a person signs in, compares the code and approves, and the tokens hold."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.journeys.browser import NewPerson
from tests.journeys.devices import Device, verified

pytestmark = pytest.mark.both_modes


@pytest.mark.parametrize(
    ("host", "library", "link", "title"),
    [
        ("acme.test", "requests-oauth2client", "complete_link", "Acme"),
        ("other.test", "oauthlib", "link", "Other"),
    ],
    ids=["complete-link", "plain-link"],
)
def test_a_device_is_connected(
    host: str,
    library: str,
    link: str,
    title: str,
    new_person: NewPerson,
    new_device: Callable[..., Device],
    java_script_enabled: bool,
) -> None:
    """D5, D9, D10, D17, D18, D21, D22, D39, J1, J3, O7, O8, O13: a code leads to verified tokens.

    Independent client libraries drive the device.
    """
    device = new_device(host, library, nonce="n-0S6_WzA2Mj", device_name="Living room")
    assert device.poll() == "authorization_pending"
    person = new_person(host, java_script_enabled=java_script_enabled)
    person.open(getattr(device, link))
    person.sign_in()
    person.sees("Connect a device")
    if link == "complete_link":
        assert person.value("Code on your device") == device.user_code
        person.press("Continue")
    else:
        assert person.value("Code on your device") == ""
        person.enter_code(" " + device.user_code.lower().replace("-", "  "))
    person.sees("Connect this device?")
    agent = device.http.headers["User-Agent"]
    person.reads(
        f"{title} TV", device.user_code, "Living room", agent, "127.0.0.1", "the same network as you"
    )
    # a fast person gets here at once
    expect(person.page.locator("body")).to_contain_text(re.compile(r"just now|\d+ seconds? ago"))
    person.reads(
        "Only continue if you can see this code on a device in front of you.", "See your name and username"
    )
    person.press("Approve")
    person.sees("Approved – return to your device")
    tokens = device.poll()
    assert isinstance(tokens, dict), tokens
    person.sees("Connected")  # by itself
    person.reads(f"{title} TV is ready", "You can close this page.")
    expect(person.page).to_have_title(f"Connected · {title}")

    issuer = device.provider["issuer"]
    claims = verified(device, tokens["id_token"], typ="JWT", audience="tv", nonce="n-0S6_WzA2Mj")
    access = verified(
        device, tokens["access_token"], typ="at+jwt", audience=issuer, client_id="tv", sub=claims["sub"]
    )
    assert set(access["scope"].split()) == {"openid", "profile", "email", "offline_access"}
    userinfo = device.http.get(
        device.provider["userinfo_endpoint"], headers={"Authorization": f"Bearer {tokens['access_token']}"}
    ).json()
    assert userinfo["sub"] == claims["sub"]
    assert userinfo["email"] == f"alice@{title.lower()}.test"
    again = device.refresh(tokens["refresh_token"])
    assert again["refresh_token"] != tokens["refresh_token"]
    assert verified(device, again["access_token"], typ="at+jwt", audience=issuer)["sub"] == claims["sub"]
