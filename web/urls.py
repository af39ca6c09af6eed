"""Every address of the edge."""

from django.urls import include, path

from flows.designations import DESIGNATIONS
from web import account, flow, oauth
from web.api import app
from web.console import urls as console

urlpatterns = [
    path("", account.home, name="home"),
    path("credentials/<int:pk>/remove", account.remove_credential, name="remove-credential"),
    path("password", account.password, name="password"),
    path("sign-out-everywhere", account.sign_out_elsewhere, name="sign-out-everywhere"),
    path("recover/<str:token>", account.recover, name="recover"),
    *(path(each.address, flow.begin, {"designation": each.name}, name=each.name) for each in DESIGNATIONS.values() if each.address),
    path("flow/<slug:run>/", flow.flow, name="flow"),
    path("flow/<slug:run>/restart", flow.restart, name="restart"),
    path("api/", app.urls()),
    path("console/", include(console)),
    path("application/o/device/", oauth.device, name="oauth-device"),
    path("application/o/token/", oauth.token, name="oauth-token"),
    path("application/o/userinfo/", oauth.user_info, name="oauth-userinfo"),
    path("application/o/jwks/", oauth.jwks, name="oauth-jwks"),
    path(".well-known/openid-configuration", oauth.discovery, name="openid-configuration"),
    path(".well-known/oauth-authorization-server", oauth.discovery, name="oauth-authorization-server"),
]
