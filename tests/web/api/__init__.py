"""Tests of the edge, through the public door."""
