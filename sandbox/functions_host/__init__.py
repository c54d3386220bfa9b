"""functions_host."""
