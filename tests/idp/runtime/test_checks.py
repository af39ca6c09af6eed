"""Start-up refuses the mixes that lose messages, and names the variable that fixes each."""

from pathlib import Path

import pytest
from django.core.checks import CheckMessage
from pytest_django import Settings

from idp.runtime.checks import check_database_and_redis, check_folders

SQLITE, POSTGRESQL = "django.db.backends.sqlite3", "django.db.backends.postgresql"
REDIS = "redis://localhost/0"


@pytest.mark.both_modes
@pytest.mark.parametrize(
    ("engine", "redis", "secret", "found"),
    [
        (SQLITE, "", "", {}),
        (POSTGRESQL, REDIS, "k" * 40, {}),
        (SQLITE, REDIS, "k" * 40, {"foyer.E010": "Set DATABASE_URL"}),
        (POSTGRESQL, "", "k" * 40, {"foyer.W010": "Set REDIS_URL"}),
        (POSTGRESQL, REDIS, "", {"foyer.E013": "Set FOYER_SECRET_KEY"}),
        (SQLITE, REDIS, "", {"foyer.E010": "Set DATABASE_URL", "foyer.E013": "Set FOYER_SECRET_KEY"}),
    ],
)
def test_mixes(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    engine: str,
    redis: str,
    secret: str,
    found: dict[str, str],
) -> None:
    """SQLite alone, or PostgreSQL with Redis and one secret key for all, is accepted.

    Anything between is an error, or at least a warning.
    """
    monkeypatch.setitem(settings.DATABASES["default"], "ENGINE", engine)
    settings.SECRET_KEY_IS_GIVEN = bool(secret)
    settings.REDIS_URL = redis
    messages: list[CheckMessage] = check_database_and_redis(None)
    assert {
        str(message.id): str(message.hint)[: len(found.get(str(message.id), ""))] for message in messages
    } == found
    assert all(message.is_serious() == str(message.id).startswith("foyer.E") for message in messages)


@pytest.mark.parametrize("name", ["SECRETS", "BLUEPRINTS"])
def test_a_folder_that_is_not_there_is_reported(settings: Settings, tmp_path: Path, name: str) -> None:
    """A folder that does not exist is reported: no secret would be found and no blueprint applied.

    A file in its place is no folder either.
    """
    (tmp_path / "file").touch()
    for value, warnings in (
        (str(tmp_path), 0),
        ("", 0),
        (str(tmp_path / "nowhere"), 1),
        (str(tmp_path / "file"), 1),
    ):
        setattr(settings, name, value)
        messages = check_folders(None)
        assert len(messages) == warnings
        assert all(f"FOYER_{name} names {value}" in message.msg for message in messages)
