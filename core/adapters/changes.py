"""Every write to the tenant: look again, write, look whether it is so.

Each change can be repeated: what is already as it should be is not written again, and a change that
was cut off half way is finished by doing it once more. Reads lag behind writes for a while, so a
confirmation is asked for several times before it counts as missing.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import assert_never
from urllib.parse import quote

from core.adapters.exchange import Exchange
from core.adapters.graph import Graph
from core.adapters.graph_reads import ACCOUNT_PROPERTIES, READ_USERS, user
from core.adapters.wire import (
    AUDIT_PROPERTIES,
    MAILBOX_PROPERTIES,
    Row,
    account,
    identifier,
    mailbox,
    mailbox_audit,
    timespan,
    truth,
)
from core.adapters.wire_organization import audit_bypass
from core.errors import Forbidden, Gone, Moot, Refused, TenantError, Unavailable
from core.tenant import (
    Account,
    Applied,
    BlockSignIn,
    Change,
    ClearAuditBypass,
    ClearMailboxForward,
    DisableInboxRule,
    EnableMailboxAudit,
    EnableOrganizationAudit,
    EnableUnifiedAuditLog,
    Mailbox,
    MailboxAudit,
    RaiseAuditAge,
    ResetAuditSet,
)

type Sleep = Callable[[float], Awaitable[None]]

BLOCK = "User.EnableDisableAccount.All"
BLOCK_ROLES = frozenset({BLOCK, "User.ReadWrite.All", "Directory.ReadWrite.All"})
REVOKE = "User.RevokeSessions.All"
WRITE_RULES = "MailboxSettings.ReadWrite"
PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)
HASH_TABLE = "#Exchange.GenericHashTable"


async def apply(graph: Graph, exchange: Exchange, change: Change, sleep: Sleep) -> Applied:
    """Make one change. Raises Moot, Gone, Refused, Forbidden or Unavailable."""
    match change:
        case BlockSignIn():
            return await block_sign_in(graph, exchange, change, sleep)
        case DisableInboxRule():
            return await disable_inbox_rule(graph, change, sleep)
        case EnableOrganizationAudit() | EnableUnifiedAuditLog():
            return await switch_organization(exchange, change, sleep)
        case EnableMailboxAudit() | ResetAuditSet() | RaiseAuditAge() | ClearMailboxForward():
            return await change_mailbox(exchange, change, sleep)
        case ClearAuditBypass():
            return await clear_audit_bypass(exchange, change, sleep)
        case _:
            assert_never(change)


async def confirm[T](
    look: Callable[[], Awaitable[T]], settled: Callable[[T], bool], sleep: Sleep
) -> None:
    """Look until what was written shows. Raises Unavailable when it does not: the next run will."""
    for pause in (0.0, *PAUSES):
        if pause:
            await sleep(pause)
        if settled(await look()):
            return
    raise Unavailable("the change was sent but does not show yet")


def understood[T](parse: Callable[[Row], T], row: Row) -> T:
    """A row, or Unavailable: what cannot be understood is not changed."""
    try:
        return parse(row)
    except ValueError as error:
        raise Unavailable(f"not changed: {error}") from error


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
    if person.enabled:
        await disable(graph, change.account_id)
    note = await revoke(graph, change.account_id)
    if not person.enabled:
        return Applied({"accountEnabled": False}, already=True, note=note)
    await confirm(
        lambda: read_account(graph, change.account_id), lambda now: now.enabled is False, sleep
    )
    return Applied({"accountEnabled": True}, note=note)


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


async def mailbox_row(exchange: Exchange, guid: str) -> tuple[Row, Mailbox]:
    """One mailbox with its audit settings. Raises Gone, or Unavailable for anybody else's."""
    rows = await exchange.invoke(
        "Get-Mailbox", {"Identity": guid}, select=(*MAILBOX_PROPERTIES, *AUDIT_PROPERTIES)
    )
    if not rows:
        raise Gone("the mailbox is gone")
    found = understood(mailbox, rows[0])
    if len(rows) > 1 or guid.lower() not in (found.guid.lower(), found.id.lower()):
        raise Unavailable("Exchange answered with another mailbox than was asked for")
    return rows[0], found


async def read_audit(exchange: Exchange, guid: str) -> MailboxAudit:
    row, _ = await mailbox_row(exchange, guid)
    return understood(mailbox_audit, row)


async def set_mailbox(exchange: Exchange, found: Mailbox, parameters: Mapping[str, object]) -> None:
    """Set-Mailbox on exactly this mailbox."""
    await exchange.invoke(
        "Set-Mailbox", {"Identity": found.guid, **parameters}, anchor=found.address
    )


async def change_mailbox(
    exchange: Exchange,
    change: EnableMailboxAudit | ResetAuditSet | RaiseAuditAge | ClearMailboxForward,
    sleep: Sleep,
) -> Applied:
    """The changes that end in Set-Mailbox."""
    match change:
        case EnableMailboxAudit():
            return await enable_mailbox_audit(exchange, change, sleep)
        case ResetAuditSet():
            return await reset_audit_set(exchange, change, sleep)
        case RaiseAuditAge():
            return await raise_audit_age(exchange, change, sleep)
        case ClearMailboxForward():
            return await clear_mailbox_forward(exchange, change, sleep)
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
    await set_mailbox(
        exchange,
        found,
        {
            "ForwardingAddress": None,
            "ForwardingSmtpAddress": None,
            "DeliverToMailboxAndForward": False,
        },
    )
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
    await graph.patch(path, {"isEnabled": False}, WRITE_RULES)
    await confirm(look, lambda row: truth(row.get("isEnabled")) is False, sleep)
    return Applied({"isEnabled": True})


# ----------------------------------------------------------------------------------------------
# Auditing
# ----------------------------------------------------------------------------------------------


async def enable_mailbox_audit(
    exchange: Exchange, change: EnableMailboxAudit, sleep: Sleep
) -> Applied:
    """Set AuditEnabled to true."""
    audit = await read_audit(exchange, change.mailbox_guid)
    before = {"AuditEnabled": audit.enabled}
    if audit.enabled:
        return Applied(before, already=True)
    await set_mailbox(exchange, audit.mailbox, {"AuditEnabled": True})
    await confirm(
        lambda: read_audit(exchange, change.mailbox_guid), lambda now: now.enabled is True, sleep
    )
    return Applied(before)


async def reset_audit_set(exchange: Exchange, change: ResetAuditSet, sleep: Sleep) -> Applied:
    """Give logon types back to Microsoft, then add what was extra.

    Adding takes a type out of Microsoft's hands again, so both steps are always done together: cut
    off between them, the change is found not in effect and starts over.
    """
    audit = await read_audit(exchange, change.mailbox_guid)
    before: dict[str, object] = {"DefaultAuditSet": sorted(audit.default_set)}
    before |= {f"Audit{kind}": sorted(actions) for kind, actions in audit.actions.items()}
    extras = {kind: actions for kind, actions in change.extras if actions}
    managed = set(change.logon_types) - extras.keys()

    def is_so(now: MailboxAudit) -> bool:
        return now.default_set >= managed and all(
            now.actions.get(kind, frozenset()) >= set(actions) for kind, actions in extras.items()
        )

    def is_complete(now: MailboxAudit) -> bool:
        return all(now.actions.get(kind, frozenset()) >= set(change.expects) for kind in managed)

    if not extras and is_so(audit) and is_complete(audit):
        return Applied(before, already=True)
    await set_mailbox(exchange, audit.mailbox, {"DefaultAuditSet": list(change.logon_types)})
    for kind, actions in extras.items():
        added = {"@odata.type": HASH_TABLE, "Add": list(actions)}
        await set_mailbox(exchange, audit.mailbox, {f"Audit{kind}": added})
    look = partial(read_audit, exchange, change.mailbox_guid)
    await confirm(look, is_so, sleep)
    try:
        await confirm(look, is_complete, sleep)
    except Unavailable as error:
        raise Refused(
            f"Microsoft's default set for this mailbox does not bring {', '.join(change.expects)}: "
            "assign the licence to the user directly, then switch auditing off and on"
        ) from error
    return Applied(before)


async def raise_audit_age(exchange: Exchange, change: RaiseAuditAge, sleep: Sleep) -> Applied:
    """Keep records longer. A value that is lower, or zero, would purge them: never sent."""
    audit = await read_audit(exchange, change.mailbox_guid)
    if audit.age_days is None:
        raise Moot("the present age limit could not be understood")
    if change.days <= 0:
        raise Moot("an age limit of no days would purge every record")
    if audit.age_days >= change.days:
        return Applied({"AuditLogAgeLimit": timespan(audit.age_days)}, already=True)
    await set_mailbox(exchange, audit.mailbox, {"AuditLogAgeLimit": timespan(change.days)})
    await confirm(
        lambda: read_audit(exchange, change.mailbox_guid),
        lambda now: now.age_days is not None and now.age_days >= change.days,
        sleep,
    )
    return Applied({"AuditLogAgeLimit": timespan(audit.age_days)})


async def clear_audit_bypass(exchange: Exchange, change: ClearAuditBypass, sleep: Sleep) -> Applied:
    """Have an account's actions logged again."""

    async def look() -> bool:
        rows = await exchange.invoke(
            "Get-MailboxAuditBypassAssociation",
            {"Identity": change.account_guid},
            select=("Guid", "Name", "AuditBypassEnabled"),
        )
        if not rows:
            raise Gone("the account is gone")
        found = understood(audit_bypass, rows[0])
        if len(rows) > 1 or found.id.lower() != change.account_guid.lower():
            raise Unavailable("Exchange answered with another account than was asked for")
        return found.bypassed

    if not await look():
        return Applied({"AuditBypassEnabled": False}, already=True)
    await exchange.invoke(
        "Set-MailboxAuditBypassAssociation",
        {"Identity": change.account_guid, "AuditBypassEnabled": False},
    )
    await confirm(look, lambda bypassed: not bypassed, sleep)
    return Applied({"AuditBypassEnabled": True})


async def read_switch(exchange: Exchange, cmdlet: str, name: str) -> bool:
    """One boolean of the organisation. Raises Unavailable when it is not told."""
    rows = await exchange.invoke(cmdlet, {}, select=(name,))
    value = truth(rows[0].get(name)) if len(rows) == 1 else None
    if value is None:
        raise Unavailable(f"{cmdlet} did not tell {name}")
    return value


async def switch_organization(
    exchange: Exchange, change: EnableOrganizationAudit | EnableUnifiedAuditLog, sleep: Sleep
) -> Applied:
    """Switch auditing of mailboxes, or the unified audit log, on for the organisation.

    The unified log takes up to an hour to show it (Microsoft Learn: "Turn auditing on or off"), so
    for that one look is enough, and silence is no failure.
    """
    unified = isinstance(change, EnableUnifiedAuditLog)
    noun = "AdminAuditLogConfig" if unified else "OrganizationConfig"
    name = "UnifiedAuditLogIngestionEnabled" if unified else "AuditDisabled"
    wanted = unified

    async def look() -> bool:
        return await read_switch(exchange, f"Get-{noun}", name)

    if await look() is wanted:
        return Applied({name: wanted}, already=True)
    await exchange.invoke(f"Set-{noun}", {name: wanted})
    if not unified:
        await confirm(look, lambda now: now is wanted, sleep)
        return Applied({name: not wanted})
    shows = await look() is wanted
    return Applied({name: not wanted}, note="" if shows else "it may take an hour until it shows")
