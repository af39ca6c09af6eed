"""Names, labels, codes and URLs that are markup are shown as text on every page."""

from collections.abc import Callable

import pytest
from django.core.management import call_command

from flows.models import Version
from idp.accounts.models import Person as Account
from idp.foundation.text import clean_line, fold
from idp.oauth.models import Application, Scope
from idp.tenancy.models import Tenant
from tests.journeys.browser import PASSWORDS, NewPerson, Person
from tests.journeys.devices import Device

MARKUP = [
    "</title></h1></p></bdi><script>alert(1)</script><img src=x onerror=alert(1)>",
    "'\"><svg/onload=alert(1)>{{ 7|add:7 }}{% now 'U' %}\u202etxet\u202c &lt;b&gt; \\u003cscript\\u003e",
]


@pytest.mark.parametrize("text", MARKUP, ids=["elements", "attributes"])
def test_markup_is_only_text(
    text: str, acme: Tenant, new_person: NewPerson, new_device: Callable[..., Device]
) -> None:
    """CVE-2026-42849: every name, label, code and agent is shown as typed, and nothing runs.

    These are those of the application, the publisher, the scope, the tenant, the flow and the person.
    """
    Tenant.objects.filter(pk=acme.pk).update(title=text)
    Application.objects.filter(client_id="tv").update(title=text, owner=text, scopes=["openid", "acme:read"])
    Scope.objects.filter(name="acme:read").update(title=text, description=text)
    Account.objects.filter(username="alice").update(username=fold(text), name=text)
    Version.objects.update(
        digest="", document={**Version.objects.filter(flow__tenant=acme).get().document, "title": text}
    )
    device = new_device(
        scope="openid acme:read", device_name=text, agent=text.encode("ascii", "ignore").decode()
    )
    person = new_person()

    person.open(f"/device?user_code={text}&next={text}&title={text}#{text}")
    _harmless(person, text)
    person.fill("Username or email address", text)
    person.press("Continue")
    _harmless(person, text)
    person.fill("Password", "wrong")
    person.press("Sign in")
    _harmless(person, text)
    person.fill("Password", PASSWORDS["alice"])
    person.press("Sign in")
    person.sees("Connect a device")
    assert person.value("Code on your device").replace("-", "")
    person.enter_code(text)
    _harmless(person, text)
    person.page.get_by_label("Code on your device").fill(text)
    person.press("Continue")
    person.reads("valid or has expired. Check it, or get a new one")
    _harmless(person, text)
    person.enter_code(device.user_code)
    person.sees("Connect this device?")
    _harmless(person, text, times=5)
    person.reads(clean_line(text, 200), f"“{clean_line(text, 40)}”".replace('"', "'"))
    person.press("Approve")
    person.sees("Approved – return to your device")
    _harmless(person, text, times=2)
    assert isinstance(device.poll(), dict)
    person.sees("Connected")
    _harmless(person, text, times=2)
    person.open("/")
    _harmless(person, text, times=2)
    person.open(f"/{text.replace('/', '')}")
    _harmless(person, text)


def test_markup_on_the_page_of_a_recovery_link(
    acme: Tenant, new_person: NewPerson, capsys: pytest.CaptureFixture[str]
) -> None:
    """CVE-2026-42849: the account's name is text there too."""
    Account.objects.filter(username="alice").update(username=MARKUP[0])
    call_command("person", "recovery-link", MARKUP[0], "--tenant", "acme", "--url", "http://acme.test")
    person = new_person()
    person.open(capsys.readouterr().out.strip().removeprefix("http://acme.test"))
    person.sees("Set a new password")
    _harmless(person, MARKUP[0], tab="Acme")


def _harmless(person: Person, text: str, times: int = 1, tab: str = "") -> None:
    """Check that the text is shown as it is and created no element.

    A script that ran would have opened a dialog, which fails the test.
    """
    page = person.page
    shown = page.locator("body").evaluate("body => body.textContent")
    assert shown.count(text) >= times, f"{shown.count(text)} of {times} in {shown!r}"
    assert page.locator("img, [onload], [onerror], script:not([src])").count() == 0
    assert page.title().endswith(tab or text)
