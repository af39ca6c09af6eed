"""``manage.py`` as an operator meets it: one sentence instead of a traceback, and nothing left behind.

No file is readable by other users.
"""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

OLD = "the key that was kept with the database, long enough"
NEW = "another key of another installation, long enough too"


def manage(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """One command on the installation in ``folder``, under an everyday umask."""
    clean = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "TZDIR")}
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=settings.BASE_DIR,
        env=clean | {"FOYER_DATA": str(folder), "FOYER_LOG": "json"} | environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        umask=0o022,
    )


def modes(folder: Path) -> dict[str, str]:
    """The mode of the folder and of each file in it."""
    found = {path.name: path for path in folder.iterdir() if path.name != "static"} | {".": folder}
    return {name: oct(stat.S_IMODE(path.stat().st_mode)) for name, path in found.items()}


COMMANDS = [
    ["blueprint", "export"],
    ["blueprint", "plan", "blueprints/default/10-flows.yaml"],
    ["person", "recovery-link", "admin"],
    ["flow", "list"],
    ["keys", "rotate"],
    ["seed", "--people", "10"],
    ["migrate"],
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_command_without_an_installation_says_so_and_makes_nothing(
    tmp_path: Path, words: list[str]
) -> None:
    """Where FOYER_DATA was forgotten, the command prints one sentence and exits with 1.

    It creates no data folder, no empty database and no secret key.
    """
    words = [
        str(next(Path(settings.BASE_DIR).glob("blueprints/default/*.yaml")))
        if word.endswith(".yaml")
        else word
        for word in words
    ]
    ran = manage(tmp_path / "data", *words)
    assert ran.returncode == 1, ran
    assert "Traceback" not in ran.stderr
    assert f"No installation at {tmp_path}/data/foyer.sqlite3. Set FOYER_DATA" in ran.stderr
    assert not (tmp_path / "data").exists()


WRONG = [
    ("DATABASE_URL", "mysql://a/b"),
    ("DATABASE_URL", "postgres://foyer:a[b@host:x/foyer"),
    ("DATABASE_URL", "sqlite://relative.sqlite3"),
    ("DATABASE_URL", "sqlite:"),
    ("DATABASE_URL", "sqlite:///relative.sqlite3"),
    ("DATABASE_URL", "postgres:///"),
    ("DATABASE_URL", "postgres://foyer@host"),
    ("DATABASE_URL", "nonsense"),
    ("REDIS_URL", "localhost:6379"),
    ("REDIS_URL", "redis://host:port/0"),
    ("PORT", "eighty"),
    ("PORT", "9" * 5000),
    ("PORT", "²"),
    ("FOYER_DEMO", "perhaps"),
    ("FOYER_LOG", "xml"),
    ("FOYER_LOG_LEVEL", "loud"),
    ("FOYER_LISTENERS_PER_ADDRESS", "0"),
    ("FOYER_MAIL_FROM", "nobody"),
    ("FOYER_SECRET_KEY", "short"),
    ("FOYER_SECRET_KEY_FALLBACKS", "a key with spaces in it that is read as many short ones"),
    ("FOYER_SMTP_URL", "mail.acme.example"),
    ("FOYER_TRUSTED_PROXIES", "everything"),
    ("FOYER_TRUSTED_PROXIES", "::"),
    ("FOYER_HOSTS", "https://login.acme.example"),
    ("FOYER_HOSTS", "login.acme.example, login.acme.example:8000"),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_variable_is_named_in_one_sentence(tmp_path: Path, name: str, value: str) -> None:
    """Exit 1, no traceback, nothing is created, and the value is not repeated where it may be a secret."""
    ran = manage(tmp_path / "data", "web", **{name: value})
    assert ran.returncode == 1, ran
    assert "Traceback" not in ran.stderr
    assert ran.stderr.startswith("Foyer: ")
    assert name in ran.stderr
    assert ran.stderr.count("\n") == 1
    assert not (tmp_path / "data").exists()


def test_the_version_is_ours() -> None:
    """Not the framework's, and nothing is needed for it."""
    for words in (["version"], ["--version"]):
        ran = manage(Path("/nonexistent"), *words)
        assert (ran.returncode, ran.stdout) == (0, "0.1.0\n")


def test_what_is_made_is_for_its_owner_only(tmp_path: Path) -> None:
    """Only their owner can read the folder, the database with its journals, and the key.

    The database has hashes of passwords.
    """
    folder = tmp_path / "new" / "data"
    ran = manage(folder, "setup")
    assert ran.returncode == 0, ran.stderr
    assert modes(folder) == {".": "0o700", "foyer.sqlite3": "0o600", "secret.key": "0o600"}
    (folder / "foyer.sqlite3").chmod(0o644)
    folder.chmod(0o755)
    checked = manage(folder, "check")
    assert "foyer.W013" in checked.stderr
    assert "foyer.W014" in checked.stderr
    assert manage(folder, "setup").returncode == 0
    # A folder may be shared on purpose, so check warns and nothing is changed.
    assert modes(folder) == {".": "0o755", "foyer.sqlite3": "0o600", "secret.key": "0o600"}


def test_a_database_under_a_foreign_key_is_not_served(tmp_path: Path) -> None:
    """After a restore without its secret key nothing starts with a new one, and nothing is overwritten.

    ``keys lost`` is the way on.
    """
    assert manage(tmp_path, "setup").returncode == 0
    assert manage(tmp_path, "keys", "rotate").returncode == 0
    kept = (tmp_path / "secret.key").read_text()
    (tmp_path / "secret.key").unlink()
    for command in ("setup", "web", "up"):
        ran = manage(tmp_path, command)
        assert ran.returncode == 1
        assert "The secret key doesn't match this database" in ran.stderr
        assert "Traceback" not in ran.stderr
        assert not (tmp_path / "secret.key").exists()
    assert manage(tmp_path, "setup", FOYER_SECRET_KEY=kept).returncode == 0
    assert manage(tmp_path, "setup", FOYER_SECRET_KEY=NEW, FOYER_SECRET_KEY_FALLBACKS=kept).returncode == 0
    assert manage(tmp_path, "setup", FOYER_SECRET_KEY=NEW).returncode == 1
    lost = manage(tmp_path, "keys", "lost")
    assert lost.returncode == 0, lost.stderr
    assert manage(tmp_path, "setup").returncode == 0
    assert (tmp_path / "secret.key").read_text() != kept


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    """A file in place of the folder, a damaged key, a damaged database."""
    (tmp_path / "file").write_text("")
    ran = manage(tmp_path / "file", "setup")
    assert (ran.returncode, "Traceback" in ran.stderr) == (1, False)
    assert f"{tmp_path}/file" in ran.stderr
    (tmp_path / "secret.key").write_text("")
    ran = manage(tmp_path, "setup")
    assert (ran.returncode, ran.stderr) == (
        1,
        f"Foyer: {tmp_path}/secret.key contains no key: it must have at least 32 characters.\n",
    )
    (tmp_path / "secret.key").unlink()
    (tmp_path / "foyer.sqlite3").write_text("no database " * 1000)
    ran = manage(tmp_path, "setup")
    assert (ran.returncode, "Traceback" in ran.stderr) == (1, False)
    assert "Foyer: The database can't be used: file is not a database." in ran.stderr
