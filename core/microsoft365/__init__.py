"""microsoft365."""
