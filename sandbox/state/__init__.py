"""The state of the simulated tenant: its scene, defaults and edits."""
