"""The product's own settings on a throw-away data folder; nothing is made weaker for the tests."""

import os
import tempfile

from tests.modes import settings as mode

os.environ["FOYER_DATA"] = os.environ.get("FOYER_TEST_DATA") or tempfile.mkdtemp(prefix="foyer-tests-")
os.environ.setdefault("FOYER_LOG", "json")
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "1")  # Playwright's sync API keeps a loop running in the test's thread
mode.prepare()

from idp.settings import *  # noqa: E402, F403  the environment must be there first
from idp.settings import DATA, DATABASES  # noqa: E402

mode.tidy()
DATABASES["default"]["TEST"] = mode.test_database(DATABASES["default"], str(DATA))
