"""The shipped blueprint makes a tenant complete.

Every way in has a live flow, and each can be run from its first page to its last.
"""

from pathlib import Path

import pytest
import time_machine
from django.conf import settings as configuration
from django.core.management import call_command

from blueprints.files.apply import apply
from blueprints.files.plan import make_plan
from flows.documents.designations import DESIGNATIONS
from flows.documents.versions import live_names, live_version
from tests.blueprints.examples import PEOPLE, SHIPPED, add, at, give_passwords, kind_of, run_flow, token_error
from tests.support.client import Door
from tests.support.credentials import code, codes_on, give_totp, kinds, secret_on

TENANT, DEMO = SHIPPED / "default" / "10-tenant.yaml", SHIPPED / "default" / "20-demo.yaml"
LATER = {"authorization", "enrollment", "recovery"}
CUSTOMERS = {"default": "localhost", "acme": "login.acme.example"}
Clock = time_machine.Traveller
pytestmark = pytest.mark.usefixtures("db", "clock")


@pytest.fixture
def shipped(tmp_path: Path) -> None:
    """Create the default tenant as the first start does, and acme from the same file.

    Both have alice and bob.
    """
    apply([TENANT, DEMO])
    apply([TENANT], name="acme", variables={"tenant": "acme"})
    demo = "---\napplication: demo-device\nclient_id: demo-device\ngrants: [device_code]\nscopes: [openid]\n"
    add(
        f"tenant: default\n{PEOPLE}---\ntenant: acme\ndomains: [login.acme.example]\n{PEOPLE}{demo}", tmp_path
    )
    give_passwords()


@pytest.mark.parametrize("tenant", CUSTOMERS)
def test_every_designation_that_ships_has_a_live_flow(shipped: None, tenant: str) -> None:
    """The other purposes have no stages yet, and every flow of a tenant has a purpose."""
    with at(tenant):
        assert {name for name in DESIGNATIONS if live_version(name)} == set(DESIGNATIONS) - LATER - {"part"}
        assert live_names("part") == ["second-factor"]


def test_the_same_again_changes_nothing(shipped: None) -> None:
    """It changes nothing for the default tenant or for the one by variables."""
    assert make_plan([TENANT, DEMO]).effective == []
    assert make_plan([TENANT], name="acme", variables={"tenant": "acme"}).effective == []


@pytest.mark.parametrize("host", CUSTOMERS.values())
def test_signing_in_and_out(shipped: None, host: str) -> None:
    """The right password signs in, and a wrong one does not.

    A browser at another tenant is not signed in by it.
    """
    browser = Door(host)
    assert (
        kind_of(browser.page("/sign-in").submit(name="alice").submit(password="bob-password-22"))
        == "password"
    )
    run_flow(browser, path="/sign-in")
    assert "Signed in as" in browser.page("/").text
    assert (
        "You're not signed in."
        in Door(*(other for other in CUSTOMERS.values() if other != host)).page("/").text
    )
    page = browser.page("/sign-out")
    assert page.title == "Sign out?"
    page.submit()
    assert "You're not signed in." in browser.page("/").text


@pytest.mark.parametrize("host", CUSTOMERS.values())
def test_connecting_a_device(shipped: None, host: str) -> None:
    """A device is approved and refused."""
    device, browser = Door(host), Door(host)
    first, second = (device.start("demo-device", "openid") for _ in range(2))
    run_flow(browser, first, consent={"decision": "approve"})
    run_flow(browser, second, consent={"decision": "deny"})
    assert (token_error(device, first), token_error(device, second)) == ("", "access_denied")


@pytest.mark.parametrize("host", CUSTOMERS.values())
def test_setting_up_how_one_signs_in(shipped: None, clock: Clock, host: str) -> None:
    """A person sets up an app, then recovery codes.

    From then on every way in asks for one of them, as the person chooses.
    """
    browser = Door(host)
    page = run_flow(browser, path="/credentials", what={"choice": "totp"})
    secret = secret_on(page)
    page.submit(code=code(0, secret))
    clock.shift(30)
    page = run_flow(
        browser, path="/credentials", totp={"code": code(0, secret)}, what={"choice": "recovery_code"}
    )
    codes = codes_on(page)
    page.submit(saved="yes")
    assert (len(codes), set(kinds())) == (10, {"recovery_code", "totp"})
    clock.shift(60)
    for path in ("/device", "/sign-in", "/credentials"):
        page = run_flow(Door(host), path=path)
        assert page.title == "Confirm it's you"
        assert kind_of(page.submit(choice="totp")) == "totp"
    assert (
        kind_of(run_flow(Door(host), how={"choice": "totp"}, totp={"code": code(0, secret)})) == "device_code"
    )
    assert (
        kind_of(run_flow(Door(host), how={"choice": "recovery_code"}, recovery_code={"code": codes[0]}))
        == "device_code"
    )
    assert kind_of(run_flow(Door(host), name="bob")) == "device_code"


def test_a_password_alone_changes_no_second_factor(shipped: None) -> None:
    """A person who has one uses it before another can replace it."""
    with at("acme"):
        give_totp()
    page = run_flow(Door("login.acme.example"), path="/credentials", what={"choice": "totp"})
    assert kind_of(page) == "totp"
    assert kind_of(page.submit(code="000000")) == "totp"


def test_the_command_makes_another_tenant_complete(db: None, capsys: pytest.CaptureFixture[str]) -> None:
    """It works as the file's own first lines say, and the default tenant is not touched."""
    path = str(TENANT.relative_to(configuration.BASE_DIR))
    call_command("blueprint", "apply", str(TENANT), "--name", "acme", "--var", "tenant=acme")
    assert f"blueprint apply {path} --name acme --var tenant=acme\n" in TENANT.read_text()
    with at("acme") as tenant:
        assert (tenant.title, live_names("authentication")) == ("acme", ["sign-in"])
