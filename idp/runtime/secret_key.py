"""The secret key of an installation: from FOYER_SECRET_KEY, or from the data folder."""

import os
import secrets
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from idp.runtime.env import KEY_LENGTH

_FILE = "secret.key"


def secret_key(given: str, folder: Path) -> str:
    """Return ``given``, or the key stored in ``folder``/secret.key, or a new one that is not stored yet."""
    if given:
        return given
    path = folder / _FILE
    try:
        stored = path.read_text().strip()
    except (FileNotFoundError, NotADirectoryError):
        return secrets.token_urlsafe(48)
    except OSError as error:
        raise ImproperlyConfigured(f"{path} can't be read: {error.strerror}.") from None
    if len(stored) < KEY_LENGTH:
        raise ImproperlyConfigured(f"{path} contains no key: it must have at least {KEY_LENGTH} characters.")
    return stored


def store_secret_key(folder: Path, key: str) -> str:
    """Write ``key`` to ``folder``/secret.key (mode 0600) unless there is one; return the stored key."""
    path, draft = folder / _FILE, folder / f".secret.{os.getpid()}"
    if not path.exists():
        draft.touch(mode=0o600)
        draft.write_text(key)
        try:
            # atomic: when two processes start at once, one creates the key and both read it
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()
