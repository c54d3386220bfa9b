"""The unified audit log of the simulated tenant, and the API that serves it."""
