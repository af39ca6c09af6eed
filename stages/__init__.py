"""The built-in stages: one file and one class for each kind of step; the file's name is its kind."""
