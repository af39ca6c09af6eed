"""POSTs of the console: nothing is lost with one click, and a reload posts nothing again."""

import re

import pytest

from idp.tenancy.scope import tenant_scope
from tests.web.console import posts
from tests.web.console.pages import at
from web.console.frame import ConsolePage
from web.console.urls import PAGES

NAMED = {page.name: page for page in PAGES}


def by_name(names: set[str]) -> list[ConsolePage]:
    """Return these pages in the order of their names."""
    return [NAMED[name] for name in sorted(names)]


def test_every_form_is_known_here() -> None:
    """Every page with a POST is listed once: it asks first, can be undone, or writes nothing."""
    tables = [posts.ASKS, posts.ASKS_FIRST, posts.READS, posts.UNDONE, set(posts.actions()), posts.objects()]
    assert sorted(name for table in tables for name in table) == sorted(page.name for page in posts.posting())


def test_actions_of_lists_ask() -> None:
    """Every action that removes something asks first, for one object and for two hundred."""
    silent = {action.name for action in posts.actions().values() if not action.confirmation}
    assert silent == posts.WITHOUT_ASKING


@pytest.mark.parametrize("page", by_name(posts.ASKS), ids=lambda page: page.name)
def test_what_cannot_be_undone_has_a_page_that_asks(page: ConsolePage, inhabited: None) -> None:
    """An irreversible action has a page for permitted roles, whose form posts to itself.

    Opening the page writes nothing.
    """
    door, tenant = posts.owner_at(page)
    with tenant_scope(tenant):
        posts.form_of(page)
        address = at(page)
    assert page.view_operation == page.post_operation
    answer = door.get(address)
    assert answer.status_code == 200
    text = answer.content.decode()
    assert re.search(r'<form method="post"(?! action)[^>]*>', text[text.index("<main") :])
    assert not re.search(rf'<form method="post" action="[^"]*{re.escape(address)}"', text)


@pytest.mark.parametrize("page", by_name(posts.ASKS_FIRST | set(posts.actions())), ids=lambda page: page.name)
def test_the_first_post_only_asks(page: ConsolePage, inhabited: None) -> None:
    """The first POST returns a page and writes nothing; the confirmed second one acts and redirects."""
    door, _tenant = posts.owner_at(page)
    if page.name not in {f"{name}-activate" for name in ("people", "applications")}:
        answer, written = posts.pressed(door, page, sure=False)
        assert (answer.status_code, written) == (200, [])
        assert 'name="sure"' in answer.content.decode()
    answer, written = posts.pressed(door, page, sure=True)
    assert answer.status_code == 303
    assert written


@pytest.mark.parametrize("page", posts.posting(), ids=lambda page: page.name)
def test_a_post_that_writes_leads_on(page: ConsolePage, inhabited: None) -> None:
    """Every POST that writes redirects to a GET, so that F5 does nothing twice.

    A POST that returns a page writes nothing.
    """
    door, _tenant = posts.owner_at(page)
    answer, written = posts.pressed(door, page, sure=True)
    assert answer.status_code == (200 if page.name in posts.READS else 303), answer.content.decode()[:3000]
    assert bool(written) == (page.name not in posts.READS | posts.NOTHING_NEW)
    assert "no-store" in answer["Cache-Control"]
