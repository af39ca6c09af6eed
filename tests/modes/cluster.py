"""Run a command with the tests on their own PostgreSQL and Redis.

Usage: ``python -m tests.modes.cluster pytest -n auto``.

The servers are started once and end with the command. Every test process has its own database in PostgreSQL,
and its own database and prefix in Redis (tests/settings.py).
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tools import servers


def main(command: list[str]) -> int:
    """Return the command's exit code."""
    with ExitStack() as ends:
        folder = Path(tempfile.mkdtemp(prefix="foyer-servers-"))
        ends.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o711)  # the servers' own user must be able to enter it
        started = [servers.postgres(folder, durable=False), servers.redis(folder)]
        for server in started:
            ends.callback(server.stop)
            server.start()
        signal.signal(
            signal.SIGINT, signal.SIG_IGN
        )  # the command got the signal too, and reports its progress
        names = ("FOYER_TEST_DATABASE", "FOYER_TEST_REDIS")
        urls = {name: server.url for name, server in zip(names, started, strict=True)}
        return subprocess.run(
            [sys.executable, "-m", *command],
            env={**os.environ, "FOYER_TEST_MODE": "cluster", **urls},
            check=False,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,
        ).returncode


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
