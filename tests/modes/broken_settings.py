"""The product's settings with the faults of tests/modes/broken.py."""

from idp.settings import *  # noqa: F403

ROOT_URLCONF = "tests.modes.broken"
ASGI_APPLICATION = "tests.modes.broken.application"
