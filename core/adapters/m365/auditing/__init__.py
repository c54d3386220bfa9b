"""Mailbox auditing and the audit log: rows, reads, writes and undoing them."""
