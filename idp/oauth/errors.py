"""The errors of the protocol; the docstring of each class is its ``error_description``."""

from typing import ClassVar

from idp.foundation.errors import message_of


class OAuthError(Exception):
    """The request could not be processed."""

    code: ClassVar[str] = "invalid_request"
    status: ClassVar[int] = 400
    retry_after: int | None = None

    def __init__(self, description: str = "") -> None:
        self.description = description or message_of(type(self))
        super().__init__(self.description)


class InvalidRequest(OAuthError):
    """The request is malformed, lacks a parameter or repeats one (RFC 6749 section 5.2)."""


class BodyTooLarge(InvalidRequest):
    """The request body is too large."""

    status = 413


class WrongContentType(InvalidRequest):
    """The body must be application/x-www-form-urlencoded in UTF-8."""

    status = 415


class InvalidClient(OAuthError):
    """Client authentication failed (RFC 6749 section 5.2)."""

    code, status = "invalid_client", 401


class InvalidGrant(OAuthError):
    """The code or token is unknown, used, revoked, or was issued to another client (RFC 6749 section 5.2)."""

    code = "invalid_grant"


class UnauthorizedClient(OAuthError):
    """This client isn't allowed to use this grant type (RFC 6749 section 5.2)."""

    code = "unauthorized_client"


class UnsupportedGrantType(OAuthError):
    """The grant type isn't supported (RFC 6749 section 5.2)."""

    code = "unsupported_grant_type"


class InvalidScope(OAuthError):
    """The scope is malformed or exceeds what was granted (RFC 6749 section 5.2)."""

    code = "invalid_scope"


class AuthorizationPending(OAuthError):
    """The request is still pending: keep polling (RFC 8628 section 3.5)."""

    code = "authorization_pending"


class SlowDown(OAuthError):
    """Polling too fast: wait 5 more seconds between polls from now on (RFC 8628 section 3.5)."""

    code = "slow_down"


class AccessDenied(OAuthError):
    """The request was denied (RFC 8628 section 3.5)."""

    code = "access_denied"


class ExpiredToken(OAuthError):
    """The device code has expired. Start again (RFC 8628 section 3.5)."""

    code = "expired_token"


class TooManyRequests(OAuthError):
    """Too many requests. Try again later."""

    code, status = "temporarily_unavailable", 429

    def __init__(self, description: str = "", retry_after: int = 60) -> None:
        super().__init__(description)
        self.retry_after = retry_after


class InvalidToken(OAuthError):
    """The access token is malformed, expired, revoked or not meant for this server (RFC 6750 section 3.1)."""

    code, status = "invalid_token", 401


class TokenFromTheFuture(InvalidToken):
    """The access token is from the future: it was issued more than a minute after this server's time."""


class MissingToken(InvalidToken):
    """Send the access token as Authorization: Bearer (RFC 6750 section 2.1)."""


class InsufficientScope(OAuthError):
    """The access token lacks a required scope (RFC 6750 section 3.1)."""

    code, status = "insufficient_scope", 403
