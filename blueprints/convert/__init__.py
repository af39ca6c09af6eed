"""Convert the configuration of other identity providers to blueprints."""
