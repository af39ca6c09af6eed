"""The attributes and the name prefix of every Foyer cookie.

Cookies are hidden from scripts and other sites and, over TLS, from other hosts and plain HTTP.
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

_OWN, _PREFIX = "foyer_", "__Host-"


class CookiesMiddleware:
    """Adds and removes the prefix of cookies, so that the rest of the code uses plain names.

    Over TLS a cookie has the prefix ``__Host-`` (RFC 6265bis section 4.1.3), and one without it is ignored,
    because a sibling host or plain HTTP can set it.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        secure = request.is_secure()
        if secure:
            request.COOKIES = _without_prefix(request.COOKIES)
        response = self.get_response(request)
        for name, morsel in list(response.cookies.items()):
            morsel["httponly"], morsel["samesite"] = True, "Lax"
            if secure:
                morsel["secure"] = True
                morsel.set(_PREFIX + name, morsel.value, morsel.coded_value)
                response.cookies[_PREFIX + name] = response.cookies.pop(name)
        return response


def _without_prefix(cookies: dict[str, str]) -> dict[str, str]:
    """Return the cookies by their plain names. Cookies of other software stay unchanged."""
    others = {name: value for name, value in cookies.items() if not name.startswith((_OWN, _PREFIX + _OWN))}
    return others | {
        name.removeprefix(_PREFIX): value
        for name, value in cookies.items()
        if name.startswith(_PREFIX + _OWN)
    }
