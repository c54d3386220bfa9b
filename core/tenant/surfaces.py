"""core.tenant.surfaces."""

MAILBOXES = "mailboxes"


MAILBOX_FORWARDS = "mailbox-forwards"


ACCOUNTS = "accounts"


SIGN_INS = "sign-ins"


INBOX_RULES = "inbox-rules"


HIDDEN_RULES = "hidden-rules"


RULE_FOLDERS = "rule-folders"


TRANSPORT_RULES = "transport-rules"


DOMAINS = "domains"


RECIPIENTS = "recipients"


OUTBOUND_POLICIES = "outbound-policies"


MAILBOX_AUDIT = "mailbox-audit"


ORGANIZATION_AUDIT = "organization-audit"


UNIFIED_AUDIT_LOG = "unified-audit-log"


AUDIT_BYPASS = "audit-bypass"


SIGN_IN_METHODS = "sign-in-methods"


REGISTERED_ADMINISTRATORS = "administrators-in-the-report"


DELETIONS = "deletions-in-the-audit-log"


DELETED_USERS = "deleted-users"


DELETED_GROUPS = "deleted-groups"


USER_COUNT = "number-of-users"


ROLE_HOLDERS = "role-holders"


MODULE_USERS = "module-users"


GRANTS = "grants"


CREDENTIAL = "credential"


FULL_ACCESS = "full-access"


SEND_AS = "send-as"


SEND_ON_BEHALF = "send-on-behalf"


APPS = "apps"


DELEGATED_GRANTS = "delegated-grants"


APP_PERMISSIONS = "app-permissions"


PROTOCOLS = "mailbox-protocols"


PROTOCOL_USE = "protocol-use"


SHARED_MAILBOXES = "shared-mailboxes"


MAILBOX_SIZES = "mailbox-sizes"
