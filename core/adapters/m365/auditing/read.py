"""What mailbox auditing and the unified audit log record."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

from core.adapters.exchange.client import ExchangeClient
from core.adapters.exchange.command import Command
from core.adapters.exchange.listings import list_objects
from core.adapters.exchange.paging import collect_row_ids, fetch_paged_listing
from core.adapters.exchange.single_objects import fetch_single_objects
from core.adapters.m365.auditing.parse import (
    AUDIT_PROPERTIES,
    parse_audit_bypass,
    parse_mailbox_audit,
)
from core.adapters.m365.mailboxes import ALL_RESULTS, MAILBOX_PROPERTIES
from core.adapters.parsing import (
    ResponseRow,
    parse_each_row,
    parse_optional_bool,
    parse_text,
)
from core.adapters.read_errors import (
    build_read_failure,
    build_row_failures,
)
from core.errors import TenantError, Unavailable
from core.microsoft365.assumptions.exchange_objects import AUDIT_ENABLED_PRINTED
from core.tenant.auditing import AuditBypass, MailboxAudit, OrganizationAudit
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import AUDIT_BYPASS, MAILBOX_AUDIT, ORGANIZATION_AUDIT, UNIFIED_AUDIT_LOG

RELIES_ON = (AUDIT_ENABLED_PRINTED, "exchange-bypass-rows")
PRINTED = AUDIT_ENABLED_PRINTED.default_way
MAX_EXAMPLES = 10
BYPASS_CMDLET = "Get-MailboxAuditBypassAssociation"
BYPASS_PROPERTIES = ("Guid", "Name", "AuditBypassEnabled")


@dataclass(frozen=True, slots=True)
class M365AuditingReader:
    """Implements AuditingReader on Exchange."""

    exchange: ExchangeClient

    async def list_mailbox_audits(self, after: str = "") -> AsyncIterator[Reading[MailboxAudit]]:
        """Every mailbox with its audit settings, page by page."""
        command = Command("Get-Mailbox", ALL_RESULTS, (*MAILBOX_PROPERTIES, *AUDIT_PROPERTIES))
        async for page in fetch_paged_listing(
            self.exchange,
            MAILBOX_AUDIT,
            command,
            parse_mailbox_audit,
            lambda one: one.mailbox.id,
            after,
            never_empty=True,
        ):
            yield page

    async def read_organization_audit(self) -> Reading[OrganizationAudit]:
        """The organization's two switches, each of which may be unreadable by itself."""
        disabled, organization, no_disabled = await try_read_switch(
            self.exchange,
            "Get-OrganizationConfig",
            "AuditDisabled",
            ORGANIZATION_AUDIT,
            also=("IsDehydrated",),
        )
        unified, _, no_unified = await try_read_switch(
            self.exchange,
            "Get-AdminAuditLogConfig",
            "UnifiedAuditLogIngestionEnabled",
            UNIFIED_AUDIT_LOG,
        )
        dehydrated = parse_optional_bool(organization.get("IsDehydrated"))
        unlogged: list[str] = []
        no_filter: tuple[ReadFailure, ...] = ()
        if await self.exchange.chosen_ways.find(AUDIT_ENABLED_PRINTED) != PRINTED:
            try:
                unlogged = await list_unlogged_mailboxes(self.exchange)
            except TenantError as error:
                no_filter = (build_read_failure(ORGANIZATION_AUDIT, error),)
        return Reading(
            items=(
                OrganizationAudit(
                    disabled, unified, dehydrated, len(unlogged), tuple(unlogged[:MAX_EXAMPLES])
                ),
            ),
            failures=(*no_disabled, *no_unified, *no_filter),
            sources=frozenset({ORGANIZATION_AUDIT, UNIFIED_AUDIT_LOG}),
            population=1,
        )

    async def read_audit_bypasses_of(self, guids: Sequence[str]) -> Reading[AuditBypass]:
        """Whether the actions of a few accounts are left out."""
        commands = {
            guid: Command(BYPASS_CMDLET, {"Identity": guid}, BYPASS_PROPERTIES) for guid in guids
        }
        objects = await fetch_single_objects(
            self.exchange,
            commands,
            parse_audit_bypass,
            lambda guid, found: found.id == guid.lower(),
        )
        read = objects.build_reading(AUDIT_BYPASS)
        return replace(read, items=tuple(one for one in read.items if one.bypassed))

    async def read_audit_bypasses(self) -> Reading[AuditBypass]:
        """The accounts whose actions are left out of all mailbox audit logs.

        The cmdlet lists every account, so an empty list is a failure.
        """
        command = Command(BYPASS_CMDLET, ALL_RESULTS, BYPASS_PROPERTIES)
        items: list[AuditBypass] = []
        failures: list[ReadFailure] = []
        population = 0
        try:
            async for part in list_objects(self.exchange, command):
                found, broken = parse_each_row(part.rows, parse_audit_bypass)
                items += (one for one in found if one.bypassed)
                failures += build_row_failures(
                    AUDIT_BYPASS, broken, collect_row_ids(broken), len(failures)
                )
                population += len(part.rows)
            if not population:
                raise Unavailable(f"{command.cmdlet} listed nobody at all")
        except TenantError as error:
            failures.append(build_read_failure(AUDIT_BYPASS, error))
        return Reading(tuple(items), tuple(failures), frozenset({AUDIT_BYPASS}), population)


async def list_unlogged_mailboxes(exchange: ExchangeClient) -> list[str]:
    """The addresses of the mailboxes that print AuditEnabled True and are filtered as False.

    Their records may miss the unified log (zolderio/microsoft#1). Raises TenantError.
    """
    command = Command(
        "Get-Mailbox",
        {**ALL_RESULTS, "Filter": "AuditEnabled -eq 'False'"},
        ("Guid", "PrimarySmtpAddress", "AuditEnabled"),
    )
    return [
        parse_text(row.get("PrimarySmtpAddress"), 512) or parse_text(row.get("Guid"), 64)
        async for part in list_objects(exchange, command)
        for row in part.rows
        if parse_optional_bool(row.get("AuditEnabled")) is True
    ]


async def try_read_switch(
    exchange: ExchangeClient, cmdlet: str, name: str, source: str, also: tuple[str, ...] = ()
) -> tuple[bool | None, ResponseRow, tuple[ReadFailure, ...]]:
    """One boolean of a single configuration object, and its row with other properties.

    The boolean is None, with the reason, when it is unreadable.
    """
    try:
        rows = await exchange.invoke(cmdlet, {}, select=(name, *also))
    except TenantError as error:
        return None, {}, (build_read_failure(source, error),)
    value = parse_optional_bool(rows[0].get(name)) if len(rows) == 1 else None
    if value is None:
        shown = f"{cmdlet} did not tell {name}: {len(rows)} rows, {parse_text(str(rows[:1]), 80)}"
        return None, {}, (build_read_failure(source, shown),)
    return value, rows[0], ()
