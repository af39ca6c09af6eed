"""Two tabs of one browser at the same moment: each step happens once, and no tab meets an error."""

from flows.models import Run
from idp.tenancy.models import Tenant
from tests.support.client import Door, Seen
from tests.support.concurrency import at_once, meeting_at
from tests.support.flows import device_state, events

PASSWORDS = {"alice": "alice-password-1", "bob": "bob-password-22"}


def tab(browser: Door) -> Door:
    """Return a tab with the same cookies on its own connection."""
    second = Door()
    second.http.cookies.update(browser.http.cookies)
    return second


def test_two_people_sign_in_in_two_tabs_at_once(
    transactional_db: None, tenants: dict[str, Tenant], door: type[Door]
) -> None:
    """One of them is signed in, the other tab's run has ended (authentik #6954: no tab breaks another)."""
    browser, shown = door(), []
    pages = {name: browser.page().submit(name=name) for name in PASSWORDS}

    def post(name: str) -> None:
        page = pages[name]
        shown.append(Seen(tab(browser), page.response, page.path).submit(password=PASSWORDS[name]))

    meeting_at(Run.unscoped.all(), lambda: post("alice"), lambda: post("bob"), seconds=2)
    assert events("session.started") == 1
    assert [page.status for page in shown] == [200, 200]
    assert sorted(page.step == "device_code" for page in shown) == [False, True], [
        page.title for page in shown
    ]


def test_the_same_approval_twice_at_once(
    transactional_db: None, tenants: dict[str, Tenant], door: type[Door]
) -> None:
    """D31: both requests of a double click see that it worked, and it happened once."""
    browser, started, titles = door(), door().start(), []
    page = browser.sign_in().submit(user_code=started.user_code)

    def post() -> None:
        titles.append(Seen(tab(browser), page.response, page.path).submit(decision="approve").title)

    at_once(*[post] * 4)
    assert titles == ["Approved – return to your device"] * 4
    assert (events("device.approved"), device_state(started)) == (1, "approved")
