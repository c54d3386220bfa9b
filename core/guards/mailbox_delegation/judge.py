"""Judges rights over mailboxes: whose they are, over what, and how grave that is. Pure."""

from collections.abc import Iterator

from core.guards.mailbox_delegation.add_ins import judge_add_in
from core.guards.mailbox_delegation.folders import judge_folders
from core.guards.mailbox_delegation.items import (
    MAX_TEXT_LENGTH,
    DelegationItem,
    GrantedRight,
    Policy,
    format_delegated_mailbox,
)
from core.guards.mailbox_delegation.remedies import build_right_remedy
from core.guards.mailbox_delegation.texts import (
    ADVICE,
    HOLDER_TEXTS,
    HOLDER_VERDICTS,
    describe_members,
    format_holder,
    is_personal_mailbox,
    list_member_facts,
)
from core.keys import hash_parts
from core.microsoft365.trustees import (
    HolderType,
    classify_holder,
    list_holder_ids,
)
from core.model.findings import Correlation, Fact, Finding, Severity, Verdict
from core.model.reach import Reach
from core.tenant.mailboxes import OwnAddIn
from core.tenant.quoting import quote_text
from core.tenant.sources import FULL_ACCESS, MAILBOXES, RECIPIENTS, SEND_AS, SEND_ON_BEHALF

RIGHT_KINDS = {
    "FullAccess": ("full-access", "may open"),
    "ChangePermission": ("change-permission", "may give away rights over"),
    "ChangeOwner": ("change-owner", "may take over"),
    "SendAs": ("send-as", "may send mail as"),
    "SendOnBehalf": ("send-on-behalf", "may send mail on behalf of"),
}
RIGHT_SOURCES = {
    "SendAs": (SEND_AS, RECIPIENTS),
    "SendOnBehalf": (SEND_ON_BEHALF, RECIPIENTS),
}
MAILBOX_RIGHT_SOURCES = (FULL_ACCESS, MAILBOXES, RECIPIENTS)
"""What must be read before a right's absence may be believed."""


def judge(item: DelegationItem, policy: Policy) -> Iterator[Finding]:
    """What one holder may do, over a mailbox or in its folders; or an add-in in it."""
    if isinstance(item, OwnAddIn):
        return judge_add_in(item)
    return judge_folders(item, policy) if item.folders else judge_right(item, policy)


def judge_right(item: GrantedRight, policy: Policy) -> Iterator[Finding]:
    """One right. Members of a shared mailbox are normal; a new one is told all the same."""
    delegation = item.delegation
    outside = item.is_outside or bool(item.outside_members)
    holder = classify_holder(delegation, item.recipient, is_outside=outside)
    kind, may = RIGHT_KINDS[delegation.right]
    personal = is_personal_mailbox(item.mailbox, policy)
    known_by = list_holder_ids(delegation, item.recipient)
    name, whom = format_delegated_mailbox(item.mailbox), format_holder(item)
    # Shared access is the purpose of a shared mailbox.
    counts = personal or holder is not HolderType.KNOWN
    is_doubtful = bool(item.doubt) and holder is HolderType.KNOWN
    yield Finding(
        kind=kind,
        object_id=item.mailbox.id,
        subject=name,
        severity=rate_delegation(holder, personal, delegation.right),
        verdict=Verdict.COULD_NOT_TELL if is_doubtful else HOLDER_VERDICTS[holder],
        summary=f"{whom}{describe_members(item)} {may} {name}.",
        facts=tuple(list_delegation_facts(item, holder)),
        sources=RIGHT_SOURCES.get(delegation.right, MAILBOX_RIGHT_SOURCES),
        fingerprint=known_by[0],
        advice=ADVICE,
        steps=build_right_remedy(item, kind, whom),
        correlations=tuple(Correlation.of(one, f"rights of {whom}") for one in known_by)
        if counts
        else (),
        reaches=(Reach.of(hash_parts(one)[:12] for one in item.outside_members),)
        if item.outside_members
        else (),
    )


def rate_delegation(holder: HolderType, is_personal: bool, right: str) -> Severity:
    """How bad it is. Sending on behalf shows who really wrote, and often the owner gave it."""
    grave = is_personal and right != "SendOnBehalf"
    match holder:
        case HolderType.EVERYONE:
            return Severity.CRITICAL
        case HolderType.OUTSIDER:
            return Severity.CRITICAL if grave else Severity.HIGH
        case HolderType.UNKNOWN_SID | HolderType.UNKNOWN_KIND:
            return Severity.HIGH if grave else Severity.MEDIUM
        case HolderType.UNKNOWN_NAME:
            return Severity.MEDIUM
        case HolderType.KNOWN:
            return Severity.MEDIUM if grave else Severity.LOW


def list_delegation_facts(item: GrantedRight, holder: HolderType) -> Iterator[Fact]:
    """What is told of a right; the same as long as it stays as it is."""
    delegation, person = item.delegation, item.recipient
    yield Fact("right", delegation.right)
    yield Fact(
        "over",
        quote_text(item.mailbox.kind, MAX_TEXT_LENGTH)
        or "a recipient Exchange does not know by name",
    )
    if person.kind:
        yield Fact("held by", f"{quote_text(person.kind, MAX_TEXT_LENGTH)} {format_holder(item)}")
    elif delegation.trustee != delegation.sid:
        yield Fact("held by", quote_text(delegation.trustee, MAX_TEXT_LENGTH))
    if delegation.sid:
        yield Fact("security identifier", quote_text(delegation.sid, MAX_TEXT_LENGTH))
    if holder in HOLDER_TEXTS and not item.outside_members:
        yield Fact("", HOLDER_TEXTS[holder])
    yield from list_member_facts(item)
    if item.new_domain:
        domain = quote_text(item.new_domain, MAX_TEXT_LENGTH)
        yield Fact("", f"{domain} is new among the organization's domains: foreign for 30 days")
