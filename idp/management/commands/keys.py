"""``manage.py keys``: rotate the signing keys, re-encrypt after a new secret key, or go on after the old one
was lost.
"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import ngettext

from idp.accounts.recovery_codes import tied_to_the_servers_key
from idp.devices.service import drop_all
from idp.foundation.sealing import Unsealable
from idp.oauth import keys
from idp.runtime import files
from idp.runtime.resealing import reseal, unreadable
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope

_BY = "command line"


class Command(BaseCommand):
    """Commands about the server's keys."""

    help = (
        "rotate: new signing keys, the old ones verify two more days. "
        "reencrypt: after FOYER_SECRET_KEY changed and the old one stands in FOYER_SECRET_KEY_FALLBACKS. "
        "lost: the old secret key is gone."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["rotate", "reencrypt", "lost"])

    def handle(self, *args: Any, **options: Any) -> None:
        getattr(self, f"_{options['action']}")()

    def _rotate(self) -> None:
        for tenant in Tenant.objects.all():
            with tenant_scope(tenant):
                self.stdout.write(f"{tenant.name}: new signing key {keys.rotate(by=_BY).kid}")

    def _reencrypt(self) -> None:
        try:
            done = reseal()
        except Unsealable:
            raise CommandError(
                "Some values are sealed under a key that FOYER_SECRET_KEY_FALLBACKS does not list."
            ) from None
        for table, count in done.items():
            self.stdout.write(f"{table}: {count} re-encrypted")
        tied = 0
        for tenant in Tenant.objects.all():
            with tenant_scope(tenant):
                tied += tied_to_the_servers_key()
        if tied:
            were = ngettext("%d recovery code was", "%d recovery codes were", tied) % tied
            self.stdout.write(
                f"{were} made by an older version, and cannot be used without the key of that time."
            )
        if any(done.values()):
            self.stdout.write(
                "Run this again an hour after the last process took the new key as FOYER_SECRET_KEY."
            )
        else:
            self.stdout.write(
                "Nothing is left under an older key. FOYER_SECRET_KEY_FALLBACKS may be emptied an hour "
                "after the last process took the new "
                "key as FOYER_SECRET_KEY: until then device codes and open pages of before are still about."
            )

    def _lost(self) -> None:
        """New signing keys; then says plainly what cannot be saved.

        Does nothing where nothing is lost: every token would end for that.
        """
        lost = unreadable()
        if not any(lost.values()):
            raise CommandError(
                "Nothing is lost: the secret key reads all that is encrypted. Nothing was done."
            )
        files.keep_secret_key()
        for table, rows in lost.items():
            if rows:
                values = ngettext("%d value", "%d values", rows) % rows
                self.stdout.write(f"{table}: {values} cannot be read any more")
        for tenant in Tenant.objects.all():
            with tenant_scope(tenant):
                kid = keys.rotate(by=_BY, keep_old=False).kid
                dropped = drop_all(why="secret key lost")
            devices = ngettext("%d waiting device", "%d waiting devices", dropped) % dropped
            self.stdout.write(f"{tenant.name}: new signing key {kid}; {devices} must start again")
        self.stdout.write(
            "To set up anew: every access and ID token issued so far is invalid, refresh tokens go on; "
            "open sign-in pages must be started again; authenticator apps (accounts_credential.secret) "
            "must be set up again and recovery codes made again, for none of them is accepted any more; "
            "sessions go on, for they are not encrypted."
        )
