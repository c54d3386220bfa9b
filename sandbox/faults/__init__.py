"""Faults that a scene can inject: errors, throttling and hostile responses."""
