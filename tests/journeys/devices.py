"""Devices for the journeys, each driven by an independent client library and verified by a third one."""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit, urlunsplit

import requests
from joserfc import jwt
from joserfc.jwk import KeySet
from joserfc.jwt import JWTClaimsRegistry
from oauthlib.oauth2 import DeviceClient, OAuth2Error
from requests.adapters import HTTPAdapter
from requests_oauth2client import EndpointError, OAuth2Client
from requests_oauthlib import OAuth2Session

SCOPES = ["openid", "profile", "email", "offline_access"]

SessionT = TypeVar("SessionT", bound=requests.Session)


class ToThisMachine(HTTPAdapter):
    """An adapter that connects every name to this machine and keeps the Host header.

    The browser's resolver rules do the same.
    """

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        parts = urlsplit(str(request.url))
        request.headers["Host"] = parts.netloc
        request.url = urlunsplit(parts._replace(netloc=f"127.0.0.1:{parts.port}"))
        return super().send(request, *args, **kwargs)


def local(session: SessionT) -> SessionT:
    """Return a requests session that knows the test names."""
    session.trust_env = False
    session.mount("http://", ToThisMachine())
    return session


class Device(Protocol):
    """The interface of a device, whichever library drives it."""

    http: requests.Session
    provider: dict[str, Any]
    user_code: str
    link: str
    complete_link: str

    def poll(self) -> dict[str, Any] | str:
        """Return the tokens, or the OAuth error code."""

    def refresh(self, refresh_token: str) -> dict[str, Any]:
        """Return new tokens."""


class ByOAuth2Client:
    """A device by requests-oauth2client, which reads everything from the discovery document."""

    def __init__(
        self, issuer: str, client_id: str = "tv", agent: str = "Acme TV/2.1 (webOS)", **ask: str
    ) -> None:
        self.http = local(requests.Session())
        self.http.headers["User-Agent"] = agent
        self.provider = self.http.get(f"{issuer}/.well-known/openid-configuration").json()
        self.client = OAuth2Client.from_discovery_document(
            self.provider,
            issuer=issuer,
            client_id=client_id,
            device_authorization_endpoint=self.provider["device_authorization_endpoint"],
            session=self.http,
            testing=True,  # plain http
        )
        self.started = self.client.authorize_device(None, **{"scope": " ".join(SCOPES)} | ask)
        self.user_code, self.link = self.started.user_code, self.started.verification_uri
        self.complete_link = str(self.started.verification_uri_complete)

    def poll(self) -> dict[str, Any] | str:
        try:
            return dict(self.client.device_code(self.started).as_dict())
        except EndpointError as error:
            return str(error.error)

    def refresh(self, refresh_token: str) -> dict[str, Any]:
        return dict(self.client.refresh_token(refresh_token).as_dict())


class ByOAuthlib:
    """A device by oauthlib's client through requests-oauthlib, which needs the URLs."""

    def __init__(self, issuer: str, client_id: str = "tv", agent: str = "Other box", **ask: str) -> None:
        self.client = DeviceClient(client_id)
        self.http = local(OAuth2Session(client=self.client, scope=SCOPES))
        self.http.headers["User-Agent"] = agent
        self.provider = requests.Session.request(
            self.http, "GET", f"{issuer}/.well-known/oauth-authorization-server"
        ).json()
        form = {"client_id": client_id, "scope": " ".join(SCOPES), **ask}
        started = requests.Session.request(
            self.http, "POST", self.provider["device_authorization_endpoint"], data=form
        ).json()
        self.device_code, self.user_code = started["device_code"], started["user_code"]
        self.link, self.complete_link = started["verification_uri"], started["verification_uri_complete"]

    def poll(self) -> dict[str, Any] | str:
        try:
            return dict(
                self.http.fetch_token(
                    self.provider["token_endpoint"], device_code=self.device_code, include_client_id=True
                )
            )
        except OAuth2Error as error:
            return str(error.error)

    def refresh(self, refresh_token: str) -> dict[str, Any]:
        return dict(
            self.http.refresh_token(
                self.provider["token_endpoint"], refresh_token, client_id=self.client.client_id
            )
        )


LIBRARIES: dict[str, Callable[..., Device]] = {
    "requests-oauth2client": ByOAuth2Client,
    "oauthlib": ByOAuthlib,
}


def verified(device: Device, token: str, *, typ: str, audience: str, **claims: Any) -> dict[str, Any]:
    """Return the claims of a token that joserfc verifies.

    It checks the signature, the type, the issuer, the audience and the times.
    """
    keys = KeySet.import_key_set(device.http.get(device.provider["jwks_uri"]).json())
    decoded = jwt.decode(token, keys, algorithms=["RS256"])
    assert decoded.header["typ"] == typ
    wanted: dict[str, Any] = {name: {"essential": True} for name in ("exp", "iat", "sub")}
    wanted |= {
        "iss": {"essential": True, "value": device.provider["issuer"]},
        "aud": {"essential": True, "value": audience},
    }
    JWTClaimsRegistry(
        **wanted | {name: {"essential": True, "value": value} for name, value in claims.items()}
    ).validate(decoded.claims)
    return dict(decoded.claims)
