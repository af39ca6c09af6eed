"""``manage.py cluster``: runs the distributed mode on one machine, for trying it out and for tests.

It consists of the servers, two web processes, a worker and beat.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from idp.runtime import env, files
from tools import servers
from tools.servers import ChildProcess, LocalServer, ServerUnavailable

_READY_SECONDS = 60
_WATCH_SECONDS = 1


class Command(BaseCommand):
    """Starts all processes, restarts those that end, and stops everything on Ctrl-C."""

    help = (
        "PostgreSQL, Redis, two web processes on PORT and PORT+1, a Celery worker and a beat; data in "
        "FOYER_DATA/cluster."
    )
    # they check this process's settings, but each child process checks its own
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        files.make_folder(settings.DATA, 0o711)  # the servers' user needs access to its folder below
        files.store_secret_key()
        with ExitStack() as cleanup, _until_interrupted():
            try:
                environment = self._start_servers(cleanup)
                processes = self._start_processes(environment, cleanup)
            except ServerUnavailable as error:
                raise CommandError(str(error)) from None
            first, second = settings.PORT, settings.PORT + 1
            self.stderr.write(
                f"Foyer is running at http://localhost:{first}/ and http://localhost:{second}/ "
                "(stop with Ctrl-C)"
            )
            self._watch(processes)

    def _start_servers(self, cleanup: ExitStack) -> dict[str, str]:
        """Start the servers that DATABASE_URL and REDIS_URL do not name; return the others' environment."""
        folder = Path(settings.DATA) / "cluster"
        urls = {"DATABASE_URL": env.read().database_url, "REDIS_URL": env.read().redis_url}
        self._started_servers: list[LocalServer] = []
        for name, make in {"DATABASE_URL": servers.postgres, "REDIS_URL": servers.redis}.items():
            if not urls[name]:
                server = make(folder)
                cleanup.callback(server.stop)
                server.start()
                urls[name] = server.url
                self._started_servers.append(server)
        return {
            **os.environ,
            **urls,
            "FOYER_SECRET_KEY": settings.SECRET_KEY,
            "FOYER_DATA": str(settings.DATA),
        }

    def _start_processes(self, environment: dict[str, str], cleanup: ExitStack) -> list[ChildProcess]:
        """Set up the database, start web processes, worker and beat, and wait for both web processes."""
        manage = [sys.executable, str(Path(sys.argv[0]).absolute())]
        celery = [sys.executable, "-m", "celery", "--quiet", "-A", "idp.celery"]
        if subprocess.run([*manage, "setup"], cwd=settings.BASE_DIR, env=environment, check=False).returncode:  # noqa: S603
            raise CommandError("Setup failed. See the lines above.")
        ports = (settings.PORT, settings.PORT + 1)
        commands = {
            **{f"web {port}": [*manage, "web"] for port in ports},
            "worker": [*celery, "worker", "--concurrency", "2", "--without-gossip", "--without-mingle"],
            "beat": [*celery, "beat", "--scheduler", "celery.beat:Scheduler"],
        }
        processes = [
            ChildProcess(name, command, environment=environment, working_directory=settings.BASE_DIR)
            for name, command in commands.items()
        ]
        for process, port in zip(processes, ports, strict=False):
            process.environment = {**environment, "PORT": str(port)}
        for process in processes:
            cleanup.callback(process.stop)
            process.start()
        _wait(lambda: all(map(_ready, ports)), processes)
        return processes

    def _watch(self, processes: list[ChildProcess]) -> None:
        """Restart processes that end; the database records unfinished work, so nothing else is necessary."""
        children = [*(server.child for server in self._started_servers), *processes]
        while True:
            for child in children:
                if child.exit_code is not None:
                    self.stderr.write(f"{child.name} ended ({child.exit_code}), restarting it")
                    child.stop()
                    child.start()
            time.sleep(_WATCH_SECONDS)


@contextmanager
def _until_interrupted() -> Iterator[None]:
    """End the block on SIGINT or SIGTERM; ignore both from then on, so that everything stops in order."""

    def interrupt(*args: Any) -> None:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        return


def _wait(condition: Callable[[], bool], processes: list[ChildProcess]) -> None:
    end = time.monotonic() + _READY_SECONDS
    while not condition():
        if ended := [process.name for process in processes if process.exit_code is not None]:
            raise CommandError(f"{' and '.join(ended)} exited immediately. See the lines above.")
        if time.monotonic() > end:
            raise CommandError(f"No response after {_READY_SECONDS} seconds.")
        time.sleep(0.1)


def _ready(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=5) as response:
            return bool(response.status == 200)
    except (URLError, OSError):
        return False
