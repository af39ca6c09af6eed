"""``manage.py seed``: creates a tenant full of simulated data, for trying Foyer at scale."""

import logging
from io import StringIO
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from idp.events.changes import change_tenant
from idp.foundation.arguments import number
from idp.runtime.installation import analyze_tables, new_readable_password
from idp.tenancy import tenants
from idp.tenancy.models import Tenant, slug
from idp.tenancy.scope import tenant_scope
from tools.seeding import events, people, protocol, runs
from tools.seeding.plan import SEED_ACTOR, Seed, Sizes


class Command(BaseCommand):
    """Fills a new tenant and never an existing one."""

    help = (
        "Create a tenant and fill it with made-up people, sessions, credentials, applications, "
        "tokens, devices, runs and events, whose secrets are unknown. The same --random gives the "
        "same rows. Existing tenants are refused."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--people", type=number(10, 1_000_000), default=1000, metavar="N")
        parser.add_argument("--events", type=number(0, 10_000_000), default=10_000, metavar="N")
        parser.add_argument("--applications", type=number(1, 100_000), default=20, metavar="N")
        parser.add_argument(
            "--tenant", default="seeded", metavar="NAME", help="the tenant to create (default: seeded)"
        )
        parser.add_argument(
            "--domain", default="", metavar="HOST", help="its domain (default: NAME.localhost)"
        )
        parser.add_argument(
            "--random",
            type=number(0, 2**63 - 1),
            default=1,
            metavar="N",
            help="the seed; the same number gives the same rows",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        name, domain = options["tenant"], options["domain"] or f"{options['tenant']}.localhost"
        seed = Seed(
            Sizes(options["people"], options["events"], options["applications"]),
            number=options["random"],
            report=self.stdout.write if options["verbosity"] else lambda text: None,
        )
        logging.disable(logging.INFO)  # progress is printed instead
        try:
            with tenant_scope(self._create_tenant(name, domain)):
                self._fill(seed, f"https://{domain}")
        finally:
            logging.disable(logging.NOTSET)

    def _create_tenant(self, name: str, domain: str) -> Tenant:
        """Create the tenant with the shipped flows and return it; raise CommandError with nothing created."""
        if tenants.by_name(name):
            raise CommandError(
                f"The tenant {name} already exists, and seed doesn't change existing tenants. Name "
                "another one with --tenant."
            )
        try:
            slug(name)
            tenants.check_domains(name, [domain], show_owner=True)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from None
        shipped = settings.BASE_DIR / "blueprints" / "default" / "10-tenant.yaml"
        variables = [f"tenant={name}"]
        call_command(
            "blueprint", "apply", str(shipped), name=f"seed-{name}", var=variables, stdout=StringIO()
        )
        with tenant_scope(Tenant(name=name)):
            return change_tenant(by=SEED_ACTOR, title=name.capitalize(), domains=[domain], approved=True)

    def _fill(self, seed: Seed, issuer: str) -> None:
        people.fill(seed)
        keys = people.seeded_person_ids()
        protocol.fill(seed, keys, issuer)
        runs.fill(seed, keys)
        events.fill(seed)
        analyze_tables()
        password = new_readable_password()
        staff = people.create_staff(password)
        self.stdout.write(
            f"At {issuer.removeprefix('https://')}, {', '.join(staff)} have the password {password} (shown "
            "only now)"
        )
