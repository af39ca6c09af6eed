"""Guessing codes and passwords on the pages: who has to wait, and what they see.

No one learns anything.
"""

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from http.cookies import Morsel
from typing import Any

import httpx
import pytest
import time_machine
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from blueprints.files.apply import apply
from idp.accounts.credentials import store_password
from idp.accounts.known_browsers import KnownBrowser
from idp.accounts.models import Person
from idp.accounts.people import save_person
from idp.accounts.throttling import password_budgets
from idp.devices.models import DeviceCode, DeviceState
from idp.devices.throttling import entry_budgets
from idp.events.models import Event
from idp.ratelimit import budgets
from idp.ratelimit.budgets import Budget, charge, network_spends
from idp.tenancy.models import Tenant
from tests.support.applications import save_application
from tests.support.client import _HIDDEN, Door, Doors, LiveServer, Seen, Write
from tests.web.test_device import CODE_FIRST

WRONG = "ZZZZ-ZZZZ"
REFUSED = "valid or has expired. Check it, or get a new one"
PASSWORD = "alice-password-1"
NO_MATCH = "Incorrect username or password."


def wrong_codes(seen: Seen, times: int = 5) -> Any:
    """Enter a wrong code this often; each must be looked up and refused."""
    for _ in range(times):
        seen = seen.submit(user_code=WRONG)
        assert (seen.status, REFUSED in seen.text) == (200, True), seen.text
    return seen


# --- codes --------------------------------------------------------------------------------------------------


def test_five_wrong_codes_per_account(door: Doors, acme: Tenant, clock: time_machine.Traveller) -> None:
    """D34: after five wrong codes the account waits for the lifetime of a code, in every browser.

    The right code is refused too, and the page says until when.
    """
    started = door().start()
    wrong_codes(door().sign_in())
    for browser in (door(), door(address="192.0.2.77")):
        throttled = browser.sign_in().submit(user_code=started.user_code)
        assert throttled.status == 429
        assert 599 <= int(throttled.response["Retry-After"]) <= 601
        assert ">Too many attempts. Try again in 10 minutes.</time>" in throttled.text
        shown = re.search(
            r'<time datetime="([^"]+)" data-local="time" title="(\d\d:\d\d) UTC">', throttled.text
        )
        assert shown
        moment = datetime.fromisoformat(shown[1])
        assert (moment.strftime("%H:%M"), moment.second) == (shown[2], 0)
        assert 0 <= (moment - timezone.now()).total_seconds() - 600 <= 61, "never too early"
        assert REFUSED not in throttled.text
    assert DeviceCode.objects.get().state == DeviceState.PENDING
    assert Event.objects.filter(kind="flow.step_failed", actor="alice").count() == 5
    assert Event.objects.filter(kind="flow.throttled", actor="alice").count() == 2
    door().approve(started, name="bob", password="bob-password-22")


def test_waiting_ends_with_the_window(door: Doors, acme: Tenant, clock: time_machine.Traveller) -> None:
    """D34: the window is the longest lifetime of a code in the tenant; after it everything is as before."""
    save_application("kiosk", by="test", device_code_lifetime=1800)
    person = door()
    wrong_codes(person.sign_in())
    clock.shift(1799)
    assert person.page().submit(user_code=WRONG).status == 429
    clock.shift(1)
    started = door().start()
    assert person.page().submit(user_code=started.user_code).step == "consent"


def test_a_right_code_costs_nothing_and_forgives_nothing(
    door: Doors, acme: Tenant, clock: time_machine.Traveller
) -> None:
    """D34: right codes cost nothing, and four wrong codes before and one after are still five.

    A person may connect ten televisions.
    """
    device, person = door(), door()
    person.sign_in()
    wrong_codes(person.page(), 4)
    for _ in range(10):
        person.approve(device.start())
    seen = wrong_codes(person.page(), 1)
    assert seen.submit(user_code=device.start().user_code).status == 429


def test_one_message_for_wrong_expired_and_used(
    door: Doors, acme: Tenant, clock: time_machine.Traveller
) -> None:
    """D34: the message does not reveal whether a code ever existed, and each attempt counts."""
    device = door()
    used, expired = device.start(), None
    door().approve(used)
    clock.shift(1)
    expired = device.start()
    clock.shift(600)
    denied = device.start()
    door().sign_in("bob", "bob-password-22").submit(user_code=denied.user_code).submit(decision="deny")
    seen, pages = door().sign_in(), []
    for code in (WRONG, used.user_code, expired.user_code, denied.user_code, "----"):
        seen = seen.submit(user_code=code)
        pages.append((seen.status, _without(seen, code)))
    assert all(REFUSED in text for _, text in pages)
    assert len(set(pages)) == 1
    assert seen.submit(user_code=WRONG).status == 429


def test_thirty_wrong_codes_per_address(door: Doors, acme: Tenant, clock: time_machine.Traveller) -> None:
    """D34: an address is blocked after thirty wrong codes for any number of accounts.

    Another address is not affected.
    """
    for person in range(1000, 1030):
        charge(entry_budgets(person=person, browser="", address="192.0.2.5"))
    started = door().start()
    assert door(address="192.0.2.5").sign_in().submit(user_code=started.user_code).status == 429
    assert door(address="192.0.2.6").sign_in().submit(user_code=started.user_code).step == "consent"


@pytest.fixture
def code_first(tenants: dict[str, Tenant], write_blueprint: Write) -> None:
    """Let acme's flow ask for the code before the sign-in."""
    apply([write_blueprint(CODE_FIRST)])


def test_before_the_sign_in_five_per_browser(
    door: Doors, acme: Tenant, clock: time_machine.Traveller, code_first: Any
) -> None:
    """D34: one browser is blocked after five wrong codes over all runs; another one is not."""
    started, browser = door().start(), door()
    wrong_codes(browser.page(), 3)
    seen = wrong_codes(browser.page(), 2)
    throttled = seen.submit(user_code=started.user_code)
    assert (throttled.status, "Too many attempts." in throttled.text) == (429, True)
    assert browser.page().submit(user_code=started.user_code).status == 429
    assert door().page().submit(user_code=started.user_code).step == "identification"


@pytest.mark.slow
def test_before_the_sign_in_thirty_per_address(
    door: Doors, acme: Tenant, clock: time_machine.Traveller, code_first: Any
) -> None:
    """D34: without cookies the limit is thirty per address, and per /64 for IPv6."""
    started = door().start()
    for host in range(30):
        wrong_codes(door(address=f"2001:db8:1:1::{host:x}").page(), 1)
    assert door(address="2001:db8:1:1::ffff").page().submit(user_code=started.user_code).status == 429
    assert door(address="2001:db8:1:2::1").page().submit(user_code=started.user_code).step == "identification"


def test_budget_of_another_tenant(door: Doors, acme: Tenant, clock: time_machine.Traveller) -> None:
    """D34: the same person's name and address have a separate budget at another tenant."""
    wrong_codes(door().sign_in())
    started = door("other.test").start()
    assert door("other.test").sign_in().submit(user_code=started.user_code).step == "consent"


@pytest.mark.slow
def test_breaker(door: Doors, acme: Tenant, clock: time_machine.Traveller) -> None:
    """D34: after 200 wrong codes in a tenant new codes have twelve letters, and there is one event.

    Old and new codes work for everyone.
    """
    device = door()
    short = device.start()
    for n in range(200):
        charge(entry_budgets(person=None, browser=f"b{n}", address=f"10.0.{n}.1"))
    longer = [device.start() for _ in range(3)]
    assert {len(started.user_code) for started in longer} == {len("XXXX-XXXX-XXXX")}
    assert Event.objects.filter(kind="device.codes_lengthened").count() == 1
    person = door()
    person.approve(short)
    person.approve(longer[0])
    assert len(door("other.test").start().user_code) == len("XXXX-XXXX")
    clock.shift(601)
    assert len(device.start().user_code) == len("XXXX-XXXX")


@pytest.mark.slow
def test_fifty_parallel_wrong_codes_over_fifty_runs(live: LiveServer, door: Doors, acme: Tenant) -> None:
    """D34: with a budget of five at most five codes are looked up, however many arrive at once."""
    pattern, here = _HIDDEN, f"http://127.0.0.1:{live.port}"
    limits = httpx.Limits(max_connections=50)
    with httpx.Client(
        base_url=here, headers={"Host": "acme.test"}, follow_redirects=True, timeout=60, limits=limits
    ) as browser:
        page = browser.get("/device")
        for answer in ({"name": "alice"}, {"password": PASSWORD}):
            page = browser.post(page.url.path, data={**dict(pattern.findall(page.text)), **answer})
        runs = [page, *(browser.get("/device") for _ in range(49))]
        barrier = threading.Barrier(50)

        def guess(seen: httpx.Response) -> httpx.Response:
            form = {**dict(pattern.findall(seen.text)), "user_code": WRONG}
            barrier.wait()
            return browser.post(seen.url.path, data=form)

        with ThreadPoolExecutor(50) as pool:
            answers = list(pool.map(guess, runs))
    assert len({seen.url.path for seen in runs}) == 50
    looked_up = [answer for answer in answers if REFUSED in answer.text]
    assert len(looked_up) == 5
    assert [answer.status_code for answer in answers if answer not in looked_up] == [429] * 45
    assert Event.objects.filter(kind="flow.step_failed", target="device_code").count() == 5
    assert Event.objects.filter(kind="flow.throttled", target="device_code").exists()


def test_api_runs_are_throttled_too(door: Doors, acme: Tenant, clock: time_machine.Traveller) -> None:
    """D34: the JSON API has the same budgets, and says until when."""
    browser = door()
    begun = browser.http.post("/api/runs/", {"for": "device_code"}, content_type="application/json").json()
    wrong_codes(door().sign_in())

    def answer(step: str, **fields: Any) -> Any:
        return browser.http.post(
            begun["url"],
            {"step": step, "answer": fields},
            content_type="application/json",
            HTTP_AUTHORIZATION=f"Run {begun['secret']}",
        )

    answer("identification", name="alice")
    answer("password", password=PASSWORD)
    throttled = answer("device_code", user_code=WRONG)
    assert throttled.status_code == 429
    assert 599 <= int(throttled["Retry-After"]) <= 601
    assert throttled.json()["retry_at"]


def test_runs_per_address(door: Doors, acme: Tenant, settings: Any, clock: time_machine.Traveller) -> None:
    """D35: the answered sign-ins under way from one network are limited.

    Other networks are not affected, and the limit ends with time.
    """
    settings.RUNS_PER_ADDRESS = 3
    for n in range(3):
        assert door(address=f"2001:db8::{n}").page().submit(name="alice").status == 200
    refused = door(address="2001:db8::9").page()
    assert (refused.status, refused.title) == (429, "Too many sign-ins")
    assert int(refused.response["Retry-After"]) > 0
    api = door(address="2001:db8::9").http.post(
        "/api/runs/", {"for": "device_code"}, content_type="application/json"
    )
    assert (api.status_code, api.json()["error"]) == (429, "too_many_runs")
    assert door(address="2001:db8:0:1::1").page().status == 200
    clock.shift(settings.RUN_LIFETIME)
    assert door(address="2001:db8::9").page().status == 200


# --- passwords ----------------------------------------------------------------------------------------------


def _without(seen: Seen, *typed: Any) -> Any:
    """Return the page's text without its tokens, nonces, run and typed values."""
    text = re.sub(r'(nonce|name="token" value|action)="[^"]*"', "", seen.text)
    for word in typed:
        text = text.replace(word, "…")
    return text


def tried(browser: Door, name: str, password: str) -> Any:
    """Submit name and password in a new run."""
    return browser.page("/device?switch").submit(name=name).submit(password=password)


def test_unknown_wrong_and_inactive_look_alike(door: Doors, acme: Tenant) -> None:
    """Pages, status and texts are the same for every name and password that is refused.

    The cases are an unknown name, a wrong password and an inactive person's right one.
    """
    attempts = {
        "alice": "wrong",
        "nobody": "wrong",
        "inactive": "inactive-password-3",
        "nobody@acme.test": PASSWORD,
    }
    pages = [tried(door(), name, password) for name, password in attempts.items()]
    assert all(NO_MATCH in page.text for page in pages)
    assert {page.status for page in pages} == {200}
    assert len({_without(page, name) for page, name in zip(pages, attempts, strict=True)}) == 1
    first = [door().page().submit(name=name) for name in attempts]
    assert len({_without(page, name) for page, name in zip(first, attempts, strict=True)}) == 1


def test_each_attempt_costs_one_hash(door: Doors, acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    """The response time reveals nothing, because every attempt costs one Argon2 hash.

    The cases are an unknown person, an inactive one, one without a password, and a wrong password.
    """
    save_person("without", by="test")
    tried(door(), "nobody", "warms up")
    hashed = list[str]()
    verify, encode = Argon2PasswordHasher.verify, Argon2PasswordHasher.encode

    def verifying(self: Argon2PasswordHasher, *given: str) -> bool:
        hashed.append("verify")
        return verify(self, *given)

    def encoding(self: Argon2PasswordHasher, *given: str) -> str:
        hashed.append("encode")
        return encode(self, *given)

    monkeypatch.setattr(Argon2PasswordHasher, "verify", verifying)
    monkeypatch.setattr(Argon2PasswordHasher, "encode", encoding)
    for name in ("alice", "nobody", "inactive", "without"):
        hashed.clear()
        assert NO_MATCH in tried(door(), name, "wrong").text
        assert hashed == ["verify"], name


def test_inactive_and_other_tenants_people_cannot_sign_in(door: Doors, acme: Tenant) -> None:
    """CVE-2025-53942: an inactive person cannot sign in, nor a person of this tenant at another one."""
    save_person("only-here", by="test", password=Person.objects.get(username="alice").password)
    assert tried(door(), "only-here", PASSWORD).step == "device_code"
    assert NO_MATCH in tried(door("other.test"), "only-here", PASSWORD).text
    assert NO_MATCH in tried(door(), "inactive", "inactive-password-3").text


@pytest.mark.parametrize(
    "name",
    [
        "alice",
        pytest.param("nobody", marks=pytest.mark.slow),
        pytest.param("inactive", marks=pytest.mark.slow),
    ],
)
def test_exponential_back_off(door: Doors, acme: Tenant, clock: time_machine.Traveller, name: str) -> None:
    """D34: after four free attempts the delay is 1, 2, 4, 8 … seconds, sent as Retry-After.

    Names that do not exist have the same delay.
    """
    browser, waits = door(), []
    for _ in range(4):
        assert tried(browser, name, "wrong").status == 200
    for _ in range(6):
        throttled = tried(browser, name, "wrong")
        assert throttled.status == 429
        waits.append(int(throttled.response["Retry-After"]))
        assert "Too many attempts." in throttled.text
        clock.shift(waits[-1])
        assert tried(browser, name, "wrong").status == 200
    assert [2**n <= wait <= 2**n + 1 for n, wait in enumerate(waits)] == [True] * 6


def test_right_password_is_refused_while_throttled(
    door: Doors, acme: Tenant, clock: time_machine.Traveller
) -> None:
    """D34: a throttled right password is refused, or only wrong guesses would wait.

    The person signs in from another place.
    """
    browser = door()
    for _ in range(4):
        tried(browser, "alice", "wrong")
    assert tried(browser, "alice", PASSWORD).status == 429
    assert tried(browser, " ALICE ", PASSWORD).status == 429
    assert tried(door(address="192.0.2.50"), "alice", PASSWORD).step == "device_code"
    assert tried(browser, "bob", "bob-password-22").step == "device_code"
    clock.shift(2)
    assert tried(browser, "alice", PASSWORD).step == "device_code"


def test_success_does_not_reset_the_count(door: Doors, acme: Tenant, clock: time_machine.Traveller) -> None:
    """D34: attackers cannot gain new attempts by signing in to an account of their own in between."""
    browser = door()
    for _ in range(4):
        tried(browser, "alice", "wrong")
        tried(browser, "bob", "bob-password-22")
    assert tried(browser, "alice", "wrong").status == 429
    clock.shift(2)
    assert tried(browser, "alice", PASSWORD).step == "device_code"
    stranger = door()
    assert tried(stranger, "alice", "wrong").status == 200
    assert tried(stranger, "alice", "wrong").status == 429


# --- who strangers' guesses must not lock out --------------------------------------------------------------


def exhaust(person: Person | None, name: str = "alice", networks: int = 25) -> None:
    """Submit a hundred wrong passwords, four from each of 25 networks."""
    for n in range(networks):
        for _ in range(4):
            charged = charge(password_budgets(person, name, f"2001:db8:{n:x}::1", KnownBrowser()))
            assert isinstance(charged, list)


def test_a_hundred_guesses_lock_out_neither_a_known_browser_nor_a_known_network(
    door: Doors, acme: Tenant, clock: time_machine.Traveller
) -> None:
    """D34: the person signs in from where they did so recently; others wait, with any name of the person."""
    at_home, roaming = door(address="198.51.100.7"), door(address="198.51.100.8")
    for browser in (at_home, roaming):
        assert tried(browser, "alice", PASSWORD).step == "device_code"
    exhaust(Person.objects.get(username="alice"))
    for name in ("alice", "alice@acme.test"):
        assert tried(door(address="203.0.113.99"), name, PASSWORD).status == 429
    roaming.http.defaults["REMOTE_ADDR"] = "203.0.113.98"
    assert tried(roaming, "alice", PASSWORD).step == "device_code"
    assert tried(door(address="198.51.100.7"), "alice", PASSWORD).step == "device_code"
    clock.shift(3601)
    assert tried(door(address="203.0.113.99"), "alice", PASSWORD).step == "device_code"


def test_an_address_that_cannot_be_read_is_nobodys_network(door: Doors, acme: Tenant) -> None:
    """D34: a sign-in from an unreadable address vouches for no other, and guesses from all of them add up."""
    assert tried(door(address="unknown"), "alice", PASSWORD).step == "device_code"
    exhaust(Person.objects.get(username="alice"))
    assert tried(door(address="unknown"), "alice", PASSWORD).status == 429
    assert [tried(door(address="unknown"), "bob", "wrong").status for _ in range(5)] == [200] * 4 + [429]


def test_a_known_browser_has_a_budget_of_its_own(
    door: Doors, acme: Tenant, clock: time_machine.Traveller
) -> None:
    """D34: it is limited too, and is known for its own person only."""
    browser = door()
    assert tried(browser, "bob", "bob-password-22").step == "device_code"
    assert [tried(browser, "bob", "wrong").status for _ in range(5)] == [200] * 4 + [429]
    exhaust(Person.objects.get(username="alice"))
    browser.http.defaults["REMOTE_ADDR"] = "203.0.113.99"
    assert tried(browser, "alice", PASSWORD).status == 429


def test_a_browser_is_no_longer_known_after_a_new_password(
    door: Doors, acme: Tenant, clock: time_machine.Traveller
) -> None:
    """A browser that signed in with the old password is unknown again."""
    browser, alice = door(address="198.51.100.7"), Person.objects.get(username="alice")
    assert tried(browser, "alice", PASSWORD).step == "device_code"
    clock.shift(1)
    store_password(alice, alice.password, by="alice")
    exhaust(alice)
    browser.http.defaults["REMOTE_ADDR"] = "203.0.113.99"
    assert tried(browser, "alice", PASSWORD).status == 429


def test_an_unknown_name_is_exhausted_alike(door: Doors, acme: Tenant, clock: time_machine.Traveller) -> None:
    """An unknown name is refused after as many guesses and with the same text, so strangers learn nothing."""
    exhaust(Person.objects.get(username="alice"))
    exhaust(None, name="nobody")
    seen = [tried(door(address="203.0.113.99"), name, "wrong") for name in ("alice", "nobody")]
    assert [page.status for page in seen] == [429, 429]
    assert _without(seen[0], "alice") == _without(seen[1], "nobody")


def test_as_many_queries_for_an_unknown_name(door: Doors, acme: Tenant) -> None:
    """Identification and password take the same number of queries for every name.

    The response time therefore reveals nothing.
    """
    counts = {}
    tried(door(), "nobody", "warms up")
    for n, name in enumerate(("alice", "alice@acme.test", "nobody", "inactive")):
        page = door(address=f"198.51.100.{n}").page("/device?switch")
        with CaptureQueriesContext(connection) as first:
            page = page.submit(name=name)
        with CaptureQueriesContext(connection) as second:
            page.submit(password="wrong")
        counts[name] = (len(first), len(second))
    assert len(set(counts.values())) == 1, counts


def test_a_wide_network_is_bounded(acme: Tenant) -> None:
    """D34: a /48 has sixteen times the budget of a /64, and a /56 has four times.

    A /48 contains 65,536 networks of /64.
    """
    budget = Budget("wide", 2, timedelta(hours=1))
    taken = [isinstance(charge(network_spends(budget, f"2001:db8:1:{n:x}::1")), list) for n in range(40)]
    assert taken == [True] * 8 + [False] * 32
    taken = [isinstance(charge(network_spends(budget, f"2001:db8:1:{n:x}00::1")), list) for n in range(1, 40)]
    assert taken == [True] * 24 + [False] * 15
    assert isinstance(charge(network_spends(budget, "2001:db8:2::1")), list)


@pytest.mark.parametrize("cookie", ["a" * 64, "a" * 128, ""])
def test_a_browser_takes_no_name_that_was_not_given_to_it(
    door: Doors, acme: Tenant, cookie: Morsel[str]
) -> None:
    """A cookie value planted in a browser gives access to no run of it: the server sets another one."""
    browser = door()
    browser.http.cookies["foyer_browser"] = cookie
    seen = browser.page()
    assert browser.http.cookies["foyer_browser"].value[:64] not in ("a" * 64, "")
    planted = door()
    planted.http.cookies["foyer_browser"] = cookie
    assert planted.page(seen.path).status == 404
    assert seen.submit(name="alice").step == "password"


@pytest.mark.slow
@pytest.mark.parametrize("right", [True, False])
def test_twelve_sign_ins_of_one_person_at_once(
    live: LiveServer, door: Doors, acme: Tenant, monkeypatch: pytest.MonkeyPatch, right: bool
) -> None:
    """D34: concurrent right passwords all pass; of wrong ones only the free four are checked."""
    monkeypatch.setattr(budgets, "MAX_WAIT_SECONDS", 60.0)
    here, barrier = f"http://127.0.0.1:{live.port}", threading.Barrier(12)

    def answered(page: httpx.Response, browser: httpx.Client, **fields: str) -> httpx.Response:
        return browser.post(page.url.path, data={**dict(_HIDDEN.findall(page.text)), **fields})

    def sign_in(_: int) -> int:
        with httpx.Client(
            base_url=here, headers={"Host": "acme.test"}, follow_redirects=True, timeout=90
        ) as browser:
            page = answered(browser.get("/device"), browser, name="alice")
            barrier.wait()
            return answered(page, browser, password=PASSWORD if right else "wrong").status_code

    with ThreadPoolExecutor(12) as pool:
        answers = sorted(pool.map(sign_in, range(12)))
    assert answers == ([200] * 12 if right else [200] * 4 + [429] * 8)
