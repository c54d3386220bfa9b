"""Inbox rules: rows and reads."""
