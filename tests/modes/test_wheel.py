"""Foyer as a wheel in its own environment.

``foyer`` does what ``manage.py`` does in a checkout, from any folder.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.source import PACKAGES, ROOT, tracked
from tests.modes.running_cluster import HOST, Person, free_port, poll, start, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

UV = str(Path(sys.executable).with_name("uv"))
COVERED = ("FOYER_", "DJANGO_", "PYTEST_", "PYTHON", "COV_", "DATABASE_URL", "REDIS_URL")
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(COVERED)}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built from what git tracks."""
    sources, out = tmp_path_factory.mktemp("sources"), tmp_path_factory.mktemp("wheel")
    for file in tracked():
        copy = sources / file.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, copy)
    subprocess.run(
        [
            UV,
            "build",
            "-q",
            "--wheel",
            "--no-build-isolation",
            "--python",
            sys.executable,
            "-o",
            out,
            sources,
        ],
        check=True,
    )
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def foyer(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The program ``foyer`` of an environment with the locked packages and the wheel, and no checkout."""
    environment = tmp_path_factory.mktemp("environment") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    # Compiled once: otherwise each process of a cluster compiles everything at its first start, all at the
    # same time.
    install = [
        UV,
        "pip",
        "install",
        "-q",
        "--python",
        str(environment / "bin" / "python"),
        "--no-deps",
        "--compile-bytecode",
    ]
    subprocess.run(
        [*install, "--require-hashes", "--only-binary", ":all:", "-r", ROOT / "requirements.lock"], check=True
    )
    subprocess.run([*install, wheel], check=True)
    return str(environment / "bin" / "foyer")


@pytest.fixture
def served(foyer: str, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """``foyer up`` in an empty folder, and its address."""
    port, said = free_port(), tmp_path / "said.log"
    (tmp_path / "empty").mkdir()
    environment = CLEAN | {"PORT": str(port), "FOYER_HOSTS": HOST, "FOYER_ADMIN_PASSWORD": "admin-password-1"}
    with open(said, "wb") as file:
        process = subprocess.Popen(
            [foyer, "up"], cwd=tmp_path / "empty", env=environment, stdout=file, stderr=file
        )
    try:
        wait_for(lambda: "Foyer is running at" in said.read_text() or process.poll() is not None, 90)
        assert process.poll() is None, said.read_text()
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def run(foyer: str, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """One command that ends by itself, in this folder."""
    return subprocess.run(
        [foyer, *words], cwd=folder, env=CLEAN, capture_output=True, text=True, timeout=90, check=False
    )


def test_the_wheel_holds_all_that_the_packages_hold(wheel: Path) -> None:
    """It has templates, static files, blueprints, snippets and migrations, too.

    The license is beside them, and there are no tests.
    """
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    product = [package for package in PACKAGES if package != "tools"]
    wanted = {str(file.relative_to(ROOT)) for file in tracked(*product) if file.suffix != ".md"}
    inside = {name for name in names if ".dist-info/" not in name}
    assert inside == wanted
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_commands_that_need_no_installation(foyer: str, tmp_path: Path) -> None:
    """Help, version and checks pass in an empty folder and leave it empty.

    Commands that write into the sources refuse.
    """
    help_, version, check = (run(foyer, tmp_path, word) for word in ("--help", "version", "check"))
    assert [each.returncode for each in (help_, version, check)] == [0, 0, 0], check.stderr
    assert "foyer help <subcommand>" in help_.stdout
    assert f'version = "{version.stdout.strip()}"' in (ROOT / "pyproject.toml").read_text()
    refused = run(foyer, tmp_path, "reference")
    assert (refused.returncode, "run it in a checkout" in refused.stderr) == (1, True)
    assert not list(tmp_path.iterdir())


def test_a_device_and_its_person(served: tuple[subprocess.Popen[bytes], str], tmp_path: Path) -> None:
    """The sign-in page is styled, its administrator approves a device, and all data is in ./data.

    Ctrl-C ends it.
    """
    process, web = served
    person, device = Person(), start(web)
    person.open(web)
    page = person.http.get(web + person.path, timeout=20).text
    for address in re.findall(r'(?:href|src)="(/static/[^"]+)"', page):
        assert person.http.get(web + address, timeout=20).ok, address
    assert "/static/web/foyer." in page
    person.at_consent(web, device)
    person.approve(web)
    status, tokens = poll(web, device)
    assert (status, tokens.get("token_type")) == (200, "Bearer")
    assert [each.name for each in (tmp_path / "empty").iterdir()] == ["data"]
    process.send_signal(signal.SIGINT)
    assert process.wait(60) in (0, 130, -signal.SIGINT)
