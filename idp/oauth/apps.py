"""The Django app of OAuth 2 and OpenID Connect."""

from django.apps import AppConfig


class OauthConfig(AppConfig):
    """The app configuration; its tables begin with ``oauth_``."""

    name = "idp.oauth"
    label = "oauth"

    def ready(self) -> None:
        from idp.oauth import checks  # noqa: F401  registers by import
