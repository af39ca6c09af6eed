"""The JSON API: operations with typed bodies and answers, described in docs/openapi.json."""
