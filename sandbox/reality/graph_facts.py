"""The contested facts of Microsoft Graph and Entra. The first side is the default."""

from sandbox.reality.fact import ContestedFact

GRAPH_FACTS: tuple[ContestedFact, ...] = ()
