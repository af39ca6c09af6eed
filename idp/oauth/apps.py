"""The OAuth 2 and OpenID Connect protocol."""

from django.apps import AppConfig


class OauthConfig(AppConfig):
    """Tables ``oauth_*``."""

    name = "idp.oauth"
    label = "oauth"
