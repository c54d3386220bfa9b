"""Names of operations in audit logs.

The same act is spelled differently by two logs: Graph's directoryAudits have "Consent to
application", the Management Activity API "Consent to application."; and "Update application -
Certificates and secrets management" has a longer dash there, and a blank at its end. So names are
compared in a normal form.
"""

import re

# Hyphens and dashes of Unicode that stand for each other in these names.
DASHES = re.compile("[\u2010-\u2015\u2212]")
BLANKS = re.compile(r"\s+")


def normalize_operation(name: str) -> str:
    """The normal form of an operation's name: lower case, plain hyphens, single blanks, without
    the full stop at its end.
    """
    plain = BLANKS.sub(" ", DASHES.sub("-", name)).strip()
    return plain.rstrip(". ").casefold()
