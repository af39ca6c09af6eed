"""The parts of ``manage.py flow``: selecting flows, simulation options, and output."""
