"""The contested facts of Exchange Online. The first side is what was measured in live tenants."""

from sandbox.reality.fact import ContestedFact

EXCHANGE_FACTS: tuple[ContestedFact, ...] = (
    ContestedFact(
        id="exchange-wire-forms",
        about="the JSON types and the casing of the values in the rows of a cmdlet",
        sides={
            "typed": "Booleans, numbers and lists are such, and names are in their usual case.",
            "text": 'Booleans and numbers are text: "True", "180".',
            "grouped": 'The same, and the digits of numbers are grouped: "12,345".',
            "bare": "A list of one value is that value, and an empty list is null.",
            "odd-case": "GUIDs and names of enumerations are upper case; so are the first letters "
            "of addresses.",
            "all": "Grouped, bare and odd case at once.",
        },
        worst="all",
    ),
    ContestedFact(
        id="exchange-anchor-form",
        about="which anchors bring a command to the server of its mailbox",
        sides={
            "each": "SMTP:address, UPN:principal name and MBX:guid@tenant do.",
            "principal-name": "Only UPN:principal name does.",
        },
        worst="principal-name",
    ),
    ContestedFact(
        id="exchange-read-back",
        about="when a read of Exchange shows what a write changed",
        sides={
            "at-once": "The next read shows the new value.",
            "late": "The first `reads` (1) reads of the object still show the old value, or all "
            "reads for some `seconds`.",
        },
        worst="late",
        options={"reads": "how many reads show the old value", "seconds": "for how long"},
    ),
)
