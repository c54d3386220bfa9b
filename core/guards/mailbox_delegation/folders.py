"""Judges rights over the root and the Inbox of mailboxes. Pure.

A right over a folder needs no FullAccess and shows in no view of administrators: who gives Default
the role of a reviewer opens an Inbox to the whole organization (MITRE ATT&CK T1098.002, T1114.002).
"""

from collections.abc import Iterable, Iterator

from core.guards.mailbox_delegation.items import (
    MAX_TEXT_LENGTH,
    GrantedRight,
    Policy,
    format_delegated_mailbox,
)
from core.guards.mailbox_delegation.remedies import build_folder_remedy
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
from core.microsoft365.folder_rights import ACT_TEXTS, FolderAct, list_folder_acts
from core.microsoft365.powershell import can_be_quoted, quote_literal
from core.microsoft365.trustees import HolderType, classify_holder, list_holder_ids
from core.model.findings import Correlation, Fact, Finding, Severity, Verdict
from core.model.reach import Reach
from core.tenant.mailboxes import FolderRight, MailboxFolder
from core.tenant.quoting import quote_text
from core.tenant.sources import FOLDER_RIGHTS, MAILBOXES, RECIPIENTS

FOLDER_NAMES = {MailboxFolder.ROOT: "the top of the mailbox", MailboxFolder.INBOX: "the Inbox"}
SOURCES = (FOLDER_RIGHTS, MAILBOXES, RECIPIENTS)
ANONYMOUS, DEFAULT = "anonymous", "default"
SEVERAL = "several recipients are displayed by this name: which of them it is cannot be told here"


def judge_folders(item: GrantedRight, policy: Policy) -> Iterator[Finding]:
    """What one holder may do in the folders of one mailbox."""
    delegation = item.delegation
    outside = item.is_outside or bool(item.outside_members)
    holder = classify_holder(delegation, item.recipient, is_outside=outside)
    personal = is_personal_mailbox(item.mailbox, policy)
    known_by = list_holder_ids(delegation, item.recipient)
    is_doubtful = bool(item.doubt) and holder is HolderType.KNOWN
    counts = personal or holder is not HolderType.KNOWN
    whom = describe_folder_holder(item, holder)
    yield Finding(
        kind="folder-right",
        object_id=item.mailbox.id,
        subject=format_delegated_mailbox(item.mailbox),
        severity=rate_folders(item, holder, is_personal=personal),
        verdict=Verdict.COULD_NOT_TELL if is_doubtful else HOLDER_VERDICTS[holder],
        summary=f"{whom}{describe_members(item)} may {describe_acts(item)}.",
        facts=tuple(list_folder_facts(item, holder)),
        sources=SOURCES,
        fingerprint=known_by[0],
        advice=ADVICE,
        steps=build_folder_remedy(
            item, [build_folder_command(item, one) for one in sort_folders(item.folders)], whom
        ),
        correlations=tuple(Correlation.of(one, f"rights of {whom}") for one in known_by)
        if counts
        else (),
        reaches=(Reach.of(list_reach(item)),),
    )


def list_reach(item: GrantedRight) -> Iterator[str]:
    """What the holder may do in which folder, and who of a group is from outside."""
    for one in item.folders:
        for act in list_folder_acts(one.rights):
            yield f"{one.folder} {act}"
    for member in item.outside_members:
        yield hash_parts(member)[:12]


def rate_folders(item: GrantedRight, holder: HolderType, *, is_personal: bool) -> Severity:
    """How bad it is: the Inbox of a person above all, and what needs no account at all."""
    opens_inbox = any(one.folder is MailboxFolder.INBOX for one in item.folders)
    match holder:
        case HolderType.EVERYONE:
            grave = is_anonymous(item) or (is_personal and opens_inbox)
            return Severity.CRITICAL if grave else Severity.HIGH
        case HolderType.OUTSIDER:
            return Severity.CRITICAL
        case HolderType.UNKNOWN_SID | HolderType.UNKNOWN_KIND:
            return Severity.HIGH if is_personal else Severity.MEDIUM
        case HolderType.UNKNOWN_NAME:
            is_nobody = is_personal and not item.recipient.several
            return Severity.HIGH if is_nobody else Severity.MEDIUM
        case HolderType.KNOWN:
            return Severity.LOW


def is_anonymous(item: GrantedRight) -> bool:
    """Whether the holder is whoever has not signed in."""
    return item.delegation.trustee.casefold() == ANONYMOUS


def describe_folder_holder(item: GrantedRight, holder: HolderType) -> str:
    """The holder as the subject of a sentence."""
    if is_anonymous(item):
        return "Anybody without signing in (Anonymous)"
    if item.delegation.trustee.casefold() == DEFAULT:
        return "Everybody in the organization (Default)"
    return format_holder(item)


def describe_acts(item: GrantedRight) -> str:
    """What the holder may do where, as the rest of a sentence behind "may"."""
    acts = sort_acts(act for one in item.folders for act in list_folder_acts(one.rights))
    *first, last = [ACT_TEXTS[one] for one in acts if one in ACT_TEXTS]
    verbs = f"{', '.join(first)} and {last}" if first else last
    places = list(dict.fromkeys(FOLDER_NAMES[one.folder] for one in sort_folders(item.folders)))
    name = format_delegated_mailbox(item.mailbox)
    gives = ", and give others rights over it" if FolderAct.OWNS in acts else ""
    return f"{verbs} what lies in {' and '.join(places)} of {name}{gives}"


def sort_acts(acts: Iterable[FolderAct]) -> list[FolderAct]:
    """Each act once, in the order of the enumeration."""
    found = set(acts)
    return [one for one in FolderAct if one in found]


def sort_folders(folders: Iterable[FolderRight]) -> list[FolderRight]:
    """The Inbox first."""
    return sorted(folders, key=lambda one: (one.folder is not MailboxFolder.INBOX, one.rights))


def list_folder_facts(item: GrantedRight, holder: HolderType) -> Iterator[Fact]:
    """What is told of rights over folders; the same as long as they stay as they are."""
    for one in sort_folders(item.folders):
        rights = quote_text(", ".join(one.rights), MAX_TEXT_LENGTH)
        path = quote_text(one.path, MAX_TEXT_LENGTH)
        yield Fact(FOLDER_NAMES[one.folder], f"{rights} ({path})")
    kind = quote_text(item.mailbox.kind, MAX_TEXT_LENGTH)
    yield Fact("over", kind or "a recipient Exchange does not know by name")
    person = item.recipient
    if person.kind:
        yield Fact("held by", f"{quote_text(person.kind, MAX_TEXT_LENGTH)} {format_holder(item)}")
        yield Fact("displayed as", quote_text(item.delegation.trustee, MAX_TEXT_LENGTH))
    if holder is HolderType.UNKNOWN_NAME and person.several:
        yield Fact("", SEVERAL)
    elif holder in HOLDER_TEXTS and not item.outside_members and holder is not HolderType.EVERYONE:
        yield Fact("", HOLDER_TEXTS[holder])
    yield from list_member_facts(item)


def build_folder_command(item: GrantedRight, right: FolderRight) -> str:
    """The Exchange command that takes a right over a folder away; empty if a name has no quotes.

    The rows of everybody cannot be removed, only emptied (Microsoft Learn:
    Remove-MailboxFolderPermission).
    """
    folder = f"{item.mailbox.guid or item.mailbox.address}:{right.path}"
    whom = item.recipient.address or right.holder
    if not can_be_quoted(folder) or not can_be_quoted(whom):
        return ""
    if right.holder.casefold() in (ANONYMOUS, DEFAULT):
        return (
            f"Set-MailboxFolderPermission -Identity {quote_literal(folder)} "
            f"-User {right.holder} -AccessRights None"
        )
    return (
        f"Remove-MailboxFolderPermission -Identity {quote_literal(folder)} "
        f"-User {quote_literal(whom)}"
    )
