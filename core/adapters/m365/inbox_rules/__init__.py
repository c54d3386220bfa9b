"""Inbox rules: rows into nouns, and the reads."""
