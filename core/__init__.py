"""Exoguard: unattended guards for a Microsoft 365 tenant."""

VERSION = "1.0.0"
