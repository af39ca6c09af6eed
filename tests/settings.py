"""The product's own settings on a throw-away data folder; nothing is made weaker for the tests."""

import os
import tempfile

os.environ["FOYER_DATA"] = os.environ.get("FOYER_TEST_DATA") or tempfile.mkdtemp(prefix="foyer-tests-")
os.environ.setdefault("FOYER_LOG", "json")
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "1")  # Playwright's sync API keeps a loop running in the test's thread

from idp.settings import *  # noqa: F403
from idp.settings import DATA, DATABASES

DATABASES["default"]["TEST"] = {"NAME": str(DATA / "test.sqlite3")}
