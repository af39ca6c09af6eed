"""The URLs of pages, the protocol, the API and the console."""

from django.urls import include, path, register_converter
from django.urls.converters import StringConverter

from flows.documents.designations import DESIGNATIONS
from web.api import app
from web.console import urls as console
from web.pages import account, flow, oauth

_ENTRY_POINTS = {each.address: each.name for each in DESIGNATIONS.values() if each.address}


class EntryPointConverter(StringConverter):
    """Converts the address of an entry point, in any case, to the purpose of its flow.

    People type these addresses, often in capitals. Any other text does not match.
    """

    regex = "[A-Za-z-]{1,30}"

    def to_python(self, value: str) -> str:
        """Return the purpose whose flow starts at this address; raise ValueError if there is none."""
        if value.lower() not in _ENTRY_POINTS:
            raise ValueError
        return _ENTRY_POINTS[value.lower()]


register_converter(EntryPointConverter, "entry")
_PROTOCOL = (
    ("application/o/device", oauth.device, "oauth-device"),
    ("application/o/token", oauth.token, "oauth-token"),
    ("application/o/userinfo", oauth.user_info, "oauth-userinfo"),
    ("application/o/jwks", oauth.jwks, "oauth-jwks"),
    (".well-known/openid-configuration", oauth.discovery, "openid-configuration"),
    (".well-known/oauth-authorization-server", oauth.discovery, "oauth-authorization-server"),
)
urlpatterns = [
    path("", account.home, name="home"),
    path("credentials/<int:pk>/remove", account.remove_credential, name="remove-credential"),
    path("password", account.password, name="password"),
    path("done/<slug:what>", account.done, name="done"),
    path("sign-out-everywhere", account.sign_out_elsewhere, name="sign-out-everywhere"),
    path("recover/<str:token>", account.recover, name="recover"),
    *(path(address, flow.begin, {"designation": name}, name=name) for address, name in _ENTRY_POINTS.items()),
    path("<entry:designation>", flow.redirect_to_canonical, name="as-typed"),
    path("<entry:designation>/", flow.redirect_to_canonical, name="as-typed"),
    path("flow/<slug:run>/", flow.flow, name="flow"),
    path("flow/<slug:run>/restart", flow.restart, name="restart"),
    path("api/", app.urls()),
    path("console/", include(console)),
    # Programs do not follow the redirect of a POST, so both spellings are served. The metadata has the one
    # with the slash.
    *(path(address + slash, view, name=name) for address, view, name in _PROTOCOL for slash in ("", "/")),
]
