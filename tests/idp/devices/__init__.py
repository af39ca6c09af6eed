"""Tests of the device grant's package."""
