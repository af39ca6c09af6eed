"""The two ways to run: only what lies here, and the settings of the tests, know that there are two."""
