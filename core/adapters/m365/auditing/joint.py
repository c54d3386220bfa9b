"""Makes the audit changes of one mailbox with one Set-Mailbox.

Exchange slows bulk updates down to seconds a command, so a mailbox with several changes gets one.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from core.adapters.exchange.client import ExchangeClient
from core.adapters.m365.verified_write import read_mailbox_audit, set_mailbox_properties
from core.adapters.parsing import format_timespan
from core.errors import Forbidden, Rejected, TenantError, Unavailable
from core.tenant.auditing import MailboxAudit
from core.tenant.changes import (
    AppliedChange,
    Change,
    EnableMailboxAudit,
    RaiseAuditAge,
    ResetAuditSet,
)

type Outcome = AppliedChange | TenantError


async def apply_audit_changes_jointly(
    exchange: ExchangeClient,
    mailbox_guid: str,
    changes: Sequence[Change],
    apply_one: Callable[[Change], Awaitable[AppliedChange]],
) -> tuple[Outcome, ...]:
    """Send one Set-Mailbox for the changes of a mailbox, then complete each of them by itself.

    Each is read back, and repeated if it does not show. If Exchange refuses the command, one of its
    parameters is at fault: each change is then made by itself, so that the others are not lost.
    """
    try:
        audit = await read_mailbox_audit(exchange, mailbox_guid)
    except TenantError as error:
        return tuple(error for _ in changes)
    parameters = [build_audit_parameters(change, audit) for change in changes]
    before = [
        record_audit_values(change, audit) if wanted else None
        for change, wanted in zip(changes, parameters, strict=True)
    ]
    if sum(map(bool, parameters)) > 1:
        merged = {name: value for wanted in parameters for name, value in wanted.items()}
        try:
            try:
                await set_mailbox_properties(exchange, audit.mailbox, merged)
            except (Rejected, Forbidden) as refusal:
                before = await keep_carried_out(exchange, mailbox_guid, changes, before, refusal)
        except Unavailable as error:
            return tuple(Unavailable(str(error), values) if values else error for values in before)
        except TenantError as error:
            return tuple(error for _ in changes)
    else:
        before = [None for _ in changes]
    return tuple(
        [
            await complete_change(change, values, apply_one)
            for change, values in zip(changes, before, strict=True)
        ]
    )


async def keep_carried_out(
    exchange: ExchangeClient,
    mailbox_guid: str,
    changes: Sequence[Change],
    before: Sequence[Mapping[str, object] | None],
    refusal: Rejected | Forbidden,
) -> list[Mapping[str, object] | None]:
    """The values before those changes that a refused command made all the same, None for others.

    Exchange can carry out a command and fail in its answer. Raises the refusal if the app may not
    send the command at all, and Unavailable if what became of it cannot be told.
    """
    try:
        now = await read_mailbox_audit(exchange, mailbox_guid)
    except TenantError as error:
        raise Unavailable(f"{refusal}; whether it was carried out is not known: {error}") from error
    kept = [
        values if values and record_audit_values(change, now) != values else None
        for change, values in zip(changes, before, strict=True)
    ]
    if isinstance(refusal, Forbidden) and not any(kept):
        raise refusal
    return kept


async def complete_change(
    change: Change,
    before: Mapping[str, object] | None,
    apply_one: Callable[[Change], Awaitable[AppliedChange]],
) -> Outcome:
    """Read a change back, or make it; `before`: the values before the joint command, if any."""
    try:
        applied = await apply_one(change)
    except Unavailable as error:
        return Unavailable(str(error), before) if before else error
    except TenantError as error:
        return error
    return AppliedChange(before, note=applied.note) if before else applied


def build_audit_parameters(change: Change, audit: MailboxAudit) -> Mapping[str, object]:
    """The parameters of Set-Mailbox for one change; empty if it is made by itself or in effect.

    A reset that adds actions again takes a second command, and both have to be sent together.
    """
    match change:
        case EnableMailboxAudit() if not audit.enabled:
            return {"AuditEnabled": True}
        case RaiseAuditAge() if audit.age_days is not None and 0 <= audit.age_days < change.days:
            return {"AuditLogAgeLimit": format_timespan(change.days)}
        case ResetAuditSet() if not any(actions for _, actions in change.extras):
            return {"DefaultAuditSet": list(change.logon_types)}
        case _:
            return {}


def record_audit_values(change: Change, audit: MailboxAudit) -> Mapping[str, object]:
    """The values before a change, under the names that its record uses."""
    match change:
        case EnableMailboxAudit():
            return {"AuditEnabled": audit.enabled}
        case RaiseAuditAge() if audit.age_days is not None:
            return {"AuditLogAgeLimit": format_timespan(audit.age_days)}
        case _:
            lists = {f"Audit{kind}": sorted(found) for kind, found in audit.actions.items()}
            return {"DefaultAuditSet": sorted(audit.default_set), **lists}
