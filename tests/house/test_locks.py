"""The lock files install exactly what they name, with uv and with every pip.

What was published later does not matter.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.house.source import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("locks")]

LOCKS = ("requirements.lock", "requirements-dev.lock")
# Each supported Python with the pip of its first release, and Debian 12's.
PYTHONS_AND_PIPS = [
    ("3.11", "22.3"),
    ("3.11", "23.0.1"),
    ("3.12", "23.2.1"),
    ("3.13", "24.2"),
    ("3.14", "25.2"),
]
PLATFORMS = ("x86_64-manylinux_2_28", "aarch64-manylinux_2_28", "aarch64-apple-darwin")
UV = str(Path(sys.executable).with_name("uv"))
NEWER = "9999"


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of an index that offers a newer release of everything in the locks.

    It offers them beside the real releases.
    """
    folder = tmp_path_factory.mktemp("newer")
    for name in pins():
        stem = f"{name.replace('-', '_')}-{NEWER}"
        with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as wheel:
            wheel.writestr(
                f"{stem}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {NEWER}\n"
            )
            wheel.writestr(
                f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            wheel.writestr(f"{stem}.dist-info/RECORD", "")
    pip = " ".join(filter(None, [os.environ.get("PIP_FIND_LINKS"), str(folder)]))
    uv = ",".join(filter(None, [os.environ.get("UV_FIND_LINKS"), str(folder)]))
    return {"PIP_FIND_LINKS": pip, "UV_FIND_LINKS": uv, "PIP_NO_COMPILE": "1"}


class Checkout:
    """What ``make dev`` needs of a fresh clone, and a PATH on which nothing else is found."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.python = str(folder / ".venv" / "bin" / "python")
        (folder / "bin").mkdir()
        self.environment = os.environ | environment | {"PATH": str(folder / "bin")}
        for name in ("manage.py", "Makefile", *LOCKS):
            shutil.copy(ROOT / name, folder)

    def run(self, *command: str) -> str:
        """Return what the command prints; fail with it when the command fails."""
        ended = subprocess.run(command, cwd=self.folder, env=self.environment, capture_output=True, text=True)
        assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"
        return ended.stdout

    def make_dev(self) -> None:
        """Install both locks as every developer's target does."""
        make = shutil.which("make")
        assert make
        self.run(make, "dev", f"PYTHON={self.python}")

    def installed(self) -> dict[str, str]:
        """Return name -> version of everything but pip."""
        listed = json.loads(self.run(self.python, "-m", "pip", "list", "--format=json", "--exclude=pip"))
        return {canonicalize_name(each["name"]): each["version"] for each in listed}

    def lacks(self, lock: str) -> list[str]:
        """Return what a plain installation of the lock would still add, dependencies and extras included."""
        said = self.run(self.python, "-m", "pip", "install", "--dry-run", "--require-hashes", "-r", lock)
        return re.findall(r"^Would install .*", said, re.MULTILINE)


@pytest.mark.parametrize(("version", "pip"), PYTHONS_AND_PIPS)
def test_every_pip_installs_both_locks(version: str, pip: str, newer: dict[str, str], tmp_path: Path) -> None:
    """Each supported Python's oldest pip fills an empty environment from the locks.

    Nothing is missing afterwards.
    """
    checkout = Checkout(tmp_path, newer)
    checkout.run(python(version), "-m", "venv", ".venv")
    checkout.run(checkout.python, "-m", "pip", "install", f"pip=={pip}")
    checkout.run(checkout.python, "-m", "pip", "download", "--no-deps", "coverage")
    assert list(tmp_path.glob(f"coverage-{NEWER}-*"))  # the newer releases are really on offer
    checkout.make_dev()
    assert set(checkout.installed().items()) <= set(pins().items())
    assert [lock for lock in LOCKS if checkout.lacks(lock)] == []


def test_uv_installs_both_locks(newer: dict[str, str], tmp_path: Path) -> None:
    """The result is the same with uv where it exists, and pip is not used."""
    checkout = Checkout(tmp_path, newer)
    (tmp_path / "bin" / "uv").symlink_to(UV)
    checkout.run(sys.executable, "-m", "venv", ".venv")
    (tmp_path / "wanted").write_text("coverage")
    # the newer releases are really on offer
    assert f"coverage=={NEWER}" in checkout.run(UV, "pip", "compile", "wanted")
    checkout.make_dev()
    found = checkout.installed()
    assert set(found.items()) <= set(pins().items())
    assert [lock for lock in LOCKS if checkout.lacks(lock)] == []
    assert {each.read_text() for each in tmp_path.glob(".venv/lib/*/site-packages/django-*/INSTALLER")} == {
        "uv"
    }


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("version", sorted({version for version, _ in PYTHONS_AND_PIPS}))
def test_nothing_is_built(version: str, platform: str, newer: dict[str, str], tmp_path: Path) -> None:
    """Everything in the locks has a wheel for each supported Python and platform.

    A build would take tools that no lock pins.
    """
    checkout = Checkout(tmp_path, newer)
    target = (
        "--target",
        "target",
        "--python",
        sys.executable,
        "--python-version",
        version,
        "--python-platform",
        platform,
    )
    for lock in LOCKS:
        checkout.run(UV, "pip", "install", "--dry-run", "--require-hashes", "--no-build", *target, "-r", lock)


def test_the_locks_follow_pyproject(tmp_path: Path) -> None:
    """A dependency that was changed manually is in the locks too; ``make lock`` writes them."""
    for name in ("pyproject.toml", "Makefile", *LOCKS):
        shutil.copy(ROOT / name, tmp_path)
    environment = os.environ | {"UV_PYTHON": sys.executable}
    subprocess.run(["make", "lock", f"UV={UV}"], cwd=tmp_path, env=environment, check=True)
    assert [lines(tmp_path / lock) for lock in LOCKS] == [lines(ROOT / lock) for lock in LOCKS]


def lines(lock: Path) -> list[str]:
    """Return a lock's pins without their hashes.

    A release can get more hashes when more wheels are added to it.
    """
    return [line.removesuffix(" \\") for line in lock.read_text().splitlines() if not line.startswith(" ")]


def pins() -> dict[str, str]:
    """Return name -> version of everything in both locks."""
    wanted = [Requirement(line) for lock in LOCKS for line in lines(ROOT / lock)]
    return {canonicalize_name(each.name): next(iter(each.specifier)).version for each in wanted}


def python(version: str) -> str:
    """Return this machine's Python of that version.

    Without one, return the Python that runs the tests, so that its pip is tested nevertheless.
    """
    found = shutil.which(f"python{version}")
    asked = found and subprocess.run(
        [found, "-c", "import sys; print(sys.executable)"], capture_output=True, text=True
    )
    return asked.stdout.strip() if asked and asked.returncode == 0 else sys.executable
