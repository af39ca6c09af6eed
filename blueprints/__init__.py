"""Configuration as YAML: read, check and apply it completely or not at all."""
