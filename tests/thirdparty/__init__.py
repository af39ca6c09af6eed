"""Stages that somebody else wrote: found by settings.STAGE_PACKAGES, and bent by the tests of the engine."""
