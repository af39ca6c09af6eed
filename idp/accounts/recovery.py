"""Recovery links: how an administrator lets somebody back in who is locked out."""

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


def make_link(person: Person, *, by: str) -> str:
    """A one-time token for this person, good for 15 minutes; only its hash is stored.

    Older links of theirs end.
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
    """Makes a link as :func:`make_link` does and owes it to the person's mail address; raises NoAddress.

    ``site``: scheme and host of the tenant. The mail is dropped rather than sent when the link has ended.
    """
    if not person.mailbox:
        raise NoAddress
    words = {"name": person.display_name, "link": f"{site}/recover/{make_link(person, by=by)}"}
    words["minutes"] = str(LIFETIME // timedelta(minutes=1))
    mail.send("recovery", person.mailbox, words, good_for=LIFETIME)


def holder(token: str) -> Person | None:
    """Whom this link is for; None when it is unknown, used or expired, or the person is inactive."""
    link = _living(token).select_related("person").first()
    return link.person if link and link.person.is_active else None


def redeem(token: str, password: str) -> bool:
    """Sets the password and uses the link up, both or neither; False when the link is no longer good.

    Raises ValidationError when the password is too weak; the link stays good then.
    """
    person = holder(token)
    if person is None:
        return False
    encoded = prepare_password(person, password)
    with transaction.atomic():
        if not _living(token).update(used_at=timezone.now()):
            return False
        store_password(person, encoded, by="recovery link")
    return True


def sweep(now: datetime, batch: int = 1000) -> int:
    """Deletes one batch of links that expired over a day ago; answers how many."""
    stale = list(
        RecoveryLink.objects.filter(expires_at__lt=now - timedelta(days=1)).values_list("pk", flat=True)[
            :batch
        ]
    )
    return RecoveryLink.objects.filter(pk__in=stale).delete()[0] if stale else 0


def _living(token: str):  # type: ignore[no-untyped-def]
    return RecoveryLink.objects.filter(token_hash=digest(token), used_at=None, expires_at__gt=timezone.now())
