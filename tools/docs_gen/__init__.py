"""docs_gen."""
