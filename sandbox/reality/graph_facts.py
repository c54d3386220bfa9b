"""The contested facts of Microsoft Graph and Entra. The first side is the default."""

from sandbox.reality.fact import ContestedFact

GRAPH_FACTS: tuple[ContestedFact, ...] = (
    ContestedFact(
        id="write-graph-read-back",
        about="when a read of Graph shows what a write changed",
        sides={
            "at-once": "The next read shows the new value.",
            "late": "The first `reads` (1) reads of the object still show the old value, or all "
            "reads for some `seconds`.",
        },
        worst="late",
        options={"reads": "how many reads show the old value", "seconds": "for how long"},
    ),
)
