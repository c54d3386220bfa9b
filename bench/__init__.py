"""Measures the app's speed and size on simulated tenants: `make bench`."""
