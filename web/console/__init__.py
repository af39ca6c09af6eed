"""The console, in which an administrator edits flows and manages a tenant."""
