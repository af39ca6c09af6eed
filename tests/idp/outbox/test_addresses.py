"""Mail goes to the address that was written.

A key for comparing is never stored, shown or sent to in its place.
"""

from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

from blueprints.files.apply import apply
from blueprints.files.export import export
from blueprints.files.problems import BadBlueprint
from idp.accounts.models import Person
from idp.foundation.domains import ascii_domain
from idp.foundation.mailboxes import delivery_address, display_address, lookup_key
from idp.oauth.models import Application
from idp.outbox import tasks
from idp.outbox.mail import send
from idp.outbox.models import Delivery
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.idp.outbox.mailserver import MailServer
from tests.support.client import Doors
from tests.support.flows import draw
from tests.support.oauth import EVERYTHING, tokens_of, userinfo
from tests.web.api.conftest import Program, mint
from tests.web.console.signed_in import signed_in, text

WRITTEN, THEIRS, SENT_TO = "Anna@Straße.Example", "anna@strasse.example", "Anna@xn--strae-oqa.example"


@pytest.mark.parametrize(
    ("domain", "known_as"),
    [
        ("straße.example", "xn--strae-oqa.example"),
        ("STRASSE.example", "strasse.example"),
        ("βόλος.com", "xn--nxasmm1c.com"),
        ("Bu\u0308cher.example", "xn--bcher-kva.example"),
        ("例え。テスト", "xn--r8jz45g.xn--zckzah"),
        ("نامه\u200cای.com", "xn--mgba3gch31f060k.com"),
        ("paral·lel.cat", "xn--parallel-koa.cat"),
        ("ＡＢＣ.example", "abc.example"),
        ("xn--strae-oqa.example", "xn--strae-oqa.example"),
    ],
)
def test_domains_in_idna_2008(domain: str, known_as: str) -> None:
    """RFC 5891, RFC 5892: the letters that IDNA 2003 replaced are distinct letters."""
    assert ascii_domain(domain) == known_as
    assert ascii_domain(known_as) == known_as
    assert lookup_key(f"a@{domain}") == lookup_key(f"A@{known_as}")


@pytest.mark.parametrize(
    "domain",
    ["☃.net", "a_b.example", "-a.example", "xn--ü.example", "a..b", "\u0301a.com", "ab--ü.com", "ü" * 60, ""],
)
def test_what_can_be_no_domain(domain: str) -> None:
    """Refused with what is wrong."""
    with pytest.raises(ValueError, match="is no domain"):
        delivery_address(f"a@{domain}")


def test_an_address_is_kept_as_it_is_written(
    tenants: dict[str, Tenant], door: Doors, mail_server: MailServer
) -> None:
    """The API, the console, an export, the claims and the mail have the address as it was written.

    Both tenants have a person with it, and sign-in accepts every spelling.
    """
    for name, tenant in tenants.items():
        host = f"{name}.test"
        with tenant_scope(tenant):
            admin = Program(mint("admin", host=host), host)
            put = admin("PUT", "people/bob", {"email": WRITTEN, "email_verified": True}, if_match="*")
            assert put.json()["email"] == admin.get("people/bob")["email"] == WRITTEN
            assert [row["email"] for row in admin.get("people/?search=bob")["rows"]] == [WRITTEN]
            assert admin("PUT", "people/bob", {"email": WRITTEN}, if_match=put["ETag"])["ETag"] == put["ETag"]
            assert WRITTEN in text(signed_in(door, "owner", host), "/console/people/one/bob")
            assert WRITTEN in export()
            for typed in (
                WRITTEN,
                "anna@straße.example",
                "ANNA@STRASSE.EXAMPLE",
                SENT_TO,
                "anna@Stra\u00adße.example",
            ):
                assert door(host).sign_in(typed, "bob-password-22").step == "device_code"
            device, browser = door(host), door(host)
            Application.objects.filter(client_id="tv").update(scopes=EVERYTHING.split())
            started = device.start(scope=EVERYTHING)
            browser.approve(started, name="bob", password="bob-password-22")
            claims = userinfo(device, tokens_of(device.poll(started))["access_token"]).json()
            assert (claims["email"], claims["email_verified"]) == (WRITTEN, True)
            printed = StringIO()
            call_command("person", "recovery-link", "bob", "--tenant", name, "--mail", stdout=printed)
            assert WRITTEN in printed.getvalue()
    tasks.deliver_outbox()
    assert [list(arrived.recipients) for arrived in mail_server.mails] == [[SENT_TO]] * len(tenants)


@pytest.mark.parametrize(
    "other",
    [
        THEIRS,
        "ANNA@STRASSE.example",
        "anna@xn--strae-oqa.example",
        "anna@STRAßE.example",
        "Ａnna@straße.example",
    ],
)
def test_what_folds_alike_belongs_to_one_person(
    acme: Tenant, other: str, door: Doors, write_blueprint: Callable[..., Path]
) -> None:
    """The API, a blueprint, and two people within one are refused; the other tenant is separate."""
    admin = Program(mint("admin"))
    assert admin("PUT", "people/bob", {"email": WRITTEN}, if_match="*").status_code == 200
    refused = admin("PUT", "people/eve", {"email": other})
    assert refused.status_code in (400, 409)
    assert set(refused.json()["errors"]) == {"email"}
    with pytest.raises(BadBlueprint, match="email"):
        apply([write_blueprint(f"tenant: acme\n---\nperson: eve\nemail: {other}\n")])
    two = f"---\nperson: a\nemail: {WRITTEN}\n---\nperson: b\nemail: {other}\n"
    with pytest.raises(BadBlueprint, match="email"):
        apply([write_blueprint(f"tenant: acme\n---\nperson: bob\nemail: ''\n{two}")])
    if other.isascii():
        apply([write_blueprint(f"tenant: other\n---\nperson: eve\nemail: {other}\n")])
    assert not Person.objects.filter(username="eve").exists()


def test_two_may_change_places(acme: Tenant, write_blueprint: Callable[..., Path]) -> None:
    """Each of two people can take the other's address in one blueprint."""
    apply(
        [
            write_blueprint(
                f"tenant: acme\n---\nperson: a\nemail: {WRITTEN}\n---\nperson: b\nemail: B@example.com\n"
            )
        ]
    )
    apply(
        [
            write_blueprint(
                f"tenant: acme\n---\nperson: b\nemail: {WRITTEN}\n---\nperson: a\nemail: B@example.com\n"
            )
        ]
    )
    assert [Person.objects.get(username=name).mailbox for name in "ab"] == ["B@example.com", WRITTEN]


def test_conditions_distinguish_domains_that_fold_alike(acme: Tenant, door: Doors) -> None:
    """A person with an address at ``straße`` is none of the people of ``strasse``.

    Case and spelling do not matter.
    """
    for written in (WRITTEN, SENT_TO):
        assert (
            Program(mint("admin"))("PUT", "people/bob", {"email": written}, if_match="*").status_code == 200
        )
        for domain, denied in (
            ("strasse.example", False),
            ("straße.example", True),
            ("stra\u00dfe.example", True),
        ):
            deny = {"stage": "deny", "when": f'person.email.endsWith("@{domain}")'}
            draw("identification", "password", deny, "login", "device_code", "consent", "finish")
            assert (door().sign_in("bob", "bob-password-22").title == "Access denied") is denied


def test_a_row_of_an_earlier_release(acme: Tenant, door: Doors, mail_server: MailServer) -> None:
    """A row with the folded address alone is read.

    Where a newer folded one is beside the address as it was written before, that one counts.
    """
    people = Person.objects.filter(username="bob")
    for written in ("", WRITTEN):
        people.update(email="new@acme.test", email_written=written)
        assert people.get().mailbox == "new@acme.test"
        call_command("person", "recovery-link", "bob", "--tenant", "acme", "--mail", stdout=StringIO())
        assert door().sign_in("new@acme.test", "bob-password-22").step == "device_code"
    tasks.deliver_outbox()
    assert {address for arrived in mail_server.mails for address in arrived.recipients} == {"new@acme.test"}


def test_a_domain_that_was_owed_a_mail_before_it_was_checked(acme: Tenant, mail_server: MailServer) -> None:
    """It is given up with its reason; the others arrive."""
    words = {"name": "x", "link": "http://acme.test/recover/x", "minutes": "15"}
    send("recovery", "a@☃.example", words)
    send("recovery", "a@example.com", words)
    tasks.deliver_outbox()
    assert [list(arrived.recipients) for arrived in mail_server.mails] == [["a@example.com"]]
    assert "U+2603" in str(list(Delivery.objects.values()))


def test_readable() -> None:
    """In lower case, in the letters that people read."""
    assert display_address(WRITTEN) == display_address(SENT_TO) == "anna@straße.example"
    assert display_address("Root@[127.0.0.1]") == "root@[127.0.0.1]"
    assert display_address("") == lookup_key("") == ""
