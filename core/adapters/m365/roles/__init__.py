"""Administrative roles: rows, reads, writes and undoing them."""
