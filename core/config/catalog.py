"""What runs unattended on a tenant, when, and how far it may go: one row per guard.

The list is written and reviewed by hand. A new guard starts in `Mode.ALERT`. Settings may change
schedule, mode and limit; `core.config.settings` names these settings after the guard.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from core.guards import (
    app_consent,
    exchange_module_access,
    exchange_roles,
    external_trust,
    legacy_protocols,
    mail_protection,
    mailbox_audit,
    mailbox_delegation,
    mailbox_forwarding,
    mass_deletion,
    mfa_registration,
    privileged_change,
    risky_accounts,
    shared_mailbox_health,
    shared_mailbox_sign_in,
    tenant_baseline,
)
from core.model.guards import ChangeLimit, GuardConfig, Mode
from core.watched.items import WatchedCollection

CATALOG = (
    GuardConfig(shared_mailbox_sign_in.GUARD, "0 */15 * * * *", Mode.ENFORCE, ChangeLimit(20, 5.0)),
    GuardConfig(mailbox_forwarding.GUARD, "0 5/15 * * * *", Mode.ALERT, ChangeLimit(20, 5.0)),
    GuardConfig(mailbox_audit.GUARD, "0 10 */6 * * *", Mode.ENFORCE, ChangeLimit(50, 10.0)),
    # A delegation is not wrong by itself, so cards remind of it only once a quarter.
    GuardConfig(
        mailbox_delegation.GUARD,
        "0 20/30 * * * *",
        Mode.ALERT,
        reminder_interval=timedelta(days=90),
    ),
    # One configuration object holds many settings, and nobody but an administrator can set them.
    GuardConfig(
        tenant_baseline.GUARD, "0 25 */6 * * *", Mode.ALERT, ChangeLimit(20, 5.0, per_object=20)
    ),
    GuardConfig(app_consent.GUARD, "0 35 * * * *", Mode.ALERT, ChangeLimit(1, 0.0)),
    GuardConfig(mfa_registration.GUARD, "0 25 1/6 * * *", Mode.ALERT),
    GuardConfig(mass_deletion.GUARD, "0 3/15 * * * *", Mode.ALERT),
    # The whole organization is one object, so only the count limits. An operator has to approve a
    # change for everybody at once.
    GuardConfig(exchange_module_access.GUARD, "0 35 */6 * * *", Mode.ALERT, ChangeLimit(50, 0.0)),
    GuardConfig(legacy_protocols.GUARD, "0 25 */6 * * *", Mode.ALERT, ChangeLimit(50, 5.0)),
    GuardConfig(external_trust.GUARD, "0 50 */6 * * *", Mode.ALERT),
    GuardConfig(exchange_roles.GUARD, "0 40 */2 * * *", Mode.ALERT),
    GuardConfig(mail_protection.GUARD, "0 55 */6 * * *", Mode.ALERT),
    GuardConfig(privileged_change.GUARD, "0 50 * * * *", Mode.ALERT),
    GuardConfig(risky_accounts.GUARD, "0 12/15 * * * *", Mode.ALERT),
    GuardConfig(shared_mailbox_health.GUARD, "0 45 */6 * * *", Mode.ALERT),
)

WATCHED_COLLECTIONS: Mapping[str, Sequence[WatchedCollection]] = {
    app_consent.GUARD.name: app_consent.COLLECTIONS,
    external_trust.GUARD.name: external_trust.COLLECTIONS,
    exchange_roles.GUARD.name: exchange_roles.COLLECTIONS,
    mail_protection.GUARD.name: mail_protection.COLLECTIONS,
    privileged_change.GUARD.name: privileged_change.COLLECTIONS,
}
"""The collections of each guard that compares some with what they were."""
