"""The environment: each variable as a typed value, a wrong one an error that names it."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from idp.runtime import env, services
from idp.runtime.secret_key import secret_key
from idp.tenancy.hosts import host_name

Env = pytest.MonkeyPatch


def test_the_secret_key_is_made_once_and_kept(tmp_path: Path, monkeypatch: Env) -> None:
    """Readable by its owner alone; two starts at once agree on one."""
    monkeypatch.delenv("FOYER_SECRET_KEY", raising=False)
    folder = tmp_path / "new"
    assert secret_key("", folder) != secret_key("", folder)  # nothing stores it
    folder.mkdir()
    code = (
        "import sys; from pathlib import Path; from idp.runtime import secret_key; "
        "folder = Path(sys.argv[1]); "
        "print(secret_key.store_secret_key(folder, secret_key.secret_key('', folder)))"
    )
    start = [sys.executable, "-c", code, str(folder)]
    starts = [subprocess.Popen(start, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    keys = {started.communicate()[0].strip() for started in starts}
    assert keys == {secret_key("", folder)}
    assert len(keys.pop()) >= 48
    assert stat.S_IMODE((folder / "secret.key").stat().st_mode) == 0o600
    assert [path.name for path in folder.iterdir()] == ["secret.key"]


def test_a_given_secret_key_wins_and_must_be_long(tmp_path: Path, monkeypatch: Env) -> None:
    """Nothing is written then."""
    monkeypatch.setenv("FOYER_SECRET_KEY", "k" * 32)
    assert secret_key(env.read().secret_key, tmp_path) == "k" * 32
    monkeypatch.setenv("FOYER_SECRET_KEY", "short")
    with pytest.raises(ImproperlyConfigured, match="FOYER_SECRET_KEY is too short"):
        env.read()
    assert list(tmp_path.iterdir()) == []


def test_the_database_without_a_url_is_sqlite_in_the_data_folder(tmp_path: Path, monkeypatch: Env) -> None:
    """WAL and immediate transactions: a deferred one that turns into a writer fails with any timeout."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    found = services.database(env.read().database_url, tmp_path)
    assert (found["ENGINE"], found["NAME"]) == (
        "django.db.backends.sqlite3",
        f"file:{tmp_path}/foyer.sqlite3?mode=rw",
    )
    assert services.sqlite_file(env.read().database_url, tmp_path) == tmp_path / "foyer.sqlite3"
    assert found["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert "journal_mode=WAL" in found["OPTIONS"]["init_command"]
    monkeypatch.setenv("DATABASE_URL", "sqlite:////var/lib/a%20b.sqlite3")
    assert (
        services.database(env.read().database_url, tmp_path)["NAME"] == "file:/var/lib/a%20b.sqlite3?mode=rw"
    )
    assert services.sqlite_file(env.read().database_url, tmp_path) == Path("/var/lib/a b.sqlite3")


def test_a_postgresql_url(tmp_path: Path, monkeypatch: Env) -> None:
    """User, password with odd characters, port, options."""
    monkeypatch.setenv("DATABASE_URL", "postgres://foyer:p%40ss%2Fword@db.example:5433/foyer?sslmode=require")
    found = services.database(env.read().database_url, tmp_path)
    assert [found[name] for name in ("NAME", "USER", "PASSWORD", "HOST", "PORT")] == [
        "foyer",
        "foyer",
        "p@ss/word",
        "db.example",
        "5433",
    ]
    assert found["OPTIONS"]["sslmode"] == "require"
    monkeypatch.setenv("DATABASE_URL", "mysql://a/b")
    with pytest.raises(
        ImproperlyConfigured, match="DATABASE_URL must begin with postgres:// or sqlite://, not mysql://"
    ):
        env.read()


def redis_prefix() -> str:
    """Return the prefix that the environment results in."""
    return services.redis_prefix(env.read().database_url, env.read().redis_url)


def test_the_prefix_in_redis_lasts(monkeypatch: Env) -> None:
    """Keys and passwords can change node by node; another database, here or in Redis, has another prefix.

    The prefix can also be given.
    """
    monkeypatch.setenv("DATABASE_URL", "postgres://foyer:old@db.example/foyer")
    monkeypatch.setenv("REDIS_URL", "redis://:old@redis.example/0")
    before = redis_prefix()
    monkeypatch.setenv("FOYER_SECRET_KEY", "k" * 32)
    monkeypatch.setenv("DATABASE_URL", "postgres://other:new@db.example:5432/foyer?sslmode=require")
    monkeypatch.setenv("REDIS_URL", "redis://:new@redis.example:6379")
    assert redis_prefix() == before
    monkeypatch.setenv("REDIS_URL", "redis://:new@redis.example:6379/1")
    assert redis_prefix() != before
    monkeypatch.setenv("FOYER_REDIS_PREFIX", "staging")
    assert env.read().redis_prefix == "staging"
    monkeypatch.setenv("FOYER_REDIS_PREFIX", "a:b")
    with pytest.raises(ImproperlyConfigured, match="FOYER_REDIS_PREFIX"):
        env.read()


@pytest.mark.parametrize(
    ("value", "expected"),
    [("on", True), ("YES", True), (" 1 ", True), ("off", False), ("0", False), ("", None)],
)
def test_a_switch(monkeypatch: Env, value: str, expected: bool | None) -> None:
    """As people write them; an empty one is not set."""
    monkeypatch.setenv("FOYER_DEMO", value)
    assert env.read().demo is expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FOYER_DEMO", "perhaps"),
        ("PORT", "eighty"),
        ("PORT", "0"),
        ("PORT", "70000"),
        ("PORT", "-1"),
        ("FOYER_TRUSTED_PROXIES", "10.0.0.0/33"),
        ("FOYER_TRUSTED_PROXIES", "proxy.example"),
        ("FOYER_LOG", "xml"),
        ("FOYER_DRAIN_SECONDS", "601"),
        ("DATABASE_URL", "postgres://foyer:hunter2@db.example"),
        ("REDIS_URL", "redis://:hunter2@"),
        ("FOYER_SECRET_KEY", "hunter2"),
        ("FOYER_SECRET_KEY_FALLBACKS", f"{'k' * 32} hunter2"),
    ],
)
def test_a_wrong_value_names_its_variable(monkeypatch: Env, name: str, value: str) -> None:
    """And nothing is assumed instead; the message holds no secret."""
    monkeypatch.setenv(name, value)
    with pytest.raises(ImproperlyConfigured, match=rf"^{name} ") as raised:
        env.read()
    assert "hunter2" not in str(raised.value)


def test_the_password_of_the_first_administrator_is_verbatim(monkeypatch: Env) -> None:
    """White space may belong to it."""
    monkeypatch.setenv("FOYER_ADMIN_PASSWORD", " correct horse ")
    assert env.read().admin_password.get_secret_value() == " correct horse "


def test_no_secret_shows_when_the_environment_is_printed(monkeypatch: Env) -> None:
    """Neither a key nor a password, nor the password in a URL."""
    key = "hunter2" * 5
    monkeypatch.setenv("FOYER_ADMIN_PASSWORD", "hunter2")
    monkeypatch.setenv("FOYER_SECRET_KEY", key)
    monkeypatch.setenv("FOYER_SECRET_KEY_FALLBACKS", key)
    monkeypatch.setenv("DATABASE_URL", "postgres://foyer:hunter2@db.example/foyer")
    monkeypatch.setenv("REDIS_URL", "redis://:hunter2@redis.example/0")
    monkeypatch.setenv("FOYER_SMTP_URL", "smtps://foyer:hunter2@mail.example")
    assert "hunter2" not in repr(env.read())


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("LOGIN.Acme.Example", "login.acme.example"),
        ("login.acme.example.", "login.acme.example"),
        ("*.Acme.EXAMPLE.", "*.acme.example"),
        ("münchen.example", "xn--mnchen-3ya.example"),
        ("*.MÜNCHEN.example", "*.xn--mnchen-3ya.example"),
        ("mu\u0308nchen.example", "xn--mnchen-3ya.example"),
        ("straße.example", "xn--strae-oqa.example"),
        ("XN--mnchen-3ya.example", "xn--mnchen-3ya.example"),
        ("10.0.0.5", "10.0.0.5"),
        ("[2001:DB8:0:0::1]", "[2001:db8::1]"),
        ("2001:db8::1", "[2001:db8::1]"),
    ],
)
def test_a_host_is_read_as_requests_name_it(monkeypatch: Env, written: str, name: str) -> None:
    """Case, the dot of the root, letters beyond ASCII and IPv6 have one spelling.

    The result is read the same again.
    """
    monkeypatch.setenv("FOYER_HOSTS", f"{written}, {name}")
    assert env.read().hosts == (name,)
    if not name.startswith("*"):
        assert host_name(name) == name


@pytest.mark.parametrize(
    "value",
    [
        "https://login.acme.example", "login.acme.example:8000", "login.acme.example/", "[::1]:443", "*", "*.", "**.acme.example",  # noqa: E501
        "a.*.example", "*.10.0.0.5", "*.[::1]", ".acme.example", "acme..example", "my_host.example", "-", "user@acme.example",  # noqa: E501
        '"acme.example"', "acme.example;other.example", "10.0.0.0/8", "☃.example", "ü" * 70 + ".example", "a" * 300,  # noqa: E501
    ],
)  # fmt: skip
def test_a_host_that_no_request_can_name_is_refused(monkeypatch: Env, value: str) -> None:
    """The error names the variable and the value, instead of a 404 for all requests later."""
    monkeypatch.setenv("FOYER_HOSTS", f"good.example {value}")
    with pytest.raises(ImproperlyConfigured, match="FOYER_HOSTS") as refused:
        env.read()
    assert value.split(".")[0][:60] in str(refused.value)


def test_networks_have_one_spelling(monkeypatch: Env) -> None:
    """IPv4 written as IPv6 is IPv4, and a zone is dropped; what can be no client's address is refused."""
    monkeypatch.setenv(
        "FOYER_TRUSTED_PROXIES", "::ffff:10.0.0.5 ::ffff:10.1.0.0/112 fe80::1%eth0 2001:DB8:0::/48"
    )
    assert list(map(str, env.read().trusted_proxies)) == [
        "10.0.0.5/32",
        "10.1.0.0/16",
        "fe80::1/128",
        "2001:db8::/48",
    ]
    for unusable in ("0.0.0.0/32", "::", "::ffff:0.0.0.0"):
        monkeypatch.setenv("FOYER_TRUSTED_PROXIES", unusable)
        with pytest.raises(ImproperlyConfigured, match="FOYER_TRUSTED_PROXIES"):
            env.read()


def test_lists_are_separated_by_commas_or_spaces(monkeypatch: Env) -> None:
    """Either, and any amount of it."""
    monkeypatch.setenv("FOYER_HOSTS", " a.example, b.example  c.example,")
    assert env.read().hosts == ("a.example", "b.example", "c.example")
    monkeypatch.setenv("FOYER_HOSTS", " , ")
    assert env.read().hosts == ()
    monkeypatch.setenv("FOYER_TRUSTED_PROXIES", "10.0.0.1 2001:db8::/32")
    assert [str(each) for each in env.read().trusted_proxies] == ["10.0.0.1/32", "2001:db8::/32"]


@pytest.mark.parametrize("name", ["FOYER_DATA", "FOYER_ADMIN_PASSWORD", "FOYER_HOSTS", "DATABASE_URL"])
def test_what_is_not_utf_8_is_refused(monkeypatch: Env, name: str) -> None:
    """A path of such bytes could be opened, and not be written in a URL."""
    monkeypatch.setenv(name, "d\udcffta")
    with pytest.raises(ImproperlyConfigured, match=name):
        env.read()
    monkeypatch.setenv("FOYER_DATA", "dätä")
    if name != "FOYER_DATA":
        monkeypatch.delenv(name)
    assert env.read().data == "dätä"
