"""The ASGI application: start-up, static files and Django, in this order."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "idp.settings")
django.setup()

from idp.celery import app as celery_app  # noqa: E402
from idp.runtime import embedded  # noqa: E402  Django must be set up first
from web.server.server import build_application  # noqa: E402

application = build_application(lambda: embedded.run_background(celery_app))
