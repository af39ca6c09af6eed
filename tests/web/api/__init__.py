"""Tests of the JSON API through its public URLs."""
