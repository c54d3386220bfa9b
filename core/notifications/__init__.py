"""Cards for the Teams channel: of a run, and the weekly digest."""
