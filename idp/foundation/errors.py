"""The errors of the domain, with the HTTP status of each; a class's docstring is its message."""

from typing import ClassVar


def message_of(kind: type[BaseException]) -> str:
    """Return the message of an error class: its docstring in one line."""
    return " ".join((kind.__doc__ or "").split())


class DomainError(Exception):
    """The request cannot be served."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "error"

    def __init__(self, message: object = "") -> None:
        super().__init__(message or message_of(type(self)))


class NotFound(DomainError):
    """There is no such object."""

    status = 404
    code = "not_found"


class Invalid(DomainError):
    """What was sent is not valid."""

    status = 400
    code = "invalid_request"


class Forbidden(DomainError):
    """The caller may not do this."""

    status = 403
    code = "not_allowed"


class Conflict(DomainError):
    """What was asked for does not go together with what is there."""

    status = 409
    code = "refused"


class Changed(Conflict):
    """It has changed since it was read."""

    status = 412
    code = "precondition_failed"
