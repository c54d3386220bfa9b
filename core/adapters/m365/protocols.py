"""Mail protocols of mailboxes: which are allowed, who signs in by them, disabling them."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from urllib.parse import quote

from core.adapters.api_errors import NO_LICENCE
from core.adapters.exchange.client import ExchangeClient
from core.adapters.exchange.command import Command
from core.adapters.exchange.paging import fetch_paged_listing
from core.adapters.exchange.single_objects import fetch_single_objects
from core.adapters.graph.client import GraphClient
from core.adapters.graph.reports import BETA, REPORT_PAGE_DELAY
from core.adapters.m365.mailboxes import ALL_RESULTS, parse_mailbox
from core.adapters.m365.verified_write import (
    Sleep,
    UndoProcedure,
    parse_row_for_change,
    run_undo,
    write_verified,
)
from core.adapters.parsing import (
    ResponseRow,
    parse_each_row,
    parse_object_id,
    parse_optional_bool,
    parse_text,
    parse_timestamp,
)
from core.adapters.read_errors import (
    build_read_failure,
    build_unavailable_reading,
)
from core.errors import Forbidden, NotFound, Rejected, TenantError, Unavailable
from core.microsoft365.assumptions.graph_directory import SIGN_IN_LOG_KINDS, SIGN_IN_LOG_PAGES
from core.tenant.changes import AppliedChange, DisableMailboxProtocols
from core.tenant.mailboxes import MAX_POLICY_USERS, Mailbox, MailboxProtocols, ProtocolUse
from core.tenant.readings import ReadFailure, Reading
from core.tenant.reversibility import PRIOR_STATE_UNKNOWN
from core.tenant.sources import POLICY_USERS, PROTOCOL_USE, PROTOCOLS

PROTOCOL_FLAGS: Mapping[str, str] = {
    "imap": "ImapEnabled",
    "pop": "PopEnabled",
    "smtp": "SmtpClientAuthenticationDisabled",
}
CAS_PROPERTIES = (
    "ExternalDirectoryObjectId",
    "Guid",
    "PrimarySmtpAddress",
    "DisplayName",
    "Name",
    *PROTOCOL_FLAGS.values(),
)
ADDRESS_LIMIT = 64


def parse_mailbox_protocols(row: ResponseRow) -> MailboxProtocols:
    """A row of Get-CASMailbox.

    SmtpClientAuthenticationDisabled is null where the organization decides. A property that is not
    there at all, or is no boolean, tells nothing.
    """
    allowed, refused, unknown = set[str](), set[str](), set[str]()
    for protocol, name in PROTOCOL_FLAGS.items():
        value = parse_optional_bool(row.get(name))
        inherits = protocol == "smtp" and name in row and row[name] in (None, "")
        if value is None:
            unknown |= set() if inherits else {protocol}
        else:
            (allowed if value is (protocol != "smtp") else refused).add(protocol)
    return MailboxProtocols(
        parse_mailbox(row), frozenset(allowed), frozenset(refused), frozenset(unknown)
    )


def is_failed_sign_in(row: ResponseRow) -> bool:
    """True for a sign-in that is known to have failed: any attacker can cause those.

    An error has a positive code; what cannot be one leaves the sign-in a use of the protocol.
    """
    status = row.get("status")
    code = status.get("errorCode") if isinstance(status, Mapping) else None
    return isinstance(code, int) and not isinstance(code, bool) and code > 0


def parse_protocol_use(protocol: str, row: ResponseRow) -> ProtocolUse:
    """A row of /auditLogs/signIns. Raises ValueError without an account or a time."""
    account = parse_object_id(row.get("userId"))
    at = parse_timestamp(row.get("createdDateTime"))
    if not account or at is None:
        raise ValueError("a sign-in that does not tell who or when")
    address = parse_text(row.get("ipAddress"), ADDRESS_LIMIT).strip()
    return ProtocolUse(
        account_id=account,
        protocol=protocol,
        upn=parse_text(row.get("userPrincipalName"), 512),
        last_used=at,
        addresses=(address,) if address else (),
    )


RELIES_ON = (
    SIGN_IN_LOG_KINDS,
    SIGN_IN_LOG_PAGES,
    "exchange-smtp-auth-null",
    "exchange-policy-users",
)
READ_SIGN_INS = "AuditLog.Read.All"
REQUIRED_LICENCE = "Microsoft Entra ID P1 (a licence)"
NON_INTERACTIVE = "signInEventTypes/any(t: t eq 'nonInteractiveUser')"
INTERACTIVE_ONLY = (
    "only interactive sign-ins could be read, and these protocols are logged as others"
)
# Names of clients in the sign-in log (Microsoft Learn: signIn resource type). The log can only be
# filtered by equality, so each is a query of its own.
CLIENT_NAMES: Mapping[str, str] = {"smtp": "Authenticated SMTP", "imap": "IMAP4", "pop": "POP3"}
PAGE_SIZE = 500
MAX_PAGES = 30
"""Pages read for each protocol and kind of sign-in: a tenant with more is known to use it."""
MAX_ADDRESSES = 20


@dataclass(frozen=True, slots=True)
class M365ProtocolReader:
    """Implements ProtocolReader."""

    graph: GraphClient
    exchange: ExchangeClient
    sleep: Sleep

    async def list_mailbox_protocols(
        self, after: str = ""
    ) -> AsyncIterator[Reading[MailboxProtocols]]:
        """Every mailbox with its protocols, page by page.

        None of the properties is among those a filter is documented for, and a filter that finds
        nothing is not told from a tenant in which nothing is wrong: so all are listed.
        """
        command = Command("Get-CASMailbox", ALL_RESULTS, CAS_PROPERTIES)
        async for page in fetch_paged_listing(
            self.exchange,
            PROTOCOLS,
            command,
            parse_mailbox_protocols,
            lambda one: one.mailbox.id,
            after,
            never_empty=True,
        ):
            yield page

    async def read_mailbox_protocols(self, ids: Sequence[str]) -> Reading[MailboxProtocols]:
        """A few mailboxes by account; an account without a mailbox is absent."""
        commands = {
            one: Command("Get-CASMailbox", {"Identity": one}, CAS_PROPERTIES) for one in ids
        }
        objects = await fetch_single_objects(
            self.exchange,
            commands,
            parse_mailbox_protocols,
            lambda asked, found: found.mailbox.id == asked,
        )
        return objects.build_reading(PROTOCOLS)

    async def read_protocol_use(self, since: datetime) -> Reading[ProtocolUse]:
        """The accounts that signed in by a protocol. Needs Entra ID P1 besides the permission.

        Sign-ins of both kinds are read. v1.0 lists interactive ones alone, and legacy protocols of
        Exchange are logged as non-interactive ones (MicrosoftDocs/azure-docs#72253), which beta
        alone lists. Where beta refuses them, each protocol was read in part.
        """
        found: dict[tuple[str, str], ProtocolUse] = {}
        failures: list[ReadFailure] = []
        try:
            for protocol in CLIENT_NAMES:
                reason = await collect_protocol_sign_ins(
                    self.graph, protocol, since, self.sleep, found
                )
                if reason:
                    failures.append(
                        build_read_failure(PROTOCOL_USE, reason, protocol, optional=True)
                    )
        except TenantError as error:
            seen: Reading[ProtocolUse] = build_unavailable_reading(PROTOCOL_USE, error)
            if NO_LICENCE in str(error):
                lacking = (
                    replace(failure, permission=REQUIRED_LICENCE) for failure in seen.failures
                )
                return replace(seen, failures=tuple(lacking))
            return seen
        return Reading(
            items=tuple(found.values()),
            failures=tuple(failures),
            sources=frozenset({PROTOCOL_USE}),
            population=len(found),
        )

    async def read_policy_users(self, policy: str) -> Reading[str]:
        """The first users of an authentication policy, as Get-User finds them by its name."""
        quoted = policy.replace("'", "''")
        try:
            rows = await self.exchange.invoke(
                "Get-User",
                {
                    "Filter": f"AuthenticationPolicy -eq '{quoted}'",
                    "ResultSize": MAX_POLICY_USERS + 1,
                },
                select=("UserPrincipalName", "Name"),
            )
        except TenantError as error:
            return build_unavailable_reading(POLICY_USERS, error)
        names = [
            parse_text(row.get("UserPrincipalName"), 512) or parse_text(row.get("Name"), 512)
            for row in rows[: MAX_POLICY_USERS + 1]
        ]
        return Reading(tuple(sorted(names)), (), frozenset({POLICY_USERS}), population=len(names))


async def collect_protocol_sign_ins(
    graph: GraphClient,
    protocol: str,
    since: datetime,
    sleep: Sleep,
    uses_by_account: dict[tuple[str, str], ProtocolUse],
) -> str:
    """Collect the sign-ins of one protocol. Returns why some are missing; "" when none is.

    Raises TenantError where the log cannot be read at all, or not just now.
    """
    wanted = (
        f"createdDateTime ge {since:%Y-%m-%dT%H:%M:%SZ} "
        f"and clientAppUsed eq '{CLIENT_NAMES[protocol]}' and status/errorCode eq 0"
    )
    reason = await collect_sign_in_pages(
        graph, protocol, build_log_path(wanted), sleep, uses_by_account
    )
    try:
        path = f"{BETA}{build_log_path(f'{wanted} and {NON_INTERACTIVE}')}"
        other = await collect_sign_in_pages(graph, protocol, path, sleep, uses_by_account)
    except (Rejected, NotFound, Forbidden) as error:
        return f"{INTERACTIVE_ONLY} ({error})"
    return reason or other


def build_log_path(wanted: str) -> str:
    """The sign-in log, filtered."""
    return f"/auditLogs/signIns?$filter={quote(wanted, safe='/')}&$top={PAGE_SIZE}"


async def collect_sign_in_pages(
    graph: GraphClient,
    protocol: str,
    path: str,
    sleep: Sleep,
    uses_by_account: dict[tuple[str, str], ProtocolUse],
) -> str:
    """Collect the sign-ins of one listing. Returns why some are missing; "" when none is."""
    count, reason = 0, ""
    async for rows in graph.read_pages(path, READ_SIGN_INS):
        if count == MAX_PAGES:
            return f"more than {PAGE_SIZE * MAX_PAGES} sign-ins, of which not all were read"
        succeeded = [row for row in rows if not is_failed_sign_in(row)]
        uses, broken = parse_each_row(succeeded, partial(parse_protocol_use, protocol))
        reason = reason or (broken[0][1] if broken else "")
        for use in uses:
            key = (use.account_id, protocol)
            uses_by_account[key] = (
                merge_protocol_use(uses_by_account[key], use) if key in uses_by_account else use
            )
        count += 1
        if len(rows) >= PAGE_SIZE:
            await sleep(REPORT_PAGE_DELAY)
    return reason


def merge_protocol_use(one: ProtocolUse, other: ProtocolUse) -> ProtocolUse:
    """Merge two sign-ins of an account by the same protocol."""
    later = one if one.last_used >= other.last_used else other
    addresses = tuple(sorted({*one.addresses, *other.addresses})[:MAX_ADDRESSES])
    return replace(later, addresses=addresses)


# SMTP AUTH has a property that disables it, the others one that enables them.
OFF_VALUES: Mapping[str, bool] = {"imap": False, "pop": False, "smtp": True}


async def disable_mailbox_protocols(
    exchange: ExchangeClient, change: DisableMailboxProtocols, sleep: Sleep
) -> AppliedChange:
    """Disable what is still enabled. A mailbox that inherits SMTP AUTH stays unchanged."""
    unknown = set(change.protocols) - OFF_VALUES.keys()
    if unknown or not change.protocols:
        raise Rejected(f"no such protocols: {', '.join(sorted(unknown)) or 'none were named'}")

    async def read_current() -> tuple[ResponseRow, MailboxProtocols]:
        return await read_mailbox_protocols(exchange, change.mailbox_guid)

    row, seen = await read_current()
    unreported = seen.unknown & set(change.protocols)
    if unreported:
        raise Unavailable(f"Exchange did not tell whether {', '.join(sorted(unreported))} is on")
    wanted = [protocol for protocol in change.protocols if protocol in seen.allowed]
    before = {
        PROTOCOL_FLAGS[protocol]: row.get(PROTOCOL_FLAGS[protocol]) for protocol in change.protocols
    }
    if not wanted:
        return AppliedChange(before, unchanged=True)
    values = {PROTOCOL_FLAGS[protocol]: OFF_VALUES[protocol] for protocol in wanted}
    await write_verified(
        lambda: exchange.invoke(
            "Set-CASMailbox",
            {"Identity": seen.mailbox.guid, **values},
            anchor=seen.mailbox.address,
        ),
        read_current,
        lambda now: now[1].denied.issuperset(wanted),
        before,
        sleep,
    )
    return AppliedChange(before)


async def undo_disable_mailbox_protocols(
    exchange: ExchangeClient,
    change: DisableMailboxProtocols,
    before: Mapping[str, object],
    sleep: Sleep,
) -> AppliedChange:
    """Enable what the change disabled; a setting that was off or inherited before stays so."""
    switches = {
        PROTOCOL_FLAGS[name]: OFF_VALUES[name]
        for name in change.protocols
        if name in PROTOCOL_FLAGS
    }
    if len(switches) != len(change.protocols) or not switches.keys() <= before.keys():
        raise Rejected(PRIOR_STATE_UNKNOWN)
    was = {name: parse_optional_bool(before[name]) for name in switches}

    async def read_current() -> tuple[Mapping[str, bool | None], Mailbox]:
        row, seen = await read_mailbox_protocols(exchange, change.mailbox_guid)
        if unknown := seen.unknown & set(change.protocols):
            raise Unavailable(f"Exchange did not tell whether {', '.join(sorted(unknown))} is on")
        return {name: parse_optional_bool(row.get(name)) for name in switches}, seen.mailbox

    def as_left(now: tuple[Mapping[str, bool | None], Mailbox]) -> bool:
        return all(
            now[0][name] is was[name] or (now[0][name] is off and was[name] is (not off))
            for name, off in switches.items()
        )

    async def write(now: tuple[Mapping[str, bool | None], Mailbox]) -> None:
        values = {name: value for name, value in was.items() if now[0][name] is not value}
        await exchange.invoke(
            "Set-CASMailbox", {"Identity": now[1].guid, **values}, anchor=now[1].address
        )

    undo = UndoProcedure(
        read_current, lambda now: now[0], lambda now: now[0] == was, as_left, write
    )
    return await run_undo(undo, sleep)


async def read_mailbox_protocols(
    exchange: ExchangeClient, guid: str
) -> tuple[ResponseRow, MailboxProtocols]:
    """One mailbox's protocols. Raises NotFound, or Unavailable for another mailbox's row."""
    rows = await exchange.invoke("Get-CASMailbox", {"Identity": guid}, select=CAS_PROPERTIES)
    if not rows:
        raise NotFound("the mailbox is gone")
    found = parse_row_for_change(parse_mailbox_protocols, rows[0])
    if len(rows) > 1 or guid.lower() not in (found.mailbox.guid.lower(), found.mailbox.id.lower()):
        raise Unavailable("Exchange answered with another mailbox than was asked for")
    return rows[0], found
