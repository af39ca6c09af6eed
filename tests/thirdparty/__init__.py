"""Third-party stages, found by settings.STAGE_PACKAGES, which the tests of the engine modify."""
