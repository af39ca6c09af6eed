"""Which servers the tests run on: none, or the PostgreSQL and Redis of tests/modes/cluster.py."""

import os
import re
from typing import Any


def prepare() -> bool:
    """Set the environment for the product's settings; returns whether there are servers."""
    if os.environ.get("FOYER_TEST_MODE") != "cluster":
        return False
    try:
        database, redis = os.environ["FOYER_TEST_DATABASE"], os.environ["FOYER_TEST_REDIS"]
    except KeyError:
        raise SystemExit("Start these tests with: python -m tests.modes.cluster pytest …") from None
    number = re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "")) or "127"
    os.environ["DATABASE_URL"], os.environ["REDIS_URL"] = database, redis.removesuffix("0") + number
    os.environ["FOYER_SECRET_KEY"] = f"the secret key of the test process {number}"
    return True


def tidy() -> None:
    """Give programs that the tests start an environment without servers."""
    for name in ("DATABASE_URL", "REDIS_URL"):
        os.environ.pop(name, None)


def test_database(database: dict[str, Any], folder: str) -> dict[str, Any]:
    """The database's TEST dictionary."""
    return {} if database["ENGINE"].endswith("postgresql") else {"NAME": f"{folder}/test.sqlite3"}
