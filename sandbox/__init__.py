"""A simulated Microsoft 365 tenant on loopback, and everything needed to run the whole app against
it.
"""
