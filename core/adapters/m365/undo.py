"""Undoes every write to the tenant: read the object again, restore it, read it back.

An object is restored only if it still is as the change left it. If it was changed since, an
operator decides. What a record does not hold is never guessed.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import assert_never

from core.adapters.api_errors import AMBIGUOUS
from core.adapters.exchange.client import ExchangeClient
from core.adapters.graph.client import GraphClient
from core.adapters.m365.auditing.undo import (
    refuse_undo_raise_audit_age,
    undo_clear_audit_bypass,
    undo_enable_mailbox_audit,
    undo_enable_organization_switch,
    undo_reset_audit_set,
)
from core.adapters.m365.changes import (
    NO_FORWARD,
    build_forward_record,
    digest_rule_actions,
    read_account,
    read_rule_row,
    set_account_enabled,
    set_rule_enabled,
)
from core.adapters.m365.configuration_write import undo_set_configuration
from core.adapters.m365.containment.write import undo_containment_change
from core.adapters.m365.inbox_rules.parse import parse_graph_rule
from core.adapters.m365.mail_flow.parse import (
    RECIPIENT_PROPERTIES,
    matches_recipient,
    parse_recipient,
)
from core.adapters.m365.protocols import undo_disable_mailbox_protocols
from core.adapters.m365.roles.write import undo_disable_exchange_module
from core.adapters.m365.verified_write import (
    Sleep,
    UndoProcedure,
    build_switch_undo,
    read_mailbox_row,
    run_undo,
    set_mailbox_properties,
)
from core.adapters.parsing import ResponseRow, parse_identifier, parse_optional_bool
from core.errors import NotFound, Rejected, Superseded, Unavailable
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
    GuardChange,
    RaiseAuditAge,
    ResetAuditSet,
    RevokeSessions,
    SetConfiguration,
)
from core.tenant.mailboxes import Mailbox
from core.tenant.reversibility import (
    FORWARD_ID,
    FORWARD_PROPERTIES,
    KEEPS_COPY,
    RULE_ACTIONS_HASH,
    SESSIONS_STAY_ENDED,
    SWITCH_CHANGES,
    describe_changed_since,
    explain_undo_unknown,
)


async def undo_change(
    graph: GraphClient,
    exchange: ExchangeClient,
    change: Change,
    before: Mapping[str, object],
    sleep: Sleep,
) -> AppliedChange:
    """Undo one change. Raises Superseded, NotFound, Rejected, Forbidden or Unavailable."""
    if reason := explain_undo_unknown(type(change).__name__, before):
        raise Rejected(reason)
    if isinstance(
        change,
        BlockAccount | RevokeSessions | DisableClientProtocols | DisableDevice | DisableHiddenRule,
    ):
        return await undo_containment_change(graph, exchange, change, before, sleep)
    return await undo_guard_change(graph, exchange, change, before, sleep)


async def undo_guard_change(
    graph: GraphClient,
    exchange: ExchangeClient,
    change: GuardChange,
    before: Mapping[str, object],
    sleep: Sleep,
) -> AppliedChange:
    """Undo a change that a guard makes."""
    match change:
        case BlockSignIn() | EndSessions():
            return await undo_block_sign_in(graph, change, before, sleep)
        case DisableInboxRule():
            return await undo_disable_inbox_rule(graph, change, before, sleep)
        case SetConfiguration():
            return await undo_set_configuration(graph, exchange, change, before, sleep)
        case DisableExchangeModule():
            return await undo_disable_exchange_module(exchange, change, before, sleep)
        case ClearMailboxForward():
            return await undo_clear_mailbox_forward(exchange, change, before, sleep)
        case DisableMailboxProtocols():
            return await undo_disable_mailbox_protocols(exchange, change, before, sleep)
        case _:
            return await undo_audit_change(exchange, change, before, sleep)


async def undo_audit_change(
    exchange: ExchangeClient,
    change: EnableOrganizationAudit
    | EnableUnifiedAuditLog
    | EnableMailboxAudit
    | ClearAuditBypass
    | RaiseAuditAge
    | ResetAuditSet,
    before: Mapping[str, object],
    sleep: Sleep,
) -> AppliedChange:
    """The changes of what is recorded."""
    match change:
        case EnableOrganizationAudit() | EnableUnifiedAuditLog():
            return await undo_enable_organization_switch(exchange, change, before, sleep)
        case EnableMailboxAudit():
            return await undo_enable_mailbox_audit(exchange, change, before, sleep)
        case ClearAuditBypass():
            return await undo_clear_audit_bypass(exchange, change, before, sleep)
        case RaiseAuditAge():
            return await refuse_undo_raise_audit_age(exchange, change, before)
        case ResetAuditSet():
            return await undo_reset_audit_set(exchange, change, before, sleep)
        case _:
            assert_never(change)


# Sign-in ----------------------------------------------------------------------------------------


async def undo_block_sign_in(
    graph: GraphClient,
    change: BlockSignIn | EndSessions,
    before: Mapping[str, object],
    sleep: Sleep,
) -> AppliedChange:
    """Enable an account again, whatever happened to its mailbox. Sessions do not return."""
    if isinstance(change, EndSessions):
        raise Rejected(SESSIONS_STAY_ENDED)
    name, left = SWITCH_CHANGES["BlockSignIn"]
    was = before[name] is True

    async def read_current() -> bool:
        person = await read_account(graph, change.account_id)
        if person.id.lower() != change.account_id.lower():
            raise Unavailable("Graph answered with another account than was asked for")
        if person.enabled is None:
            raise Unavailable("Graph did not say whether the account is enabled")
        if person.synced and person.enabled is not was:
            raise Rejected("the account is mastered on-premises", verdict="on-premises")
        return person.enabled

    undo = build_switch_undo(
        read_current,
        lambda value: set_account_enabled(graph, change.account_id, enabled=value),
        name,
        was,
        left,
    )
    done = await run_undo(undo, sleep)
    was_ended = change.ends_sessions and not done.unchanged
    return replace(done, note=SESSIONS_STAY_ENDED) if was_ended else done


# Inbox rules ------------------------------------------------------------------------------------


async def undo_disable_inbox_rule(
    graph: GraphClient, change: DisableInboxRule, before: Mapping[str, object], sleep: Sleep
) -> AppliedChange:
    """Enable a rule again, if its actions are those it had when it was disabled."""
    name, left = SWITCH_CHANGES["DisableInboxRule"]
    was = before[name] is True

    async def read_current() -> bool:
        row = await read_rule_row(graph, change)
        enabled = parse_optional_bool(row.get(name))
        if enabled is None:
            raise Unavailable("Graph did not say whether the rule is enabled")
        if RULE_ACTIONS_HASH in before and digest_rule_actions(change.mailbox_id, row) != {
            RULE_ACTIONS_HASH: before[RULE_ACTIONS_HASH]
        }:
            raise Superseded(
                describe_changed_since(
                    {name: enabled, **describe_rule_actions(change.mailbox_id, row)}
                )
            )
        if parse_optional_bool(row.get("isReadOnly")) and enabled is not was:
            raise Rejected("the rule can only be changed in Outlook")
        return enabled

    undo = build_switch_undo(
        read_current, lambda value: set_rule_enabled(graph, change, enabled=value), name, was, left
    )
    return await run_undo(undo, sleep)


def describe_rule_actions(mailbox_id: str, row: ResponseRow) -> dict[str, object]:
    """What an operator has to know about a rule whose actions have changed."""
    try:
        rule = parse_graph_rule(mailbox_id, row)
    except ValueError as error:
        return {"what it does": f"not readable ({error})"}
    sent = [*rule.forward_to, *rule.redirect_to, *rule.forward_as_attachment_to]
    reported = {"sends to": sent, "moves to": rule.move_to, "deletes": rule.delete}
    return {what: value for what, value in reported.items() if value} or {
        "what it does": "otherwise"
    }


# Forwards ---------------------------------------------------------------------------------------


async def undo_clear_mailbox_forward(
    exchange: ExchangeClient,
    change: ClearMailboxForward,
    before: Mapping[str, object],
    sleep: Sleep,
) -> AppliedChange:
    """Restore the forwards that were removed, to the same recipient as before."""
    wanted = {name: before[name] or None for name in FORWARD_PROPERTIES} | {
        KEEPS_COPY: before[KEEPS_COPY]
    }
    printed = str(wanted[FORWARD_PROPERTIES[0]] or "")
    known = str(before.get(FORWARD_ID) or "")
    target: ResponseRow = {}

    async def read_current() -> Mailbox:
        nonlocal target
        _, now = await read_mailbox_row(exchange, change.mailbox_guid)
        if printed and known and now.forwarding_address not in ("", printed) and not target:
            # The recipient may have been renamed; one that no longer exists was not.
            with suppress(Rejected):
                target = await find_forward_recipient(exchange, printed, known)
        return now

    def as_before(now: Mailbox) -> bool:
        there = build_forward_record(now)
        if target and matches_recipient(target, now.forwarding_address):
            there[FORWARD_PROPERTIES[0]] = printed
        return casefold_values(there) == casefold_values(wanted)

    async def write(now: Mailbox) -> None:
        nonlocal target
        values = dict(wanted)
        if printed:
            target = await find_forward_recipient(exchange, printed, known)
            values[FORWARD_PROPERTIES[0]] = parse_identifier(target.get("Guid")) or printed
        await set_mailbox_properties(exchange, now, values)

    undo = UndoProcedure[Mailbox](
        read_current,
        to_record=build_forward_record,
        is_as_before=as_before,
        is_as_applied=lambda now: build_forward_record(now) == NO_FORWARD,
        write=write,
    )
    return await run_undo(undo, sleep)


def casefold_values(values: Mapping[str, object]) -> dict[str, object]:
    """Values for comparing: the case of an address is irrelevant."""
    return {
        name: value.casefold() if isinstance(value, str) else value
        for name, value in values.items()
    }


async def find_forward_recipient(
    exchange: ExchangeClient, printed_name: str, recipient_id: str
) -> ResponseRow:
    """The recipient a forward went to: by id where the record has one, else by name.

    Raises Rejected for no recipient or several: mail would go to a stranger.
    """
    requested = recipient_id or printed_name
    try:
        rows = await exchange.invoke(
            "Get-Recipient", {"Identity": requested, "ResultSize": 2}, select=RECIPIENT_PROPERTIES
        )
    except NotFound:
        rows = []
    except Rejected as error:
        if error.verdict != AMBIGUOUS:
            raise
        rows = []
    if not parse_recipient(requested, rows).found:
        raise Rejected("the recipient it forwarded to is not there any more, or not the only one")
    return rows[0]
