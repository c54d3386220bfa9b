"""What runs unattended on a tenant, when, and how far it may go: one row a guard.

A list somebody wrote and somebody reviewed. A new guard enters as `Mode.ALERT`. Settings may change
schedule, mode and limit; `core.settings` names them after the guard.
"""

from core.guards import (
    exchange_module_access,
    mailbox_audit,
    mailbox_forwarding,
    shared_mailbox_sign_in,
)
from core.model import Duty, Limit, Mode

CATALOG = (
    Duty(shared_mailbox_sign_in.GUARD, "0 */15 * * * *", Mode.ENFORCE, Limit(20, 5.0)),
    Duty(mailbox_forwarding.GUARD, "0 5/15 * * * *", Mode.ALERT, Limit(20, 5.0)),
    Duty(mailbox_audit.GUARD, "0 10 */6 * * *", Mode.ENFORCE, Limit(50, 10.0)),
    # The whole organization is one object, so only the count limits; everybody at once is for a
    # person to release.
    Duty(exchange_module_access.GUARD, "0 35 */6 * * *", Mode.ALERT, Limit(50, 0.0)),
)
