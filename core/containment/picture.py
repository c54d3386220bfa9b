"""Reads what a plan needs to know of one account. What could not be read is said."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from core.containment.account_picture import AccountPicture, HiddenRule, JudgedChange
from core.containment.planning import build_since
from core.microsoft365.containment_permissions import SWITCH_DEVICES
from core.microsoft365.permissions import is_granted
from core.model.containment import MAX_STEP_TEXT
from core.tenant.containing import (
    MAILBOX_DETAILS,
    AccountDetail,
    DetailKind,
    TargetAccount,
)
from core.tenant.directory import RoleHolder
from core.tenant.mailboxes import FolderRight, Mailbox
from core.tenant.port import Tenant
from core.tenant.quoting import quote_text
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import ROLE_HOLDERS

PLANNED_DETAILS = (
    DetailKind.SIGN_IN_METHODS,
    DetailKind.DEVICES,
    DetailKind.GRANTS,
    DetailKind.CLIENT_PROTOCOLS,
    DetailKind.PHONES,
    DetailKind.FULL_ACCESS,
    DetailKind.SEND_AS,
    DetailKind.SEND_ON_BEHALF,
)
"""What a plan names; the rest is evidence only."""


@dataclass(frozen=True, slots=True)
class JudgedMailbox:
    """What a guard says of one mailbox: what it would switch off."""

    changes: tuple[JudgedChange, ...] = ()
    hidden_rules: tuple[HiddenRule, ...] = ()
    unread: tuple[str, ...] = ()


type MailboxJudge = Callable[[Mailbox], Awaitable[JudgedMailbox]]
"""Reads a mailbox's forwards and rules and judges them, as the guard does."""


def describe_failure(failure: ReadFailure) -> str:
    """What could not be read, and why."""
    missing = f" (needs {failure.permission})" if failure.permission else ""
    return quote_text(f"{failure.source}: {failure.reason}{missing}", MAX_STEP_TEXT)


def describe_failures(readings: tuple[Reading[object], ...]) -> tuple[str, ...]:
    """What could not be read of several sources, each once."""
    found = [describe_failure(one) for reading in readings for one in reading.failures]
    return tuple(dict.fromkeys(found))


async def read_picture(
    tenant: Tenant, account_id: str, judge: MailboxJudge, now: datetime
) -> AccountPicture:
    """Everything a plan is made of. An account that could not be read is not taken as absent."""
    target = await tenant.containment.read_target(account_id)
    unread = describe_failures((target,))
    if not target.items:
        return AccountPicture(None, unread=unread)
    account = target.items[0]
    if account.is_deleted or account.is_this_app:
        return AccountPicture(account, unread=unread)
    since = build_since(now)
    mailbox, mailbox_unread = await find_mailbox(tenant, account)
    holders, details, granted = await asyncio.gather(
        tenant.roles.read_role_holders(),
        read_all_details(tenant, account, mailbox, since, PLANNED_DETAILS),
        tenant.permissions.read_granted_permissions(),
    )
    judged = await judge(mailbox) if mailbox else JudgedMailbox()
    return AccountPicture(
        account,
        get_role_holders(holders),
        mailbox,
        judged.changes,
        judged.hidden_rules,
        {kind: reading.items for kind, reading in details.items()},
        (
            *unread,
            *mailbox_unread,
            *describe_failures((holders, *details.values())),
            *judged.unread,
        ),
        since,
        may_switch_devices=all(is_granted(SWITCH_DEVICES, one) for one in granted.items),
        is_mailbox_unread=mailbox is None and bool(mailbox_unread),
    )


def get_role_holders(reading: Reading[RoleHolder]) -> tuple[RoleHolder, ...] | None:
    """Who holds a role; None unless all of it was read."""
    return None if reading.find_source_failure(ROLE_HOLDERS) else reading.items


async def find_mailbox(
    tenant: Tenant, account: TargetAccount
) -> tuple[Mailbox | None, tuple[str, ...]]:
    """The mailbox that belongs to an account with its forwards, and what could not be read of it.

    A mailbox by its name comes without forwards; the list of those that forward has them.
    """
    found = await tenant.mailboxes.find_mailboxes((account.id,))
    wanted = account.id.casefold()
    boxes = (one.mailbox for one in found.items)
    mailbox = next((box for box in boxes if box.id.casefold() == wanted), None)
    if mailbox is None:
        return None, describe_failures((found,))
    forwarding = await tenant.mailboxes.read_forwarding_mailboxes()
    with_forwards = next((one for one in forwarding.items if one.guid == mailbox.guid), mailbox)
    return with_forwards, describe_failures((found, forwarding))


async def read_all_details(
    tenant: Tenant,
    account: TargetAccount,
    mailbox: Mailbox | None,
    since: datetime,
    kinds: tuple[DetailKind, ...],
) -> dict[DetailKind, Reading[AccountDetail]]:
    """Several kinds of what belongs to an account, all at once."""
    wanted = [kind for kind in kinds if mailbox or kind not in MAILBOX_DETAILS]
    guid = mailbox.guid if mailbox else ""
    readings = await asyncio.gather(
        *(tenant.containment.read_details(kind, account, guid, since) for kind in wanted)
    )
    return dict(zip(wanted, readings, strict=True))


async def read_folder_rights(tenant: Tenant, mailbox: Mailbox | None) -> Reading[FolderRight]:
    """Who may do what in the root and the Inbox of the mailbox, if there is one."""
    return await tenant.delegation.read_folder_rights((mailbox,)) if mailbox else Reading()
