"""What tests of many areas start from: rows of the catalog by name, the smallest settings."""

from core.config.catalog import CATALOG

CONFIGS_BY_NAME = {config.guard.name: config for config in CATALOG}
SIGN_IN_CONFIG = CONFIGS_BY_NAME["shared-mailbox-sign-in"]
FORWARDING_CONFIG = CONFIGS_BY_NAME["mailbox-forwarding"]
AUDIT_CONFIG = CONFIGS_BY_NAME["mailbox-audit"]
THREE_CONFIGS = (SIGN_IN_CONFIG, FORWARDING_CONFIG, AUDIT_CONFIG)


MINIMAL_SETTINGS = {
    "TENANT_ID": "00000000-0000-4000-8000-000000000001",
    "CLIENT_ID": "00000000-0000-4000-8000-000000000002",
    "MANAGED_IDENTITY_CLIENT_ID": "00000000-0000-4000-8000-000000000003",
    "TEAMS_WEBHOOK_URL": "https://example.environment.api.powerplatform.com/x",
    "STATE_TABLE_ENDPOINT": "https://example.table.core.windows.net",
}
