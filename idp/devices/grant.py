"""The device code grant at the token endpoint (RFC 8628 section 3.4)."""

import hashlib
from base64 import urlsafe_b64encode
from datetime import datetime

from idp.devices import service
from idp.devices.models import DeviceCode, DeviceState
from idp.foundation.sealing import constant_time_equal
from idp.oauth import tokens
from idp.oauth.discovery import DEVICE_CODE
from idp.oauth.errors import (
    AccessDenied,
    AuthorizationPending,
    ExpiredToken,
    InvalidGrant,
    InvalidRequest,
    SlowDown,
)
from idp.oauth.forms import Form
from idp.oauth.grant import Grant
from idp.oauth.models import Application, TokenFamily
from idp.oauth.retries import PreviousResponse
from idp.oauth.tokens import Entitlement


class DeviceGrant(Grant):
    """The grant with which a device polls for its tokens.

    A decision is returned at once, however early the poll came: slow_down never hides one (D32).
    """

    grant_type = DEVICE_CODE

    def find(self, application: Application, form: Form, issuer: str) -> Entitlement:
        presented, previous = form.require("device_code"), None
        row = service.find_for_client(application, presented, issuer)
        _check_verifier(row, form.get("code_verifier"))
        match service.current_state(row):
            case DeviceState.PENDING:
                raise SlowDown if service.polled_too_early(row) else AuthorizationPending
            case DeviceState.DENIED | DeviceState.REVOKED:
                raise AccessDenied
            case DeviceState.EXPIRED:
                raise ExpiredToken
            case DeviceState.REDEEMED:
                previous = service.get_previous_response(row, presented)
        if row.person is None or row.authenticated_at is None:
            raise AccessDenied
        return Entitlement(
            application=application,
            person=row.person,
            scopes=tuple(row.scopes),
            issuer=row.issuer,
            methods=tuple(row.methods),
            authenticated_at=row.authenticated_at,
            subject=row,
            nonce=row.nonce or None,
            presented=presented,
            previous=previous,
        )

    def redeem(self, found: Entitlement, now: datetime) -> TokenFamily:
        family = tokens.create_family(found)
        service.redeem(found.subject, family, now)
        return family

    def find_concurrent_response(self, found: Entitlement) -> PreviousResponse | None:
        return service.find_concurrent_response(found.subject, found.presented)

    def revoke(self, found: Entitlement, why: str) -> None:
        service.revoke(found.subject.pk, why=why)


def _check_verifier(row: DeviceCode, verifier: str | None) -> None:
    """Check PKCE for a device that began with a challenge.

    Neither a missing verifier nor one without a challenge is accepted (B7, B8).
    """
    if bool(row.code_challenge) != bool(verifier):
        raise InvalidGrant("The code_verifier does not match the code_challenge.")
    if verifier:
        if not 43 <= len(verifier) <= 128:
            raise InvalidRequest("The code_verifier must have 43 to 128 characters (RFC 7636 section 4.1).")
        hashed = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        if not constant_time_equal(hashed, row.code_challenge):
            raise InvalidGrant("The code_verifier does not match the code_challenge.")
