"""Changes of mailbox auditing: of a mailbox, of an account, of the organization."""

from collections.abc import Iterable, Sequence
from functools import partial

from core.adapters.exchange.client import Exchange
from core.adapters.m365.mail_flow_parse import audit_bypass
from core.adapters.m365.parsing import timespan, truth
from core.adapters.m365.verified_write import (
    Sleep,
    begun,
    confirm,
    read_audit,
    set_mailbox,
    understood,
)
from core.errors import Gone, Moot, Refused, Unavailable
from core.tenant.auditing import MailboxAudit
from core.tenant.changes import (
    Applied,
    ClearAuditBypass,
    EnableMailboxAudit,
    EnableOrganizationAudit,
    EnableUnifiedAuditLog,
    RaiseAuditAge,
    ResetAuditSet,
)
from core.tenant.mailboxes import Mailbox
from core.tenant.reversibility import SHOWS_LATE, SWITCHED

HASH_TABLE = "#Exchange.GenericHashTable"


async def enable_mailbox_audit(
    exchange: Exchange, change: EnableMailboxAudit, sleep: Sleep
) -> Applied:
    """Set AuditEnabled to true."""
    audit = await read_audit(exchange, change.mailbox_guid)
    before = {"AuditEnabled": audit.enabled}
    if audit.enabled:
        return Applied(before, already=True)
    with begun(before):
        await set_mailbox(exchange, audit.mailbox, {"AuditEnabled": True})
        await confirm(
            lambda: read_audit(exchange, change.mailbox_guid),
            lambda now: now.enabled is True,
            sleep,
        )
    return Applied(before)


async def reset_audit_set(exchange: Exchange, change: ResetAuditSet, sleep: Sleep) -> Applied:
    """Give logon types back to Microsoft, then add what was extra.

    Adding takes a type out of Microsoft's hands again, so both steps are always done together: cut
    off between them, nothing looks wrong any more, and only the change itself still knows the rest.
    """
    audit = await read_audit(exchange, change.mailbox_guid)
    before: dict[str, object] = {"DefaultAuditSet": sorted(audit.default_set)}
    before |= {f"Audit{kind}": sorted(actions) for kind, actions in audit.actions.items()}
    extras = {kind: tuple(actions) for kind, actions in change.extras if actions}
    managed = set(change.logon_types) - extras.keys()

    def is_so(now: MailboxAudit) -> bool:
        return names(now.default_set) >= names(managed) and all(
            names(now.actions.get(kind, ())) >= names(actions) for kind, actions in extras.items()
        )

    def is_complete(now: MailboxAudit) -> bool:
        wanted = names(change.expects)
        return all(names(now.actions.get(kind, ())) >= wanted for kind in change.logon_types)

    if not extras and is_so(audit) and is_complete(audit):
        return Applied(before, already=True)
    note = ""
    look = partial(read_audit, exchange, change.mailbox_guid)
    with begun(before):
        await set_mailbox(exchange, audit.mailbox, {"DefaultAuditSet": list(change.logon_types)})
        for kind, actions in list(extras.items()):
            extras[kind] = await add_actions(exchange, audit.mailbox, kind, actions)
            if lost := sorted(set(actions) - set(extras[kind])):
                note += f"Exchange refused to audit again for {kind}: {', '.join(lost)}. "
        await confirm(look, is_so, sleep)
    try:
        await confirm(look, is_complete, sleep)
    except Unavailable as error:
        raise Refused(
            f"Microsoft's default set for this mailbox does not bring {', '.join(change.expects)}: "
            "assign the licence to the user directly, then switch auditing off and on",
            verdict="failed",
        ) from error
    return Applied(before, note=note.strip())


def names(words: Iterable[str]) -> frozenset[str]:
    """Logon types or actions for comparing: Exchange takes them in any case and prints its own."""
    return frozenset(word.lower() for word in words)


async def add_actions(
    exchange: Exchange, found: Mailbox, kind: str, actions: Sequence[str]
) -> tuple[str, ...]:
    """Audit more actions of a logon type; returns those that Exchange takes.

    It refuses a list as a whole for one action it no longer knows, so then each is tried by itself.
    """
    added = {"@odata.type": HASH_TABLE, "Add": list(actions)}
    try:
        await set_mailbox(exchange, found, {f"Audit{kind}": added})
    except Refused:
        if len(actions) == 1:
            return ()
        each = [await add_actions(exchange, found, kind, (action,)) for action in actions]
        return tuple(action for taken in each for action in taken)
    return tuple(actions)


async def raise_audit_age(exchange: Exchange, change: RaiseAuditAge, sleep: Sleep) -> Applied:
    """Keep records longer. A value that is lower, or zero, would purge them: never sent."""
    audit = await read_audit(exchange, change.mailbox_guid)
    if audit.age_days is None:
        raise Moot("the present age limit could not be understood")
    if change.days <= 0:
        raise Moot("an age limit of no days would purge every record")
    if audit.age_days >= change.days:
        return Applied({"AuditLogAgeLimit": timespan(audit.age_days)}, already=True)
    before = {"AuditLogAgeLimit": timespan(audit.age_days)}
    with begun(before):
        await set_mailbox(exchange, audit.mailbox, {"AuditLogAgeLimit": timespan(change.days)})
        await confirm(
            lambda: read_audit(exchange, change.mailbox_guid),
            lambda now: now.age_days is not None and now.age_days >= change.days,
            sleep,
        )
    return Applied(before)


async def clear_audit_bypass(exchange: Exchange, change: ClearAuditBypass, sleep: Sleep) -> Applied:
    """Have an account's actions logged again."""

    async def look() -> bool:
        return await read_bypass(exchange, change.account_guid)

    if not await look():
        return Applied({"AuditBypassEnabled": False}, already=True)
    before = {"AuditBypassEnabled": True}
    with begun(before):
        await set_bypass(exchange, change.account_guid, bypassed=False)
        await confirm(look, lambda bypassed: not bypassed, sleep)
    return Applied(before)


async def read_bypass(exchange: Exchange, guid: str) -> bool:
    """Whether an account is bypassed. Raises Gone, or Unavailable for anybody else's answer."""
    rows = await exchange.invoke(
        "Get-MailboxAuditBypassAssociation",
        {"Identity": guid},
        select=("Guid", "Name", "AuditBypassEnabled"),
    )
    if not rows:
        raise Gone("the account is gone")
    found = understood(audit_bypass, rows[0])
    if len(rows) > 1 or found.id.lower() != guid.lower():
        raise Unavailable("Exchange answered with another account than was asked for")
    return found.bypassed


async def set_bypass(exchange: Exchange, guid: str, *, bypassed: bool) -> None:
    """Leave an account's actions out of the logs, or not."""
    await exchange.invoke(
        "Set-MailboxAuditBypassAssociation", {"Identity": guid, "AuditBypassEnabled": bypassed}
    )


async def read_switch(exchange: Exchange, cmdlet: str, name: str) -> bool:
    """One boolean of the organization. Raises Unavailable when it is not told."""
    rows = await exchange.invoke(cmdlet, {}, select=(name,))
    value = truth(rows[0].get(name)) if len(rows) == 1 else None
    if value is None:
        raise Unavailable(f"{cmdlet} did not tell {name}")
    return value


async def switch_organization(
    exchange: Exchange, change: EnableOrganizationAudit | EnableUnifiedAuditLog, sleep: Sleep
) -> Applied:
    """Switch auditing of mailboxes, or the unified audit log, on for the organization.

    The unified log takes up to an hour to show it (Microsoft Learn: "Turn auditing on or off"), so
    for that one look is enough, and silence is no failure.
    """
    unified = isinstance(change, EnableUnifiedAuditLog)
    noun = noun_of(change)
    name, wanted = SWITCHED[type(change).__name__]

    async def look() -> bool:
        return await read_switch(exchange, f"Get-{noun}", name)

    if await look() is wanted:
        return Applied({name: wanted}, already=True)
    before = {name: not wanted}
    with begun(before):
        await exchange.invoke(f"Set-{noun}", {name: wanted})
        if not unified:
            await confirm(look, lambda now: now is wanted, sleep)
            return Applied(before)
        shows = await look() is wanted
    return Applied(before, note="" if shows else SHOWS_LATE)


def noun_of(change: EnableOrganizationAudit | EnableUnifiedAuditLog) -> str:
    """The noun of the cmdlets that show and set a switch of the organization."""
    unified = isinstance(change, EnableUnifiedAuditLog)
    return "AdminAuditLogConfig" if unified else "OrganizationConfig"
