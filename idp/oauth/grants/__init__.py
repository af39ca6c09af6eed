"""One grant a file; those of other rooms (the device grant) live there and are found by their dotted path."""
