"""The list of the tenant's own mail templates."""

from django.utils.translation import gettext_lazy as _

from idp.foundation.listing import Column, Listing
from idp.outbox.models import MailTemplate

MAILS = Listing(
    "mails",
    _("Email templates"),
    lambda: MailTemplate.objects.all(),
    (
        Column("name", _("Name"), lambda row: row.name, "name"),
        Column("subject", _("Subject"), lambda row: row.subject, "subject"),
    ),
    search=("name", "subject"),
    order="name",
    key="name",
)
