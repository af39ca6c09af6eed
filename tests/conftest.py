"""What every test can use: two tenants with people and applications, the public door, and a real server."""

import gc
import logging
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from shutil import which
from typing import Any

import pytest
import time_machine
from django.apps import apps
from django.conf import settings
from django.core.cache import cache
from django.core.management import call_command
from django.core.management.color import no_style
from django.db import connection, connections, transaction
from django.db.models import Model
from hypothesis import settings as hypothesis
from pytest_django import Settings

from blueprints.files.apply import apply
from flows.registry import stages
from idp.accounts import credentials
from idp.accounts.models import Person
from idp.oauth import keys
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.modes.selection import keep_what_differs, may_use_servers, nothing_different
from tests.support.client import Door, Doors, LiveServer
from tests.thirdparty import probe

# The same examples in every run: what a change broke differs from what chance found.
# HYPOTHESIS_PROFILE=explore looks for more.
hypothesis.register_profile("same", derandomize=True, deadline=None)
hypothesis.register_profile("explore", derandomize=False, deadline=None)
hypothesis.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

TENANTS = """
tenant: {name}
title: {title}
accent: "{accent}"
networks: [127.0.0.0/8]
domains: [{name}.test, "*.{name}.test"]
---
group: staff
---
person: alice
name: Alice
email: alice@{name}.test
email_verified: true
password: alice-password-1
groups: [staff]
---
person: bob
email: bob@{name}.test
password: bob-password-22
---
person: inactive
password: inactive-password-3
active: false
---
scope: {name}:read
title: Read your {title} data
---
flow: connect-a-device
title: Connect a device
for: device_code
steps:
  - stage: identification
  - stage: password
  - stage: login
  - stage: device_code
  - stage: consent
  - stage: finish
---
application: tv
title: {title} TV
client_id: tv
grants: [device_code, refresh_token]
scopes: [openid, profile, email, offline_access, "{name}:read"]
---
application: staff-console
title: Staff console
client_id: staff-console
grants: [device_code]
scopes: [openid]
groups: [staff]
---
application: kiosk
title: Kiosk
client_id: kiosk
client_secret: kiosk secret/with+odd:characters
type: confidential
grants: [device_code, refresh_token]
scopes: [openid, offline_access]
---
application: no-devices
client_id: no-devices
grants: [refresh_token]
scopes: [openid]
"""


@pytest.hookimpl(trylast=True)  # after the slow ones are gone, which are in neither
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On PostgreSQL and Redis, deselect the tests that would see no difference there."""
    if os.environ.get("FOYER_TEST_MODE") == "cluster":
        alike = keep_what_differs(items)
        config.hook.pytest_deselected(items=alike)
        config.stash[_alike] = len(alike)
        if hasattr(config, "workeroutput"):
            config.workeroutput["alike"] = len(alike)


def pytest_testnodedown(node: Any) -> None:
    """Note how many tests a worker left out; every worker has collected the same ones."""
    node.config.stash[_alike] = getattr(node, "workeroutput", {}).get("alike", 0)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say how many tests ran in the other mode only, and why."""
    if alike := config.stash.get(_alike, 0):
        terminalreporter.write_line(
            f"{alike} tests run in the embedded mode only: they use no server, or test what only translates "
            "(tests/modes/selection.py)"
        )


_alike = pytest.StashKey[int]()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Freeze what is imported and collected, so that the garbage collector does not traverse it.

    This holds during the collection and afterwards.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.collect()
        gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def static_files() -> None:
    """Collect static files once, as ``manage.py up`` does: pages then use the same URLs as in production."""
    call_command("collectstatic", verbosity=0, interactive=False)


@pytest.fixture(autouse=True)
def empty_cache(request: pytest.FixtureRequest) -> Iterator[None]:
    """Clear the cache, so that no poll of one test is remembered in the next.

    A test without a database cannot use the cache.
    """
    if not may_use_servers(request.node):
        with nothing_different():
            yield
        return
    cache.clear()
    yield
    cache.clear()


@pytest.fixture(autouse=True)
def the_same_log() -> Iterator[None]:
    """Remove the handlers that a test has configured.

    They would write to the test's own captured standard error, which is closed by then.
    """

    def streams() -> list[logging.Handler]:
        return [each for each in logging.root.handlers if type(each) is logging.StreamHandler]

    before = streams()
    yield
    for each in streams():
        logging.root.removeHandler(each)
    for each in before:
        logging.root.addHandler(each)


@pytest.fixture
def production_hashing(acme: Tenant, settings: Settings) -> Iterator[None]:
    """Hash passwords at the cost of production.

    The passwords of acme's people and the one that stands for an unknown person are hashed with it already.
    """
    settings.PASSWORD_HASHERS = settings.PRODUCTION_HASHERS
    credentials._dummy_hash.cache_clear()
    credentials._dummy_hash()
    for person in Person.objects.exclude(password=""):
        password = {"alice": "alice-password-1", "bob": "bob-password-22", "inactive": "inactive-password-3"}[
            person.username
        ]
        Person.objects.filter(pk=person.pk).update(password=credentials.hash_password(password))
    yield
    credentials._dummy_hash.cache_clear()


@pytest.fixture
def third_party(settings: Settings) -> Iterator[None]:
    """Add three stages of a third party, as an administrator would: by ``settings.STAGE_PACKAGES``."""
    settings.STAGE_PACKAGES = ["stages", "tests.thirdparty"]
    stages.cache_clear()
    yield
    stages.cache_clear()
    probe.crashes.clear()
    probe.meetings.clear()


@pytest.fixture
def write_blueprint(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a blueprint and returns its path."""

    def write(text: str, name: str = "blueprint.yaml") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


@pytest.fixture
def tenants(db: None, write_blueprint: Callable[..., Path]) -> dict[str, Tenant]:
    """``acme`` and ``other``, set up alike: same usernames, same client ids, same flow name.

    The blueprints are applied once; every later test gets the same rows without the cost of hashing and
    parsing.
    """
    looks = {"acme": ("Acme", "#4f46e5"), "other": ("Other", "#facc15")}
    if _kept_rows:
        _insert(_kept_rows)
    else:
        texts = {
            name: TENANTS.format(name=name, title=title, accent=accent)
            for name, (title, accent) in looks.items()
        }
        apply([write_blueprint(text, f"{name}.yaml") for name, text in texts.items()])
        for tenant in Tenant.objects.filter(name__in=looks):
            with tenant_scope(tenant):
                keys.current_key()
        _kept_rows.update(_all_rows())
    return {tenant.name: tenant for tenant in Tenant.objects.filter(name__in=looks).order_by("name")}


_kept_rows: dict[type[Model], tuple[list[str], list[Any]]] = {}


def _all_rows() -> dict[type[Model], tuple[list[str], list[Any]]]:
    """Every row as the database holds it, past the fields' own decryption."""
    found = {}
    for model in apps.get_models(include_auto_created=True):
        with connection.cursor() as cursor:
            # names of our own models
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(model._meta.db_table)}")  # noqa: S608
            found[model] = ([column[0] for column in cursor.description], cursor.fetchall())
    return {model: kept for model, kept in found.items() if kept[1]}


@transaction.atomic
def _insert(kept: dict[type[Model], tuple[list[str], list[Any]]]) -> None:
    quoted = connection.ops.quote_name
    with connection.cursor() as cursor:
        for model, (columns, rows) in kept.items():
            names, places = ", ".join(map(quoted, columns)), ", ".join(["%s"] * len(columns))
            table = quoted(model._meta.db_table)
            cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({places})", rows)  # noqa: S608
        for statement in connection.ops.sequence_reset_sql(no_style(), list(kept)):
            cursor.execute(statement)


@pytest.fixture
def acme(tenants: dict[str, Tenant]) -> Iterator[Tenant]:
    """The tenant that most tests are about, in scope."""
    with tenant_scope(tenants["acme"]) as tenant:
        yield tenant


@pytest.fixture
def other(tenants: dict[str, Tenant]) -> Tenant:
    """The second tenant."""
    return tenants["other"]


@pytest.fixture
def door(tenants: dict[str, Tenant]) -> Doors:
    """Return a function that opens the public door with a new client.

    ``door()`` is for acme, ``door("other.test")`` for the other tenant; each client has its own cookies.
    """

    def open_door(host: str = "acme.test", **options: Any) -> Door:
        return Door(host, **options)

    return open_door


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """Time that stands still until a test moves it: ``clock.shift(5)``."""
    with time_machine.travel(datetime.now(UTC).replace(microsecond=0), tick=False) as traveller:
        yield traveller


@pytest.fixture
def live(transactional_db: None, tenants: dict[str, Tenant]) -> Iterator[LiveServer]:
    """The whole ASGI stack on a free port of this machine, in this process.

    ``live.url("acme.test")`` returns its address.
    """
    with LiveServer() as server:
        yield server
    connections.close_all()


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """Debian's Chromium; names under .test lead to this machine."""
    return settings_for_chromium()


# Chromium listens to the last list alone, so Playwright's own stands here again. What the tests add: the
# address bar's two pop-ups, for which a browser without any address bar starts a process with each new
# window.
NOT_IN_CHROMIUM = (
    "AvoidUnnecessaryBeforeUnloadCheckSync,DestroyProfileOnBrowserClose,HttpsUpgrades,HttpsFirstBalancedModeAutoEnable,LensOverlay,"
    "MediaRouter,PaintHolding,ThirdPartyStoragePartitioning,OptimizationHints,NetworkTimeServiceQuerying,AimEnabled,PreconnectToSearch,"
    "WebUIOmniboxPopup,WebUIOmniboxAimPopup"
)


def settings_for_chromium() -> dict[str, Any]:
    """Options of every launch."""
    rules = "MAP *.test 127.0.0.1"
    flags = [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
        f"--disable-features={NOT_IN_CHROMIUM}",
    ]
    return {"executable_path": find_chromium(), "args": [*flags, f"--host-resolver-rules={rules}"]}


def find_chromium() -> str:
    """The browser's path; its absence is a failure that says what to install, never a skip."""
    found = (
        os.environ.get("FOYER_CHROMIUM")
        or which("chromium")
        or which("chromium-browser")
        or which("google-chrome")
    )
    if not found:
        pytest.fail("No Chromium: install Debian's package chromium, or set FOYER_CHROMIUM.")
    return found


__all__ = ["settings"]
