"""What each member of the protocol's requests and answers means, in a sentence, and where it is specified."""

from typing import Any

from django.utils.translation import gettext_lazy as _

_RFC = "https://www.rfc-editor.org/rfc/rfc"
_CORE = "https://openid.net/specs/openid-connect-core-1_0.html#"

# Name, its sentence, and its source: an RFC with a section, or a section of OpenID Connect Core.
_MEMBERS: tuple[tuple[str, Any, str, str], ...] = (
    (
        "Authorization",
        _("Who asks: the token, or the device's own code. Never in an address, which ends up in logs."),
        "6750",
        "2.1",
    ),
    ("grant_type", _("By which way the client asks for tokens."), "6749", "4"),
    ("client_id", _("Which application this is. It is public."), "6749", "2.2"),
    (
        "client_secret",
        _("Proves that it is this application. It goes to the token endpoint only, never into an address."),
        "6749",
        "2.3.1",
    ),
    ("scope", _("What it asks for, or in an answer what it was given, word by word."), "6749", "3.3"),
    (
        "device_name",
        _("How the device calls itself; the person sees it before deciding. An extra of this server."),
        "",
        "",
    ),
    ("device_code", _("The device's own secret for this one request. Nobody ever types it."), "8628", "3.2"),
    ("user_code", _("What the person enters, short and without letters that look alike."), "8628", "6.1"),
    ("verification_uri", _("Where the person enters the code."), "8628", "3.2"),
    (
        "verification_uri_complete",
        _("The same address with the code in it, for the QR code."),
        "8628",
        "3.3.1",
    ),
    ("expires_in", _("How many seconds this is good for."), "6749", "5.1"),
    ("interval", _("How many seconds to wait between two polls."), "8628", "3.2"),
    (
        "events_uri",
        _(
            "Where a device that can listen hears of the decision at once. An extra of this server; "
            "polling goes on."
        ),
        "8628",
        "3.5",
    ),
    (
        "access_token",
        _("What opens an API: a signed JWT, valid until it expires or is revoked."),
        "9068",
        "2",
    ),
    ("token_type", _("Whoever bears the token may use it: send it as Authorization: Bearer."), "6750", "2.1"),
    ("id_token", _("Tells the client who approved, signed. It is not for APIs."), "Core", "IDToken"),
    (
        "refresh_token",
        _("Gets new tokens without asking again. It works once; each answer has the next one."),
        "6749",
        "6",
    ),
    ("error", _("Why there are no tokens, as a program reads it."), "6749", "5.2"),
    ("error_description", _("The same for the person who writes the program."), "6749", "5.2"),
)
_ERRORS: tuple[tuple[str, Any, str, str], ...] = (
    ("authorization_pending", _("Nobody has decided yet: go on polling."), "8628", "3.5"),
    ("slow_down", _("Polled too early: wait 5 seconds longer from now on."), "8628", "3.5"),
    ("access_denied", _("The person said no, or may not use this application."), "8628", "3.5"),
    ("expired_token", _("Nobody decided in time: begin anew."), "8628", "3.5"),
    ("invalid_client", _("The client is unknown, switched off, or showed a wrong secret."), "6749", "5.2"),
    ("invalid_grant", _("The code or token was used, revoked, or belongs to another client."), "6749", "5.2"),
    ("invalid_scope", _("It asks for something that this application may not have."), "6749", "5.2"),
    (
        "unauthorized_client",
        _("This way to get tokens is not switched on for the application."),
        "6749",
        "5.2",
    ),
)
_CLAIMS: tuple[tuple[str, Any, str, str], ...] = (
    ("alg", _("By which algorithm it is signed."), "7515", "4.1.1"),
    ("kid", _("With which of the keys at jwks_uri."), "7515", "4.1.4"),
    ("typ", _("What kind of token it is: an ID token is never taken for an access token."), "9068", "2.1"),
    ("iss", _("Who issued it: this tenant at this address, byte for byte."), "7519", "4.1.1"),
    (
        "sub",
        _("Who acts: a person, or a service account. It never changes and tells nothing more."),
        "7519",
        "4.1.2",
    ),
    ("aud", _("For whom it is: an API refuses what is not meant for it."), "7519", "4.1.3"),
    ("exp", _("When it ends."), "7519", "4.1.4"),
    ("iat", _("When it was made."), "7519", "4.1.6"),
    ("jti", _("Its own name, by which it can be revoked."), "7519", "4.1.7"),
    ("client_id", _("Through which application."), "9068", "2.2"),
    ("azp", _("For which application it was made."), "Core", "IDToken"),
    ("scope", _("What it opens."), "9068", "2.2.3"),
    ("auth_time", _("When the person signed in."), "9068", "2.2.1"),
    ("acr", _("How well: single for one factor, mfa for two."), "9068", "2.2.1"),
    ("amr", _("By which methods."), "8176", "1"),
    ("nonce", _("Comes back as the device sent it."), "Core", "IDToken"),
    ("at_hash", _("Ties the ID token to its access token."), "Core", "CodeIDToken"),
    ("name", _("The person's name, with the scope profile."), "Core", "StandardClaims"),
    ("preferred_username", _("The username, with the scope profile."), "Core", "StandardClaims"),
    ("email", _("The address, with the scope email."), "Core", "StandardClaims"),
    ("email_verified", _("Whether the address was proved to be theirs."), "Core", "StandardClaims"),
)


def explanations() -> dict[str, dict[str, dict[str, str]]]:
    """``members``, ``errors`` and ``claims`` by name: the sentence, the source's name and its address."""
    tables = {"members": _MEMBERS, "errors": _ERRORS, "claims": _CLAIMS}
    return {
        table: {name: _told(text, source, at) for name, text, source, at in rows}
        for table, rows in tables.items()
    }


def _told(text: Any, source: str, at: str) -> dict[str, str]:
    if source == "Core":
        return {"text": str(text), "source": "OpenID Connect Core", "url": f"{_CORE}{at}"}
    if source:
        return {"text": str(text), "source": f"RFC {source} § {at}", "url": f"{_RFC}{source}#section-{at}"}
    return {"text": str(text), "source": "", "url": ""}
