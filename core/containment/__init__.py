"""Containing one account: the plan, carrying it out step by step, and taking it back."""
