"""Changing the signing key: a rotated key still verifies, and a stolen one is refused at once."""

from idp.events.models import Event
from idp.oauth.models import SigningKey
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import Door, Doors
from tests.web.console.signed_in import posted, signed_in, text

ROTATE = "/console/keys/rotate"


def _token(opened: Door) -> str:
    started = opened.start()
    opened.approve(started)
    return str(opened.poll(started).json()["access_token"])


def _known(opened: Door, token: str) -> int:
    return int(
        opened.http.get("/application/o/userinfo/", headers={"Authorization": f"Bearer {token}"}).status_code
    )


def test_a_key_changed_in_peace_breaks_nothing(acme: Tenant, door: Doors) -> None:
    """O21: after a rotation issued tokens are still valid, and both keys are published."""
    admin, person = signed_in(door, "admin"), door()
    token = _token(person)
    assert "Keep valid for 2 days" in text(admin, ROTATE)
    assert posted(admin, ROTATE, {"old": "keep"}) == "/console/keys/"
    assert _known(person, token) == 200
    assert len(person.get("/application/o/jwks/").json()["keys"]) == 2
    assert Event.objects.get(kind="key.rotated").actor == "alice"


def test_a_stolen_key_is_refused_at_once_by_name_only(acme: Tenant, other: Tenant, door: Doors) -> None:
    """Revoking a key cannot be undone, so it requires the tenant's name; other tenants' keys stay."""
    admin, person, neighbour = signed_in(door, "admin"), door(), door("other.test")
    token, theirs = _token(person), _token(neighbour)
    for name in ("", "other", "ACME"):
        assert "Type acme" in posted(admin, ROTATE, {"old": "revoke", "name": name}, status=400)
    assert _known(person, token) == 200
    posted(admin, ROTATE, {"old": "revoke", "name": "acme"})
    assert _known(person, token) == 401
    assert len(person.get("/application/o/jwks/").json()["keys"]) == 1
    assert _known(neighbour, theirs) == 200
    with tenant_scope(other):
        assert SigningKey.objects.count() == 1


def test_an_auditor_sees_the_keys_and_cannot_change_them(acme: Tenant, door: Doors) -> None:
    """A POST is a 403, the list has no button, and no page has private key material."""
    auditor = signed_in(door, "auditor")
    listed = text(auditor, "/console/keys/")
    assert ROTATE not in listed
    assert "PRIVATE" not in listed
    assert auditor.http.get(ROTATE).status_code == 403
    assert auditor.http.post(ROTATE, {"old": "keep"}).status_code == 403
    assert SigningKey.objects.count() == 1
    assert ROTATE in text(signed_in(door, "admin"), "/console/keys/")
