"""The OAuth 2 and OpenID Connect protocol."""

from django.apps import AppConfig


class OauthConfig(AppConfig):
    """Tables ``oauth_*``."""

    name = "idp.oauth"
    label = "oauth"

    def ready(self) -> None:
        from idp.oauth import checks  # noqa: F401  registers by import
