"""Coming from elsewhere: reads the configuration of other identity providers and writes ours."""
