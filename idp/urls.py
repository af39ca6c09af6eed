"""Every address; composition only."""

from web.urls import urlpatterns

handler400 = "web.errors.bad_request"
handler403 = "web.errors.forbidden"
handler404 = "web.errors.not_found"
handler500 = "web.errors.server_error"

__all__ = ["urlpatterns"]
