"""Reads one account before it is contained, and what belongs to it, kind by kind."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from urllib.parse import quote

from core.adapters.exchange.client import ExchangeClient
from core.adapters.graph.client import GraphClient
from core.adapters.graph.reports import BETA
from core.adapters.m365.containment.parse import (
    TARGET_PROPERTIES,
    is_foreign_right,
    parse_app,
    parse_app_assignment,
    parse_audit,
    parse_client_protocols,
    parse_device,
    parse_grant,
    parse_method,
    parse_phone,
    parse_right,
    parse_rule,
    parse_sent,
    parse_sign_in,
    parse_target,
)
from core.adapters.m365.containment.write import CLIENT_PROPERTIES
from core.adapters.m365.delegation import parse_send_on_behalf_rights
from core.adapters.m365.mailboxes import MAILBOX_PROPERTIES
from core.adapters.m365.protocols import NON_INTERACTIVE
from core.adapters.parsing import ResponseRow, parse_each_row, parse_text
from core.adapters.read_errors import build_read_failure, build_unavailable_reading
from core.errors import NotFound, Rejected, TenantError, Unavailable
from core.tenant.containing import (
    MAX_DETAILS,
    MAX_SENT,
    AccountDetail,
    DetailKind,
    TargetAccount,
)
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import CONTAINED_ACCOUNT

RELIES_ON = ("graph-method-dates", "exchange-message-trace", "graph-audit-actor-filter")

READ_USERS = "User.Read.All"
READ_METHODS = "UserAuthenticationMethod.Read.All"
READ_DIRECTORY = "Directory.Read.All"
READ_LOGS = "AuditLog.Read.All"
MAX_PAGES = 20
TRACE_PAGE = 5_000
"""The most rows of one answer of Get-MessageTraceV2 (Microsoft Learn)."""
TRACE_WINDOW = timedelta(days=10)
"""The longest period of one question to it."""
MAX_TRACE_ANSWERS = 8
MAX_SENDERS = 10
"""Addresses of one account that are asked about: a tenant answers 100 questions in five minutes."""

type Parse = Callable[[ResponseRow], AccountDetail]


@dataclass(frozen=True, slots=True)
class Found:
    """Rows of one kind, and how many there were."""

    rows: Sequence[ResponseRow]
    is_whole: bool = True


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about one account."""

    account: TargetAccount
    mailbox: str
    since: datetime

    @property
    def user_path(self) -> str:
        """The account's path in Graph."""
        return f"/users/{quote(self.account.id, safe='')}"


@dataclass(frozen=True, slots=True)
class M365ContainmentReader:
    """Implements ContainmentReader on Graph and Exchange."""

    graph: GraphClient
    exchange: ExchangeClient
    now: Callable[[], datetime]

    async def read_target(self, account_id: str) -> Reading[TargetAccount]:
        """The account; one that is not among users is looked for in the recycle bin."""
        sources = frozenset({CONTAINED_ACCOUNT})
        name = quote(account_id, safe="")
        try:
            if account_id.lower() in {one.lower() for one in await self.graph.read_own_ids()}:
                app = TargetAccount(account_id, is_this_app=True)
                return Reading((app,), sources=sources, population=1)
            found = await self.find_target(f"/users/{name}")
            if found is None:
                found = await self.find_deleted(name)
        except TenantError as error:
            return build_unavailable_reading(CONTAINED_ACCOUNT, error)
        items = (found,) if found else ()
        return Reading(items, sources=sources, population=len(items))

    async def find_target(self, path: str) -> TargetAccount | None:
        """The account at a path; None if there is none."""
        try:
            return parse_target(
                await self.graph.get(f"{path}?$select={TARGET_PROPERTIES}", READ_USERS)
            )
        except NotFound:
            return None
        except ValueError as error:
            raise Unavailable(f"the account cannot be read: {error}") from error

    async def find_deleted(self, name: str) -> TargetAccount | None:
        """The account in the recycle bin; None if it is not there, or no account."""
        try:
            row = await self.graph.get(f"/directory/deletedItems/{name}", READ_USERS)
        except NotFound:
            return None
        if parse_text(row.get("@odata.type"), 100).lower() != "#microsoft.graph.user":
            return None
        try:
            return replace(parse_target(row), is_deleted=True)
        except ValueError as error:
            raise Unavailable(f"the account cannot be read: {error}") from error

    async def read_details(
        self, kind: DetailKind, account: TargetAccount, mailbox: str, since: datetime
    ) -> Reading[AccountDetail]:
        """What belongs to an account, of one kind."""
        fetch, parse = self.readers[kind]
        try:
            found = await fetch(Question(account, mailbox, since))
        except TenantError as error:
            return build_unavailable_reading(kind, error, optional=True)
        details, broken = parse_each_row(found.rows, parse)
        failures = tuple(
            build_read_failure(kind, reason, optional=True) for _, reason in broken[:1]
        )
        if not found.is_whole:
            failures += (ReadFailure(kind, "there is more than was read", optional=True),)
        kept = select_details(kind, details)
        return Reading(
            tuple(kept), failures, frozenset({str(kind)}), population=len(details) + len(broken)
        )

    @property
    def readers(self) -> Mapping[DetailKind, tuple[Callable[[Question], Awaitable[Found]], Parse]]:
        """What fetches each kind, and what parses its rows."""
        return {
            DetailKind.SIGN_IN_METHODS: (self.fetch_methods, parse_method),
            DetailKind.DEVICES: (self.fetch_devices, parse_device),
            DetailKind.GRANTS: (self.fetch_grants, parse_grant),
            DetailKind.APPS: (self.fetch_apps, parse_app),
            DetailKind.APP_ASSIGNMENTS: (self.fetch_app_assignments, parse_app_assignment),
            DetailKind.CLIENT_PROTOCOLS: (self.fetch_protocols, parse_client_protocols),
            DetailKind.PHONES: (
                partial(self.fetch_rows, "Get-MobileDevice", "Mailbox"),
                parse_phone,
            ),
            DetailKind.RULES: (self.fetch_rules, parse_rule),
            DetailKind.FULL_ACCESS: (
                partial(self.fetch_rows, "Get-MailboxPermission", "Identity"),
                parse_right,
            ),
            DetailKind.SEND_AS: (
                partial(self.fetch_rows, "Get-RecipientPermission", "Identity"),
                parse_right,
            ),
            DetailKind.SEND_ON_BEHALF: (self.fetch_send_on_behalf, parse_right),
            DetailKind.SIGN_INS: (self.fetch_sign_ins, parse_sign_in),
            DetailKind.NON_INTERACTIVE_SIGN_INS: (
                self.fetch_non_interactive_sign_ins,
                parse_sign_in,
            ),
            DetailKind.DIRECTORY_AUDITS: (self.fetch_audits, parse_audit),
            DetailKind.SENT_MAIL: (self.fetch_sent, parse_sent),
        }

    # Graph --------------------------------------------------------------------------------------

    async def fetch_pages(self, path: str, permission: str, most: int = MAX_DETAILS) -> Found:
        """The rows of a collection, at most so many."""
        rows: list[ResponseRow] = []
        pages = 0
        async for page in self.graph.read_pages(path, permission):
            rows += page
            pages += 1
            if len(rows) > most or pages >= MAX_PAGES:
                return Found(rows[:most], is_whole=False)
        return Found(rows)

    async def fetch_methods(self, question: Question) -> Found:
        """The sign-in methods. Phones and others may have no date."""
        return await self.fetch_pages(f"{question.user_path}/authentication/methods", READ_METHODS)

    async def fetch_devices(self, question: Question) -> Found:
        """The devices that the account registered."""
        chosen = (
            "id,deviceId,displayName,operatingSystem,operatingSystemVersion,trustType,"
            "accountEnabled,registrationDateTime"
        )
        path = f"{question.user_path}/registeredDevices/microsoft.graph.device?$select={chosen}"
        return await self.fetch_pages(path, READ_DIRECTORY)

    async def fetch_grants(self, question: Question) -> Found:
        """What the account allowed apps."""
        return await self.fetch_pages(
            f"{question.user_path}/oauth2PermissionGrants", READ_DIRECTORY
        )

    async def fetch_apps(self, question: Question) -> Found:
        """The apps and service principals that the account owns, as who makes one does."""
        path = f"{question.user_path}/ownedObjects"
        found = await self.fetch_pages(path, READ_DIRECTORY)
        return replace(found, rows=[row for row in found.rows if is_app_row(row)])

    async def fetch_app_assignments(self, question: Question) -> Found:
        """The apps that the account was assigned to, each with its date."""
        return await self.fetch_pages(f"{question.user_path}/appRoleAssignments", READ_DIRECTORY)

    async def fetch_sign_ins(self, question: Question) -> Found:
        """The interactive sign-ins since a time, the latest first. Needs Entra ID P1.

        Beta also tells their session and how they were made (a device code, say); where it refuses,
        version 1.0 has the rest.
        """
        path = f"/auditLogs/signIns?$filter={build_sign_in_filter(question)}&$top=500"
        try:
            return await self.fetch_pages(f"{BETA}{path}", READ_LOGS)
        except (NotFound, Rejected):
            return await self.fetch_pages(path, READ_LOGS)

    async def fetch_non_interactive_sign_ins(self, question: Question) -> Found:
        """The sign-ins by a token since a time, which only beta tells. Needs Entra ID P1."""
        wanted = build_sign_in_filter(question, f" and {NON_INTERACTIVE}")
        path = f"{BETA}/auditLogs/signIns?$filter={wanted}&$top=500"
        return await self.fetch_pages(path, READ_LOGS)

    async def fetch_audits(self, question: Question) -> Found:
        """The directory's records by or on the account.

        A filter by actor answers with no rows at all (microsoftgraph/microsoft-graph-docs#3648), so
        the period is read and the account is looked for here.
        """
        wanted = f"activityDateTime ge {question.since:%Y-%m-%dT%H:%M:%SZ}"
        path = f"/auditLogs/directoryAudits?$filter={quote(wanted, safe='/')}&$top=500"
        found = await self.fetch_pages(path, READ_LOGS, MAX_PAGES * 500)
        return replace(
            found, rows=[row for row in found.rows if names_account(row, question.account.id)]
        )

    # Exchange -----------------------------------------------------------------------------------

    async def fetch_rows(self, cmdlet: str, parameter: str, question: Question) -> Found:
        """The rows of a cmdlet about the mailbox."""
        if not question.mailbox:
            return Found(())
        rows = await self.exchange.invoke(cmdlet, {parameter: question.mailbox})
        return Found(rows[:MAX_DETAILS], len(rows) <= MAX_DETAILS)

    async def fetch_protocols(self, question: Question) -> Found:
        """Which ways of mail clients are open."""
        if not question.mailbox:
            return Found(())
        return Found(
            await self.exchange.invoke(
                "Get-CASMailbox", {"Identity": question.mailbox}, select=CLIENT_PROPERTIES
            )
        )

    async def fetch_send_on_behalf(self, question: Question) -> Found:
        """Who may send on behalf of the mailbox, a row each."""
        if not question.mailbox:
            return Found(())
        rows = await self.exchange.invoke(
            "Get-Mailbox",
            {"Identity": question.mailbox},
            select=(*MAILBOX_PROPERTIES, "GrantSendOnBehalfTo"),
        )
        found, broken = parse_each_row(rows, parse_send_on_behalf_rights)
        if broken:
            raise Unavailable(broken[0][1])
        holders = [one.trustee for rights in found for one in rights]
        return Found([{"Trustee": one, "AccessRights": "SendOnBehalf"} for one in holders])

    async def fetch_rules(self, question: Question) -> Found:
        """All inbox rules, hidden ones too."""
        if not question.mailbox:
            return Found(())
        rows = await self.exchange.invoke(
            "Get-InboxRule", {"Mailbox": question.mailbox, "IncludeHidden": True}
        )
        return Found(rows[:MAX_DETAILS], len(rows) <= MAX_DETAILS)

    async def fetch_sent(self, question: Question) -> Found:
        """What the account sent by any of its addresses, one row a message and recipient."""
        rows: dict[str, ResponseRow] = {}
        senders = question.account.sender_addresses
        is_whole = len(senders) <= MAX_SENDERS
        for sender in senders[:MAX_SENDERS]:
            is_whole = await self.trace_sender(sender, question.since, rows) and is_whole
            if len(rows) >= MAX_SENT:
                return Found(tuple(rows.values())[:MAX_SENT], is_whole=False)
        return Found(tuple(rows.values()), is_whole)

    async def trace_sender(
        self, sender: str, since: datetime, rows: dict[str, ResponseRow]
    ) -> bool:
        """Add what was sent by an address, in windows of ten days; False if there is more.

        There is no link to a next page: the next question ends where the last row was received, and
        begins at its recipient.
        """
        end, recipient = self.now(), ""
        for _ in range(MAX_TRACE_ANSWERS):
            window = max(since, end - TRACE_WINDOW)
            found = await self.trace(sender, window, end, recipient)
            for row in found:
                rows.setdefault(f"{row.get('MessageTraceId')} {row.get('RecipientAddress')}", row)
            if len(rows) >= MAX_SENT:
                return False
            if len(found) >= TRACE_PAGE:
                # Without its last row nobody knows where to go on.
                last, _ = parse_each_row(found[-1:], parse_sent)
                if not last:
                    return False
                end, recipient = last[0].at or window, last[0].title
            elif window <= since:
                return True
            else:
                end, recipient = window, ""
        return False

    async def trace(
        self, sender: str, start: datetime, end: datetime, recipient: str
    ) -> list[ResponseRow]:
        """One answer of Get-MessageTraceV2."""
        parameters: dict[str, object] = {
            "SenderAddress": sender,
            # A page ends at the very moment of its last row: of a second, more may be left.
            "StartDate": f"{start:%Y-%m-%dT%H:%M:%S.%fZ}",
            "EndDate": f"{end:%Y-%m-%dT%H:%M:%S.%fZ}",
            "ResultSize": TRACE_PAGE,
        }
        if recipient:
            parameters["StartingRecipientAddress"] = recipient
        return await self.exchange.invoke("Get-MessageTraceV2", parameters)


def build_sign_in_filter(question: Question, more: str = "") -> str:
    """The filter of one account's sign-ins since a time, as a part of an address."""
    wanted = (
        f"userId eq '{question.account.id}' and "
        f"createdDateTime ge {question.since:%Y-%m-%dT%H:%M:%SZ}{more}"
    )
    return quote(wanted, safe="/")


def is_app_row(row: ResponseRow) -> bool:
    """Whether something that a user owns is an app; groups and devices are not."""
    kind = parse_text(row.get("@odata.type"), 100).lower()
    return kind in ("#microsoft.graph.application", "#microsoft.graph.serviceprincipal")


def names_account(row: ResponseRow, account_id: str) -> bool:
    """Whether a record was made by an account or is about it."""
    detail = parse_each_row([row], parse_audit)[0]
    if not detail:
        return False
    targets = detail[0].get_value("targets").split("; ")
    return account_id.lower() in {detail[0].get_value("by").lower(), *map(str.lower, targets)}


def select_details(kind: DetailKind, details: list[AccountDetail]) -> list[AccountDetail]:
    """What is kept: rights of others only, and what happened with the latest first."""
    if kind in (DetailKind.FULL_ACCESS, DetailKind.SEND_AS, DetailKind.SEND_ON_BEHALF):
        return [detail for detail in details if is_foreign_right(detail)]
    return sorted(details, key=lambda one: -(one.at.timestamp() if one.at else 0.0))
