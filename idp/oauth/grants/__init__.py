"""The grants, one in each file; those of other apps (the device grant) live there."""
