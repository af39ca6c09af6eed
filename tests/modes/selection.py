"""Which tests run on PostgreSQL and Redis again, and why the others would see no difference there.

A test runs in both modes when it uses a database, when its module reaches code of the tests that knows the
mode, or when it is marked ``both_modes``. Any other one runs in the embedded mode only.

- What uses no database: while such a test runs, every use of what differs (the database, the cache, the
  channel layer, a setting that names a server) fails it with the advice to mark it.
- What translates: the console and the API may import no table (an import contract), conversion turns
  documents into documents, and journeys use the same pages in a browser. All of them call functions of the
  domain, whose tests run in both modes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from asgiref.local import Local
from channels.layers import channel_layers
from django.conf import UserSettingsHolder, settings
from django.core.cache import caches

DIFFERENT = frozenset(
    {"DATABASES", "SQLITE", "REDIS_URL", "REDIS_PREFIX", "EMBEDDED", "CACHES", "CHANNEL_LAYERS"}
)
"""The settings that are not the same in the two modes."""
TRANSLATIONS = (
    "tests/blueprints/convert/",
    "tests/journeys/",
    "tests/web/api/",
    "tests/web/console/",
)
"""The folders of tests of what only translates."""
_DATABASE = frozenset(
    {"db", "transactional_db", "django_db_setup", "django_db_reset_sequences", "live_server"}
)


def may_use_servers(item: pytest.Item) -> bool:
    """Return whether a test may use what is not the same in the two modes."""
    return _knows_or_is_marked(item) or _uses_database(item)


def in_both_modes(item: pytest.Item) -> bool:
    """Return whether a test has to run in both modes."""
    return _knows_or_is_marked(item) or (_uses_database(item) and not item.nodeid.startswith(TRANSLATIONS))


def keep_what_differs(items: list[pytest.Item]) -> list[pytest.Item]:
    """Take out of ``items`` what runs in the embedded mode only, and return it."""
    alike = [item for item in items if not in_both_modes(item)]
    items[:] = [item for item in items if in_both_modes(item)]
    return alike


def _uses_database(item: pytest.Item) -> bool:
    fixtures = set(getattr(item, "fixturenames", ()))
    return bool(fixtures & _DATABASE or item.get_closest_marker("django_db"))


def _knows_or_is_marked(item: pytest.Item) -> bool:
    module = getattr(item, "module", None)
    return bool(
        item.get_closest_marker("both_modes")
        or module is None
        or _reaches(module.__name__, frozenset(_origins(module)))
    )


@contextmanager
def nothing_different() -> Iterator[None]:
    """Fail the test that uses, inside, what is not the same in the two modes."""
    used: list[str] = []

    def refuse(what: str) -> Any:
        used.append(what)
        pytest.fail(
            f"This test uses {what}, which is another one on PostgreSQL and Redis: mark it with "
            "pytest.mark.both_modes."
        )

    class Tripwire(UserSettingsHolder):
        def __getattr__(self, name: str) -> Any:
            return refuse(f"the setting {name}") if name in DIFFERENT else super().__getattr__(name)

    before = vars(settings)["_wrapped"]
    with (
        patch.object(caches, "_connections", Local(caches.thread_critical)),
        patch.object(caches, "create_connection", lambda alias: refuse("the cache")),
        patch.object(channel_layers, "backends", {}),
        patch.object(channel_layers, "_make_backend", lambda *_: refuse("the channel layer")),
    ):
        settings._wrapped = Tripwire(before)
        try:
            yield
        finally:
            settings._wrapped = before
    assert not used, (
        f"It uses {', '.join(used)}, in a thread or behind a handler: mark it with pytest.mark.both_modes."
    )


def _origins(module: Any) -> Iterator[str]:
    for value in vars(module).values():
        name = getattr(value, "__module__", None) or (
            value.__name__ if isinstance(value, type(pytest)) else ""
        )
        if isinstance(name, str) and name.startswith("tests."):
            yield name


@lru_cache
def _reaches(module: str, origins: frozenset[str]) -> bool:
    return any(map(_knows_the_mode, {module, *origins}))


@lru_cache
def _knows_the_mode(module: str) -> bool:
    spec = find_spec(module)
    return bool(spec and spec.origin and "FOYER_TEST_" in Path(spec.origin).read_text(encoding="utf-8"))
