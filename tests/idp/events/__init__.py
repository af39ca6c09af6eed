"""Tests of the package of events."""
