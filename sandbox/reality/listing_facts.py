"""The contested facts of Exchange's listings. The first side is the default."""

from sandbox.reality.fact import ContestedFact

LISTING_FACTS: tuple[ContestedFact, ...] = ()
