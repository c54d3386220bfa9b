"""Undoing every write to the tenant: look again, put back what was there, look whether it is so.

Only what a change left as it made it is put back. What somebody changed since is for a person to
decide about, and what a record does not tell is not guessed.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import assert_never

from core.adapters.exchange.client import Exchange
from core.adapters.graph.client import Graph
from core.adapters.m365.auditing.undo import (
    refuse_audit_age,
    restore_audit_bypass,
    restore_audit_set,
    restore_mailbox_audit,
    restore_organization,
)
from core.adapters.m365.changes import (
    NO_FORWARD,
    deeds,
    forwards_of,
    read_account,
    rule_row,
    set_enabled,
    set_rule,
)
from core.adapters.m365.configuration import restore_configuration
from core.adapters.m365.inbox_rules_parse import graph_rule
from core.adapters.m365.mail_flow_parse import RECIPIENT_PROPERTIES, answers_to, recipient
from core.adapters.m365.parsing import Row, identifier, truth
from core.adapters.m365.protocols.write import restore_mailbox_protocols
from core.adapters.m365.roles.write import restore_exchange_module
from core.adapters.m365.verified_write import (
    Sleep,
    Undo,
    mailbox_row,
    put_back,
    set_mailbox,
    switch_back,
)
from core.errors import Gone, Moot, Refused, Unavailable
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
from core.tenant.mailboxes import Mailbox
from core.tenant.reversibility import (
    DOES,
    FORWARD_ID,
    FORWARDS,
    KEEPS_COPY,
    SIGNED_OUT,
    SWITCHED,
    changed_since,
    unknown,
)


async def restore(
    graph: Graph, exchange: Exchange, change: Change, before: Mapping[str, object], sleep: Sleep
) -> Applied:
    """Undo one change. Raises Moot, Gone, Refused, Forbidden or Unavailable."""
    if reason := unknown(type(change).__name__, before):
        raise Refused(reason)
    match change:
        case BlockSignIn():
            return await restore_sign_in(graph, change, before, sleep)
        case DisableInboxRule():
            return await restore_inbox_rule(graph, change, before, sleep)
        case SetConfiguration():
            return await restore_configuration(graph, exchange, change, before, sleep)
        case DisableExchangeModule():
            return await restore_exchange_module(exchange, change, before, sleep)
        case ClearMailboxForward():
            return await restore_forward(exchange, change, before, sleep)
        case DisableMailboxProtocols():
            return await restore_mailbox_protocols(exchange, change, before, sleep)
        case _:
            return await restore_audit(exchange, change, before, sleep)


async def restore_audit(
    exchange: Exchange,
    change: EnableOrganizationAudit
    | EnableUnifiedAuditLog
    | EnableMailboxAudit
    | ClearAuditBypass
    | RaiseAuditAge
    | ResetAuditSet,
    before: Mapping[str, object],
    sleep: Sleep,
) -> Applied:
    """The changes of what is recorded."""
    match change:
        case EnableOrganizationAudit() | EnableUnifiedAuditLog():
            return await restore_organization(exchange, change, before, sleep)
        case EnableMailboxAudit():
            return await restore_mailbox_audit(exchange, change, before, sleep)
        case ClearAuditBypass():
            return await restore_audit_bypass(exchange, change, before, sleep)
        case RaiseAuditAge():
            return await refuse_audit_age(exchange, change, before)
        case ResetAuditSet():
            return await restore_audit_set(exchange, change, before, sleep)
        case _:
            assert_never(change)


# Sign-in ----------------------------------------------------------------------------------------


async def restore_sign_in(
    graph: Graph, change: BlockSignIn, before: Mapping[str, object], sleep: Sleep
) -> Applied:
    """Let an account sign in again, whatever has become of its mailbox. Sessions do not return."""
    name, left = SWITCHED["BlockSignIn"]
    was = before[name] is True

    async def look() -> bool:
        person = await read_account(graph, change.account_id)
        if person.id.lower() != change.account_id.lower():
            raise Unavailable("Graph answered with another account than was asked for")
        if person.enabled is None:
            raise Unavailable("Graph did not say whether the account is enabled")
        if person.synced and person.enabled is not was:
            raise Refused("the account is mastered on-premises", verdict="on-premises")
        return person.enabled

    undo = switch_back(
        look,
        lambda value: set_enabled(graph, change.account_id, enabled=value),
        name,
        was,
        left,
    )
    done = await put_back(undo, sleep)
    return done if done.already else replace(done, note=SIGNED_OUT)


# Inbox rules ------------------------------------------------------------------------------------


async def restore_inbox_rule(
    graph: Graph, change: DisableInboxRule, before: Mapping[str, object], sleep: Sleep
) -> Applied:
    """Switch a rule on again, if it still does what it did when it was switched off."""
    name, left = SWITCHED["DisableInboxRule"]
    was = before[name] is True

    async def look() -> bool:
        row = await rule_row(graph, change)
        enabled = truth(row.get(name))
        if enabled is None:
            raise Unavailable("Graph did not say whether the rule is enabled")
        if DOES in before and deeds(change.mailbox_id, row) != {DOES: before[DOES]}:
            raise Moot(changed_since({name: enabled, **aims(change.mailbox_id, row)}))
        if truth(row.get("isReadOnly")) and enabled is not was:
            raise Refused("the rule can only be changed in Outlook")
        return enabled

    undo = switch_back(look, lambda value: set_rule(graph, change, enabled=value), name, was, left)
    return await put_back(undo, sleep)


def aims(mailbox_id: str, row: Row) -> dict[str, object]:
    """What a person has to know of a rule that does something else now."""
    try:
        rule = graph_rule(mailbox_id, row)
    except ValueError as error:
        return {"what it does": f"not readable ({error})"}
    sent = [*rule.forward_to, *rule.redirect_to, *rule.forward_as_attachment_to]
    told = {"sends to": sent, "moves to": rule.move_to, "deletes": rule.delete}
    return {what: value for what, value in told.items() if value} or {"what it does": "otherwise"}


# Forwards ---------------------------------------------------------------------------------------


async def restore_forward(
    exchange: Exchange, change: ClearMailboxForward, before: Mapping[str, object], sleep: Sleep
) -> Applied:
    """Set the forwards again that were removed, to the very recipient there was."""
    wanted = {name: before[name] or None for name in FORWARDS} | {KEEPS_COPY: before[KEEPS_COPY]}
    printed = str(wanted[FORWARDS[0]] or "")
    known = str(before.get(FORWARD_ID) or "")
    target: Row = {}

    async def look() -> Mailbox:
        nonlocal target
        _, now = await mailbox_row(exchange, change.mailbox_guid)
        if printed and known and now.forwarding_address not in ("", printed) and not target:
            # The recipient may have been renamed; whoever is not there any more, was not.
            with suppress(Refused):
                target = await recipient_of(exchange, printed, known)
        return now

    def as_before(now: Mailbox) -> bool:
        there = forwards_of(now)
        if target and answers_to(target, now.forwarding_address):
            there[FORWARDS[0]] = printed
        return folded(there) == folded(wanted)

    async def write(now: Mailbox) -> None:
        nonlocal target
        values = dict(wanted)
        if printed:
            target = await recipient_of(exchange, printed, known)
            values[FORWARDS[0]] = identifier(target.get("Guid")) or printed
        await set_mailbox(exchange, now, values)

    undo = Undo[Mailbox](
        look,
        told=forwards_of,
        as_before=as_before,
        as_left=lambda now: forwards_of(now) == NO_FORWARD,
        write=write,
    )
    return await put_back(undo, sleep)


def folded(values: Mapping[str, object]) -> dict[str, object]:
    """Values for comparing: the case of an address says nothing."""
    return {
        name: value.casefold() if isinstance(value, str) else value
        for name, value in values.items()
    }


async def recipient_of(exchange: Exchange, printed: str, known: str) -> Row:
    """The recipient a forward went to: by id where the record has one, else by name.

    Raises Refused when there is nobody like that, or more than one: mail would go to a stranger.
    """
    asked = known or printed
    try:
        rows = await exchange.invoke(
            "Get-Recipient", {"Identity": asked, "ResultSize": 2}, select=RECIPIENT_PROPERTIES
        )
    except (Gone, Refused):
        rows = []
    if not recipient(asked, rows).found:
        raise Refused("the recipient it forwarded to is not there any more, or not the only one")
    return rows[0]
