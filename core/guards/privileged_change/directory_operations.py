"""Which acts of the directory's log are read, by the names Microsoft lists them under: data."""

from core.microsoft365.activity_operations import normalize_operation


def normalize(*names: str) -> frozenset[str]:
    """Operations in their normal form."""
    return frozenset(map(normalize_operation, names))


DENIED_ACTS = (
    "Add member to role request denied (PIM activation)",
    "Add member to role request denied (PIM renew)",
)
RESET_ACTS = ("Reset user password", "Reset password (by admin)")
ENABLE_ACTS = ("Enable account",)
ADD_USER_ACTS = ("Add user",)
DELETE_USER_ACTS = ("Delete user", "Hard Delete user")
SESSION_ACTS = ("Update StsRefreshTokenValidFrom Timestamp",)
REMOVED_METHOD_ACTS = (
    "Admin deleted security info",
    "User deleted security info",
    "Delete FIDO2 security key",
    "Delete Passkey (device-bound) security key",
)
PASS_ACTS = (
    "Admin registered temporary access pass method for user",
    "Admin updated temporary access pass",
)
INVITE_ACTS = ("Invite external user",)
POLICY_ACTS = ("Update policy",)
NEW_APP_ACTS = ("Add application", "Add service principal")
REMOVED_APP_ACTS = (
    "Delete application",
    "Hard Delete application",
    "Remove service principal",
    "Remove owner from application",
    "Remove owner from service principal",
)
PRECISE_OPERATIONS = (
    *DENIED_ACTS,
    *SESSION_ACTS,
    *REMOVED_METHOD_ACTS,
    *PASS_ACTS,
    *POLICY_ACTS,
    *REMOVED_APP_ACTS,
)
"""Few records a day in any tenant."""
BUSY_OPERATIONS = (
    *RESET_ACTS,
    *ENABLE_ACTS,
    *ADD_USER_ACTS,
    *DELETE_USER_ACTS,
    *INVITE_ACTS,
    *NEW_APP_ACTS,
)
"""So many in a large tenant that they are read apart, and may be left unread alone."""
DENIED, RESETS, ENABLED = normalize(*DENIED_ACTS), normalize(*RESET_ACTS), normalize(*ENABLE_ACTS)
ADDED, DELETED = normalize(*ADD_USER_ACTS), normalize(*DELETE_USER_ACTS)
SESSIONS, REMOVED_METHODS = normalize(*SESSION_ACTS), normalize(*REMOVED_METHOD_ACTS)
PASSES, INVITES = normalize(*PASS_ACTS), normalize(*INVITE_ACTS)
POLICIES, NEW_APPS = normalize(*POLICY_ACTS), normalize(*NEW_APP_ACTS)
REMOVED_APPS = normalize(*REMOVED_APP_ACTS)
