"""One flow with everything that branches.

It has a second factor by network, two branches, a sub-flow, and a refusal that goes on.
"""

from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path

import pytest
from pytest_django import Settings

from blueprints.files.apply import apply
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.journeys.browser import NewPerson, Person
from tests.journeys.devices import Device
from tests.support.credentials import code, give_totp

DRAWN = """
tenant: acme
networks: [192.0.2.0/24]
---
flow: from-outside
title: From outside
for: part
steps:
  - stage: totp
---
flow: connect-a-device
title: Connect a device
for: device_code
steps:
  - stage: identification
  - stage: password
  - flow: from-outside
    when: '"staff" in person.groups && !request.ip.within(tenant.networks)'
  - stage: login
  - id: where
    stage: choice
    when: '!("staff" in person.groups)'
    settings:
      title: Whose device is it?
      options:
        - {value: own, title: My own}
        - {value: lent, title: One on loan}
  - id: room
    stage: prompt
    when: steps.where.choice == "own"
    settings: {title: Your device, fields: [{name: room, label: Room, required: true}]}
  - group: loan
    when: steps.where.choice == "lent"
    on_refusal: continue
    steps:
      - id: label
        stage: prompt
        settings: {title: The loan, fields: [{name: number, label: Number on the device, required: true}]}
      - id: unknown
        stage: deny
        when: steps.label.number != "7"
      - id: until
        stage: prompt
        settings: {title: How long do you need it?, fields: [{name: day, label: Last day, required: true}]}
  - id: told
    stage: choice
    when: steps.loan.decision == "refused"
    settings:
      title: This loan is not known
      text: You may still connect the device as your own.
      options:
        - {value: on, title: As my own}
        - {value: stop, title: Not at all}
  - stage: deny
    when: steps.told.choice == "stop"
    settings: {message: Bring the device back to the office.}
  - stage: device_code
  - stage: consent
  - stage: finish
"""
OUTSIDE, INSIDE = "203.0.113.9", "192.0.2.10"


@pytest.fixture
def behind_a_proxy(settings: Settings) -> None:
    """Trust X-Forwarded-For of this machine, so that a test may come from anywhere."""
    settings.TRUSTED_PROXIES = (ip_network("127.0.0.0/8"),)


@pytest.fixture
def drawn(behind_a_proxy: None, tenants: dict[str, Tenant], write_blueprint: Callable[..., Path]) -> None:
    """Publish the flow at acme, where alice has an app; the other tenant keeps the flow of the tests."""
    apply([write_blueprint(DRAWN, "drawn.yaml")])
    for tenant in tenants.values():
        with tenant_scope(tenant):
            give_totp()


@pytest.fixture
def come_from(drawn: None, new_person: NewPerson, java_script_enabled: bool) -> NewPerson:
    """Return a function that signs a new person in from this address."""

    def sit_down(forwarded: str, name: str = "alice", host: str = "acme.test") -> Person:
        person = new_person(
            host, java_script_enabled=java_script_enabled, extra_http_headers={"X-Forwarded-For": forwarded}
        )
        person.open()
        return person.sign_in(name)

    return sit_down


def _fill_and_go(person: Person, title: str, label: str, text: str) -> None:
    person.sees(title)
    person.fill(label, text)
    person.press("Continue")


def _pick(person: Person, title: str, option: str) -> None:
    person.sees(title)
    person.page.get_by_label(option).check()
    person.press("Continue")


def _connect(person: Person, device: Device) -> None:
    person.enter_code(device.user_code)
    person.sees("Connect this device?")
    person.press("Approve")
    person.sees("Approved – return to your device")
    assert isinstance(device.poll(), dict)


@pytest.mark.slow
# the questions do not depend on scripts
@pytest.mark.parametrize("java_script_enabled", [False], ids=["no-scripts"])
def test_a_second_factor_for_staff_from_outside_the_office(come_from: NewPerson, device: Device) -> None:
    """It is not asked for inside, of others, or at another tenant.

    What a client writes before the proxy's own value does not count. CVE-2024-47070: junk there skips
    nothing.
    """
    come_from(INSIDE).sees("Connect a device")
    come_from(OUTSIDE, "bob").sees("Whose device is it?")
    come_from(OUTSIDE, host="other.test").sees("Connect a device")
    come_from(f"{INSIDE}, {OUTSIDE}").sees("Enter the code")
    come_from("evil").sees("Enter the code")
    alice = come_from(OUTSIDE)
    _fill_and_go(alice, "Enter the code", "Code", code())
    _connect(alice, device)
    alice.open()
    alice.sees("Connect a device")  # it is known for as long as the session lives


def test_two_branches_and_a_refusal_that_goes_on(
    come_from: NewPerson, new_device: Callable[..., Device]
) -> None:
    """Each branch runs alone, and a refusal leaves its section.

    Later steps say so, and a refusal that ends the run ends it.
    """
    bob, unknown = come_from(OUTSIDE, "bob"), new_device()
    _pick(bob, "Whose device is it?", "My own")
    _fill_and_go(bob, "Your device", "Room", "Kitchen")
    _connect(bob, new_device())
    bob.open()
    _pick(bob, "Whose device is it?", "One on loan")
    _fill_and_go(bob, "The loan", "Number on the device", "7")
    _fill_and_go(bob, "How long do you need it?", "Last day", "Friday")
    _connect(bob, new_device())
    bob.open()
    _pick(bob, "Whose device is it?", "One on loan")
    _fill_and_go(bob, "The loan", "Number on the device", "8")
    bob.reads("You may still connect the device as your own.")
    _pick(bob, "This loan is not known", "Not at all")
    bob.sees("Access denied")
    bob.reads("Bring the device back to the office.")
    assert unknown.poll() == "authorization_pending"
    bob.press("Start again")
    _pick(bob, "Whose device is it?", "One on loan")
    _fill_and_go(bob, "The loan", "Number on the device", "8")
    _pick(bob, "This loan is not known", "As my own")
    _connect(bob, unknown)
