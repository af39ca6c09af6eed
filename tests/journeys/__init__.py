"""Whole ways through the product: people in a real browser, devices by libraries that nobody here wrote."""
