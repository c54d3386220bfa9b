"""How fast and how large the app is, against a simulated tenant: `make bench`."""
