"""Tests of the device grant's room."""
