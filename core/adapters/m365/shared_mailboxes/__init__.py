"""shared_mailboxes."""
