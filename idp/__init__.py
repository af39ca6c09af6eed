"""The identity provider's domain, in small apps; imports go down only."""
