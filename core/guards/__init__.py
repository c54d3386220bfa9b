"""One module a guard: the threat, what it observes, how it judges."""
