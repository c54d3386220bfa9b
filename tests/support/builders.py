"""The duties of the catalog by name, whatever else is in it."""

from core.config.catalog import CATALOG

CONFIGS_BY_NAME = {duty.guard.name: duty for duty in CATALOG}
SIGN_IN_CONFIG = CONFIGS_BY_NAME["shared-mailbox-sign-in"]
FORWARDING_CONFIG = CONFIGS_BY_NAME["mailbox-forwarding"]
AUDIT_CONFIG = CONFIGS_BY_NAME["mailbox-audit"]
THREE_CONFIGS = (SIGN_IN_CONFIG, FORWARDING_CONFIG, AUDIT_CONFIG)
