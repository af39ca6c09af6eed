"""``manage.py keys``: rotates signing keys, re-encrypts, or continues after a lost secret key."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import ngettext

from idp.accounts.recovery_codes import count_under_server_key
from idp.devices.service import expire_all
from idp.foundation.sealing import Unsealable
from idp.oauth import keys
from idp.runtime import files
from idp.runtime.resealing import count_unreadable, reseal
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope

_BY = "command line"


class Command(BaseCommand):
    """Commands for the server's keys."""

    help = (
        "rotate: create new signing keys; old keys stay valid for 2 days. reencrypt: run after "
        "FOYER_SECRET_KEY changed, with the old key in FOYER_SECRET_KEY_FALLBACKS. lost: run if "
        "the old secret key is lost."
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
                "Some values are encrypted with a key that FOYER_SECRET_KEY_FALLBACKS doesn't list."
            ) from None
        for table, count in done.items():
            self.stdout.write(f"{table}: {count} re-encrypted")
        under_server_key = 0
        for tenant in Tenant.objects.all():
            with tenant_scope(tenant):
                under_server_key += count_under_server_key()
        if under_server_key:
            were = (
                ngettext("%d recovery code was", "%d recovery codes were", under_server_key)
                % under_server_key
            )
            self.stdout.write(
                f"{were} created by an older version and can't be used without the key of that time."
            )
        if any(done.values()):
            self.stdout.write("Run this again one hour after all processes use the new FOYER_SECRET_KEY.")
        else:
            self.stdout.write(
                "No data is left under an older key. You can clear FOYER_SECRET_KEY_FALLBACKS one "
                "hour after all processes use the new FOYER_SECRET_KEY; until then, older device "
                "codes and open pages still need it."
            )

    def _lost(self) -> None:
        """Create new signing keys and list what is lost.

        It refuses to run where nothing is lost, because it invalidates every token.
        """
        lost = count_unreadable()
        if not any(lost.values()):
            raise CommandError("No key is lost: all encrypted data can be read. Nothing was changed.")
        files.store_secret_key()
        for table, rows in lost.items():
            if rows:
                values = ngettext("%d value", "%d values", rows) % rows
                self.stdout.write(f"{table}: {values} can no longer be read")
        for tenant in Tenant.objects.all():
            with tenant_scope(tenant):
                kid = keys.rotate(by=_BY, keep_old=False).kid
                expired = expire_all(why="secret key lost")
            devices = ngettext("%d waiting device", "%d waiting devices", expired) % expired
            self.stdout.write(f"{tenant.name}: new signing key {kid}; {devices} must start again")
        self.stdout.write(
            "What this means: all access and ID tokens issued so far are invalid, refresh tokens "
            "stay valid. Sign-ins in progress must be started again. Authenticator apps "
            "(accounts_credential.secret) must be set up again and recovery codes created again, "
            "because the old ones are no longer accepted. Sessions stay valid, because they aren't "
            "encrypted."
        )
