"""Values that blueprints refer to by name, from files in ``FOYER_SECRETS`` or saved encrypted."""

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from blueprints.files.tags import SECRET_NAME
from blueprints.models import Secret
from idp.events.bus import publish
from idp.tenancy.scope import current_tenant

MAX_BYTES = 64 * 1024


class BadSecret(Exception):
    """A secret, or a file in ``FOYER_SECRETS``, cannot be used."""


def value_of(name: str, *, shared: bool) -> str | None:
    """Return the secret of the tenant in scope with this name, or None if there is none.

    A file comes before a saved value, and its last line break is removed. The tenant's own folder is searched
    first. With ``shared``, a file beside the tenants' folders is next. Such a file may belong to anything in
    the installation, so no person can read it by naming it.
    """
    return secret_lookup(shared=shared)(name)


def secret_lookup(*, shared: bool) -> Callable[[str], str | None]:
    """Return :func:`value_of` for many names; saved secrets are read once, when they are first needed."""
    saved = cache(lambda: dict(Secret.objects.values_list("name", "value")))

    def value_of(name: str) -> str | None:
        found = _in_folder(name, shared)
        return found if found is not None else saved().get(name)

    return value_of


def _in_folder(name: str, shared: bool) -> str | None:
    if not settings.SECRETS:
        return None
    folder = Path(settings.SECRETS)
    try:
        if not folder.is_dir():
            raise BadSecret("FOYER_SECRETS isn't a folder. Create it, or unset the variable.")
        for file in (folder / current_tenant().name / name, *([folder / name] if shared else [])):
            if os.path.lexists(file):
                return _read(file)
    except PermissionError:
        raise BadSecret(f"This process has no permission to read the file {name} in FOYER_SECRETS.") from None
    except (OSError, ValueError):
        raise BadSecret(f"The file {name} in FOYER_SECRETS isn't UTF-8.") from None
    return None


def check(name: str, value: str = "-") -> None:
    """Raise BadSecret for an invalid name or value."""
    if not SECRET_NAME.match(name):
        raise BadSecret(
            "Secret names have letters, digits, dots, dashes and underscores, and start with a letter."
        )
    if not value or len(value.encode()) > MAX_BYTES or "\0" in value:
        raise BadSecret(f"A secret can't be empty or larger than {MAX_BYTES // 1024} KiB.")


def save(name: str, value: str, *, by: str) -> None:
    """Save the secret, replacing an earlier value."""
    values = {"value": value, "set_at": timezone.now(), "set_by": by}
    Secret.objects.update_or_create(name=name, tenant=current_tenant(), defaults=values)
    publish("secret.set", actor=by, target=name)


def remove(name: str, *, by: str) -> bool:
    """Remove the secret and return whether it existed."""
    removed = bool(Secret.objects.filter(name=name).delete()[0])
    if removed:
        publish("secret.removed", actor=by, target=name)
    return removed


def names() -> list[str]:
    """Return the names of the saved secrets."""
    return list(Secret.objects.order_by("name").values_list("name", flat=True))


def _read(file: Path) -> str:
    if not file.is_file():
        what = "a folder" if file.is_dir() else "not a regular file"
        raise BadSecret(
            f"{file.name} in FOYER_SECRETS is {what}. Each secret must be a file that contains it."
        )
    if file.stat().st_size > MAX_BYTES:
        raise BadSecret(f"The file {file.name} in FOYER_SECRETS is larger than {MAX_BYTES // 1024} KiB.")
    value = file.read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
    if not value:
        raise BadSecret(f"The file {file.name} in FOYER_SECRETS is empty.")
    return value
