"""Every write to the tenant: look again, write, look whether it is so.

Each change can be repeated: what is already as it should be is not written again, and a change that
was cut off half way is finished by doing it once more. Reads lag behind writes for a while, so a
confirmation is asked for several times before it counts as missing.
"""

from collections.abc import Mapping
from functools import partial
from typing import assert_never
from urllib.parse import quote

from core.adapters.exchange.client import Exchange
from core.adapters.graph.client import Graph
from core.adapters.m365.auditing.write import (
    clear_audit_bypass,
    enable_mailbox_audit,
    raise_audit_age,
    reset_audit_set,
    switch_organization,
)
from core.adapters.m365.configuration import set_configuration
from core.adapters.m365.exchange_queries import recipients
from core.adapters.m365.graph_queries import ACCOUNT_PROPERTIES, READ_USERS, user
from core.adapters.m365.inbox_rules_parse import graph_rule
from core.adapters.m365.parsing import Row, account, identifier, truth
from core.adapters.m365.protocols.write import disable_mailbox_protocols
from core.adapters.m365.roles.read import roster_of
from core.adapters.m365.roles.write import Rostering, disable_exchange_module
from core.adapters.m365.verified_write import (
    Sleep,
    begun,
    confirm,
    mailbox_row,
    set_mailbox,
    understood,
)
from core.errors import Forbidden, Moot, Refused, TenantError, Unavailable
from core.tenant.changes import (
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
    RaiseAuditAge,
    ResetAuditSet,
    SetConfiguration,
)
from core.tenant.directory import Account
from core.tenant.mailboxes import Mailbox
from core.tenant.reversibility import DOES, FORWARD_ID, doing

BLOCK = "User.EnableDisableAccount.All"
BLOCK_ROLES = frozenset({BLOCK, "User.ReadWrite.All", "Directory.ReadWrite.All"})
REVOKE = "User.RevokeSessions.All"
WRITE_RULES = "MailboxSettings.ReadWrite"
NO_FORWARD: Mapping[str, object] = {
    "ForwardingAddress": None,
    "ForwardingSmtpAddress": None,
    "DeliverToMailboxAndForward": False,
}


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
        await set_enabled(graph, change.account_id, enabled=False)
        note = await revoke(graph, change.account_id)
        await confirm(
            lambda: read_account(graph, change.account_id), lambda now: now.enabled is False, sleep
        )
    return Applied(before, note=note)


async def read_account(graph: Graph, account_id: str) -> Account:
    row = await graph.get(f"{user(account_id)}?$select={ACCOUNT_PROPERTIES}", READ_USERS)
    return understood(account, row)


async def set_enabled(graph: Graph, account_id: str, *, enabled: bool) -> None:
    """Set accountEnabled.

    Graph says 403 both when the app lacks the role and when the account holds a directory role that
    the app may not touch (Microsoft Learn: "Update user", sensitive actions). The token tells.
    """
    try:
        await graph.patch(user(account_id), {"accountEnabled": enabled}, BLOCK)
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
    before = forwards_of(found)

    def is_clear(one: tuple[Row, Mailbox]) -> bool:
        return not one[1].forwarding_address and not one[1].forwarding_smtp_address

    if is_clear(({}, found)):
        return Applied(before, already=True)
    before |= await identified(exchange, found.forwarding_address)
    with begun(before):
        await set_mailbox(exchange, found, NO_FORWARD)
        await confirm(lambda: mailbox_row(exchange, change.mailbox_guid), is_clear, sleep)
    return Applied(before)


def forwards_of(found: Mailbox) -> dict[str, object]:
    """A mailbox's forwards, as a record of them names them."""
    return {
        "ForwardingAddress": found.forwarding_address or None,
        "ForwardingSmtpAddress": found.forwarding_smtp_address or None,
        "DeliverToMailboxAndForward": found.keeps_copy,
    }


async def identified(exchange: Exchange, name: str) -> dict[str, object]:
    """Whom a forward by name means now, since somebody else may be called like that one day.

    Nothing waits for it: without it, undoing goes by the name.
    """
    if not name:
        return {}
    people = (await recipients(exchange, (name,))).items
    return {FORWARD_ID: people[0].id} if people and people[0].found else {}


async def disable_inbox_rule(graph: Graph, change: DisableInboxRule, sleep: Sleep) -> Applied:
    """Switch one inbox rule off, through Graph: Exchange would drop Outlook's own rules with it."""

    async def look() -> Row:
        return await rule_row(graph, change)

    rule = await look()
    if truth(rule.get("isEnabled")) is False:
        return Applied({"isEnabled": False}, already=True)
    if truth(rule.get("isReadOnly")):
        raise Refused("the rule can only be changed in Outlook")
    before = {"isEnabled": True, **deeds(change.mailbox_id, rule)}
    with begun(before):
        await set_rule(graph, change, enabled=False)
        await confirm(look, lambda row: truth(row.get("isEnabled")) is False, sleep)
    return Applied(before)


def rule_path(change: DisableInboxRule) -> str:
    """Where Graph has the rule."""
    owner, rule = user(change.mailbox_id), quote(change.rule_id, safe="")
    return f"{owner}/mailFolders/inbox/messageRules/{rule}"


async def rule_row(graph: Graph, change: DisableInboxRule) -> Row:
    """The rule as Graph has it. Raises Gone, or Unavailable for any other rule."""
    row = await graph.get(rule_path(change), WRITE_RULES)
    if identifier(row.get("id")) != change.rule_id:
        raise Unavailable("Graph answered with another rule than was asked for")
    return row


async def set_rule(graph: Graph, change: DisableInboxRule, *, enabled: bool) -> None:
    """Switch the rule on or off, and nothing else about it."""
    await graph.patch(rule_path(change), {"isEnabled": enabled}, WRITE_RULES)


def deeds(mailbox_id: str, row: Row) -> dict[str, object]:
    """What the rule does, as a digest; nothing for a rule that cannot be understood."""
    try:
        return {DOES: doing(graph_rule(mailbox_id, row))}
    except ValueError:
        return {}
