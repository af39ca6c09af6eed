"""The JSON API: operations with typed requests and responses, described in docs/openapi.json."""
