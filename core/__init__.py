"""Exoguard's engine, guards and adapters: everything that is deployed beside function_app.py."""
