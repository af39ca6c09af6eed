"""The common checks of every administration operation: token, scope and role, in this one place."""

from collections.abc import Callable, Mapping
from inspect import getdoc
from typing import Any

from django.http import HttpRequest
from django.urls import register_converter
from django.urls.converters import StringConverter
from ninja import Router
from ninja.operation import Operation
from ninja.security.base import AuthBase

from idp.accounts.roles import require, roles_by_operation
from idp.oauth.bearer import authenticate_token
from idp.oauth.errors import InsufficientScope, MissingToken
from web.api.admin.failures import BODY, ResourceNotFound, UnsupportedMediaType, error_schemas
from web.api.body import has_other_content_type
from web.pages.oauth import get_issuer

READ, WRITE = "foyer:read", "foyer:write"


class AnyTextConverter(StringConverter):
    """Matches the rest of a path, including slashes and line breaks."""

    regex = "(?s:.+)"


register_converter(AnyTextConverter, "any")
_View = Callable[..., Any]


class AccessToken(AuthBase):
    """An access token of this provider, for one operation of the matrix (idp/accounts/roles.py)."""

    openapi_type = "http"
    openapi_scheme = "bearer"
    openapi_bearerFormat = "JWT"  # noqa: N815
    openapi_description = (
        "An access token of this tenant, of a person who has a role, with the scope `foyer:read` or, "
        "for changes, `foyer:write`. It can never do more than the role of its person allows at this moment."
    )

    def __init__(self, operation: str, *, writes: bool) -> None:
        super().__init__()
        # fail at startup, not at the first request, if the operation is not in the matrix
        roles_by_operation()[operation]
        self.operation, self.scopes = operation, {WRITE} if writes else {READ, WRITE}

    def __call__(self, request: HttpRequest) -> Any:
        """Return the token's person; raise InvalidToken, InsufficientScope or NotAllowed.

        A service account is not a person and never an administrator.
        """
        if "\0" in request.path_info:
            raise ResourceNotFound
        scheme, _, sent = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not sent.strip():
            raise MissingToken
        token = authenticate_token(sent.strip(), get_issuer(request))
        if not token.scopes & self.scopes:
            raise InsufficientScope(
                f"Requires the scope {WRITE if WRITE in self.scopes and len(self.scopes) == 1 else READ}."
            )
        require(token.person, self.operation)
        if request.method != "GET" and has_other_content_type(request):
            raise UnsupportedMediaType
        return token.person


class OperationRouter:
    """The operations below one path. None can be added without its permission."""

    def __init__(self, tag: str) -> None:
        self.router = Router(tags=[tag])

    def add(
        self,
        method: str,
        path: str,
        *,
        permission: str,
        name: str,
        responses: Mapping[int, Any],
        title: str,
        errors: tuple[int, ...] = (),
        body: str = "",
        headers: tuple[str, ...] = (),
        writes: bool | None = None,
    ) -> Callable[[_View], _View]:
        """Return a decorator that adds an operation.

        ``responses``: the schema by status. ``errors``: statuses in addition to those that every operation
        has. ``body``: the schema of a body that the view parses itself. ``headers``: the preconditions that
        it accepts. ``writes``: False for a POST that changes nothing.
        """
        sent = method in ("POST", "PUT", "PATCH")
        token = AccessToken(permission, writes=method != "GET" if writes is None else writes)
        scopes = " or ".join(f"`{each}`" for each in sorted(token.scopes))
        requirement = f"Requires the permission `{permission}` and the scope {scopes}."
        error_models = error_schemas(401, 403, 404, 405, *errors, *(BODY if sent else ()))

        def register(view: _View) -> _View:
            registered = self.router.api_operation(
                [method],
                path,
                auth=token,
                response=dict(responses),
                operation_id=name,
                summary=title,
                description=f"{getdoc(view)}\n\n{requirement}",
                openapi_extra=_extra(body, headers) or None,
            )(view)
            _add_error_models(self.router.path_operations[path].operations[-1], error_models)
            return registered

        return register


_models_by_schema: dict[Any, Any] = {}


def _add_error_models(operation: Operation, error_models: Mapping[int, Any]) -> None:
    """Add these errors to an operation, with one model for all operations.

    One model for each operation and status would add a second to every start.
    """
    for status, error in error_models.items():
        if error not in _models_by_schema:
            _models_by_schema[error] = operation._create_response_model(error)
        operation.response_models[status] = _models_by_schema[error]


def _extra(body: str, headers: tuple[str, ...]) -> dict[str, Any]:
    extra: dict[str, Any] = {"parameters": [_HEADERS[each] for each in headers]} if headers else {}
    if body:
        extra["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{body}"}}},
        }
    return extra


def _header(name: str, meaning: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": meaning,
        "schema": {"type": "string"},
    }


_HEADERS = {
    "If-Match": _header(
        "If-Match",
        "The `ETag` you last read, or `*` to change any version (RFC 9110 section 13.1.1).",
    ),
    "If-None-Match": _header(
        "If-None-Match",
        "`*`: only if it doesn't exist yet. On a GET: the `ETag` you already have (section 13.1.2).",
    ),
}
