"""Which mailboxes lose deleted mail earlier than a new one does. Pure."""

from collections.abc import Mapping

from core.property_values import get_days, get_flag, get_text

USUAL_DAYS = 14
"""For so long a new mailbox keeps what its owner deleted (Microsoft Learn: Change how long
permanently deleted items are kept for an Exchange Online mailbox).
"""


def loses_deleted_mail(values: Mapping[str, object]) -> bool:
    """Whether an owner can delete mail for good, at once or within less than the usual days.

    A time that cannot be read is no usual one.
    """
    if not get_flag(values, "SingleItemRecoveryEnabled", default=True):
        return True
    days = get_days(values, "RetainDeletedItemsFor")
    if days is None:
        return bool(get_text(values, "RetainDeletedItemsFor"))
    return days < USUAL_DAYS
