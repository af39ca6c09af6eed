"""The country of an address, from the GeoIP file in MMDB format that FOYER_GEOIP names.

No other service is ever queried.
"""

import os
from functools import lru_cache
from typing import Any

import maxminddb
from django.conf import settings

from idp.foundation import addresses
from idp.foundation.errors import message_of

_WITH_COUNTRIES = ("country", "city", "enterprise", "location")


class NoGeoFile(Exception):
    """request.country needs FOYER_GEOIP, the path of a GeoIP file in MMDB format."""

    def __init__(self) -> None:
        super().__init__(message_of(type(self)))


class BadGeoFile(Exception):
    """FOYER_GEOIP names a file that knows no countries."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"{message_of(type(self))} Its type is {kind[:50]!r}.")


def unavailable_reason() -> str:
    """Return why no country can be known here, or ""."""
    return "" if settings.GEOIP else str(NoGeoFile())


def file_problem() -> str:
    """Return what is wrong with the configured file, or ""."""
    try:
        if settings.GEOIP:
            _current()
    except (OSError, ValueError, BadGeoFile, maxminddb.InvalidDatabaseError) as error:
        return str(error)
    return ""


def country(address: str) -> str:
    """Return the ISO 3166-1 code of the country, in capitals, or "".

    It is "" for an address that is in no country, not in the file, or not readable.

    Raises NoGeoFile, BadGeoFile, the errors of reading a file, and ValueError for text that is no address. A
    condition then refuses.
    """
    ip, reader = addresses.parse_stored(address), _current()
    if ip is None or (ip.version == 6 and reader.metadata().ip_version == 4):
        return ""
    record: Any = reader.get(ip) or {}
    found = record.get("country", "")
    return str(
        found.get("iso_code", "") if isinstance(found, dict) else record.get("country_code", found)
    ).upper()


def _current() -> maxminddb.Reader:
    """Return the reader of the current file, which is opened again after it was replaced or changed."""
    if not settings.GEOIP:
        raise NoGeoFile
    status = os.stat(settings.GEOIP)
    return _open(settings.GEOIP, status.st_mtime_ns, status.st_size, status.st_ino)


@lru_cache(maxsize=1)
def _open(path: str, *version: int) -> maxminddb.Reader:
    """Read the whole file into memory.

    A change of a memory-mapped file would end the process that reads it (SIGBUS).
    """
    reader = maxminddb.open_database(path, maxminddb.MODE_MEMORY)
    kind = reader.metadata().database_type
    if not any(word in kind.lower() for word in _WITH_COUNTRIES):
        raise BadGeoFile(kind)
    return reader
