"""The identity provider's domain in small apps; imports only go downward."""
