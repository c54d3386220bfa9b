"""Mail flow: rows and reads."""
