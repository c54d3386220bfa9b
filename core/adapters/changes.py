"""Every write to the tenant: look again, write, look whether it is so.

Each change can be repeated: what is already as it should be is not written again, and a change that
was cut off half way is finished by doing it once more. Reads lag behind writes for a while, so a
confirmation is asked for several times before it counts as missing.
"""

from functools import partial
from typing import assert_never
from urllib.parse import quote

from core.adapters.audit_changes import (
    clear_audit_bypass,
    enable_mailbox_audit,
    raise_audit_age,
    reset_audit_set,
    switch_organization,
)
from core.adapters.configuration import set_configuration
from core.adapters.exchange import Exchange
from core.adapters.graph import Graph
from core.adapters.graph_reads import ACCOUNT_PROPERTIES, READ_USERS, user
from core.adapters.protocol_changes import disable_mailbox_protocols
from core.adapters.role_changes import Rostering, disable_exchange_module
from core.adapters.role_reads import roster_of
from core.adapters.steps import (
    Sleep,
    begun,
    confirm,
    mailbox_row,
    set_mailbox,
    understood,
)
from core.adapters.wire import (
    Row,
    account,
    identifier,
    truth,
)
from core.errors import Forbidden, Moot, Refused, TenantError, Unavailable
from core.tenant import (
    Account,
    Applied,
    BlockSignIn,
    Change,
    ClearAuditBypass,
    ClearMailboxForward,
    DisableExchangeModule,
    DisableInboxRule,
    DisableMailboxProtocols,
    EnableMailboxAudit,
    EnableOrganizationAudit,
    EnableUnifiedAuditLog,
    Mailbox,
    RaiseAuditAge,
    ResetAuditSet,
    SetConfiguration,
)

BLOCK = "User.EnableDisableAccount.All"
BLOCK_ROLES = frozenset({BLOCK, "User.ReadWrite.All", "Directory.ReadWrite.All"})
REVOKE = "User.RevokeSessions.All"
WRITE_RULES = "MailboxSettings.ReadWrite"


async def apply(
    graph: Graph,
    exchange: Exchange,
    change: Change,
    sleep: Sleep,
    rostering: Rostering | None = None,
) -> Applied:
    """Make one change. Raises Moot, Gone, Refused, Forbidden or Unavailable.

    `rostering` tells who holds a role; without it that is read for each change that needs it.
    """
    match change:
        case BlockSignIn():
            return await block_sign_in(graph, exchange, change, sleep)
        case DisableInboxRule():
            return await disable_inbox_rule(graph, change, sleep)
        case EnableOrganizationAudit() | EnableUnifiedAuditLog():
            return await switch_organization(exchange, change, sleep)
        case (
            EnableMailboxAudit()
            | ResetAuditSet()
            | RaiseAuditAge()
            | ClearMailboxForward()
            | DisableMailboxProtocols()
        ):
            return await change_mailbox(exchange, change, sleep)
        case ClearAuditBypass():
            return await clear_audit_bypass(exchange, change, sleep)
        case SetConfiguration():
            return await set_configuration(graph, exchange, change, sleep)
        case DisableExchangeModule():
            known = rostering or partial(roster_of, graph, exchange)
            return await disable_exchange_module(graph, exchange, change, known, sleep)
        case _:
            assert_never(change)


# ----------------------------------------------------------------------------------------------
# Sign-in
# ----------------------------------------------------------------------------------------------


async def block_sign_in(
    graph: Graph, exchange: Exchange, change: BlockSignIn, sleep: Sleep
) -> Applied:
    """Block the account of a mailbox that nobody should sign in with, and end its sessions."""
    _, found = await mailbox_row(exchange, change.mailbox_guid)
    if found.kind not in change.kinds:
        raise Moot(f"the mailbox is now a {found.kind}")
    if found.id != change.account_id:
        raise Moot("the mailbox belongs to another account now")
    person = await read_account(graph, change.account_id)
    if person.synced:
        raise Refused("the account is mastered on-premises", verdict="on-premises")
    if person.enabled is None:
        raise Unavailable("Graph did not say whether the account is enabled")
    if not person.enabled:
        note = await revoke(graph, change.account_id)
        return Applied({"accountEnabled": False}, already=True, note=note)
    before = {"accountEnabled": True}
    with begun(before):
        await disable(graph, change.account_id)
        note = await revoke(graph, change.account_id)
        await confirm(
            lambda: read_account(graph, change.account_id), lambda now: now.enabled is False, sleep
        )
    return Applied(before, note=note)


async def read_account(graph: Graph, account_id: str) -> Account:
    row = await graph.get(f"{user(account_id)}?$select={ACCOUNT_PROPERTIES}", READ_USERS)
    return understood(account, row)


async def disable(graph: Graph, account_id: str) -> None:
    """Set accountEnabled to false.

    Graph says 403 both when the app lacks the role and when the account holds a directory role that
    the app may not touch (Microsoft Learn: "Update user", sensitive actions). The token tells.
    """
    try:
        await graph.patch(user(account_id), {"accountEnabled": False}, BLOCK)
    except Forbidden as error:
        roles = await graph.roles()
        if roles is None or roles.isdisjoint(BLOCK_ROLES):
            raise
        raise Refused("the account is protected by a role it holds", verdict="protected") from error


async def revoke(graph: Graph, account_id: str) -> str:
    """End the account's sessions; why not, when that fails: the account is blocked all the same."""
    try:
        answer = await graph.post(f"{user(account_id)}/revokeSignInSessions", None, REVOKE)
    except TenantError as error:
        return f"sessions were not revoked: {error}"
    return "sessions were not revoked" if answer.get("value") is False else ""


# ----------------------------------------------------------------------------------------------
# Mailboxes
# ----------------------------------------------------------------------------------------------


async def change_mailbox(
    exchange: Exchange,
    change: EnableMailboxAudit
    | ResetAuditSet
    | RaiseAuditAge
    | ClearMailboxForward
    | DisableMailboxProtocols,
    sleep: Sleep,
) -> Applied:
    """The changes that end in Set-Mailbox or Set-CASMailbox."""
    match change:
        case EnableMailboxAudit():
            return await enable_mailbox_audit(exchange, change, sleep)
        case ResetAuditSet():
            return await reset_audit_set(exchange, change, sleep)
        case RaiseAuditAge():
            return await raise_audit_age(exchange, change, sleep)
        case ClearMailboxForward():
            return await clear_mailbox_forward(exchange, change, sleep)
        case DisableMailboxProtocols():
            return await disable_mailbox_protocols(exchange, change, sleep)
        case _:
            assert_never(change)


async def clear_mailbox_forward(
    exchange: Exchange, change: ClearMailboxForward, sleep: Sleep
) -> Applied:
    """Remove both forwards of a mailbox; what they were is kept."""
    _, found = await mailbox_row(exchange, change.mailbox_guid)
    before = {
        "ForwardingAddress": found.forwarding_address or None,
        "ForwardingSmtpAddress": found.forwarding_smtp_address or None,
        "DeliverToMailboxAndForward": found.keeps_copy,
    }

    def is_clear(one: tuple[Row, Mailbox]) -> bool:
        return not one[1].forwarding_address and not one[1].forwarding_smtp_address

    if is_clear(({}, found)):
        return Applied(before, already=True)
    wanted = {
        "ForwardingAddress": None,
        "ForwardingSmtpAddress": None,
        "DeliverToMailboxAndForward": False,
    }
    with begun(before):
        await set_mailbox(exchange, found, wanted)
        await confirm(lambda: mailbox_row(exchange, change.mailbox_guid), is_clear, sleep)
    return Applied(before)


async def disable_inbox_rule(graph: Graph, change: DisableInboxRule, sleep: Sleep) -> Applied:
    """Switch one inbox rule off, through Graph: Exchange would drop Outlook's own rules with it."""
    path = (
        f"{user(change.mailbox_id)}/mailFolders/inbox/messageRules/{quote(change.rule_id, safe='')}"
    )

    async def look() -> Row:
        row = await graph.get(path, WRITE_RULES)
        if identifier(row.get("id")) != change.rule_id:
            raise Unavailable("Graph answered with another rule than was asked for")
        return row

    rule = await look()
    if truth(rule.get("isEnabled")) is False:
        return Applied({"isEnabled": False}, already=True)
    if truth(rule.get("isReadOnly")):
        raise Refused("the rule can only be changed in Outlook")
    before = {"isEnabled": True}
    with begun(before):
        await graph.patch(path, {"isEnabled": False}, WRITE_RULES)
        await confirm(look, lambda row: truth(row.get("isEnabled")) is False, sleep)
    return Applied(before)
