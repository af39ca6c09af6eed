"""Every address of the edge."""

from django.urls import path

from web import account, flow, oauth
from web.api import runs

urlpatterns = [
    path("", account.home, name="home"),
    path("sign-out", account.sign_out, name="sign-out"),
    path("recover/<str:token>", account.recover, name="recover"),
    path("device", flow.device, name="device"),
    path("flow/<slug:run>/", flow.flow, name="flow"),
    path("api/runs/", runs.begin, name="api-runs"),
    path("api/runs/<slug:run>/", runs.run, name="api-run"),
    path("application/o/device/", oauth.device, name="oauth-device"),
    path("application/o/token/", oauth.token, name="oauth-token"),
    path("application/o/userinfo/", oauth.user_info, name="oauth-userinfo"),
    path("application/o/jwks/", oauth.jwks, name="oauth-jwks"),
    path(".well-known/openid-configuration", oauth.discovery, name="openid-configuration"),
    path(".well-known/oauth-authorization-server", oauth.discovery, name="oauth-authorization-server"),
]
