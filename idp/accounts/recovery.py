"""Recovery links, with which an administrator restores a person's access."""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from idp.accounts.credentials import prepare_password, store_password
from idp.accounts.models import Person, RecoveryLink
from idp.events.bus import publish
from idp.foundation.errors import Conflict
from idp.foundation.sealing import digest, new_token
from idp.outbox import mail

LIFETIME = timedelta(minutes=15)


def create_link(person: Person, *, by: str) -> str:
    """Return a one-time token for this person that is valid for 15 minutes; only its hash is stored.

    Older links of the person end.
    """
    token = new_token()
    with transaction.atomic():
        RecoveryLink.objects.filter(person=person, used_at=None).update(used_at=timezone.now())
        RecoveryLink.objects.create(
            person=person, token_hash=digest(token), expires_at=timezone.now() + LIFETIME
        )
        publish("person.recovery_link_made", actor=by, target=person.username)
    return token


class NoAddress(Conflict):
    """This person has no email address."""


@transaction.atomic
def mail_link(person: Person, site: str, *, by: str) -> None:
    """Create a link like :func:`create_link` and post it to the person's email address; raise NoAddress.

    ``site``: scheme and host of the tenant. The mail is dropped when the link has expired before delivery.
    """
    if not person.mailbox:
        raise NoAddress
    variables = {"name": person.display_name, "link": f"{site}/recover/{create_link(person, by=by)}"}
    variables["minutes"] = str(LIFETIME // timedelta(minutes=1))
    mail.send("recovery", person.mailbox, variables, lifetime=LIFETIME)


def find_holder(token: str) -> Person | None:
    """Return the person of this link; None unless the link is valid and the person active."""
    link = _valid_links(token).select_related("person").first()
    return link.person if link and link.person.is_active else None


def redeem(token: str, password: str) -> bool:
    """Set the password and use up the link in one transaction; return False when the link is invalid.

    Raises ValidationError when the password is too weak; the link then stays valid.
    """
    person = find_holder(token)
    if person is None:
        return False
    encoded = prepare_password(person, password)
    with transaction.atomic():
        if not _valid_links(token).update(used_at=timezone.now()):
            return False
        store_password(person, encoded, by="recovery link")
    return True


def sweep(now: datetime, batch: int = 1000) -> int:
    """Delete one batch of links that expired more than a day ago, and return how many."""
    stale = list(
        RecoveryLink.objects.filter(expires_at__lt=now - timedelta(days=1)).values_list("pk", flat=True)[
            :batch
        ]
    )
    return RecoveryLink.objects.filter(pk__in=stale).delete()[0] if stale else 0


def _valid_links(token: str):  # type: ignore[no-untyped-def]
    return RecoveryLink.objects.filter(token_hash=digest(token), used_at=None, expires_at__gt=timezone.now())
