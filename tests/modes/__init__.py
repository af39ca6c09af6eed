"""The two modes: only this package and the settings of the tests know that there are two."""
