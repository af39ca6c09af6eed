"""What ``manage.py flow`` is made of: which flow is meant, who walks it, and how things are shown."""
