"""The health of every guard, and the numbers that all surfaces show, derived from the state."""
