"""Browsers in which people have signed in before: strangers' guesses are not in their way (the device cookies
of OWASP).
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
_MOST_PEOPLE, _MOST_SESSIONS = 5, 50


@dataclass(frozen=True)
class KnownBrowser:
    """What a browser brings along: a name of its own, and who signed in there and when (by key, in seconds
    since 1970).
    """

    identifier: str = field(default="", repr=False)
    people: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def read(cls, cookie: str) -> "KnownBrowser":
        """Return what the cookie says; one that this server did not seal says nothing."""
        try:
            identifier, people = json.loads(unseal(cookie[:4000])) if cookie else ("", {})
        except (Unsealable, ValueError):
            return cls()
        return cls(identifier, people)

    def after_sign_in(self, person: int) -> str:
        """Return the cookie once this person has signed in: under a new name, so that a planted one is worth
        nothing.
        """
        latest = {**self.people, str(person): timezone.now().timestamp()}
        kept = sorted(latest.items(), key=lambda each: each[1])[-_MOST_PEOPLE:]
        return seal(json.dumps([new_token()[:32], dict(kept)]))

    def name_for(self, person: Person | None) -> str:
        """Return the browser's name if this person signed in there lately, and since their last change of
        credentials; else "".
        """
        seconds = self.people.get(str(person.pk)) if person else None
        if person is None or seconds is None:
            return ""
        at = datetime.fromtimestamp(seconds, UTC)
        return self.identifier if age(at) <= LIFETIME and not person.outdated(at) else ""


def signed_in_from(person: Person | None, address: str) -> bool:
    """Whether this person has signed in from this network lately: within a day and a half, as long as
    sessions are kept.

    Asked for nobody, too, so that the time of an answer does not tell whether there is such a person.
    """
    rows = Session.objects.filter(person=person.pk if person else 0).order_by("-pk")
    addresses = set(rows.values_list("address", flat=True)[:_MOST_SESSIONS])
    return True in {same_network(address, each) for each in addresses}
