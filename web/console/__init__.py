"""The console: where an administrator draws flows and looks after a tenant."""
