"""Executable benchmarks; see README.md."""
