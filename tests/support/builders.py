"""The duties of the catalog by name, whatever else is in it."""

from core.config.catalog import CATALOG

BY_NAME = {duty.guard.name: duty for duty in CATALOG}
SIGN_IN = BY_NAME["shared-mailbox-sign-in"]
FORWARDING = BY_NAME["mailbox-forwarding"]
AUDIT = BY_NAME["mailbox-audit"]
THREE = (SIGN_IN, FORWARDING, AUDIT)
