"""A tenant's customized email templates."""

from collections.abc import Collection, Sequence
from typing import Any

from blueprints.objects.kind import Kind, ObjectChange, filter_by_names, run_checks, select_names
from idp.events.changes import reset_mail_template, save_mail_template
from idp.outbox.models import MailTemplate

_PARTS = ("subject", "text", "html")


class MailKind(Kind):
    """The kind of email templates: a customized template replaces the shipped one."""

    name = "mail"

    def current(self, names: Collection[str] | None) -> dict[str, dict[str, Any]]:
        return select_names(
            {
                row.name: {part: getattr(row, part) for part in _PARTS}
                for row in filter_by_names(MailTemplate.objects.all(), names)
            },
            names,
        )

    def prepare(self, change: ObjectChange, secret: str | None) -> None:
        row = MailTemplate(name=change.name, **{**(change.before or {}), **change.desired})
        run_checks(lambda: row.clean_fields(exclude=["tenant"]), row.clean)

    def write(self, changes: Sequence[ObjectChange], *, by: str) -> None:
        for change in changes:
            save_mail_template(change.name, by=by, **change.desired)

    def delete(self, names: Collection[str], *, by: str) -> None:
        for name in names:
            reset_mail_template(name, by=by)
