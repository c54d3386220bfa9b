"""The evidence of one account, and whom it hit, as one document. Pure.

What is foreign stands in it as data, bounded and escaped by JSON; what could not be read is named.
Who opened what was sent is not guessed.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from core.containment.mail_records import describe_hand
from core.microsoft365.addresses import OwnDomains, normalize_address
from core.microsoft365.powershell import can_be_quoted, quote_literal
from core.model.activity import Act
from core.tenant.containing import AccountDetail, DetailKind, TargetAccount
from core.tenant.directory import RoleHolder
from core.tenant.mailboxes import FolderRight, Mailbox
from core.tenant.quoting import quote_text

MAIL_OPERATIONS = ("MailItemsAccessed", "AttachmentAccess", "Send", "SendAs", "SendOnBehalf")
NOT_SEARCHED = (
    "the audit log was not searched (AUDIT_QUERIES is off): which mail was read is not known"
)
MAX_SUBJECTS = 5
MAX_RECIPIENTS = 300
"""Recipients in full; the others are named."""
PLACES = ("inside", "outside", "unknown")


def format_at(at: datetime | None) -> str | None:
    """A time in JSON."""
    return at.isoformat() if at else None


def show_detail(detail: AccountDetail) -> dict[str, Any]:
    """One detail as data."""
    shown: dict[str, Any] = {
        "id": quote_text(detail.id, 300),
        "what": quote_text(detail.title, 300),
    }
    shown |= {"kind": detail.kind} if detail.kind else {}
    shown |= {"at": format_at(detail.at)} if detail.at else {}
    shown |= {"session": detail.session} if detail.session else {}
    shown |= {"address": detail.address} if detail.address else {}
    shown |= {name: quote_text(value, 500) for name, value in detail.values if value}
    return shown


def show_act(act: Act) -> dict[str, Any]:
    """One act from the audit logs that Exoguard reads."""
    actor = act.actor
    return {
        "at": act.at.isoformat(),
        "operation": act.operation,
        "by": describe_hand(actor),
        "log": str(act.log),
        "address": act.address,
        "client": quote_text(act.client, 200),
        "session": act.session,
        "detail": quote_text(act.detail, 500),
        "count": act.count,
    }


def show_folder_right(right: FolderRight) -> dict[str, Any]:
    """What somebody may do in a folder of the mailbox."""
    return {
        "folder": quote_text(right.path, 300),
        "holder": quote_text(right.holder, 300),
        "rights": [quote_text(one, 60) for one in right.rights],
    }


def show_account(account: TargetAccount) -> dict[str, Any]:
    """The account itself."""
    return {
        "id": account.id,
        "principal_name": quote_text(account.upn, 300),
        "name": quote_text(account.name, 300),
        "enabled": account.enabled,
        "guest": account.is_guest,
        "synchronised": account.synced,
        "created": format_at(account.created_at),
        "password_changed": format_at(account.password_changed_at),
        "sessions_valid_from": format_at(account.sessions_valid_from),
        "licences": list(account.licence_ids),
    }


def show_mailbox(mailbox: Mailbox | None) -> dict[str, Any] | None:
    """The mailbox with its forwards."""
    if mailbox is None:
        return None
    return {
        "guid": mailbox.guid,
        "address": quote_text(mailbox.address, 320),
        "kind": mailbox.kind,
        "forwarding_address": quote_text(mailbox.forwarding_address, 320),
        "forwarding_smtp_address": quote_text(mailbox.forwarding_smtp_address, 320),
        "keeps_copy": mailbox.keeps_copy,
    }


def show_roles(account: TargetAccount, holders: Iterable[RoleHolder] | None) -> Any:
    """The roles that the account holds; None: not known."""
    if holders is None:
        return None
    return [
        {"via": holder.assigned_via, "roles": sorted(holder.roles)}
        for holder in holders
        if holder.id.lower() == account.id.lower()
    ]


def is_by_account(act: Act, account: TargetAccount) -> bool:
    """Whether the account acted, by its id where the record has one, else by its name."""
    if act.actor.id:
        return act.actor.id.lower() == account.id.lower()
    return bool(account.upn) and act.actor.name.lower() == account.upn.lower()


def is_about(act: Act, account: TargetAccount, mailbox: Mailbox | None) -> bool:
    """Whether an act was done to the account or its mailbox, by an id or a name of either."""
    names = {account.id, account.upn, account.mail}
    if mailbox:
        names |= {mailbox.id, mailbox.guid, mailbox.address}
    wanted = {one.casefold() for one in names} - {""}
    return any(
        not wanted.isdisjoint((target.object_id.casefold(), *target.names))
        for target in act.targets
    )


def build_evidence(
    account: TargetAccount,
    mailbox: Mailbox | None,
    holders: Iterable[RoleHolder] | None,
    details: Mapping[DetailKind, tuple[AccountDetail, ...]],
    folder_rights: Iterable[FolderRight],
    acts: Iterable[Act],
    unread: Iterable[str],
    since: datetime,
    now: datetime,
) -> dict[str, Any]:
    """Who the account is, what it can do, what it did since a time, session by session, and what
    others did to it.
    """
    known = tuple(acts)
    own = [act for act in known if is_by_account(act, account)]
    by_others = [
        act for act in known if not is_by_account(act, account) and is_about(act, account, mailbox)
    ]
    return {
        "version": 1,
        "kind": "evidence",
        "made": now.isoformat(),
        "since": since.isoformat(),
        "account": show_account(account),
        "roles": show_roles(account, holders),
        "mailbox": show_mailbox(mailbox),
        "details": {
            str(kind): [show_detail(one) for one in rows] for kind, rows in details.items()
        },
        "folder_rights": [show_folder_right(one) for one in folder_rights],
        "acts": [show_act(act) for act in own],
        "acts_by_others": [show_act(act) for act in by_others],
        "sessions": group_sessions(details, own),
        "records": build_unsearched(account, since, now),
        "not_read": [quote_text(one, 600) for one in unread],
        "left_out": {},
    }


def group_sessions(
    details: Mapping[DetailKind, tuple[AccountDetail, ...]], acts: Iterable[Act]
) -> list[dict[str, Any]]:
    """What happened in each session that records name, the latest first."""
    found: dict[str, list[tuple[datetime, str, str]]] = {}
    for kind in (
        DetailKind.SIGN_INS,
        DetailKind.NON_INTERACTIVE_SIGN_INS,
        DetailKind.DIRECTORY_AUDITS,
    ):
        for one in details.get(kind, ()):
            if one.session and one.at:
                found.setdefault(one.session, []).append((one.at, one.address, one.title))
    for act in acts:
        if act.session:
            found.setdefault(act.session, []).append((act.at, act.address, act.operation))
    sessions = [
        {
            "session": session,
            "first": min(events)[0].isoformat(),
            "last": max(events)[0].isoformat(),
            "addresses": sorted({address for _, address, _ in events if address}),
            "what": [quote_text(what, 200) for _, _, what in sorted(events)][:100],
        }
        for session, events in found.items()
    ]
    return sorted(sessions, key=lambda one: str(one["last"]), reverse=True)


# Impact -------------------------------------------------------------------------------------------


def build_impact(
    account: TargetAccount,
    own_domains: OwnDomains | None,
    sent: Iterable[AccountDetail],
    acts: Iterable[Act],
    unread: Iterable[str],
    since: datetime,
    now: datetime,
) -> dict[str, Any]:
    """Who was sent what by an account since a time, inside and outside.

    Without the tenant's domains nobody is counted as inside.
    """
    rows = [one for one in sent if one.at is None or one.at >= since]
    by_recipient: dict[str, list[AccountDetail]] = {}
    for row in rows:
        by_recipient.setdefault(row.title.lower(), []).append(row)
    recipients = [
        show_recipient(address, messages, own_domains)
        for address, messages in sorted(
            by_recipient.items(), key=lambda one: (-len(one[1]), one[0])
        )
    ]
    counts = Counter(str(one["where"]) for one in recipients)
    messages = {row.id.rpartition(" ")[0] for row in rows}
    return {
        "version": 1,
        "kind": "impact",
        "made": now.isoformat(),
        "since": since.isoformat(),
        "account": show_account(account),
        "sent": {
            "messages": len(messages),
            "recipients": len(recipients),
            "inside": counts["inside"],
            "outside": counts["outside"],
            "unknown": counts["unknown"],
        },
        "recipients": recipients[:MAX_RECIPIENTS],
        **list_further(recipients[MAX_RECIPIENTS:]),
        "acts": [show_act(act) for act in acts if is_by_account(act, account)],
        "opened": "not known: who opened a message is not guessed",
        "records": build_unsearched(account, since, now),
        "purge": build_purge_preview(account, since, now),
        "not_read": [quote_text(one, 600) for one in unread],
        "left_out": {},
    }


def list_further(recipients: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """The recipients beyond those in full, by address: whoever was written to has to be told."""
    found: dict[str, list[str]] = {f"further_{where}": [] for where in PLACES}
    for one in recipients:
        found[f"further_{one['where']}"].append(one["address"])
    return found


def show_recipient(
    address: str, messages: list[AccountDetail], own_domains: OwnDomains | None
) -> dict[str, Any]:
    """One recipient: where it is, how much it got, of which subjects."""
    normal = normalize_address(address)
    where = "unknown"
    if own_domains is not None and normal:
        where = "inside" if own_domains.contains_address(normal) else "outside"
    subjects = Counter(one.get_value("subject") for one in messages)
    return {
        "address": quote_text(address, 320),
        "where": where,
        "count": len(messages),
        "statuses": dict(Counter(one.kind for one in messages)),
        "subjects": [quote_text(text, 200) for text, _ in subjects.most_common(MAX_SUBJECTS)],
    }


def build_unsearched(account: TargetAccount, since: datetime, now: datetime) -> dict[str, Any]:
    """What stands for the account's audit records before any was found: the search for a person."""
    period = (
        f"-StartDate '{since:%Y-%m-%dT%H:%M:%SZ}' -EndDate '{now:%Y-%m-%dT%H:%M:%SZ}' "
        "-ResultSize 5000"
    )
    command = (
        f"Search-UnifiedAuditLog -UserIds {quote_literal(account.upn)} -Operations "
        f"{','.join(MAIL_OPERATIONS)} {period}"
        if can_be_quoted(account.upn)
        else ""
    )
    return {"state": NOT_SEARCHED, "command": command}


def build_purge_preview(account: TargetAccount, since: datetime, now: datetime) -> dict[str, Any]:
    """The request that would find and remove what was sent, ready to be made by a person.

    Exoguard deletes nothing (Microsoft Learn: analyzedEmail remediate; Advanced hunting).
    """
    plain = (one.replace("\\", "").replace('"', "") for one in account.sender_addresses)
    senders = ", ".join(f'"{quote_text(one, 320)}"' for one in plain)
    query = (
        f"EmailEvents | where SenderFromAddress in~ ({senders}) and Timestamp "
        f"between (datetime({since:%Y-%m-%dT%H:%M:%SZ}) .. datetime({now:%Y-%m-%dT%H:%M:%SZ})) "
        "| project NetworkMessageId, RecipientEmailAddress, ReportId"
    )
    return {
        "find": {"method": "POST", "path": "/security/runHuntingQuery", "body": {"query": query}},
        "remove": {
            "method": "POST",
            "path": "/security/collaboration/analyzedEmails/remediate",
            "body": {
                "displayName": "Exoguard: sent by a contained account",
                "severity": "medium",
                "action": "softDelete",
                "remediateSendersCopy": False,
                "analyzedEmails": [{"id": "<each ReportId of the query>"}],
            },
        },
        "not_searched": (
            "nothing was searched: the query reaches 30 days back, needs Defender for Office 365, "
            "and sees neither mail outside the tenant nor messages in Teams"
        ),
    }
