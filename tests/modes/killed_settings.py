"""The product's settings with the middleware of tests/modes/killed.py.

Usage: ``DJANGO_SETTINGS_MODULE=tests.modes.killed_settings``.
"""

from idp.settings import *  # noqa: F403
from idp.settings import MIDDLEWARE as _OURS

MIDDLEWARE = ["tests.modes.killed.Killed", *_OURS]
