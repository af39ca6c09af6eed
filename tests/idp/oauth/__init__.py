"""Tests of the protocol's room."""
