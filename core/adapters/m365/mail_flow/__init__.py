"""Mail flow: rows into nouns, and the reads."""
