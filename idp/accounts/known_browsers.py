"""Browsers in which people have signed in before (OWASP device cookies).

Failed attempts from other browsers do not throttle a known one.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from django.utils import timezone

from idp.accounts.models import Person, Session
from idp.foundation.clocks import age
from idp.foundation.sealing import Unsealable, new_token, seal, unseal
from idp.ratelimit.budgets import same_network

LIFETIME = timedelta(days=90)
_MAX_PEOPLE, _MAX_SESSIONS = 5, 50


@dataclass(frozen=True)
class KnownBrowser:
    """The content of a browser's cookie: its identifier, and who signed in there and when.

    ``people``: the time of the last sign-in, in seconds since 1970, by the person's key.
    """

    identifier: str = field(default="", repr=False)
    people: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def read(cls, cookie: str) -> "KnownBrowser":
        """Return the content of the cookie, or an empty one unless this server sealed it."""
        try:
            identifier, people = json.loads(unseal(cookie[:4000])) if cookie else ("", {})
        except (Unsealable, ValueError):
            return cls()
        return cls(identifier, people)

    def after_sign_in(self, person: int) -> str:
        """Return the new cookie after this person has signed in.

        It has a new identifier, so that a planted cookie is useless.
        """
        latest = {**self.people, str(person): timezone.now().timestamp()}
        remembered = sorted(latest.items(), key=lambda each: each[1])[-_MAX_PEOPLE:]
        return seal(json.dumps([new_token()[:32], dict(remembered)]))

    def identifier_for(self, person: Person | None) -> str:
        """Return the browser's identifier if this person signed in there recently, or "".

        Sign-ins before the person's last change of credentials do not count.
        """
        seconds = self.people.get(str(person.pk)) if person else None
        if person is None or seconds is None:
            return ""
        at = datetime.fromtimestamp(seconds, UTC)
        return self.identifier if age(at) <= LIFETIME and not person.is_proof_outdated(at) else ""


def has_signed_in_from(person: Person | None, address: str) -> bool:
    """Return whether this person has recently signed in from this network.

    Sessions are stored for a day and a half, and no earlier sign-in is known. The query also runs for an
    unknown person, so that the response time does not reveal whether the person exists.
    """
    rows = Session.objects.filter(person=person.pk if person else 0).order_by("-pk")
    addresses = set(rows.values_list("address", flat=True)[:_MAX_SESSIONS])
    return True in {same_network(address, each) for each in addresses}
