"""The OpenAPI 3.1 document of the HTTP API, generated from its routes and response types."""
