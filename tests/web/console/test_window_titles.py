"""Window titles: each page of the console has its own, with the object, the page and the tenant."""

import html
import re
from collections import defaultdict

from idp.accounts.models import Person
from idp.oauth.models import Application
from idp.tenancy.models import Tenant
from tests.support.client import Doors
from tests.web.console.pages import at, default_tenant, entered, inhabit, of_the_installation, reading


def title(page: str) -> str:
    """Return the title of the window."""
    found = re.search(r"<title>(.*?)</title>", page, re.DOTALL)
    return html.unescape(found[1].strip()) if found else ""


def test_no_two_pages_have_one_title(acme: Tenant, door: Doors) -> None:
    """WCAG 2.4.2: every page has its own title, which ends with the tenant's, and one heading."""
    inhabit(door())
    Application.objects.filter(name="tv").update(title="Lobby TV")
    clerk, owner = entered("acme.test", acme, "owner"), entered("localhost", default_tenant(), "owner")
    seen = defaultdict(list)
    for page in reading():
        who = owner if of_the_installation(page) else clerk
        response = who.get(at(page))
        text = response.content.decode(errors="replace")
        # the others are fragments, files and frames
        if response.status_code == 200 and 'id="main"' in text:
            seen[title(text)].append(page.name)
            assert len(re.findall(r"<h1[ >]", text)) == 1, page.name
    assert {name: pages for name, pages in seen.items() if len(pages) > 1} == {}
    assert len(seen) > 50
    assert all(name.split(" · ")[-1] in ("Acme", "Default") or name.endswith("· Foyer") for name in seen), (
        seen
    )
    for expected in (
        "Versions · A new title · Acme",
        "Edit · A new title · Acme",
        "Test · A new title · Acme",
        "Lobby TV · alice · Devices · Acme",
    ):
        assert expected in seen


def test_hostile_names_stay_text(acme: Tenant, door: Doors) -> None:
    """WCAG 2.4.2: names are text in the window's title and in the heading.

    An error is announced once before the title.
    """
    hostile = "</title><script>alert(1)</script>\"'&"
    inhabit(door())
    Application.objects.filter(name="tv").update(title=hostile)
    Person.objects.filter(username="bob").update(name=hostile)
    Tenant.objects.filter(name="acme").update(title=hostile)
    clerk = entered("acme.test", acme, "owner")
    for page in reading():
        if of_the_installation(page):
            continue
        answer = clerk.get(at(page))
        text = answer.content.decode(errors="replace")
        assert "<script>alert" not in text or not answer["Content-Type"].startswith("text/html"), page.name
        if 'id="main"' in text:
            assert title(text).endswith(hostile), page.name
    wrong = clerk.http.post("/console/people/add", {"person": ""}).content.decode()
    assert title(wrong).count("Error") == 1
    assert title(wrong).startswith("Error: Create person")
