"""Configuration as YAML: read, check, apply whole or not at all."""
