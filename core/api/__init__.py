"""The HTTP API: its routes, their handlers, authentication and OpenAPI document."""
