#!/usr/bin/env python3
"""Runs Foyer's commands; on a bare machine it first installs requirements.lock into .venv."""

import io
import os
import sys

if sys.version_info < (3, 11):  # noqa: UP036 - this file alone is also read by older Pythons
    sys.exit(
        "Foyer needs Python 3.11 or newer; this is {}.{} ({}).".format(*sys.version_info[:2], sys.executable)
    )

# Every command pays for the imports above this line. Imports that only a first start needs are where they
# are used.

ROOT = os.path.dirname(os.path.abspath(__file__))
VENV = os.path.join(ROOT, ".venv")
PYTHON = os.path.join(VENV, "bin", "python")
STAMP = os.path.join(VENV, ".foyer-lock")  # the installed locks, one digest a line

# The locks are complete, so no installer looks for dependencies: a release newer than the lock cannot change
# the result. Nothing is built from source, because a build would fetch tools that no hash covers. pip and uv
# spell these alike.
AS_LOCKED = ("--no-deps", "--require-hashes", "--only-binary", ":all:", "-r")

NO_VENV = (
    "Foyer: this Python can't create virtual environments. On Debian and Ubuntu: apt-get install python3-venv"
)


def main() -> None:
    if not in_venv() and not in_other_environment():
        create_venv()
        restart_in_venv()
    if in_venv() and not is_installed("requirements.lock"):
        install_locks("requirements.lock")
        restart_in_venv()

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "idp.settings")
    from idp.runtime.command_line import main as run

    run(sys.argv)


def in_venv() -> bool:
    return os.path.realpath(sys.prefix) == os.path.realpath(VENV)


def in_other_environment() -> bool:
    """Return whether this runs in another environment, which its owner keeps up to date."""
    if sys.prefix == sys.base_prefix:
        return False
    from importlib.util import find_spec

    return find_spec("django") is not None


def restart_in_venv() -> None:
    """Restart this command line in .venv."""
    if os.path.abspath(sys.executable) == PYTHON and not in_venv():
        sys.exit(f"Foyer: {VENV} is damaged. Remove it and start again.")
    os.execv(PYTHON, [PYTHON, *sys.orig_argv[1:]])  # noqa: S606 - our own interpreter, no shell


def create_venv() -> None:
    """Create an empty .venv, also where the Python of an existing one is gone."""
    if os.path.exists(PYTHON):
        return
    try:
        from venv import EnvBuilder
    except ImportError:
        sys.exit(NO_VENV)
    with lock_startup():
        if not os.path.exists(PYTHON):
            EnvBuilder(symlinks=True, clear=True).create(VENV)


def install_locks(*locks: str) -> None:
    """Install what the lock files name into .venv, in which this runs."""
    with lock_startup():
        if all(map(is_installed, locks)):
            return
        print(
            f"Foyer: installing {' and '.join(locks)} into .venv (once, takes about half a minute)…",
            file=sys.stderr,
            flush=True,
        )
        for lock in locks:
            install_lock(os.path.join(ROOT, lock))
        with open(STAMP, "w", encoding="ascii") as stamp:
            stamp.writelines(f"{digest(lock)}\n" for lock in locks)


def is_installed(lock: str) -> bool:
    try:
        with open(STAMP, encoding="ascii") as stamp:
            return f"{digest(lock)}\n" in stamp
    except FileNotFoundError:
        return False


def digest(lock: str) -> str:
    """Return the lock's SHA-256 and this Python's version, which changes when the system's Python does.

    After such an upgrade nothing counts as installed.
    """
    from hashlib import sha256

    with open(os.path.join(ROOT, lock), "rb") as file:
        return f"{sha256(file.read()).hexdigest()} {sys.implementation.cache_tag}"


def install_lock(lock: str) -> None:
    """Install exactly what a lock file names: with uv if it exists, which takes a second, else with pip."""
    from importlib.util import find_spec
    from shutil import which
    from subprocess import DEVNULL, call

    uv = which("uv")
    if uv and not call([uv, "pip", "install", "--quiet", "--python", PYTHON, *AS_LOCKED, lock]):
        return
    if not find_spec("pip"):
        if not find_spec("ensurepip"):
            sys.exit(NO_VENV)
        call([PYTHON, "-Im", "ensurepip", "--default-pip"], stdout=DEVNULL)
    pip = [PYTHON, "-m", "pip", "-qq", "--disable-pip-version-check", "--no-input", "install"]
    if call([*pip, *AS_LOCKED, lock]):
        sys.exit(f"Foyer: {lock} could not be installed; see the lines above. Fix that and start again.")


def lock_startup() -> io.BufferedReader:
    """Return a lock that makes concurrent starts take turns.

    It is on this file, so that none is left behind.
    """
    import fcntl

    lock = open(__file__, "rb")  # noqa: SIM115 - the caller closes it
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        if sys.stderr:
            sys.stderr.write("\nFoyer: interrupted\n")
        sys.exit(130)  # as shells name the end by SIGINT
