"""``manage.py person``: restores access after a forgotten password or lost second factors."""

import re
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from idp.accounts import credentials
from idp.accounts.models import Person
from idp.accounts.people import by_username
from idp.accounts.recovery import NoAddress, create_link, mail_link
from idp.outbox.mail import TooManyMails
from idp.tenancy.argument import add_tenant, scope_from_options

_BY = "command line"


class Command(BaseCommand):
    """Commands about one person."""

    help = (
        "recovery-link NAME: print or email a one-time link to set a new password, valid for 15 "
        "minutes. forget-factors NAME: remove all second factors (authenticator app, recovery "
        "codes) and sign the person out everywhere, including devices."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        link = actions.add_parser("recovery-link", help="create a one-time link to set a new password")
        forget = actions.add_parser(
            "forget-factors", help="remove all second factors; verify who is asking first"
        )
        for parsed in (link, forget):
            parsed.add_argument("name", metavar="NAME")
            add_tenant(parsed)
        link.add_argument(
            "--mail",
            action="store_true",
            help="email the link to the person instead of printing it",
        )
        link.add_argument(
            "--url", default="", help="scheme and host of the tenant (default: its first domain)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        with scope_from_options(options) as tenant:
            person = by_username(options["name"])
            if person is None or not person.is_active:
                raise CommandError(f"No active person {options['name']} in tenant {tenant.name}.")
            if options["action"] == "forget-factors":
                return self._forget(person)
            site = _site(options["url"]) or _address(tenant)
            if options["mail"]:
                self._mail(person, site)
            else:
                self.stdout.write(f"{site}/recover/{create_link(person, by=_BY)}")

    def _forget(self, person: Person) -> None:
        removed = credentials.list_credentials(person)
        credentials.remove_all(person, by=_BY)
        self.stdout.write(f"Removed from {person}: {', '.join(each.kind for each in removed) or 'nothing'}.")

    def _mail(self, person: Person, site: str) -> None:
        try:
            mail_link(person, site, by=_BY)
        except NoAddress:
            raise CommandError(
                f"{person} has no email address. Without --mail, the link is printed."
            ) from None
        except TooManyMails as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"Sending a link to {person.mailbox}.")


def _site(url: str) -> str:
    """Return the URL without a trailing slash; raise CommandError unless it is a scheme and a host."""
    site = url.rstrip("/")
    if site and not re.fullmatch(r"https?://[^/?#\s]+", site):
        raise CommandError(f"--url {url} isn't a scheme and host, such as https://login.example.com.")
    return site


def _address(tenant: Any) -> str:
    """Return the https URL of the tenant's first exact domain, or the local address without one."""
    exact = tenant.domains.filter(approved=True).exclude(name__startswith="*").order_by("name").first()
    return f"https://{exact.name}" if exact else f"http://localhost:{settings.PORT}"
