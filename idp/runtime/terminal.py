"""The streams of commands: no control characters reach a terminal, and failed writes are errors.

Control characters could come from a name or a file.
"""

import io
import os
import re
import secrets
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from django.core.management.base import OutputWrapper
from django.core.management.color import Style, color_style

from idp.foundation.text import printable

# stands for the escape character until the text has been cleaned; data cannot contain it
_ESCAPE = f"[{secrets.token_hex(12)}]"
_COLOUR = re.compile(re.escape(_ESCAPE) + r"\[[0-9;]*m")


class Unwritable(OSError):
    """A stream is closed, its reader went away, or its disk is full."""


class Output(OutputWrapper):
    """The stream that every command writes to.

    It only passes on the control sequences of a style's colors.
    """

    def write(  # type: ignore[override]
        self, msg: str = "", style_func: Callable[[str], str] | None = None, ending: str | None = None
    ) -> None:
        ending = self.ending if ending is None else ending
        text = printable(str(msg))
        if ending and not text.endswith(ending):
            text += ending
        stream: Any = self._out
        painted = style_func(text) if style_func else self.style_func(text)
        try:
            stream.write(painted.replace(_ESCAPE, "\x1b"))
        except OSError as error:
            raise self._unwritable(error) from None

    def flush(self) -> None:
        """Write what is still buffered; raise Unwritable where that fails."""
        stream: Any = self._out
        try:
            stream.flush()
        except OSError as error:
            raise self._unwritable(error) from None

    def _unwritable(self, error: OSError) -> Unwritable:
        return Unwritable(
            error.errno, error.strerror, "Standard error" if self._out is sys.stderr else "Standard output"
        )


def marked_style(force_color: bool = False) -> Style:
    """Return Django's style with its colors marked as Foyer's."""
    plain, marked = color_style(force_color), Style()
    for role, paint in vars(plain).items():
        setattr(marked, role, _marked(paint))
    return marked


def strip_color(text: str) -> str:
    """Return a text for programs, without colors and invisible characters."""
    return printable(_COLOUR.sub("", text))


def prepare_streams() -> None:
    """Open the streams that are closed, and set them to UTF-8 regardless of the locale.

    Otherwise another file could take the place of a closed stream. Writing to a closed standard output is an
    error, as in any program. With a closed standard error, messages are dropped.
    """
    for number, mode in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        with suppress(OSError):
            os.fstat(number)
            continue
        os.open(os.devnull, mode)  # uses the lowest free number
    sys.stdin = sys.stdin or open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 never closed
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def flush() -> None:
    """Write what is still buffered; raise Unwritable where that fails."""
    try:
        sys.stdout.flush()
    except OSError as error:
        raise Unwritable(error.errno, error.strerror, "Standard output") from None


def discard_output() -> None:
    """Drop what could not be written, so that Python does not try again when it exits."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def write_error(text: str) -> None:
    """Write to standard error and ignore failures."""
    with suppress(OSError):
        Output(sys.stderr).write(text)
        sys.stderr.flush()


def _marked(paint: Any) -> Callable[[str], str]:
    return lambda text: str(paint(printable(str(text)))).replace("\x1b", _ESCAPE)
