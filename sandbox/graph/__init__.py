"""Microsoft Graph v1.0 and the identity endpoints, one module per area."""
