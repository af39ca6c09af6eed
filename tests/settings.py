"""The product's own settings on a throw-away data folder.

Nothing is weaker for the tests but the cost of a password's hash.
"""

import atexit
import os
import shutil
import tempfile

from tests.modes import settings as mode

_made = tempfile.mkdtemp(prefix="foyer-tests-")
atexit.register(shutil.rmtree, _made, ignore_errors=True)
os.environ["FOYER_DATA"] = os.environ.get("FOYER_TEST_DATA") or _made
os.environ.setdefault("FOYER_LOG", "json")
# Playwright's sync API keeps a loop running in the test's thread
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
mode.prepare()

from idp.settings import *  # noqa: E402, F403  the environment must be there first
from idp.settings import DATA, DATABASES, PASSWORD_HASHERS  # noqa: E402

mode.tidy()
DATABASES["default"]["TEST"] = mode.test_database(DATABASES["default"], str(DATA))
PRODUCTION_HASHERS = PASSWORD_HASHERS
PASSWORD_HASHERS = ["tests.support.hashers.Cheap", *PRODUCTION_HASHERS[1:]]
# SQLite returns rows that no ORDER BY sorts backwards, so that neither product nor test relies on the order
# in which it happens to find them: PostgreSQL promises none.
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"]["init_command"] += "; PRAGMA reverse_unordered_selects=ON"
