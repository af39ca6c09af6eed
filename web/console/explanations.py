"""What each member of the protocol's requests and responses means, in one sentence with its specification."""

from typing import Any

from django.utils.translation import gettext_lazy as _

_RFC = "https://www.rfc-editor.org/rfc/rfc"
_CORE = "https://openid.net/specs/openid-connect-core-1_0.html#"

# Name, sentence, and source: an RFC with a section, or "Core" with a section of OpenID Connect Core.
_MEMBERS: tuple[tuple[str, Any, str, str], ...] = (
    (
        "Authorization",
        _(
            "Identifies the caller: the token, or the device's own code. Never put it in a URL, which ends "
            "up in logs."
        ),
        "6750",
        "2.1",
    ),
    ("grant_type", _("How the client requests tokens."), "6749", "4"),
    ("client_id", _("Identifies the application. Not a secret."), "6749", "2.2"),
    (
        "client_secret",
        _("Authenticates the application. Only sent to the token endpoint, never in a URL."),
        "6749",
        "2.3.1",
    ),
    ("scope", _("The requested permissions; in a response, the granted ones."), "6749", "3.3"),
    (
        "device_name",
        _("The device's own name, shown to the person before they decide. Foyer extension."),
        "",
        "",
    ),
    ("device_code", _("The device's secret for this request. It's never typed in."), "8628", "3.2"),
    ("user_code", _("The code the person enters: short, without characters that look alike."), "8628", "6.1"),
    ("verification_uri", _("Where the person enters the code."), "8628", "3.2"),
    (
        "verification_uri_complete",
        _("The same URL including the code, for the QR code."),
        "8628",
        "3.3.1",
    ),
    ("expires_in", _("Lifetime in seconds."), "6749", "5.1"),
    ("interval", _("Seconds to wait between polls."), "8628", "3.2"),
    (
        "events_uri",
        _("Event stream that announces the decision immediately. The device keeps polling. Foyer extension."),
        "8628",
        "3.5",
    ),
    (
        "access_token",
        _("Grants access to an API: a signed JWT, valid until it expires or is revoked."),
        "9068",
        "2",
    ),
    (
        "token_type",
        _("Anyone who has the token can use it. Send it as Authorization: Bearer."),
        "6750",
        "2.1",
    ),
    ("id_token", _("Tells the client who approved the request, signed. Not for APIs."), "Core", "IDToken"),
    (
        "refresh_token",
        _(
            "Gets new tokens without asking the person again. Works once; each response contains the next "
            "one."
        ),
        "6749",
        "6",
    ),
    ("error", _("Why no tokens were issued: an error code for programs."), "6749", "5.2"),
    ("error_description", _("The same as text, for developers."), "6749", "5.2"),
)
_ERRORS: tuple[tuple[str, Any, str, str], ...] = (
    ("authorization_pending", _("No decision yet. Keep polling."), "8628", "3.5"),
    ("slow_down", _("Polled too soon. Wait 5 seconds longer from now on."), "8628", "3.5"),
    (
        "access_denied",
        _("The person denied the request or isn't allowed to use this application."),
        "8628",
        "3.5",
    ),
    ("expired_token", _("The request expired. Start again."), "8628", "3.5"),
    ("invalid_client", _("The client is unknown or deactivated, or its secret is wrong."), "6749", "5.2"),
    (
        "invalid_grant",
        _("The code or token was already used or revoked, or belongs to another client."),
        "6749",
        "5.2",
    ),
    ("invalid_scope", _("The application isn't allowed to request this scope."), "6749", "5.2"),
    (
        "unauthorized_client",
        _("This grant type isn't enabled for the application."),
        "6749",
        "5.2",
    ),
)
_CLAIMS: tuple[tuple[str, Any, str, str], ...] = (
    ("alg", _("The signing algorithm."), "7515", "4.1.1"),
    ("kid", _("Which of the keys at jwks_uri signed it."), "7515", "4.1.4"),
    ("typ", _("The token type, so that an ID token isn't accepted as an access token."), "9068", "2.1"),
    ("iss", _("The issuer: this tenant's URL, which must match exactly."), "7519", "4.1.1"),
    (
        "sub",
        _("The subject: a person or a service account. It never changes and contains no personal data."),
        "7519",
        "4.1.2",
    ),
    ("aud", _("The audience: an API rejects tokens that aren't meant for it."), "7519", "4.1.3"),
    ("exp", _("When it expires."), "7519", "4.1.4"),
    ("iat", _("When it was issued."), "7519", "4.1.6"),
    ("jti", _("The token's unique ID, used to revoke it."), "7519", "4.1.7"),
    ("client_id", _("The application that requested it."), "9068", "2.2"),
    ("azp", _("The application it was issued to."), "Core", "IDToken"),
    ("scope", _("The granted permissions."), "9068", "2.2.3"),
    ("auth_time", _("When the person signed in."), "9068", "2.2.1"),
    ("acr", _("How the person authenticated: single for one factor, mfa for two."), "9068", "2.2.1"),
    ("amr", _("The authentication methods used."), "8176", "1"),
    ("nonce", _("Returned as the device sent it."), "Core", "IDToken"),
    ("at_hash", _("Ties the ID token to its access token."), "Core", "CodeIDToken"),
    ("name", _("The person's name, with the scope profile."), "Core", "StandardClaims"),
    ("preferred_username", _("The username, with the scope profile."), "Core", "StandardClaims"),
    ("email", _("The email address, with the scope email."), "Core", "StandardClaims"),
    ("email_verified", _("Whether the email address was verified."), "Core", "StandardClaims"),
)


def explanations() -> dict[str, dict[str, dict[str, str]]]:
    """Return the tables ``members``, ``errors`` and ``claims``, each by name.

    An entry has the sentence (``text``), the name of the source (``source``) and its URL (``url``).
    """
    tables = {"members": _MEMBERS, "errors": _ERRORS, "claims": _CLAIMS}
    return {
        table: {name: _explanation(text, source, at) for name, text, source, at in rows}
        for table, rows in tables.items()
    }


def _explanation(text: Any, source: str, at: str) -> dict[str, str]:
    if source == "Core":
        return {"text": str(text), "source": "OpenID Connect Core", "url": f"{_CORE}{at}"}
    if source:
        return {"text": str(text), "source": f"RFC {source} § {at}", "url": f"{_RFC}{source}#section-{at}"}
    return {"text": str(text), "source": "", "url": ""}
