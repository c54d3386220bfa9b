"""The threat: another organization is let in, or may take away, and no mailbox shows it.

Trust between organizations is a few switches. A partner tenant whose users are put into this one
unasked, a second factor that is taken on another's word, a relationship that lets mailboxes move
out, a token policy that changes who somebody is: each outlives every reset of a password.

What was there at the first look is stock. From then on what is new or wider is told.
"""

from core.guards.external_trust.capabilities import PARTNER_CAPABILITY
from core.guards.external_trust.moves import MAILBOX_RESTORE, MIGRATION_BATCH, MIGRATION_ENDPOINT
from core.guards.external_trust.organizations import (
    FEDERATED_ORGANIZATION_ID,
    FEDERATION_TRUSTS,
    INTRA_ORGANIZATION_CONNECTOR,
    ORGANIZATION_RELATIONSHIP,
)
from core.guards.external_trust.tenants import CROSS_TENANT_DEFAULT, PARTNER_ORGANIZATION
from core.guards.external_trust.token_policies import (
    IDENTITY_PROVIDER,
    OUTSIDE_FEDERATION,
    SELF_SERVICE_SIGN_UP,
    TOKEN_POLICIES,
)
from core.watched.guard import build_watched_guard

COLLECTIONS = (
    CROSS_TENANT_DEFAULT,
    PARTNER_ORGANIZATION,
    PARTNER_CAPABILITY,
    IDENTITY_PROVIDER,
    SELF_SERVICE_SIGN_UP,
    OUTSIDE_FEDERATION,
    *TOKEN_POLICIES,
    ORGANIZATION_RELATIONSHIP,
    INTRA_ORGANIZATION_CONNECTOR,
    FEDERATION_TRUSTS,
    FEDERATED_ORGANIZATION_ID,
    MIGRATION_ENDPOINT,
    MIGRATION_BATCH,
    MAILBOX_RESTORE,
)

GUARD = build_watched_guard(
    "external-trust",
    "Trust in other organizations",
    looks_for="other tenants and organizations that are newly let in, trusted or allowed to take "
    "mailboxes away; token policies and sign-in providers",
    rationale="Trust in another organization lets its people in, whatever is done about passwords "
    "here.",
    collections=COLLECTIONS,
)
