"""Apply the shipped blueprints for two tenants, and run a flow from an address."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.conf import settings

from blueprints.files.apply import apply
from idp.accounts.credentials import hash_password
from idp.accounts.models import Person
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import Door, Seen, Started

SHIPPED = Path(settings.BASE_DIR) / "blueprints"
EXAMPLES = SHIPPED / "example"
NAMES = (
    "admin-scope",
    "cli",
    "contractors",
    "kiosk",
    "many-tenants",
    "staff-second-factor",
    "tv-app",
    "two-brands",
)
INSIDE, OUTSIDE = "192.0.2.17", "203.0.113.7"
PASSWORDS = {"alice": "alice-password-1", "bob": "bob-password-22"}
PEOPLE = "".join(f"---\nperson: {name}\n" for name in PASSWORDS)


def path_of(name: str) -> Path:
    """Return the path of the example."""
    return EXAMPLES / f"{name}.yaml"


def put(name: str, folder: Path) -> None:
    """Apply an example as it ships for acme and, with other names, for other; set the passwords."""
    apply([path_of(name)])
    if name != "many-tenants":
        theirs = folder / f"{name}-of-other.yaml"
        theirs.write_text(path_of(name).read_text().replace("acme", "other").replace("Acme", "Other"))
        apply([theirs])
    add("".join(f"---\ntenant: {tenant}\n{PEOPLE}" for tenant in ("acme", "other")), folder)
    give_passwords()


def give_passwords() -> None:
    """Give passwords to alice and bob of every tenant, hashed once for all tests."""
    for name, password in PASSWORDS.items():
        Person.unscoped.filter(username=name).update(password=hashed(password))


hashed = lru_cache(hash_password)


def add(text: str, folder: Path) -> None:
    """Apply a further blueprint."""
    file = folder / "more.yaml"
    file.write_text(text)
    apply([file])


@contextmanager
def at(tenant: str) -> Iterator[Tenant]:
    """Put the tenant of this name in scope."""
    with tenant_scope(Tenant.objects.get(name=tenant)) as scope:
        yield scope


def door(address: str = OUTSIDE, tenant: str = "acme") -> Door:
    """Return a new browser or device at the tenant's own host name."""
    return Door(f"login.{tenant}.example", address)


def move(browser: Door, address: str) -> None:
    """Move the browser to another network."""
    browser.http.defaults["REMOTE_ADDR"] = address


def kind_of(seen: Seen) -> str:
    """Return the last component of the step's id: ``totp`` of ``prove-yourself.totp``."""
    return seen.step.rpartition(".")[2]


def run_flow(
    browser: Door,
    started: Started | None = None,
    name: str = "alice",
    path: str = "/device",
    **more: Mapping[str, Any],
) -> Seen:
    """Answer every page for which there is an answer, each once, and return the page that is left.

    ``more``: answers beside name, password and the code that ``started`` shows.
    """
    answers: dict[str, Mapping[str, Any]] = {
        "identification": {"name": name},
        "password": {"password": PASSWORDS[name]},
        **more,
    }
    if started is not None:
        answers["device_code"] = {"user_code": started.user_code}
    seen = browser.page(path)
    while (given := answers.pop(kind_of(seen), None)) is not None:
        seen = seen.submit(**given)
    return seen


def yes(seen: Seen) -> None:
    """Approve, on the page that asks."""
    assert kind_of(seen) == "consent", (seen.title, seen.text)
    assert seen.submit(decision="approve").title in ("Approved – return to your device", "Connected")


def token_error(device: Door, started: Started, **more: Any) -> str:
    """Return what the device receives when it polls: an OAuth error, or "" with its tokens."""
    return str(device.poll(started, **more).json().get("error", ""))
