"""The URL configuration and the error handlers."""

from web.urls import urlpatterns

handler400 = "web.pages.errors.bad_request"
handler403 = "web.pages.errors.forbidden"
handler404 = "web.pages.errors.not_found"
handler500 = "web.pages.errors.server_error"

__all__ = ["urlpatterns"]
