"""A web process that is killed when the tokens are committed and not yet sent: the other one sends them."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.modes.running_cluster import Cluster, Person, poll, refresh, start

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("servers")]


@pytest.fixture
def wish() -> Iterator[Path]:
    """While this file exists, the next process that has tokens to send dies."""
    handle, name = tempfile.mkstemp(prefix="foyer-kill-")
    os.close(handle)
    path = Path(name)
    path.unlink()
    yield path
    path.unlink(missing_ok=True)


@pytest.fixture
def cluster(wish: Path) -> Iterator[Cluster]:
    """Two web processes that die on request."""
    running = Cluster(FOYER_TEST_KILL=str(wish), DJANGO_SETTINGS_MODULE="tests.modes.killed_settings")
    yield running
    running.close()


def test_kill_minus_nine_between_commit_and_answer(cluster: Cluster, wish: Path) -> None:
    """D24, D27, B15: nothing is lost and nothing doubled, at the redemption and at a refresh.

    No one has to approve again.
    """
    first, second = cluster.webs
    device, person = start(first), Person()
    person.at_consent(second, device)
    person.approve(second)
    before = cluster.pid("web 0")
    wish.touch()
    with pytest.raises(requests.ConnectionError):
        poll(first, device)
    assert not wish.exists()
    status, tokens = poll(second, device)
    assert status == 200
    cluster.again("web 0", before)
    before = cluster.pid("web 1")
    wish.touch()
    with pytest.raises(requests.ConnectionError):
        refresh(second, tokens)
    status, newer = refresh(first, tokens)
    assert status == 200
    assert refresh(first, newer)[0] == 200
    cluster.again("web 1", before)
    assert cluster.timeline(device) == [
        "device.started",
        "device.code_entered",
        "device.approved",
        "device.redeemed",
    ]
    assert cluster.sql("SELECT count(*) FROM oauth_tokenfamily WHERE revoked_at IS NULL") == [(1,)]
    assert cluster.sql("SELECT count(*) FROM events_event WHERE kind = 'tokens.issued'") == [(3,)]
