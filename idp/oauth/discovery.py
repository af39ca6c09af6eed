"""The metadata documents of OpenID Connect Discovery (section 3) and RFC 8414.

They describe exactly what this server supports.
"""

from typing import Any

from idp.oauth import keys
from idp.oauth.clients import scope_names
from idp.oauth.grant import load_grants
from idp.oauth.models import Application

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"


def metadata(issuer: str) -> dict[str, Any]:
    """Return the members of both documents.

    There is no authorization endpoint yet, so its members are left out. ``response_types_supported`` is
    required by both specifications and therefore an empty list.
    """
    offered = _offered_grants()
    device = (
        {"device_authorization_endpoint": f"{issuer}/application/o/device/"} if DEVICE_CODE in offered else {}
    )
    return {
        "issuer": issuer,
        "token_endpoint": f"{issuer}/application/o/token/",
        **device,
        "userinfo_endpoint": f"{issuer}/application/o/userinfo/",
        "jwks_uri": f"{issuer}/application/o/jwks/",
        "response_types_supported": [],
        "grant_types_supported": offered,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [keys.ALGORITHM],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "scopes_supported": sorted(scope_names()),
        "claims_supported": [
            "iss", "sub", "aud", "azp", "exp", "iat", "auth_time", "nonce", "acr", "amr", "at_hash",
            "name", "preferred_username", "email", "email_verified",
        ],
        "acr_values_supported": ["single", "mfa"],
        "claims_parameter_supported": False,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
    }  # fmt: skip


def _offered_grants() -> list[str]:
    """Return the grants that the tenant enabled for at least one active application (checklist D23)."""
    used = {
        grant
        for row in Application.objects.filter(is_active=True).values_list("grants", flat=True)
        for grant in row
    }
    return sorted(used & set(load_grants()))
