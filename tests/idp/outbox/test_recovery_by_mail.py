"""``manage.py person recovery-link NAME --mail`` from the command line to a new password.

The link goes through the outbox and a real mail server.
"""

import re
from io import StringIO

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection

from idp.accounts.models import Person, RecoveryLink
from idp.accounts.recovery import LIFETIME
from idp.events.models import Event
from idp.outbox import tasks
from idp.outbox.models import Delivery, DeliveryState
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from idp.tenancy.tenants import save_tenant
from tests.idp.outbox.mailserver import Arrived, MailServer
from tests.support.client import Doors

GOOD = "a quiet orchard in March"


def command(*words: str) -> str:
    """What it prints."""
    out = StringIO()
    call_command("person", "recovery-link", *words, stdout=out)
    return out.getvalue()


def link(arrived: Arrived, host: str) -> str:
    """The path of the link in the mail's text; the same one as in its HTML."""
    found = re.search(rf"^https://{re.escape(host)}(/recover/\S+)$", arrived.part(), re.MULTILINE)
    assert found, arrived.part()
    assert f'href="https://{host}{found[1]}"' in arrived.part("html")
    return found[1]


def test_by_mail_to_a_new_password(tenants: dict[str, Tenant], door: Doors, mail_server: MailServer) -> None:
    """Each tenant's alice gets her own tenant's link from her own tenant's sender.

    Nothing that lets anyone in is printed.
    """
    for name in tenants:
        save_tenant(name, mail_from=f"login@{name}.example", mail_granted=True)
        assert command("alice", "--tenant", name, "--mail") == f"Sending a link to alice@{name}.test.\n"
    assert mail_server.mails == []
    tasks.deliver_outbox()
    assert {(arrived.sender, *arrived.recipients) for arrived in mail_server.mails} == {
        (f"login@{name}.example", f"alice@{name}.test") for name in tenants
    }
    acmes = next(arrived for arrived in mail_server.mails if arrived.sender == "login@acme.example")
    path = link(acmes, "acme.test")
    assert door("other.test").get(path).status_code == 404
    assert door().page(path).submit(password=GOOD).title == "Password changed"
    assert door().sign_in(password=GOOD).step == "device_code"
    assert door("other.test").sign_in().step == "device_code"


def test_the_link_stands_nowhere(
    transactional_db: None, acme: Tenant, mail_server: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    """The link is in no table, before or after, and in no log; the audit log says that one was created."""
    caplog.set_level("DEBUG")
    command("alice", "--tenant", "acme", "--mail")
    before = _rows()
    tasks.deliver_outbox()
    token = link(mail_server.mails[0], "acme.test").rpartition("/")[2]
    assert token not in before + _rows()
    # the server of the test logs as mail.log
    ours = [str(vars(record)) for record in caplog.records if not record.name.startswith("mail")]
    assert ours
    assert token not in "".join(ours)
    assert list(Event.objects.filter(kind="person.recovery_link_made").values_list("actor", "target")) == [
        ("command line", "alice")
    ]


def test_without_an_address(acme: Tenant) -> None:
    """The command refuses and does nothing: an older link stays good."""
    Person.objects.filter(username="bob").update(email="")
    printed = command("bob", "--tenant", "acme")
    with pytest.raises(CommandError, match="bob has no email address"):
        command("bob", "--tenant", "acme", "--mail")
    assert not Delivery.objects.exists()
    assert RecoveryLink.objects.get().used_at is None
    assert "/recover/" in printed


@pytest.mark.parametrize(("name", "tenant"), [("nobody", "acme"), ("inactive", "acme"), ("alice", "nowhere")])
def test_no_person_to_mail_to(tenants: dict[str, Tenant], name: str, tenant: str) -> None:
    """The message is the same as without ``--mail``."""
    with pytest.raises(CommandError, match=r"No active person|There is no tenant"):
        command(name, "--tenant", tenant, "--mail")
    assert not Delivery.unscoped.exists()


def test_a_newer_link_ends_the_mailed_one(acme: Tenant, door: Doors, mail_server: MailServer) -> None:
    """There is one valid link for each person."""
    command("alice", "--tenant", "acme", "--mail")
    command("alice", "--tenant", "acme", "--mail")
    tasks.deliver_outbox()
    first, second = (link(arrived, "acme.test") for arrived in mail_server.mails)
    assert door().get(first).status_code == 404
    assert door().get(second).status_code == 200


def test_a_link_that_has_ended_is_not_mailed(
    acme: Tenant, mail_server: MailServer, clock: time_machine.Traveller
) -> None:
    """A worker that was away too long sends no expired link."""
    command("alice", "--tenant", "acme", "--mail")
    clock.shift(LIFETIME)
    tasks.deliver_outbox()
    assert mail_server.mails == []
    assert Delivery.objects.get().state == DeliveryState.FAILED


def test_one_tenants_failure_holds_up_no_other(tenants: dict[str, Tenant], mail_server: MailServer) -> None:
    """A refused recipient in acme, and other's mail arrives."""
    for name in tenants:
        command("alice", "--tenant", name, "--mail")
    with tenant_scope(tenants["acme"]):
        Delivery.objects.update(payload="no JSON")
    tasks.deliver_outbox()
    assert [arrived.recipients for arrived in mail_server.mails] == [["alice@other.test"]]


def _rows() -> str:
    with connection.cursor() as cursor:
        found = []
        for table in connection.introspection.table_names():
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")  # noqa: S608 our own tables
            found.append(str(cursor.fetchall()))
    return "".join(found)
