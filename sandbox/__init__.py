"""A Microsoft 365 tenant on loopback, and what it takes to run the whole app against it."""
