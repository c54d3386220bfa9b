"""The threat: a filter is weakened, or something is let past it, before the mail that follows.

An intruder who may change a policy lets the next message through: spoofing is no longer looked for,
a preset is switched off, a sender is allowed for ever, a mail-flow rule marks all mail as wanted.

How strict a filter should be is the matter of the baseline. Here only less than before counts, and
what Microsoft changes in its presets does not.
"""

from core.guards.mail_protection.allow_lists import ALLOW_LISTS
from core.guards.mail_protection.mailboxes import MAILBOX_COLLECTIONS
from core.guards.mail_protection.policies import FILTER_POLICIES
from core.guards.mail_protection.recipients import RECIPIENT_COLLECTIONS
from core.guards.mail_protection.rules import PROTECTION_RULES, SKIPPING_RULES
from core.watched.guard import build_watched_guard

COLLECTIONS = (
    *FILTER_POLICIES,
    *PROTECTION_RULES,
    SKIPPING_RULES,
    *ALLOW_LISTS,
    *MAILBOX_COLLECTIONS,
    *RECIPIENT_COLLECTIONS,
)

GUARD = build_watched_guard(
    "mail-protection",
    "Protection of mail",
    looks_for="filters that are weaker than they were, presets switched off, people no longer "
    "covered, senders allowed without an end, mail-flow rules past the filter; mailboxes that are "
    "newly moderated, hidden, refuse senders or lose a hold; contacts that take addresses of the "
    "organization outside",
    rationale="A filter that somebody weakened lets the next message of an attack through.",
    collections=COLLECTIONS,
)
