"""table_storage."""
