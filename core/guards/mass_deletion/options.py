"""What an operator may set for this guard."""

from dataclasses import dataclass
from datetime import timedelta

from core.model.guards import GuardPolicy
from core.model.options import Purpose, Setting, SettingReader, number, whole_number

# Entra Connect stops at more deletions than this, so more are reported in a tenant of any size.
MAX_DELETION_LIMIT = 500
# So many times the limit is critical.
CRITICAL_FACTOR = 5
RETENTION = timedelta(days=30)
# Deletions made while Exoguard did not run are reported if it was down no longer than this.
MAX_DOWNTIME = timedelta(days=7)
# How much later than a deletion the audit log may show it.
LOG_DELAY = timedelta(hours=2)
# Deleted users of a burst that are looked up, to see which are back and which names are taken.
MAX_LOOKUPS = 200
MAX_NAMED = 5
MAX_TEXT_LENGTH = 200
MAX_LABEL_LENGTH = 48
SOURCE_COUNT = 3


@dataclass(frozen=True, slots=True)
class DeletionOptions:
    """How many deletions are a mass deletion: more than `count` and more than `percent`."""

    count: int
    percent: float
    """A percentage of all users."""
    hours: int
    """The window in which deletions count together."""


type Policy = GuardPolicy[DeletionOptions]

COUNT = Setting(
    name="MASS_DELETION_COUNT",
    purpose=Purpose.JUDGEMENT,
    default="10",
    help="mass-deletion: deletions within the window that raise no finding",
    parse=whole_number(1, 500),
)
PERCENT = Setting(
    name="MASS_DELETION_PERCENT",
    purpose=Purpose.JUDGEMENT,
    default="5",
    help="mass-deletion: or this percentage of all users, whichever is more; more than 500 "
    "deletions always raise a finding",
    parse=number(0.0, 100.0),
)
HOURS = Setting(
    name="MASS_DELETION_HOURS",
    purpose=Purpose.JUDGEMENT,
    default="24",
    help="mass-deletion: length of the window in hours",
    parse=whole_number(1, 72),
)


def read_options(reader: SettingReader) -> DeletionOptions:
    """The guard's options from its settings."""
    return DeletionOptions(reader.read(COUNT), reader.read(PERCENT), reader.read(HOURS))
