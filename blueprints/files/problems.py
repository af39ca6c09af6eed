"""Problems in blueprint files, with file, line, column and key."""

from collections.abc import Iterable
from dataclasses import dataclass

from blueprints.files.partial import MAX_ERRORS
from idp.foundation.text import printable_line

MAX_PROBLEMS = MAX_ERRORS


@dataclass(frozen=True)
class Problem:
    """One problem; ``line`` and ``column`` count from 1."""

    file: str
    line: int
    column: int
    key: str
    message: str

    def __str__(self) -> str:
        return printable_line(
            f"{self.file}:{self.line}:{self.column}: {self.key + ': ' if self.key else ''}{self.message}"
        )


class BadBlueprint(Exception):
    """The blueprint is invalid and nothing was applied; ``problems`` lists each problem once."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(dict.fromkeys(problems))
        more = (
            [f"… and {len(self.problems) - MAX_PROBLEMS} more."] if len(self.problems) > MAX_PROBLEMS else []
        )
        super().__init__("\n".join([*map(str, self.problems[:MAX_PROBLEMS]), *more]))
