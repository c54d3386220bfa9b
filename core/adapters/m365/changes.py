"""Every write to the tenant: read the object again, write, read it back.

Each change can be repeated: what is already as it should be is not written again, and a change that
was cut off half way is finished by doing it once more. Reads lag behind writes for a while, so a
change is read back several times before it counts as not visible.
"""

from collections.abc import Mapping
from functools import partial
from typing import assert_never
from urllib.parse import quote

from core.adapters.exchange.client import ExchangeClient
from core.adapters.graph.client import GraphClient
from core.adapters.m365.accounts import (
    ACCOUNT_PROPERTIES,
    READ_USERS,
    build_user_path,
    parse_account,
)
from core.adapters.m365.auditing.write import (
    clear_audit_bypass,
    enable_mailbox_audit,
    enable_organization_switch,
    raise_audit_age,
    reset_audit_set,
)
from core.adapters.m365.configuration_write import set_configuration
from core.adapters.m365.containment.write import apply_containment_change
from core.adapters.m365.inbox_rules.parse import parse_graph_rule
from core.adapters.m365.mail_flow.read import fetch_recipients
from core.adapters.m365.protocols import disable_mailbox_protocols
from core.adapters.m365.roles.read import fetch_role_holders
from core.adapters.m365.roles.write import (
    RoleHoldersReader,
    check_holds_no_role,
    disable_exchange_module,
    require_all_role_holders,
)
from core.adapters.m365.verified_write import (
    Sleep,
    carry_out,
    parse_row_for_change,
    read_mailbox_row,
    recording_before,
    set_mailbox_properties,
    wait_until_visible,
    write_verified,
)
from core.adapters.parsing import ResponseRow, parse_identifier, parse_optional_bool
from core.errors import Forbidden, Rejected, Superseded, TenantError, Unavailable
from core.tenant.changes import (
    AppliedChange,
    BlockAccount,
    BlockSignIn,
    Change,
    ClearAuditBypass,
    ClearMailboxForward,
    DisableClientProtocols,
    DisableDevice,
    DisableExchangeModule,
    DisableHiddenRule,
    DisableInboxRule,
    DisableMailboxProtocols,
    EnableMailboxAudit,
    EnableOrganizationAudit,
    EnableUnifiedAuditLog,
    EndSessions,
    RaiseAuditAge,
    ResetAuditSet,
    RevokeSessions,
    SetConfiguration,
)
from core.tenant.directory import Account
from core.tenant.mailboxes import Mailbox
from core.tenant.reversibility import FORWARD_ID, RULE_ACTIONS_HASH, hash_rule_actions

RELIES_ON = (
    "exchange-null-clears",
    "exchange-client-rules",
    "write-rule-patch",
    "write-revocation",
    "write-narrow-roles",
    "graph-restricted-units",
)

BLOCK_ACCOUNTS = "User.EnableDisableAccount.All"
BLOCK_ROLES = frozenset({BLOCK_ACCOUNTS, "User.ReadWrite.All", "Directory.ReadWrite.All"})
REVOKE_SESSIONS = "User.RevokeSessions.All"
WRITE_RULES = "MailboxSettings.ReadWrite"
NO_FORWARD: Mapping[str, object] = {
    "ForwardingAddress": None,
    "ForwardingSmtpAddress": None,
    "DeliverToMailboxAndForward": False,
}


async def apply_change(
    graph: GraphClient,
    exchange: ExchangeClient,
    change: Change,
    sleep: Sleep,
    read_role_holders: RoleHoldersReader | None = None,
) -> AppliedChange:
    """Make one change. Raises Superseded, NotFound, Rejected, Forbidden or Unavailable.

    `read_role_holders` reads who holds a role; without it each change that needs it reads anew.
    """
    known = read_role_holders or partial(fetch_role_holders, graph, exchange)
    match change:
        case BlockSignIn() | EndSessions() | DisableExchangeModule():
            return await apply_account_change(graph, exchange, change, known, sleep)
        case (
            BlockAccount()
            | RevokeSessions()
            | DisableClientProtocols()
            | DisableDevice()
            | DisableHiddenRule()
        ):
            return await apply_containment_change(graph, exchange, change, known, sleep)
        case DisableInboxRule():
            return await disable_inbox_rule(graph, change, sleep)
        case EnableOrganizationAudit() | EnableUnifiedAuditLog():
            return await enable_organization_switch(exchange, change, sleep)
        case (
            EnableMailboxAudit()
            | ResetAuditSet()
            | RaiseAuditAge()
            | ClearMailboxForward()
            | DisableMailboxProtocols()
        ):
            return await apply_mailbox_change(exchange, change, sleep)
        case ClearAuditBypass():
            return await clear_audit_bypass(exchange, change, sleep)
        case SetConfiguration():
            return await set_configuration(graph, exchange, change, sleep)
        case _:
            assert_never(change)


# ----------------------------------------------------------------------------------------------
# Sign-in
# ----------------------------------------------------------------------------------------------


async def apply_account_change(
    graph: GraphClient,
    exchange: ExchangeClient,
    change: BlockSignIn | EndSessions | DisableExchangeModule,
    read_role_holders: RoleHoldersReader,
    sleep: Sleep,
) -> AppliedChange:
    """The changes of an account."""
    match change:
        case BlockSignIn():
            return await block_sign_in(graph, exchange, change, read_role_holders, sleep)
        case EndSessions():
            return await end_sessions(graph, change)
        case DisableExchangeModule():
            return await disable_exchange_module(graph, exchange, change, read_role_holders, sleep)
        case _:
            assert_never(change)


async def block_sign_in(
    graph: GraphClient,
    exchange: ExchangeClient,
    change: BlockSignIn,
    read_role_holders: RoleHoldersReader,
    sleep: Sleep,
) -> AppliedChange:
    """Block the account of a mailbox that nobody should sign in with.

    Graph itself refuses for an account with an active role, unless the app holds a strong role; it
    says nothing about a role that the account may activate.
    """
    _, found = await read_mailbox_row(exchange, change.mailbox_guid)
    if found.kind not in change.kinds:
        raise Superseded(f"the mailbox is now a {found.kind}")
    if found.id != change.account_id:
        raise Superseded("the mailbox belongs to another account now")
    person = await read_account(graph, change.account_id)
    if person.synced:
        raise Rejected("the account is mastered on-premises", verdict="on-premises")
    if person.enabled is None:
        raise Unavailable("Graph did not say whether the account is enabled")
    if not person.enabled:
        note = await try_revoke_sessions(graph, change)
        return AppliedChange({"accountEnabled": False}, unchanged=True, note=note)
    if person.is_management_restricted:
        raise Rejected(
            "the account is in a restricted management administrative unit: no app can change it",
            verdict="protected",
        )
    role_holders = require_all_role_holders(await read_role_holders())
    if not role_holders.holders.keys().isdisjoint({found.id, found.guid}):
        raise Rejected("the account holds a role, or may activate one", verdict="protected")
    # A list of role holders that ended too soon says nothing of this account.
    await check_holds_no_role(graph, role_holders, change.account_id)
    before = {"accountEnabled": True}
    read_current = partial(read_account, graph, change.account_id)
    with recording_before(before):
        await carry_out(
            lambda: set_account_enabled(graph, change.account_id, enabled=False),
            read_current,
            lambda now: now.enabled is False,
        )
        note = await try_revoke_sessions(graph, change)
        await wait_until_visible(read_current, lambda now: now.enabled is False, sleep)
    return AppliedChange(before, note=note)


async def read_account(graph: GraphClient, account_id: str) -> Account:
    row = await graph.get(f"{build_user_path(account_id)}?$select={ACCOUNT_PROPERTIES}", READ_USERS)
    return parse_row_for_change(parse_account, row)


async def set_account_enabled(graph: GraphClient, account_id: str, *, enabled: bool) -> None:
    """Set accountEnabled.

    Graph says 403 both when the app lacks the role and when the account holds a directory role that
    the app may not touch (Microsoft Learn: "Update user", sensitive actions), or is in a restricted
    management administrative unit. The token tells whether the role is there.
    """
    try:
        await graph.patch(build_user_path(account_id), {"accountEnabled": enabled}, BLOCK_ACCOUNTS)
    except Forbidden as error:
        roles = await graph.read_token_roles()
        if roles is None or roles.isdisjoint(BLOCK_ROLES):
            raise
        raise Rejected(
            "Graph refused although the app may write: the account is protected by a role or an "
            "administrative unit, or the app needs User.ReadWrite.All for it",
            verdict="protected",
        ) from error


async def end_sessions(graph: GraphClient, change: EndSessions) -> AppliedChange:
    """End the sessions of an account that is still blocked."""
    person = await read_account(graph, change.account_id)
    if person.enabled is None:
        raise Unavailable("Graph did not say whether the account is enabled")
    if person.enabled:
        raise Superseded("the account is not blocked any more")
    await revoke_sessions(graph, change.account_id)
    return AppliedChange({"accountEnabled": False})


async def revoke_sessions(graph: GraphClient, account_id: str) -> None:
    """End the sessions of an account. Raises TenantError."""
    path = f"{build_user_path(account_id)}/revokeSignInSessions"
    if (await graph.post(path, None, REVOKE_SESSIONS)).get("value") is False:
        raise Unavailable("Graph did not end them")


async def try_revoke_sessions(graph: GraphClient, change: BlockSignIn) -> str:
    """End the sessions if the change says so. Returns why that failed, if so: the block stands."""
    if not change.ends_sessions:
        return ""
    try:
        await revoke_sessions(graph, change.account_id)
    except TenantError as error:
        return f"sessions were not revoked: {error}"
    return ""


# ----------------------------------------------------------------------------------------------
# Mailboxes
# ----------------------------------------------------------------------------------------------


async def apply_mailbox_change(
    exchange: ExchangeClient,
    change: EnableMailboxAudit
    | ResetAuditSet
    | RaiseAuditAge
    | ClearMailboxForward
    | DisableMailboxProtocols,
    sleep: Sleep,
) -> AppliedChange:
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
    exchange: ExchangeClient, change: ClearMailboxForward, sleep: Sleep
) -> AppliedChange:
    """Remove both forwards of a mailbox and record what they were."""
    _, found = await read_mailbox_row(exchange, change.mailbox_guid)
    before = build_forward_record(found)

    def is_clear(one: tuple[ResponseRow, Mailbox]) -> bool:
        return not one[1].forwarding_address and not one[1].forwarding_smtp_address

    if is_clear(({}, found)):
        return AppliedChange(before, unchanged=True)
    before |= await identify_forward_recipient(exchange, found.forwarding_address)
    await write_verified(
        lambda: set_mailbox_properties(exchange, found, NO_FORWARD),
        lambda: read_mailbox_row(exchange, change.mailbox_guid),
        is_clear,
        before,
        sleep,
    )
    return AppliedChange(before)


def build_forward_record(target: Mailbox) -> dict[str, object]:
    """A mailbox's forwards, under the names a record uses."""
    return {
        "ForwardingAddress": target.forwarding_address or None,
        "ForwardingSmtpAddress": target.forwarding_smtp_address or None,
        "DeliverToMailboxAndForward": target.keeps_copy,
    }


async def identify_forward_recipient(exchange: ExchangeClient, name: str) -> dict[str, object]:
    """The recipient a forward by name means now, since the name may pass to another recipient.

    Nothing waits for it: without it, undoing goes by the name.
    """
    if not name:
        return {}
    people = (await fetch_recipients(exchange, (name,))).items
    return {FORWARD_ID: people[0].id} if people and people[0].found else {}


async def disable_inbox_rule(
    graph: GraphClient, change: DisableInboxRule, sleep: Sleep
) -> AppliedChange:
    """Switch one inbox rule off, through Graph: Exchange would drop Outlook's own rules with it."""

    async def read_current() -> ResponseRow:
        return await read_rule_row(graph, change)

    rule = await read_current()
    if parse_optional_bool(rule.get("isEnabled")) is False:
        return AppliedChange({"isEnabled": False}, unchanged=True)
    if parse_optional_bool(rule.get("isReadOnly")):
        raise Rejected("the rule can only be changed in Outlook")
    before = {"isEnabled": True, **digest_rule_actions(change.mailbox_id, rule)}
    count = await count_inbox_rules(graph, change)
    await write_verified(
        lambda: set_rule_enabled(graph, change, enabled=False),
        read_current,
        lambda row: parse_optional_bool(row.get("isEnabled")) is False,
        before,
        sleep,
    )
    return AppliedChange(
        before, note=compare_rule_counts(count, await count_inbox_rules(graph, change))
    )


async def count_inbox_rules(graph: GraphClient, change: DisableInboxRule) -> int | None:
    """How many inbox rules the mailbox has; None if that is unknown, which stops no change."""
    path = f"{build_user_path(change.mailbox_id)}/mailFolders/inbox/messageRules"
    try:
        return sum([len(rows) async for rows in graph.read_pages(path, WRITE_RULES)])
    except TenantError:
        return None


def compare_rule_counts(before: int | None, after: int | None) -> str:
    """A note if rules of the mailbox are gone since a rule was disabled; empty if none are."""
    if before is None or after is None or after >= before:
        return ""
    return (
        f"The mailbox had {before} inbox rules before and has {after} now: find out which are gone."
    )


def build_rule_path(change: DisableInboxRule) -> str:
    """The path of the rule in Graph."""
    owner, rule = build_user_path(change.mailbox_id), quote(change.rule_id, safe="")
    return f"{owner}/mailFolders/inbox/messageRules/{rule}"


async def read_rule_row(graph: GraphClient, change: DisableInboxRule) -> ResponseRow:
    """The rule as Graph returns it. Raises NotFound, or Unavailable for another rule."""
    row = await graph.get(build_rule_path(change), WRITE_RULES)
    if parse_identifier(row.get("id")) != change.rule_id:
        raise Unavailable("Graph answered with another rule than was asked for")
    return row


async def set_rule_enabled(graph: GraphClient, change: DisableInboxRule, *, enabled: bool) -> None:
    """Switch the rule on or off, and nothing else about it."""
    await graph.patch(build_rule_path(change), {"isEnabled": enabled}, WRITE_RULES)


def digest_rule_actions(mailbox_id: str, row: ResponseRow) -> dict[str, object]:
    """A hash of the rule's actions; empty for a rule that cannot be parsed."""
    try:
        return {RULE_ACTIONS_HASH: hash_rule_actions(parse_graph_rule(mailbox_id, row))}
    except ValueError:
        return {}
