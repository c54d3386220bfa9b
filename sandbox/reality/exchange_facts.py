"""The contested facts of Exchange Online. The first side is what was measured in live tenants."""

from sandbox.reality.fact import ContestedFact

EXCHANGE_FACTS: tuple[ContestedFact, ...] = (
    ContestedFact(
        id="exchange-field-types",
        about="the JSON types of booleans and numbers in the rows of a cmdlet",
        sides={
            "typed": "Booleans and numbers are JSON booleans and numbers.",
            "text": 'Booleans and numbers are text: "True", "180".',
            "formatted": 'The same, and numbers are grouped as for people: "12,345".',
        },
        worst="formatted",
    ),
    ContestedFact(
        id="exchange-list-form",
        about="the form of a property that holds several values",
        sides={
            "list": "A list is a JSON array, whatever its length.",
            "bare": "A list of one value is that value, and an empty list is null.",
        },
        worst="bare",
    ),
    ContestedFact(
        id="exchange-casing",
        about="the casing of ids, addresses and enumeration values",
        sides={
            "usual": "Values are printed as the scene has them.",
            "odd": "GUIDs are upper case; addresses and domains are printed in mixed case.",
        },
        worst="odd",
    ),
    ContestedFact(
        id="write-visibility",
        about="when a read shows what a write changed",
        sides={
            "at-once": "The next read shows the new value.",
            "late": "The first `reads` (1) reads after a write still show the old value.",
        },
        worst="late",
        options={"reads": "how many reads show the old value", "seconds": "for how long"},
    ),
)
