"""The eight shipped examples are planned, applied and run in a browser, for two tenants.

Refusals are included.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.apps import apps
from pytest_django import Settings

from blueprints.files.apply import apply
from blueprints.files.plan import make_plan
from blueprints.files.problems import BadBlueprint
from blueprints.files.read import read
from flows.documents.document import FlowDocument, StepDocument
from flows.documents.lint import lint
from flows.simulation.flow_tests import run_flow_tests
from idp.accounts.models import Person
from idp.accounts.recovery import create_link
from idp.oauth.models import Application
from tests.blueprints.examples import (
    EXAMPLES,
    INSIDE,
    NAMES,
    OUTSIDE,
    SHIPPED,
    add,
    at,
    door,
    kind_of,
    move,
    path_of,
    put,
    run_flow,
    token_error,
    yes,
)
from tests.support.client import Door
from tests.support.credentials import code, give_codes, give_totp, secret_on
from tests.support.oauth import basic, outcome, refresh, tokens_of

Clock = time_machine.Traveller
pytestmark = pytest.mark.usefixtures("db", "clock")


@pytest.fixture
def example(tmp_path: Path) -> Callable[[str], None]:
    """Apply an example for two tenants."""
    return lambda name: put(name, tmp_path)


def flows_of(name: str) -> dict[str, FlowDocument]:
    """Return the flows of an example; of ``many-tenants`` those of the last tenant."""
    return {each.name: each.document for each in read([path_of(name)]).documents if each.kind == "flow"}


def everything() -> dict[str, list[Any]]:
    """Return every row of every table."""
    return {
        model._meta.db_table: list(model._base_manager.order_by("pk").values_list())
        for model in apps.get_models()
    }


@pytest.fixture
def secrets(settings: Settings, tmp_path: Path) -> None:
    """Create the folder FOYER_SECRETS, with one file for all tenants and one of acme's own."""
    folder = tmp_path / "secrets"
    (folder / "acme").mkdir(parents=True)
    (folder / "box-secret").write_text("secret of all\n")
    (folder / "acme" / "box-secret").write_text("secret of acme\n")
    settings.SECRETS = str(folder)


def test_the_table_names_each_example() -> None:
    """The README.md beside them names each of them, and no other file."""
    assert tuple(sorted(path.stem for path in EXAMPLES.glob("*.yaml"))) == NAMES
    table = (EXAMPLES / "README.md").read_text()
    assert [name for name in NAMES if f"[{name}.yaml]({name}.yaml)" not in table] == []


@pytest.mark.parametrize("name", NAMES)
def test_applied_on_an_empty_system_and_again(secrets: None, name: str) -> None:
    """The plan creates everything; after applying it plans nothing, and applying again touches no row."""
    plan = make_plan([path_of(name)])
    assert {change.action for change in plan.changes} == {"create"}
    assert plan.missing == []
    apply([path_of(name)])
    assert make_plan([path_of(name)]).effective == []
    before = everything()
    apply([path_of(name)])
    assert everything() == before


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_applied_on_top_of_what_ships(secrets: None, name: str) -> None:
    """As README.md says, the example's flows replace those of the same name.

    A flow that it does not define stays.
    """
    apply([SHIPPED / "default" / "10-tenant.yaml"], name="acme", variables={"tenant": "acme"})
    apply([path_of(name)])
    assert make_plan([path_of(name)]).effective == []
    assert kind_of(door().page("/device")) == "identification"
    assert [kind_of(door().page(path)) for path in ("/sign-in", "/credentials")] == ["identification"] * 2


@pytest.mark.parametrize("name", [*NAMES, "../default/10-tenant"])
def test_nothing_to_find_fault_with(name: str) -> None:
    """There is not even a warning, and no file contains a password or secret."""
    documents = flows_of(name)
    assert [finding for each in documents.values() for finding in lint(each, documents)] == []
    assert not [
        each for each in read([path_of(name)]).documents if each.kind == "person" and each.document.password
    ]


WITHOUT = [
    ("tv-app", "connect-a-device", "totp"),
    ("tv-app", "connect-a-device", "recovery_code"),
    ("cli", "connect-a-command-line", "too-far-away"),
    ("cli", "connect-a-command-line", "totp"),
    ("staff-second-factor", "sign-in", "set-up-now"),
    ("staff-second-factor", "sign-in", "come-to-the-office"),
    ("staff-second-factor", "connect-a-device", "come-to-the-office"),
    ("staff-second-factor", "set-up-credentials", "come-to-the-office"),
    ("contractors", "sign-in", "closed"),
    ("contractors", "sign-in", "sponsor"),
    ("contractors", "connect-a-device", "closed"),
    ("admin-scope", "connect-a-device", "not-an-administrator"),
    ("admin-scope", "connect-a-device", "reauthenticate"),
    ("two-brands", "connect-north", "rules"),
    ("two-brands", "connect-south", "scam"),
    ("kiosk", "connect-a-kiosk", "not-an-operator"),
    ("kiosk", "connect-a-kiosk", "not-in-the-office"),
    ("many-tenants", "sign-in", "totp"),
]


@pytest.mark.parametrize(("name", "flow", "step"), WITHOUT)
def test_the_tests_beside_a_flow_prove_its_point(name: str, flow: str, step: str) -> None:
    """Without the step that matters they fail: no test passes for every flow."""
    apply([path_of(name)], show_generated=lambda *made: None)
    documents = flows_of(name)
    changed = {
        each: document.model_copy(update={"steps": without(document.steps, step)})
        for each, document in documents.items()
    }
    with at("acme"):
        assert run_flow_tests(documents[flow], documents) == []
        assert run_flow_tests(changed[flow], changed) != []


def without(steps: tuple[StepDocument, ...], name: str) -> tuple[StepDocument, ...]:
    """Return the same flow without the step of this id, in sections too."""
    return tuple(
        step.model_copy(update={"steps": without(step.steps, name)}) for step in steps if step.id != name
    )


def test_a_person_of_an_example_comes_in_by_a_link() -> None:
    """No one has a password at first, the empty one neither, and the command's link sets one."""
    apply([path_of("kiosk")])
    assert kind_of(door().page().submit(name="alice").submit(password="")) == "password"
    with at("acme"):
        link = create_link(Person.objects.get(username="alice"), by="test")
    page = Door("login.acme.example").page(f"/recover/{link}")
    assert page.submit(password="alice-password-1").title == "Password changed"
    assert kind_of(run_flow(door())) == "device_code"


def test_tv_app(example: Callable[[str], None], clock: Clock) -> None:
    """It has clear texts, no scope beyond the list, a refusal, a refresh, and five minutes."""
    example("tv-app")
    television, browser = door(), door()
    started = television.start("acme-tv", "openid offline_access films:watch films:buy")
    assert started.answer["expires_in"] == 300
    page = run_flow(browser, started)
    assert "Watch the films that you have paid for" in page.text
    assert "Buy films" not in page.text
    assert token_error(television, started) == "authorization_pending"
    yes(page)
    clock.shift(6)
    tokens = tokens_of(television.poll(started))
    assert tokens["scope"].split() == ["openid", "offline_access", "films:watch"]
    assert "access_token" in tokens_of(refresh(television, tokens["refresh_token"], "acme-tv"))
    second = television.start("acme-tv", "openid")
    run_flow(browser, second).submit(decision="deny")
    assert token_error(television, second) == "access_denied"
    third = television.start("acme-tv", "openid")
    clock.shift(301)
    assert kind_of(run_flow(browser, third)) == "device_code"
    assert token_error(television, third) == "expired_token"


def test_tv_app_is_not_weaker_than_what_ships(example: Callable[[str], None]) -> None:
    """A person with a second factor is asked for it, and codes of another tenant mean nothing here."""
    example("tv-app")
    with at("acme"):
        give_totp("alice")
        (recovery, *_more) = give_codes("bob")
    started = door().start("acme-tv", "openid")
    page = run_flow(door(), started)
    assert kind_of(page) == "totp"
    assert kind_of(page.submit(code="000000")) == "totp"
    assert kind_of(page.submit(code=code())) == "device_code"
    assert kind_of(run_flow(door(), started, "bob")) == "recovery_code"
    yes(run_flow(door(), started, "bob", recovery_code={"code": recovery}))
    theirs = door(tenant="other").start("other-tv", "openid")
    assert kind_of(run_flow(door(), theirs, totp={"code": code(1)})) == "device_code"
    yes(run_flow(door(tenant="other"), theirs))


def test_cli(example: Callable[[str], None], clock: Clock) -> None:
    """On the device's own network a password is enough; elsewhere everyone needs a second factor."""
    example("cli")
    here, far = door(), door("198.51.100.9")
    with at("acme"):
        give_totp("alice")
    started = here.start("acme-cli", "openid deploy")
    yes(run_flow(door(), started, "bob"))
    assert token_error(here, started) == ""
    started = far.start("acme-cli", "openid deploy")
    refused = run_flow(door(), started, "bob")
    assert "This command line runs on another network than yours." in refused.text
    assert token_error(far, started) == "authorization_pending"
    page = run_flow(door(), started)
    assert kind_of(page) == "totp"
    yes(page.submit(code=code()).submit(user_code=started.user_code))
    clock.shift(6)
    assert tokens_of(far.poll(started))["scope"].split() == ["openid", "deploy"]


def test_cli_is_for_developers(example: Callable[[str], None], tmp_path: Path) -> None:
    """A person outside of the group is refused with that reason, and nothing is approved."""
    example("cli")
    add("tenant: acme\n---\nperson: bob\ngroups: []\n", tmp_path)
    device = door()
    started = device.start("acme-cli", "openid")
    assert "have access to Acme command line" in run_flow(door(), started, "bob").text
    assert token_error(device, started) == "authorization_pending"
    theirs = door(tenant="other")
    started = theirs.start("other-cli", "openid")
    yes(run_flow(door(tenant="other"), started, "bob"))
    assert token_error(theirs, started) == ""


@pytest.mark.parametrize("inside", [INSIDE, "2001:db8:1::17"])
def test_staff_set_up_a_second_factor_in_the_office(
    example: Callable[[str], None], clock: Clock, inside: str
) -> None:
    """It is set up inside, where a password is then enough.

    Outside the code is asked for, of a living session too.
    """
    example("staff-second-factor")
    page = run_flow(door(inside))
    assert page.title == "Set up your authenticator app"
    secret = secret_on(page)
    assert kind_of(page.submit(code=code(0, secret))) == "device_code"
    clock.shift(60)
    browser, device = door(inside), door()
    started = device.start("acme-mail", "openid")
    assert kind_of(run_flow(browser, started)) == "consent"
    move(browser, OUTSIDE)
    page = run_flow(browser, started)
    assert kind_of(page) == "totp"
    yes(page.submit(code=code(0, secret)).submit(user_code=started.user_code))
    assert token_error(device, started) == ""


@pytest.mark.parametrize("path", ["/device", "/sign-in", "/credentials"])
def test_staff_without_a_second_factor_are_refused_outside(example: Callable[[str], None], path: str) -> None:
    """Every way in refuses them, above all setting one up with nothing but a password."""
    example("staff-second-factor")
    browser = door()
    refused = run_flow(browser, path=path)
    assert "Outside the office you need a second factor." in refused.text
    assert "Signed in as" not in browser.page("/").text
    assert kind_of(run_flow(door(tenant="other"), path=path)) == ""


def test_everyone_else_needs_none(example: Callable[[str], None]) -> None:
    """Bob is not staff: a password is enough everywhere, until he sets up a second factor."""
    example("staff-second-factor")
    for address in (INSIDE, OUTSIDE):
        device = door(address)
        started = device.start("acme-mail", "openid")
        yes(run_flow(door(address), started, "bob"))
        assert token_error(device, started) == ""
    with at("acme"):
        give_totp("bob")
        codes = give_codes("bob")
    assert kind_of(run_flow(door(INSIDE), name="bob")) == "device_code"
    page = run_flow(door(), name="bob")
    assert page.title == "Confirm it's you"
    page = page.submit(choice="recovery_code")
    assert kind_of(page) == "recovery_code"
    assert kind_of(page.submit(code=codes[0])) == "device_code"


def test_contractors_name_a_sponsor_in_office_hours(example: Callable[[str], None], clock: Clock) -> None:
    """The sponsor is asked for once, checked, and stored on the person.

    The device gets nothing that would last through the night.
    """
    clock.move_to(datetime(2026, 7, 1, 6, 30, tzinfo=UTC))
    example("contractors")
    device, browser = door(), door()
    started = device.start("acme-scanner", "openid offline_access")
    page = run_flow(browser, name="bob")
    assert page.title == "Who is your sponsor?"
    assert kind_of(page.submit(sponsor="alice@elsewhere.example")) == "sponsor"
    assert kind_of(page.submit(sponsor="")) == "sponsor"
    assert kind_of(page.submit(sponsor="alice@acme.example")) == "device_code"
    with at("acme"):
        assert Person.objects.get(username="bob").attributes == {"sponsor": "alice@acme.example"}
    with at("other"):
        assert Person.objects.get(username="bob").attributes == {}
    yes(run_flow(browser, started, "bob"))
    assert "refresh_token" not in tokens_of(device.poll(started))


@pytest.mark.parametrize(
    "moment", ["2026-01-07T06:30", "2026-07-01T16:00", "2026-07-04T10:00", "2026-07-05T10:00"]
)
def test_contractors_are_kept_out_at_other_times(
    example: Callable[[str], None], clock: Clock, moment: str
) -> None:
    """Early in winter, at six in the evening, on Saturday and on Sunday they are refused.

    Everyone else works at any time.
    """
    clock.move_to(datetime.fromisoformat(f"{moment}:00+00:00"))
    example("contractors")
    for path in ("/device", "/sign-in"):
        assert "Contractors can sign in from Monday to Friday" in run_flow(door(), name="bob", path=path).text
    device = door()
    started = device.start("acme-scanner", "openid")
    yes(run_flow(door(), started))
    assert token_error(device, started) == ""


def test_a_contractors_session_of_noon_is_not_enough_at_night(
    example: Callable[[str], None], clock: Clock
) -> None:
    """The rule is evaluated each time, not only at sign-in."""
    clock.move_to(datetime(2026, 7, 1, 12, 0, tzinfo=UTC))
    example("contractors")
    browser = door()
    assert kind_of(run_flow(browser, name="bob", sponsor={"sponsor": "alice@acme.example"})) == "device_code"
    clock.shift(4 * 3600)
    assert "Contractors can sign in from Monday to Friday" in browser.page().text


def test_an_admin_scope_asks_for_the_password_again(example: Callable[[str], None], clock: Clock) -> None:
    """It does not ask for reading, or right after signing in.

    Later a wrong password does not pass, and the right one does.
    """
    example("admin-scope")
    device, browser = door(), door()
    yes(run_flow(browser, device.start("acme-shop", "openid shop:admin")))
    clock.shift(301)
    assert kind_of(run_flow(browser, device.start("acme-shop", "openid shop:read"))) == "consent"
    started = device.start("acme-shop", "openid shop:read shop:admin")
    page = run_flow(browser, started)
    assert (kind_of(page), page.title) == ("reauthenticate", "Confirm it's you")
    assert kind_of(page.submit(password="bob-password-22")) == "reauthenticate"
    assert token_error(device, started) == "authorization_pending"
    yes(page.submit(password="alice-password-1"))
    clock.shift(6)
    tokens = tokens_of(device.poll(started))
    assert tokens["scope"].split() == ["openid", "shop:read", "shop:admin"]
    assert "refresh_token" not in tokens


def test_an_admin_scope_is_for_administrators(example: Callable[[str], None]) -> None:
    """Bob may read, and a request for more in his name is refused for good with the reason.

    Alice of the other tenant is not affected.
    """
    example("admin-scope")
    device = door()
    started = device.start("acme-shop", "openid shop:admin")
    assert "Only administrators of the shop can connect this device." in run_flow(door(), started, "bob").text
    assert token_error(device, started) == "access_denied"
    assert kind_of(run_flow(door(), started)) == "device_code"
    started = device.start("acme-shop", "openid shop:read")
    yes(run_flow(door(), started, "bob"))
    assert token_error(device, started) == ""


def test_two_brands_the_first_has_rules(example: Callable[[str], None], clock: Clock) -> None:
    """They are in its own words, accepted once and stored on the person.

    The second brand does not ask for them.
    """
    example("two-brands")
    device, browser = door(), door()
    started = device.start("acme-north", "openid")
    page = run_flow(browser, started)
    assert page.title == "Welcome to Acme North"
    assert kind_of(page.submit()) == "rules"
    assert token_error(device, started) == "authorization_pending"
    yes(page.submit(north_rules="on"))
    clock.shift(6)
    assert token_error(device, started) == ""
    yes(run_flow(browser, device.start("acme-north", "openid")))
    assert run_flow(door(), device.start("acme-north", "openid"), "bob").title == "Welcome to Acme North"


def test_two_brands_the_second_asks_where_the_code_stands(example: Callable[[str], None]) -> None:
    """A code that came from another person is refused, and the attacker's device receives the refusal."""
    example("two-brands")
    device, browser = door(), door()
    swindlers, own = (device.start("acme-south", "openid") for _ in range(2))
    page = run_flow(browser, swindlers)
    assert page.title == "Where did you get this code?"
    assert kind_of(page.submit()) == "where"
    assert "The request was denied" in page.submit(choice="message").text
    assert token_error(device, swindlers) == "access_denied"
    yes(run_flow(browser, own, where={"choice": "screen"}))
    assert token_error(device, own) == ""


def test_kiosk(example: Callable[[str], None]) -> None:
    """Only a screen that asked from the office is connected, and only by its operators.

    Bob's attempt leaves the code to alice.
    """
    example("kiosk")
    screen, elsewhere = door(INSIDE), door(OUTSIDE)
    started = screen.start("acme-kiosk", "openid")
    assert started.answer["expires_in"] == 180
    assert "Only operators can connect a kiosk." in run_flow(door(INSIDE), started, "bob").text
    assert token_error(screen, started) == "authorization_pending"
    yes(run_flow(door(OUTSIDE), started))
    foreign = elsewhere.start("acme-kiosk", "openid")
    assert "not on the office network" in run_flow(door(INSIDE), foreign).text
    assert token_error(elsewhere, foreign) == "access_denied"


def test_kiosk_gets_its_tokens_and_nothing_lasting(example: Callable[[str], None]) -> None:
    """It works for both tenants, each at its own host name, with IPv6 too, without a refresh token."""
    example("kiosk")
    for tenant in ("acme", "other"):
        screen = door("2001:db8:1::40", tenant)
        started = screen.start(f"{tenant}-kiosk", "openid offline_access")
        yes(run_flow(door(tenant=tenant), started))
        assert "refresh_token" not in tokens_of(screen.poll(started))


def test_many_tenants_is_refused_without_its_secret() -> None:
    """Plan lists it for each tenant, and apply refuses and writes nothing.

    Generated secrets differ from tenant to tenant.
    """
    file = path_of("many-tenants")
    assert [(each.tenant, each.name) for each in make_plan([file]).missing] == [
        ("acme", "box-secret"),
        ("other", "box-secret"),
    ]
    before = everything()
    with pytest.raises(BadBlueprint, match="The secret box-secret is missing"):
        apply([file])
    assert everything() == before
    made: dict[str, str] = {}
    apply(
        [file],
        show_generated=lambda plan, generated: made.update({tenant: value for tenant, _, value in generated}),
    )
    assert len(set(made.values())) == 2
    assert make_plan([file]).effective == []


def test_many_tenants(
    example: Callable[[str], None], secrets: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each tenant has its own host name and its own secret.

    The one variable that differs decides who must set up a second factor.
    """
    monkeypatch.setenv("OPERATOR", "Somebody Else")
    example("many-tenants")
    add(
        "".join(
            f"---\ntenant: {name}\n---\nperson: alice\ngroups: [customers]\n" for name in ("acme", "other")
        ),
        tmp_path,
    )
    assert set(Application.unscoped.values_list("owner", flat=True)) == {"Somebody Else"}
    secret = {"acme": "secret of acme", "other": "secret of all"}
    for tenant, theirs in (("acme", "other"), ("other", "acme")):
        box, form = door(tenant=tenant), {"client_id": "box", "scope": "openid orders:read"}
        assert outcome(box.post("/application/o/device/", form, **basic("box", secret[theirs]))) == (
            401,
            "invalid_client",
        )
        started = box.start("box", "openid orders:read", client_secret=secret[tenant])
        page = run_flow(door(tenant=tenant), started)
        if tenant == "acme":
            assert page.title == "Set up your authenticator app"
            page = page.submit(code=code(0, secret_on(page))).submit(user_code=started.user_code)
        assert f"See your orders at {tenant.title()}" in page.text
        yes(page)
        assert token_error(box, started, client_secret=secret[tenant]) == ""
