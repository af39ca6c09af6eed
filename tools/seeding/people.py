"""Simulated people, with their groups, credentials and sessions; none of them has a password."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from idp.accounts.credentials import RECOVERY_CODE, TOTP, hash_password
from idp.accounts.models import Credential, Group, Person, Role, Session
from idp.accounts.people import save_person
from tools.seeding.plan import AGENTS, SEED_ACTOR, Seed, address, earlier, hexadecimal, later

FAMILY_NAMES = (
    "Ash",
    "Birch",
    "Cedar",
    "Elm",
    "Fir",
    "Hazel",
    "Juniper",
    "Larch",
    "Maple",
    "Oak",
    "Pine",
    "Rowan",
    "Spruce",
    "Willow",
    "Yew",
)
TEAMS = ("north", "south", "east", "west")
METHODS = (["pwd"], ["pwd"], ["pwd", "otp", "mfa"])
STAFF = {Role.ADMIN: "admin", Role.EDITOR: "editor", Role.HELPDESK: "helpdesk", Role.AUDITOR: "auditor"}


def fill(seed: Seed) -> None:
    """Insert groups, people, memberships, credentials and sessions."""
    seed.insert("groups", _groups(seed))
    seed.insert("people", _people(seed))
    keys = seeded_person_ids()
    seed.insert("memberships", _memberships(seed, keys))
    seed.insert("credentials", _credentials(seed, keys))
    seed.insert("sessions", _sessions(seed, keys))


def create_staff(password: str) -> list[str]:
    """Create a person for each role of a tenant, all with this password; return their usernames."""
    for role, username in STAFF.items():
        save_person(
            username, name=str(role.label), role=role.value, password=hash_password(password), by=SEED_ACTOR
        )
    return list(STAFF.values())


def seeded_person_ids() -> list[int]:
    """Return the primary keys of the simulated people, in ascending order."""
    return list(
        Person.objects.filter(username__startswith="alice-").order_by("pk").values_list("pk", flat=True)
    )


def _groups(seed: Seed) -> Iterator[Group]:
    for number in range(1, seed.sizes.groups + 1):
        yield Group(name=f"team-{number:03}")


def _people(seed: Seed) -> Iterator[Person]:
    chance, own = seed.shared_random("people"), seed.tenant_random("people")
    for number in range(1, seed.sizes.people + 1):
        username = f"alice-{number:06}"
        has_email = chance.random() < 0.97
        yield Person(
            subject=hexadecimal(own, 32),
            username=username,
            name=f"Alice {chance.choice(FAMILY_NAMES)}",
            email=f"{username}@example.{chance.choice(('com', 'net', 'org'))}" if has_email else "",
            email_verified=has_email and chance.random() < 0.8,
            is_active=chance.random() < 0.97,
            created_at=earlier(chance, seed.now, 730),
            attributes={"team": chance.choice(TEAMS)} if chance.random() < 0.2 else {},
        )


def _memberships(seed: Seed, keys: list[int]) -> Iterator[Any]:
    chance, through = seed.shared_random("memberships"), Person.groups.through
    groups = list(Group.objects.order_by("pk").values_list("pk", flat=True))
    for key in keys:
        for group in sorted(chance.sample(groups, chance.choice((0, 1, 1, 2, 3)))):
            yield through(person_id=key, group_id=group)


def _credentials(seed: Seed, keys: list[int]) -> Iterator[Credential]:
    chance, own = seed.shared_random("credentials"), seed.tenant_random("credentials")
    for key in keys:
        roll, created = chance.random(), earlier(chance, seed.now, 700)
        if roll < 0.4:
            used = earlier(chance, seed.now, 30) if chance.random() < 0.9 else None
            yield Credential(
                person_id=key,
                kind=TOTP,
                name="",
                secret=hexadecimal(own, 40),
                created_at=created,
                used_at=used,
            )
        if roll < 0.05:
            for _ in range(10):
                used = earlier(chance, seed.now, 30) if chance.random() < 0.1 else None
                yield Credential(
                    person_id=key,
                    kind=RECOVERY_CODE,
                    lookup=hexadecimal(own, 64),
                    created_at=created,
                    used_at=used,
                )


def _sessions(seed: Seed, keys: list[int]) -> Iterator[Session]:
    chance, own = seed.shared_random("sessions"), seed.tenant_random("sessions")
    for _ in range(seed.sizes.sessions):
        started = earlier(chance, seed.now, 0.5)
        ended = started + timedelta(minutes=chance.randrange(1, 300)) if chance.random() < 0.2 else None
        yield Session(
            key_hash=hexadecimal(own, 64),
            person_id=chance.choice(keys),
            methods=chance.choice(METHODS),
            authenticated_at=started,
            created_at=started,
            expires_at=later(chance, seed.now, 1),
            ended_at=min(ended, seed.now) if ended else None,
            address=address(chance),
            agent=chance.choice(AGENTS),
        )
