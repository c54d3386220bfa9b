"""Rights over mailboxes: read mailbox by mailbox, or as a stream for the organization."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import batched, chain

from core.adapters.exchange.client import ExchangeClient
from core.adapters.exchange.command import Command
from core.adapters.exchange.listings import list_each, list_objects
from core.adapters.m365.folder_rights import read_folder_rights
from core.adapters.m365.inbox_memory import InboxMemory
from core.adapters.m365.mailboxes import (
    ALL_RESULTS,
    CHUNK_SIZE,
    MAILBOX_PROPERTIES,
    build_mailbox_commands,
    parse_mailbox,
)
from core.adapters.m365.own_add_ins import read_own_add_ins
from core.adapters.parsing import (
    ResponseRow,
    parse_each_row,
    parse_name_set,
    parse_object_id,
    parse_recipient_text,
    parse_row_flag,
    parse_text,
    split_recipients,
)
from core.adapters.read_errors import build_object_failures, build_read_failure
from core.errors import NotFound, TenantError, Unavailable
from core.microsoft365.trustees import find_sid, is_built_in_trustee
from core.tenant.mailboxes import Delegation, FolderRight, Mailbox, OwnAddIn
from core.tenant.readings import UNIDENTIFIED_PREFIX, ListedCount, ReadFailure, Reading
from core.tenant.sources import FULL_ACCESS, SEND_AS, SEND_ON_BEHALF

RELIES_ON = (
    "exchange-permission-rights",
    "exchange-send-as-listing",
    "exchange-permission-identity",
)

PERMISSION_PROPERTIES = (
    "Identity",
    "Trustee",
    "TrusteeSidString",
    "AccessControlType",
    "AccessRights",
    "IsInherited",
)
ON_BEHALF_PROPERTIES = (*MAILBOX_PROPERTIES, "GrantSendOnBehalfTo")
MAILBOX_RIGHTS = {
    "fullaccess": "FullAccess",
    "changepermission": "ChangePermission",
    "changeowner": "ChangeOwner",
}
"""Rights to read a mailbox, or to grant that right."""
# SendAs is listed by Get-RecipientPermission; here it was seen for the mailbox itself
# (Microsoft365DSC#4576, #3942).
IGNORED_RIGHTS = frozenset({"readpermission", "deleteitem", "externalaccount", "none", "sendas"})


def parse_trustee(row: ResponseRow, name: str) -> str:
    """The holder a row names. Raises ValueError when it names none."""
    value = row.get(name)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"a right whose {name} cannot be read")
    return parse_recipient_text(value.strip())


def is_no_delegation(row: ResponseRow, trustee: str, sid: str) -> bool:
    """True for a row that grants nobody else a right over the mailbox."""
    denied = parse_row_flag(row, "Deny")
    denied = denied or parse_text(row.get("AccessControlType"), 64).strip().casefold() == "deny"
    return denied or parse_row_flag(row, "IsInherited") or is_built_in_trustee(trustee, sid)


def parse_rights(row: ResponseRow) -> frozenset[str]:
    """The rights of a row in lower case, from a list or a string. Raises ValueError for none."""
    found = frozenset(word.casefold() for word in parse_name_set(row.get("AccessRights")))
    if not found:
        raise ValueError("a right that is not named")
    return found


def parse_mailbox_rights(owner: Mailbox, row: ResponseRow) -> tuple[Delegation, ...]:
    """The known rights in a row of Get-MailboxPermission, which may hold several."""
    trustee = parse_trustee(row, "User")
    sid = find_sid(row.get("UserSid"), trustee)
    if is_no_delegation(row, trustee, sid):
        return ()
    found = parse_rights(row)
    return tuple(
        Delegation(right, trustee, sid, owner)
        for word, right in MAILBOX_RIGHTS.items()
        if word in found
    )


def parse_send_as_rights(row: ResponseRow) -> tuple[Delegation, ...]:
    """The right in a row of Get-RecipientPermission, which has only the recipient's name."""
    trustee = parse_trustee(row, "Trustee")
    sid = find_sid(row.get("TrusteeSidString"), trustee)
    if is_no_delegation(row, trustee, sid):
        return ()
    of = parse_text(row.get("Identity")).strip()
    if not of:
        raise ValueError("a right over a recipient without a name")
    if "sendas" not in parse_rights(row):
        return ()
    return (Delegation("SendAs", trustee, sid, mailbox_name=of),)


def check_mailbox_rights(row: ResponseRow) -> None:
    """Raise ValueError for a row of Get-MailboxPermission with a right that is not known.

    The known rights beside it stand; what the other one allows is not known.
    """
    trustee = parse_trustee(row, "User")
    if not is_no_delegation(row, trustee, find_sid(row.get("UserSid"), trustee)):
        check_rights(parse_rights(row) - MAILBOX_RIGHTS.keys() - IGNORED_RIGHTS)


def check_send_as_rights(row: ResponseRow) -> None:
    """Raise ValueError for a row of Get-RecipientPermission with any other right."""
    trustee = parse_trustee(row, "Trustee")
    if not is_no_delegation(row, trustee, find_sid(row.get("TrusteeSidString"), trustee)):
        check_rights(parse_rights(row) - {"sendas"})


def check_rights(unknown: frozenset[str]) -> None:
    """Raise ValueError that names a right that is not known."""
    if unknown:
        raise ValueError(f"a right nobody knows: {min(unknown)[:60]}")


def parse_send_on_behalf_rights(row: ResponseRow) -> tuple[Delegation, ...]:
    """A row of Get-Mailbox: the holders in its GrantSendOnBehalfTo."""
    owner = parse_mailbox(row)
    value = row.get("GrantSendOnBehalfTo")
    found = {}
    for entry in split_recipients(value):
        if not isinstance(entry, str) or not entry.strip():
            raise ValueError("GrantSendOnBehalfTo names somebody who cannot be read")
        trustee = parse_recipient_text(entry.strip())
        found[trustee] = Delegation("SendOnBehalf", trustee, find_sid(trustee), owner)
    return tuple(found.values())


MAX_BROKEN_ROWS = 1_000
"""Most rows that may fail one by one; with more, the whole listing counts as unread."""
NO_ROW = "Exchange told of no right at all, not even of the mailbox's own"


@dataclass(frozen=True, slots=True)
class M365DelegationReader:
    """Implements DelegationReader on Exchange."""

    exchange: ExchangeClient
    inbox_memory: InboxMemory = field(default_factory=InboxMemory)
    """Which folders are Inboxes, so that they need not be asked for every day."""

    async def read_full_access(self, owners: Sequence[Mailbox]) -> Reading[Delegation]:
        """The rights over each mailbox: there is no cmdlet for several.

        Every mailbox has a right over itself, so an answer without any row is none.
        """
        items: list[Delegation] = []
        failures: dict[str, TenantError | str] = {}
        for part in batched(owners, CHUNK_SIZE, strict=False):
            commands = [build_rights_command(owner) for owner in part]
            for owner, rows in zip(part, await list_each(self.exchange, commands), strict=True):
                found, error = collect_rights(
                    rows, partial(parse_mailbox_rights, owner), check_mailbox_rights
                )
                items += found
                if error:
                    failures[owner.id] = error
        subjects = {owner.id: owner.address for owner in owners}
        return Reading(
            items=tuple(dict.fromkeys(items)),
            failures=build_object_failures(FULL_ACCESS, failures, len(owners), subjects),
            sources=frozenset({FULL_ACCESS}),
            population=len(owners),
        )

    async def read_folder_rights(self, owners: Sequence[Mailbox]) -> Reading[FolderRight]:
        """The rights over the root and the Inbox of each mailbox."""
        return await read_folder_rights(self.exchange, self.inbox_memory, owners)

    async def read_own_add_ins(self, owners: Sequence[Mailbox]) -> Reading[OwnAddIn]:
        """The add-ins from files that only the owners have."""
        return await read_own_add_ins(self.exchange, owners)

    def list_send_as(self) -> AsyncIterator[Reading[Delegation]]:
        """Who may send as whom. Every mailbox may send as itself, so an empty list is a failure."""
        command = Command("Get-RecipientPermission", ALL_RESULTS, PERMISSION_PROPERTIES)
        return stream_delegations(
            self.exchange,
            SEND_AS,
            command,
            parse_send_as_rights,
            check_send_as_rights,
            never_empty=True,
        )

    def list_send_on_behalf(self) -> AsyncIterator[Reading[Delegation]]:
        """Who may send on behalf of which mailbox.

        The property can be filtered by (Microsoft Learn: Filterable properties for the -Filter
        parameter), so only mailboxes with a delegate are listed.
        """
        command = Command(
            "Get-Mailbox",
            {**ALL_RESULTS, "Filter": "GrantSendOnBehalfTo -ne $null"},
            ON_BEHALF_PROPERTIES,
        )
        return stream_delegations(
            self.exchange, SEND_ON_BEHALF, command, parse_send_on_behalf_rights
        )

    async def read_send_as_of(self, ids: Sequence[str]) -> Reading[Delegation]:
        """Who may send as a few recipients. Each may send as itself, so no row is no answer."""
        commands = {
            one: Command(
                "Get-RecipientPermission", {"Identity": one, **ALL_RESULTS}, PERMISSION_PROPERTIES
            )
            for one in ids
        }
        return await read_rights(
            self.exchange, SEND_AS, commands, parse_send_as_rights, check_send_as_rights
        )

    async def read_send_on_behalf_of(self, ids: Sequence[str]) -> Reading[Delegation]:
        """Who may send on behalf of a few mailboxes."""
        commands = build_mailbox_commands(ids, ON_BEHALF_PROPERTIES)
        return await read_rights(
            self.exchange, SEND_ON_BEHALF, commands, parse_send_on_behalf_rights
        )


def build_rights_command(owner: Mailbox) -> Command:
    """The command that lists the rights over a mailbox, sent to the server that holds it.

    Without its switch Exchange leaves out holders that it cannot name any more.
    """
    parameters = {"Identity": owner.guid, "IncludeUnresolvedPermissions": True, **ALL_RESULTS}
    return Command("Get-MailboxPermission", parameters, (), owner.address)


def check_nothing(row: ResponseRow) -> None:
    """What a row of rights has to be checked for where it holds no other rights."""


def collect_rights(
    rows: list[ResponseRow] | TenantError,
    parse: Callable[[ResponseRow], tuple[Delegation, ...]],
    check: Callable[[ResponseRow], None],
) -> tuple[list[Delegation], TenantError | str | None]:
    """The rights over one mailbox as far as they are known, and why some are not."""
    if isinstance(rows, TenantError):
        return [], rows
    found, broken = parse_each_row(rows, parse)
    _, odd = parse_each_row(rows, check)
    reason = (broken or odd)[0][1] if broken or odd else None if rows else NO_ROW
    return list(chain.from_iterable(found)), reason


async def read_rights(
    exchange: ExchangeClient,
    source: str,
    commands: Mapping[str, Command],
    parse: Callable[[ResponseRow], tuple[Delegation, ...]],
    check: Callable[[ResponseRow], None] = check_nothing,
) -> Reading[Delegation]:
    """The rights over single recipients, each by its key. One that is gone is absent."""
    items: list[Delegation] = []
    failures: dict[str, TenantError | str] = {}
    answers = await list_each(exchange, list(commands.values()))
    for key, rows in zip(commands, answers, strict=True):
        if isinstance(rows, NotFound):
            continue
        found, error = collect_rights(rows, parse, check)
        items += found
        if error:
            failures[key] = error
    return Reading(
        items=tuple(dict.fromkeys(items)),
        failures=build_object_failures(source, failures, len(commands), {}),
        sources=frozenset({source}),
        population=len(commands),
    )


async def stream_delegations(
    exchange: ExchangeClient,
    source: str,
    command: Command,
    parse: Callable[[ResponseRow], tuple[Delegation, ...]],
    check: Callable[[ResponseRow], None] = check_nothing,
    *,
    never_empty: bool = False,
) -> AsyncIterator[Reading[Delegation]]:
    """A listing page by page; the last page covers every mailbox and holds the failures."""
    sources = frozenset({source})
    failures: list[ReadFailure] = []
    listed = 0
    try:
        async for part in list_objects(exchange, command):
            found, broken = parse_each_row(part.rows, parse)
            broken_rows = [row for row, _ in broken]
            _, odd = parse_each_row([row for row in part.rows if row not in broken_rows], check)
            broken += odd
            listed += len(part.rows)
            failures += build_delegation_failures(source, broken, len(failures))
            if len(failures) > MAX_BROKEN_ROWS:
                raise Unavailable(
                    f"{command.cmdlet}: more than {MAX_BROKEN_ROWS} rows make no sense"
                )
            items = tuple(dict.fromkeys(chain.from_iterable(found)))
            if items:
                yield Reading(items=items, sources=sources, scope=frozenset())
        if never_empty and not listed:
            raise Unavailable(f"{command.cmdlet} listed nobody at all")
    except TenantError as error:
        failures = [build_read_failure(source, error)]
    yield Reading(
        failures=tuple(failures),
        sources=sources,
        listed_counts={source: ListedCount(listed, sources, min_missing=2)},
    )


def build_delegation_failures(
    source: str, broken: list[tuple[ResponseRow, str]], previous_count: int
) -> list[ReadFailure]:
    """Rows that could not be parsed, by the mailbox's id where they have one."""
    found = []
    for number, (row, reason) in enumerate(broken, previous_count + 1):
        known = parse_object_id(row.get("ExternalDirectoryObjectId")) or parse_object_id(
            row.get("Guid")
        )
        name = parse_text(row.get("PrimarySmtpAddress"), 200) or parse_text(
            row.get("Identity"), 200
        )
        found.append(
            build_read_failure(source, reason, known or f"{UNIDENTIFIED_PREFIX}{number}", name)
        )
    return found
