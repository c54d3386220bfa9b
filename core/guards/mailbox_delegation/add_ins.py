"""Judges add-ins that a user has in the own mailbox and that came from a file. Pure.

Whoever signs in as somebody can install one there: it reads on after the password was changed, and
no store looked at it (MITRE ATT&CK T1137.006).
"""

from collections.abc import Iterator

from core.guards.mailbox_delegation.items import MAX_TEXT_LENGTH, format_delegated_mailbox
from core.guards.mailbox_delegation.remedies import build_add_in_remedy
from core.guards.mailbox_delegation.verdicts import DelegationVerdict
from core.model.findings import Fact, Finding, Severity
from core.model.reach import Reach
from core.tenant.mailboxes import OwnAddIn
from core.tenant.quoting import quote_text
from core.tenant.sources import MAILBOXES, OWN_ADD_INS

RELIES_ON = ("exchange-organization-add-ins",)

# From the least to the most (Microsoft Learn: Get-App, Requirements).
RIGHTS = ("restricted", "readitem", "readwriteitem", "readwritemailbox")
RIGHT_TEXTS = {
    "restricted": "sees nothing of the messages themselves",
    "readitem": "reads the message that is open",
    "readwriteitem": "reads and changes the message that is open",
    "readwritemailbox": "reads and changes the whole mailbox, and sends mail from it",
}


def judge_add_in(item: OwnAddIn) -> Iterator[Finding]:
    """One add-in from a file. What it asks for says how grave it is; unknown rights are all."""
    right = item.requirements.casefold()
    does = RIGHT_TEXTS.get(right, "asks for rights that are not known")
    known = RIGHTS.index(right) if right in RIGHTS else len(RIGHTS)
    name = quote_text(item.name or item.app_id, MAX_TEXT_LENGTH)
    mailbox = format_delegated_mailbox(item.mailbox)
    yield Finding(
        kind="own-add-in",
        object_id=item.mailbox.id,
        subject=mailbox,
        severity=Severity.HIGH if known >= RIGHTS.index("readwritemailbox") else Severity.MEDIUM,
        verdict=DelegationVerdict.ADD_IN,
        summary=f"The Outlook add-in {name} from a file {does} in {mailbox}.",
        facts=(
            Fact("calls itself made by", quote_text(item.provider, MAX_TEXT_LENGTH) or "nobody"),
            Fact("asks for", quote_text(item.requirements, MAX_TEXT_LENGTH) or "not told"),
            Fact("id", quote_text(item.app_id, MAX_TEXT_LENGTH)),
        ),
        sources=(OWN_ADD_INS, MAILBOXES),
        fingerprint=item.app_id.casefold(),
        advice="Ask the owner whether they installed it; unless they did, take the account for "
        "stolen and the add-in out.",
        steps=build_add_in_remedy(item, name),
        held_account=item.mailbox.id if item.mailbox.has_account else "",
        reaches=(Reach.of(f"right {step}" for step in range(known + 1)),),
    )
