"""Changes of mailbox auditing: of a mailbox, of an account, of the organization."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from core.adapters.exchange.client import ExchangeClient
from core.adapters.m365.auditing.parse import parse_audit_bypass
from core.adapters.m365.verified_write import (
    Sleep,
    carry_out,
    parse_row_for_change,
    read_mailbox_audit,
    read_mailbox_row,
    recording_before,
    set_mailbox_properties,
    wait_until_visible,
    write_verified,
)
from core.adapters.parsing import format_timespan, parse_optional_bool
from core.errors import Forbidden, NotFound, Rejected, Superseded, TenantError, Unavailable
from core.tenant.auditing import MailboxAudit
from core.tenant.changes import (
    AppliedChange,
    ClearAuditBypass,
    EnableMailboxAudit,
    EnableOrganizationAudit,
    EnableUnifiedAuditLog,
    RaiseAuditAge,
    ResetAuditSet,
)
from core.tenant.mailboxes import Mailbox
from core.tenant.reversibility import SWITCH_CHANGES, VISIBLE_LATE

RELIES_ON = (
    "exchange-audit-log-anchor",
    "exchange-audit-log-lag",
    "exchange-add-present",
    "exchange-audit-reset",
    "exchange-dehydrated",
    "exchange-synced-audit",
)

# OfficeDocs-o365seccomp#385.
ALREADY_AUDITED = "already being audited"
HASH_TABLE = "#Exchange.GenericHashTable"


async def enable_mailbox_audit(
    exchange: ExchangeClient, change: EnableMailboxAudit, sleep: Sleep
) -> AppliedChange:
    """Set AuditEnabled to true."""
    audit = await read_mailbox_audit(exchange, change.mailbox_guid)
    before = {"AuditEnabled": audit.enabled}
    if audit.enabled:
        return AppliedChange(before, unchanged=True)
    await write_verified(
        lambda: set_mailbox_properties(exchange, audit.mailbox, {"AuditEnabled": True}),
        lambda: read_mailbox_audit(exchange, change.mailbox_guid),
        lambda now: now.enabled is True,
        before,
        sleep,
    )
    return AppliedChange(before)


async def reset_audit_set(
    exchange: ExchangeClient, change: ResetAuditSet, sleep: Sleep
) -> AppliedChange:
    """Give logon types back to Microsoft, then add what was extra.

    Adding takes a type out of Microsoft's hands again, so both steps are always done together: cut
    off between them, nothing looks wrong any more, and only the change itself still knows the rest.
    """
    audit = await read_mailbox_audit(exchange, change.mailbox_guid)
    before: dict[str, object] = {"DefaultAuditSet": sorted(audit.default_set)}
    before |= {f"Audit{kind}": sorted(actions) for kind, actions in audit.actions.items()}
    extras = {kind: tuple(actions) for kind, actions in change.extras if actions}
    managed = set(change.logon_types) - extras.keys()

    def is_so(now: MailboxAudit) -> bool:
        return lowercase_names(now.default_set) >= lowercase_names(managed) and all(
            lowercase_names(now.actions.get(kind, ())) >= lowercase_names(actions)
            for kind, actions in extras.items()
        )

    def is_complete(now: MailboxAudit) -> bool:
        return not list_missing_actions(change, now)

    if not extras and is_so(audit) and is_complete(audit):
        return AppliedChange(before, unchanged=True)
    note = ""
    read_current = partial(read_mailbox_audit, exchange, change.mailbox_guid)
    wanted_types = lowercase_names(change.logon_types)
    with recording_before(before):
        await carry_out(
            lambda: set_mailbox_properties(
                exchange, audit.mailbox, {"DefaultAuditSet": list(change.logon_types)}
            ),
            read_current,
            lambda now: lowercase_names(now.default_set) >= wanted_types,
        )
        asked = dict(extras)
        if extras:
            extras |= await add_extras(exchange, audit.mailbox, extras, await read_current())
        await wait_until_visible(read_current, is_so, sleep)
        if extras != asked:
            note = describe_lost_actions(asked, await read_current())
    try:
        await wait_until_visible(read_current, is_complete, sleep)
    except Unavailable as error:
        missing = list_missing_actions(change, await read_current()) or ["what was expected"]
        raise Rejected(
            f"the reset was sent, and the mailbox still does not audit {'; '.join(missing)}: "
            "Microsoft's default does not contain it here. Assign the licence to the user "
            "directly, then switch auditing off and on",
            verdict="failed",
        ) from error
    return AppliedChange(before, note=note)


def list_missing_actions(change: ResetAuditSet, now: MailboxAudit) -> list[str]:
    """What a mailbox still does not audit of all that its reset was made for."""
    return [
        f"{', '.join(missing)} ({kind})"
        for kind, wanted in change.expects
        if (
            missing := [
                action
                for action in wanted
                if action.lower() not in lowercase_names(now.actions.get(kind, ()))
            ]
        )
    ]


def lowercase_names(values: Iterable[str]) -> frozenset[str]:
    """Logon types or actions for comparing: Exchange takes them in any case and prints its own."""
    return frozenset(word.lower() for word in values)


async def add_extras(
    exchange: ExchangeClient,
    target: Mailbox,
    extras: Mapping[str, tuple[str, ...]],
    after_reset: MailboxAudit,
) -> dict[str, tuple[str, ...]]:
    """Audit again what a reset took away, by logon type; returns what Exchange takes of it.

    Exchange refuses to add what it audits already. A read that does not show the reset yet says
    nothing: it still has the list that was replaced. Raises Unavailable where the app may reset and
    not add: the reset is made, and its undo must not be lost with this step.
    """
    managed_now = lowercase_names(after_reset.default_set)
    found: dict[str, tuple[str, ...]] = {}
    for kind, actions in extras.items():
        shows_reset = kind.lower() in managed_now
        there = lowercase_names(after_reset.actions.get(kind, ()) if shows_reset else ())
        missing = [action for action in actions if action.lower() not in there]
        try:
            taken = await add_audit_actions(exchange, target, kind, missing)
        except Forbidden as error:
            raise Unavailable(f"reset, but nothing was added again: {error}") from error
        refused = set(missing) - set(taken)
        found[kind] = tuple(action for action in actions if action not in refused)
    return found


def describe_lost_actions(extras: Mapping[str, tuple[str, ...]], now: MailboxAudit) -> str:
    """Which actions Exchange refused to audit again, as a mailbox shows it; empty for none."""
    lost = {
        kind: sorted(
            set(actions)
            - {
                action
                for action in actions
                if action.lower() in lowercase_names(now.actions.get(kind, ()))
            }
        )
        for kind, actions in extras.items()
    }
    return " ".join(
        f"Exchange refused to audit again for {kind}: {', '.join(actions)}."
        for kind, actions in lost.items()
        if actions
    )


async def add_audit_actions(
    exchange: ExchangeClient, target: Mailbox, kind: str, actions: Sequence[str]
) -> tuple[str, ...]:
    """Audit more actions of a logon type; returns those that Exchange takes.

    It refuses a list as a whole for one action it no longer knows, so then each is tried by itself.
    """
    if not actions:
        return ()
    added = {"@odata.type": HASH_TABLE, "Add": list(actions)}
    try:
        await set_mailbox_properties(exchange, target, {f"Audit{kind}": added})
    except Rejected as error:
        if len(actions) == 1:
            return tuple(actions) if ALREADY_AUDITED in str(error).lower() else ()
        each = [await add_audit_actions(exchange, target, kind, (action,)) for action in actions]
        return tuple(action for taken in each for action in taken)
    return tuple(actions)


async def raise_audit_age(
    exchange: ExchangeClient, change: RaiseAuditAge, sleep: Sleep
) -> AppliedChange:
    """Keep records longer. A value that is lower, or zero, would purge them: never sent."""
    audit = await read_mailbox_audit(exchange, change.mailbox_guid)
    if audit.age_days is None:
        raise Superseded("the present age limit could not be understood")
    if change.days <= 0:
        raise Superseded("an age limit of no days would purge every record")
    if audit.age_days >= change.days:
        return AppliedChange({"AuditLogAgeLimit": format_timespan(audit.age_days)}, unchanged=True)
    before = {"AuditLogAgeLimit": format_timespan(audit.age_days)}
    limit = {"AuditLogAgeLimit": format_timespan(change.days)}
    await write_verified(
        lambda: set_mailbox_properties(exchange, audit.mailbox, limit),
        lambda: read_mailbox_audit(exchange, change.mailbox_guid),
        lambda now: now.age_days is not None and now.age_days >= change.days,
        before,
        sleep,
    )
    return AppliedChange(before)


async def clear_audit_bypass(
    exchange: ExchangeClient, change: ClearAuditBypass, sleep: Sleep
) -> AppliedChange:
    """Log an account's actions again."""

    async def read_current() -> bool:
        return await read_audit_bypass(exchange, change.account_guid)

    if not await read_current():
        return AppliedChange({"AuditBypassEnabled": False}, unchanged=True)
    before = {"AuditBypassEnabled": True}
    await write_verified(
        lambda: set_audit_bypass(exchange, change.account_guid, bypassed=False),
        read_current,
        lambda bypassed: not bypassed,
        before,
        sleep,
    )
    return AppliedChange(before)


async def read_audit_bypass(exchange: ExchangeClient, guid: str) -> bool:
    """Whether an account is bypassed. Raises NotFound, or Unavailable for another's row."""
    rows = await exchange.invoke(
        "Get-MailboxAuditBypassAssociation",
        {"Identity": guid},
        select=("Guid", "Name", "AuditBypassEnabled"),
    )
    if not rows:
        raise NotFound("the account is gone")
    found = parse_row_for_change(parse_audit_bypass, rows[0])
    if len(rows) > 1 or found.id.lower() != guid.lower():
        raise Unavailable("Exchange answered with another account than was asked for")
    return found.bypassed


async def set_audit_bypass(exchange: ExchangeClient, guid: str, *, bypassed: bool) -> None:
    """Leave an account's actions out of the logs, or not."""
    await exchange.invoke(
        "Set-MailboxAuditBypassAssociation",
        {"Identity": guid, "AuditBypassEnabled": bypassed},
        anchor=await find_account_anchor(exchange, guid),
    )


async def find_account_anchor(exchange: ExchangeClient, guid: str) -> str:
    """The address of an account's mailbox, whose server runs the write; its id where it has none.

    The list of bypassed accounts holds accounts without a mailbox too, and no addresses.
    """
    try:
        _, found = await read_mailbox_row(exchange, guid)
    except TenantError:
        return guid
    return found.address or guid


async def read_organization_switch(exchange: ExchangeClient, cmdlet: str, name: str) -> bool:
    """One boolean of the organization. Raises Unavailable when it is missing."""
    rows = await exchange.invoke(cmdlet, {}, select=(name,))
    value = parse_optional_bool(rows[0].get(name)) if len(rows) == 1 else None
    if value is None:
        raise Unavailable(f"{cmdlet} did not tell {name}")
    return value


async def enable_organization_switch(
    exchange: ExchangeClient, change: EnableOrganizationAudit | EnableUnifiedAuditLog, sleep: Sleep
) -> AppliedChange:
    """Switch auditing of mailboxes, or the unified audit log, on for the organization.

    The unified log takes up to an hour to show it (Microsoft Learn: "Turn auditing on or off"), so
    for that one look is enough, and silence is no failure.
    """
    unified = isinstance(change, EnableUnifiedAuditLog)
    noun = get_cmdlet_noun(change)
    name, wanted = SWITCH_CHANGES[type(change).__name__]

    async def read_current() -> bool:
        return await read_organization_switch(exchange, f"Get-{noun}", name)

    if await read_current() is wanted:
        return AppliedChange({name: wanted}, unchanged=True)
    before = {name: not wanted}

    async def write() -> None:
        await exchange.invoke(f"Set-{noun}", {name: wanted}, select=("Identity",))

    if not unified:
        await write_verified(write, read_current, lambda now: now is wanted, before, sleep)
        return AppliedChange(before)
    with recording_before(before):
        await carry_out(write, read_current, lambda now: now is wanted)
        shows = await read_current() is wanted
    return AppliedChange(before, note="" if shows else VISIBLE_LATE)


def get_cmdlet_noun(change: EnableOrganizationAudit | EnableUnifiedAuditLog) -> str:
    """The noun of the cmdlets that show and set a switch of the organization."""
    unified = isinstance(change, EnableUnifiedAuditLog)
    return "AdminAuditLogConfig" if unified else "OrganizationConfig"
