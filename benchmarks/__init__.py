"""Runnable measurements; see README.md."""
