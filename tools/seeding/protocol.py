"""Simulated applications with the requests, approvals and tokens of their devices.

No one knows any of the secrets.
"""

from collections.abc import Iterator
from datetime import timedelta

from idp.devices.models import DeviceCode, DeviceState
from idp.oauth.models import Application, RefreshToken, Scope, TokenFamily
from idp.ratelimit.budgets import address_key
from tools.seeding.plan import AGENTS, Seed, address, earlier, hexadecimal, later

DEVICE_GRANT, REFRESH_GRANT = "urn:ietf:params:oauth:grant-type:device_code", "refresh_token"
SCOPES = ["openid", "profile", "email", "offline_access"]
KINDS = ("TV", "Command line", "Kiosk", "Printer", "Meeting room", "Loudspeaker", "Scanner", "Media box")
PLACES = ("Living room", "Lobby", "Workshop", "Office", "Kitchen", "")
STATES = (
    *[DeviceState.REDEEMED] * 14,
    *[DeviceState.EXPIRED] * 2,
    DeviceState.DENIED,
    DeviceState.PENDING,
    DeviceState.APPROVED,
    DeviceState.REVOKED,
)
DECIDED = (DeviceState.APPROVED, DeviceState.REDEEMED, DeviceState.REVOKED, DeviceState.DENIED)


def fill(seed: Seed, people: list[int], issuer: str) -> None:
    """Insert scopes, applications, token families, refresh tokens and devices."""
    seed.insert("scopes", _scopes())
    seed.insert("applications", _applications(seed))
    applications = list(Application.objects.order_by("pk").values_list("pk", flat=True))
    seed.insert("token families", _families(seed, people, applications, issuer))
    families = list(TokenFamily.objects.order_by("pk").values_list("pk", "person_id", "application_id"))
    seed.insert("refresh tokens", _refresh_tokens(seed, [family for family, _, _ in families[::2]]))
    seed.insert("devices", _devices(seed, people, applications, families, issuer))


def _scopes() -> Iterator[Scope]:
    for number in range(1, 31):
        yield Scope(name=f"data-{number:02}:read", title=f"Read data set {number:02}")


def _applications(seed: Seed) -> Iterator[Application]:
    chance, own = seed.shared_random("applications"), seed.tenant_random("applications")
    for number in range(1, seed.sizes.applications + 1):
        confidential = chance.random() < 0.2
        yield Application(
            name=f"app-{number:04}",
            title=f"{chance.choice(KINDS)} {number:04}",
            owner="Example Ltd",
            verified=chance.random() < 0.5,
            client_id=hexadecimal(own, 32),
            confidential=confidential,
            secret_hash=hexadecimal(own, 64) if confidential else "",
            is_active=chance.random() < 0.95,
            grants=[DEVICE_GRANT, REFRESH_GRANT],
            scopes=[*SCOPES, f"data-{chance.randrange(1, 31):02}:read"],
            groups=["team-001"] if chance.random() < 0.1 else [],
        )


def _families(seed: Seed, people: list[int], applications: list[int], issuer: str) -> Iterator[TokenFamily]:
    chance, own = seed.shared_random("families"), seed.tenant_random("families")
    for _ in range(seed.sizes.families):
        created = earlier(chance, seed.now, 25)
        yield TokenFamily(
            identifier=hexadecimal(own, 32),
            application_id=chance.choice(applications),
            person_id=chance.choice(people),
            issuer=issuer,
            scopes=SCOPES[: chance.randrange(1, 5)],
            methods=["pwd"],
            authenticated_at=created,
            created_at=created,
            expires_at=later(chance, seed.now, 28),
            revoked_at=earlier(chance, seed.now, 1) if chance.random() < 0.1 else None,
        )


def _refresh_tokens(seed: Seed, families: list[int]) -> Iterator[RefreshToken]:
    chance, own = seed.shared_random("refresh tokens"), seed.tenant_random("refresh tokens")
    for family in families:
        yield RefreshToken(
            family_id=family, token_hash=hexadecimal(own, 64), expires_at=later(chance, seed.now, 28)
        )


def _devices(
    seed: Seed, people: list[int], applications: list[int], families: list[tuple[int, int, int]], issuer: str
) -> Iterator[DeviceCode]:
    chance, own, redeemed = seed.shared_random("devices"), seed.tenant_random("devices"), iter(families)
    for _ in range(seed.sizes.devices):
        state, requested, ip = chance.choice(STATES), earlier(chance, seed.now, 0.04), address(chance)
        family, person, application = None, chance.choice(people), chance.choice(applications)
        if state in (DeviceState.REDEEMED, DeviceState.REVOKED):
            family, person, application = next(redeemed)
        decided = (
            min(requested + timedelta(seconds=chance.randrange(5, 300)), seed.now)
            if state in DECIDED
            else None
        )
        yield DeviceCode(
            device_code_hash=hexadecimal(own, 64),
            user_code_hash=hexadecimal(own, 64),
            application_id=application,
            issuer=issuer,
            scopes=SCOPES[: chance.randrange(1, 5)],
            state=state,
            interval=5,
            created_at=requested,
            expires_at=later(chance, seed.now, 1),
            address=ip,
            network=address_key(ip),
            agent=chance.choice(AGENTS),
            label=chance.choice(PLACES),
            person_id=person if decided else None,
            methods=["pwd"] if decided else [],
            authenticated_at=requested if decided else None,
            decided_at=decided,
            redeemed_at=decided if family else None,
            family_id=family,
        )
