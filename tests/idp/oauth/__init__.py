"""Tests of the protocol's package."""
