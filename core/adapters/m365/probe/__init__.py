"""Asks the tenant about the assumptions of the register."""
