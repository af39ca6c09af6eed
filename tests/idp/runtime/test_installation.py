"""What a start makes where it is missing."""

import os
from pathlib import Path

from django.contrib.staticfiles import finders
from pytest_django import Settings

from idp.runtime.installation import install


def test_static_files_of_an_older_package_replace_newer_copies(
    db: None, settings: Settings, tmp_path: Path
) -> None:
    """After a downgrade to an older release its own files are served.

    That holds although their copies in the data folder are newer.
    """
    settings.STATIC_ROOT = tmp_path
    source, copy, manifest = (
        Path(str(finders.find("web/foyer.css"))),
        tmp_path / "web" / "foyer.css",
        tmp_path / "staticfiles.json",
    )
    install(lambda line: None)
    assert copy.read_bytes() == source.read_bytes()
    copy.write_bytes(b"/* of a newer release */")
    later = source.stat().st_mtime + 3600
    os.utime(copy, (later, later))
    os.utime(manifest, (later, later))
    install(lambda line: None)
    assert copy.read_bytes() == source.read_bytes()


def test_static_files_are_collected_once(db: None, settings: Settings, tmp_path: Path) -> None:
    """A start that finds everything as it left it writes nothing."""
    settings.STATIC_ROOT = tmp_path
    install(lambda line: None)
    before = (tmp_path / "staticfiles.json").stat().st_mtime_ns
    install(lambda line: None)
    assert (tmp_path / "staticfiles.json").stat().st_mtime_ns == before
