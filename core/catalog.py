"""What runs unattended on a tenant, when, and how far it may go: one row a guard.

A list somebody wrote and somebody reviewed. A new guard enters as `Mode.ALERT`. Settings may change
schedule, mode and limit; `core.settings` names them after the guard.
"""

from core.guards import legacy_protocols, mailbox_audit, mailbox_forwarding, shared_mailbox_sign_in
from core.model import Duty, Limit, Mode

CATALOG = (
    Duty(shared_mailbox_sign_in.GUARD, "0 */15 * * * *", Mode.ENFORCE, Limit(20, 5.0)),
    Duty(mailbox_forwarding.GUARD, "0 5/15 * * * *", Mode.ALERT, Limit(20, 5.0)),
    Duty(mailbox_audit.GUARD, "0 10 */6 * * *", Mode.ENFORCE, Limit(50, 10.0)),
    Duty(legacy_protocols.GUARD, "0 25 */6 * * *", Mode.ALERT, Limit(50, 5.0)),
)
