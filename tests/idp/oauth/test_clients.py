"""How secrets are stored and compared."""

import ast
import hmac
import math
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from idp.foundation.sealing import digest
from idp.oauth.clients import authenticate, new_secret
from idp.oauth.errors import InvalidClient
from idp.oauth.forms import Credentials
from idp.oauth.models import Application
from idp.tenancy.models import Tenant
from tests.support.oauth import KIOSK_SECRET

ROOT = Path(__file__).parents[3]
PACKAGES = ("idp", "flows", "stages", "blueprints", "web")
SECRET = re.compile(
    r"(secret|token|password|verifier|digest|hash|mac|signature|challenge|nonce|user_code|device_code)(_hash)?$"
)


def secrets_compared(source: str) -> Iterator[int]:
    """The lines on which something that is named like a secret is compared with == or !=."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare) and any(isinstance(op, ast.Eq | ast.NotEq) for op in node.ops):
            sides = [node.left, *node.comparators]
            if not any(isinstance(side, ast.Constant) for side in sides) and any(
                _secret(side) for side in sides
            ):
                yield node.lineno


def _secret(node: ast.expr) -> bool:
    called = node.func if isinstance(node, ast.Call) else node
    name = _last_name(called)
    # the content of a document; hashes of secrets are named ``…_hash``
    if name in ("_digest", "source_digest") or (name == "digest" and called is node):
        return False
    return bool(SECRET.search(name))


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


@pytest.mark.parametrize(
    "line",
    ["a.token == b", "secret_hash != x", "digest(x) == y", "x == row.code_challenge", "hashlib.mac() == y"],
)
def test_the_lint_finds(line: str) -> None:
    """CVE-2024-52307: what the next test looks for is found."""
    assert list(secrets_compared(line)) == [1]


def test_secrets_are_compared_in_constant_time() -> None:
    """CVE-2024-52307: nothing that is named like a secret meets == or !=; ``same`` is hmac.compare_digest."""
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    assert len(files) > 50
    found = [
        f"{path.relative_to(ROOT)}:{line}" for path in files for line in secrets_compared(path.read_text())
    ]
    assert found == []


def test_client_secrets_go_through_compare_digest(acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    """CVE-2024-52307: right or wrong, a secret is judged by hmac.compare_digest, on hashes of one length."""
    seen: list[tuple[str, str]] = []
    compare = hmac.compare_digest

    def compare_digest(left: str, right: str) -> bool:
        seen.append((left, right))
        return compare(left, right)

    monkeypatch.setattr(hmac, "compare_digest", compare_digest)
    authenticate(Credentials("kiosk", KIOSK_SECRET, basic=False))
    with pytest.raises(InvalidClient):
        authenticate(Credentials("kiosk", "k", basic=False))
    assert [(len(left), len(right)) for left, right in seen] == [(64, 64)] * 2


def test_generated_secrets(acme: Tenant) -> None:
    """django-oauth-toolkit (secrets behind the password hasher): a secret has 256 random bits.

    A plain SHA-256 of it is stored.
    """
    secret, stored = new_secret()
    assert math.log2(16 ** len(secret)) == 256
    assert stored == digest(secret)
    assert Application.objects.get(client_id="kiosk").secret_hash == digest(KIOSK_SECRET)


@pytest.mark.parametrize(
    ("client_id", "secret"), [("kiosk", None), ("kiosk", "x"), ("tv", "x"), ("nobody", None), ("nobody", "x")]
)
def test_one_error_for_every_mistake(acme: Tenant, client_id: str, secret: str) -> None:
    """B17: unknown, wrong and superfluous cannot be distinguished."""
    with pytest.raises(InvalidClient) as raised:
        authenticate(Credentials(client_id, secret, basic=False))
    assert raised.value.description == InvalidClient().description
