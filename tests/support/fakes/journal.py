"""The journal of a test: what was saved and delivered, in order, and what the test adds to it."""

type Journal = list[object]
