"""The catalogue: one file, one class for each kind of step; the file's name is its kind."""
