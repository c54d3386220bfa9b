"""The words of the API that the command line checks and completes before it asks anything.

They are repeated here because the modules that they come from take most of a second to import, and
a command line that is asked for help, or completes a word, has to answer at once. A test compares
each with its origin.
"""

import pkgutil

import core.guards

GUARD_NAMES = tuple(
    sorted(found.name.replace("_", "-") for found in pkgutil.iter_modules(core.guards.__path__))
)
"""The guards, named after their modules, none of which is imported here."""
SEVERITY_LABELS = ("critical", "high", "medium", "low")
"""The severities that a case can have, the gravest first."""
CASE_STATES = ("open", "closed", "all")
CASE_ANSWERS = ("none", "acknowledged")
CASE_ORDERS = ("severity", "newest", "oldest")
CONTAINMENT = "containment"
"""What stands in place of a guard in requests about accounts."""
EXPORT_FORMS = ("jsonl", "csv")
EFFECTIVE_OUTCOMES = ("applied", "inferred")
"""The outcomes of a change that is in effect."""
MODES = ("alert",)
"""The modes that a single run may be given: only a stricter one than the guard's own."""
DOCUMENT_VERSION = 1
"""The version of the documents that this command line reads."""
