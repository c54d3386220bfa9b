"""The names of the data sources that guards read.

A reading names its sources, a failure names the one that could not be read, and a finding names
those that its absence would have to be read from.
"""

import re

MAILBOXES = "mailboxes"
MAILBOX_FORWARDS = "mailbox-forwards"
ACCOUNTS = "accounts"
SIGN_INS = "sign-ins"
SIGN_IN_LOG = "sign-in-log"
SIGN_IN_EVENTS = "sign-in-events"
ENABLINGS = "enabled-accounts-in-the-audit-log"
INBOX_RULES = "inbox-rules"
HIDDEN_RULES = "hidden-rules"
RULE_FOLDERS = "rule-folders"
TRANSPORT_RULES = "transport-rules"
DOMAINS = "domains"
RECIPIENTS = "recipients"
GROUP_MEMBERS = "group-members"
OUTBOUND_POLICIES = "outbound-policies"
MAILBOX_AUDIT = "mailbox-audit"
ORGANIZATION_AUDIT = "organization-audit"
UNIFIED_AUDIT_LOG = "unified-audit-log"
AUDIT_BYPASS = "audit-bypass"
SIGN_IN_METHODS = "sign-in-methods"
FEDERATED_DOMAINS = "federated-domains"
REGISTERED_ADMINISTRATORS = "administrators-in-the-report"
DELETIONS = "deletions-in-the-audit-log"
DELETED_USERS = "deleted-users"
DELETED_GROUPS = "deleted-groups"
USER_COUNT = "number-of-users"
ROLE_HOLDERS = "role-holders"
MODULE_USERS = "module-users"
MODULE_SIGN_INS = "module-sign-ins"
GRANTS = "grants"
CREDENTIAL = "credential"
ALL_LISTED = "all-that-it-lists"
"""Everything that a guard lists: unread where a mistake of the app ends that before its end."""
JUDGEMENT = "judgement"
"""What a guard concludes of what it read: unread where a mistake of the app keeps it from that. An
object that is not judged is unread in every other source too.
"""
FULL_ACCESS = "full-access"
FOLDER_RIGHTS = "folder-rights"
OWN_ADD_INS = "own-add-ins"
MAILBOX_SURROUNDINGS = "mailbox-surroundings"
SEND_AS = "send-as"
SEND_ON_BEHALF = "send-on-behalf"
APPS = "apps"
DELEGATED_GRANTS = "delegated-grants"
APP_PERMISSIONS = "app-permissions"
APP_REGISTRATIONS = "app-registrations"
FEDERATED_CREDENTIALS = "federated-credentials"
PROTOCOLS = "mailbox-protocols"
PROTOCOL_USE = "protocol-use"
POLICY_USERS = "authentication-policy-users"
SHARED_MAILBOXES = "shared-mailboxes"
MAILBOX_SIZES = "mailbox-sizes"
DIRECTORY_AUDITS = "directory-audit-log"
ACTIVITY_FEED = "activity-feed"
AUDIT_QUERIES = "audit-queries"
CHANGED_ACCOUNTS = "changed-accounts"
CONTAINED_ACCOUNT = "contained-account"

CONFIGURED = re.compile(r"(?:configuration|watched)-")
"""Before the name of one object of a kind, where the source is all of them."""
PLAIN_HYPHEN = re.compile(r"(?<!\bsign)(?<!\badd)-|-(?!ins?\b)")
"""One that stands for a space: not that of "sign-in" and "add-in"."""


def name_source(source: str) -> str:
    """What people call a source: its objects, in the plural."""
    kind = CONFIGURED.match(source)
    words = PLAIN_HYPHEN.sub(" ", source[kind.end() if kind else 0 :])
    if not kind or words.endswith("s"):
        return words
    if words.endswith(("x", "ch", "sh")):
        return f"{words}es"
    return f"{words[:-1]}ies" if words.endswith(("cy", "ty", "ry")) else f"{words}s"
