"""What is read of, and changed about, one account that is to be contained."""
