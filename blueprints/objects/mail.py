"""A tenant's customized email templates."""

from collections.abc import Collection, Sequence
from typing import Any

from blueprints.objects.kind import Change, Kind, every_check, named, only
from idp.events.changes import forget_wording, word_mail
from idp.outbox.models import MailTemplate

_PARTS = ("subject", "text", "html")


class MailKind(Kind):
    """The kind of email templates: a customized template replaces the shipped one."""

    name = "mail"

    def current(self, names: Collection[str] | None) -> dict[str, dict[str, Any]]:
        return only(
            {
                row.name: {part: getattr(row, part) for part in _PARTS}
                for row in named(MailTemplate.objects.all(), names)
            },
            names,
        )

    def prepare(self, change: Change, secret: str | None) -> None:
        row = MailTemplate(name=change.name, **{**(change.before or {}), **change.given})
        every_check(lambda: row.clean_fields(exclude=["tenant"]), row.clean)

    def write(self, changes: Sequence[Change], *, by: str) -> None:
        for change in changes:
            word_mail(change.name, by=by, **change.given)

    def delete(self, names: Collection[str], *, by: str) -> None:
        for name in names:
            forget_wording(name, by=by)
