"""Tests of the web interface through its public URLs."""
