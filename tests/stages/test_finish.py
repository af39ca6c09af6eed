"""finish: shows the result and decides nothing."""

from tests.support.client import Doors
from tests.support.flows import device_state, row_of


def test_the_page_shows_when_the_device_has_fetched_its_tokens(door: Doors) -> None:
    """Before, the person goes back to the device; after, the page may be closed."""
    browser = door()
    started = browser.start()
    last = browser.approve(started)
    assert (last.title, last.hidden) == ("Approved – return to your device", {})
    assert device_state(started) == "approved"
    assert browser.poll(started).status_code == 200
    done = browser.page(last.path)
    assert done.title == "Connected"
    assert "Acme TV" in done.text


def test_the_run_is_over_and_posts_change_nothing(door: Doors) -> None:
    """D31: Back and approve or deny again shows the last page."""
    browser = door()
    started = browser.start()
    last = browser.approve(started)
    row = row_of(last)
    assert row.ended_at is not None
    for fields in ({}, {"step": "consent", "decision": "deny"}, {"step": "finish"}):
        assert browser.http.post(last.path, fields).status_code in (200, 303)
    assert (row_of(last).revision, device_state(started)) == (row.revision, "approved")
