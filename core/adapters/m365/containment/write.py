"""The changes that contain an account, and what takes them back: read, write, read back."""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import assert_never

from core.adapters.exchange.client import ExchangeClient
from core.adapters.graph.client import GraphClient
from core.adapters.m365.containment.parse import TARGET_PROPERTIES, parse_target
from core.adapters.m365.containment.write_beside import (
    check_object_id,
    disable_device,
    disable_hidden_rule,
    undo_disable_device,
    undo_disable_hidden_rule,
)
from core.adapters.m365.roles.write import (
    RoleHoldersReader,
    check_holds_no_role,
    require_all_role_holders,
)
from core.adapters.m365.verified_write import (
    Sleep,
    UndoProcedure,
    build_switch_undo,
    carry_out,
    parse_row_for_change,
    recording_before,
    run_undo,
    wait_until_visible,
    write_verified,
)
from core.adapters.parsing import ResponseRow, parse_identifier, parse_optional_bool, parse_text
from core.errors import Forbidden, NotFound, Rejected, Unavailable
from core.tenant.changes import (
    CLIENT_PROTOCOLS,
    AppliedChange,
    BlockAccount,
    ContainmentChange,
    DisableClientProtocols,
    DisableDevice,
    DisableHiddenRule,
    RevokeSessions,
)
from core.tenant.containing import TargetAccount
from core.tenant.reversibility import (
    PRIOR_STATE_UNKNOWN,
    SESSIONS_STAY_ENDED,
    SESSIONS_VALID_FROM,
    SWITCH_CHANGES,
)

RELIES_ON = (
    "write-synced-block-taken",
    "write-revocation",
    "write-narrow-roles",
    "write-client-ways",
)

READ_USERS = "User.Read.All"
BLOCK_ACCOUNTS = "User.EnableDisableAccount.All"
BLOCK_ROLES = frozenset({BLOCK_ACCOUNTS, "User.ReadWrite.All", "Directory.ReadWrite.All"})
REVOKE_SESSIONS = "User.RevokeSessions.All"
CLIENT_PROPERTIES = (
    "ExternalDirectoryObjectId",
    "Guid",
    "PrimarySmtpAddress",
    *CLIENT_PROTOCOLS.values(),
)


async def apply_containment_change(
    graph: GraphClient,
    exchange: ExchangeClient,
    change: ContainmentChange,
    read_role_holders: RoleHoldersReader,
    sleep: Sleep,
) -> AppliedChange:
    """Make one change. Raises Superseded, NotFound, Rejected, Forbidden or Unavailable."""
    match change:
        case BlockAccount():
            return await block_account(graph, change, read_role_holders, sleep)
        case RevokeSessions():
            return await revoke_sessions(graph, change, sleep)
        case DisableClientProtocols():
            return await disable_client_protocols(exchange, change, sleep)
        case DisableDevice():
            return await disable_device(graph, change, sleep)
        case DisableHiddenRule():
            return await disable_hidden_rule(exchange, change, sleep)
        case _:
            assert_never(change)


async def undo_containment_change(
    graph: GraphClient,
    exchange: ExchangeClient,
    change: ContainmentChange,
    before: Mapping[str, object],
    sleep: Sleep,
) -> AppliedChange:
    """Undo one change. Raises Superseded, NotFound, Rejected, Forbidden or Unavailable."""
    match change:
        case BlockAccount():
            return await undo_block_account(graph, change, before, sleep)
        case RevokeSessions():
            raise Rejected(SESSIONS_STAY_ENDED)
        case DisableClientProtocols():
            return await undo_disable_client_protocols(exchange, change, before, sleep)
        case DisableDevice():
            return await undo_disable_device(graph, change, before, sleep)
        case DisableHiddenRule():
            return await undo_disable_hidden_rule(exchange, change, before, sleep)
        case _:
            assert_never(change)


# Sign-in ------------------------------------------------------------------------------------------


async def read_target_row(graph: GraphClient, account_id: str) -> TargetAccount:
    """The account. Raises Unavailable for another account's row."""
    path = f"/users/{account_id}?$select={TARGET_PROPERTIES}"
    found = parse_row_for_change(parse_target, await graph.get(path, READ_USERS))
    if found.id.lower() != account_id.lower():
        raise Unavailable("Graph answered with another account than was asked for")
    return found


async def block_account(
    graph: GraphClient, change: BlockAccount, read_role_holders: RoleHoldersReader, sleep: Sleep
) -> AppliedChange:
    """Block an account. Who holds a role, or may take one, is never blocked by an app."""
    read_current = partial(read_target_row, graph, check_object_id(change.account_id))
    found = await read_current()
    if found.enabled is None:
        raise Unavailable("Graph did not say whether the account is enabled")
    if not found.enabled:
        return AppliedChange({"accountEnabled": False}, unchanged=True)
    if found.is_management_restricted:
        raise Rejected(
            "the account is in a restricted management administrative unit: no app can change it",
            verdict="protected",
        )
    role_holders = require_all_role_holders(await read_role_holders())
    if found.id in role_holders.holders:
        raise Rejected("the account holds a role, or may activate one", verdict="protected")
    # A list of role holders that ended too soon says nothing of this account.
    await check_holds_no_role(graph, role_holders, found.id)
    before = {"accountEnabled": True}
    await write_verified(
        lambda: set_account_enabled(graph, found.id, enabled=False),
        read_current,
        lambda now: now.enabled is False,
        before,
        sleep,
    )
    return AppliedChange(before)


async def set_account_enabled(graph: GraphClient, account_id: str, *, enabled: bool) -> None:
    """Set accountEnabled. A 403 in spite of the permission means that the account is protected."""
    try:
        await graph.patch(f"/users/{account_id}", {"accountEnabled": enabled}, BLOCK_ACCOUNTS)
    except Forbidden as error:
        roles = await graph.read_token_roles()
        if roles is None or roles.isdisjoint(BLOCK_ROLES):
            raise
        raise Rejected(
            "Graph refused although the app may write: a role or an administrative unit protects "
            "the account",
            verdict="protected",
        ) from error


async def undo_block_account(
    graph: GraphClient, change: BlockAccount, before: Mapping[str, object], sleep: Sleep
) -> AppliedChange:
    """Let an account sign in again, as it could before."""
    name, left = SWITCH_CHANGES["BlockAccount"]
    was = before[name] is True
    account_id = check_object_id(change.account_id)

    async def read_current() -> bool:
        found = await read_target_row(graph, account_id)
        if found.enabled is None:
            raise Unavailable("Graph did not say whether the account is enabled")
        return found.enabled

    undo = build_switch_undo(
        read_current,
        lambda value: set_account_enabled(graph, account_id, enabled=value),
        name,
        was,
        left,
    )
    return await run_undo(undo, sleep)


async def revoke_sessions(
    graph: GraphClient, change: RevokeSessions, sleep: Sleep
) -> AppliedChange:
    """Tell the sessions of an account to end, and see that Graph took note of it.

    Graph moves signInSessionsValidFromDateTime on; that it accepts the request is no proof.
    """
    account_id = check_object_id(change.account_id)
    read_current = partial(read_target_row, graph, account_id)
    found = await read_current()
    if found.is_guest:
        raise Rejected("Graph accepts this for a guest and ends nothing", verdict="refused")
    valid_from = found.sessions_valid_from
    before = {SESSIONS_VALID_FROM: valid_from.isoformat() if valid_from else ""}

    def has_moved(now: TargetAccount) -> bool:
        return is_later(now.sessions_valid_from, valid_from)

    async def post() -> None:
        path = f"/users/{account_id}/revokeSignInSessions"
        if (await graph.post(path, None, REVOKE_SESSIONS)).get("value") is False:
            raise Unavailable("Graph did not end them")

    with recording_before(before):
        await carry_out(post, read_current, has_moved)
        await wait_until_visible(read_current, has_moved, sleep)
    return AppliedChange(before)


def is_later(now: datetime | None, before: datetime | None) -> bool:
    """Whether a time has moved on."""
    return now is not None and (before is None or now > before)


# Ways of mail clients -----------------------------------------------------------------------------


async def read_client_row(exchange: ExchangeClient, guid: str) -> ResponseRow:
    """One mailbox's ways of mail clients. Raises NotFound, or Unavailable for another's row."""
    rows = await exchange.invoke("Get-CASMailbox", {"Identity": guid}, select=CLIENT_PROPERTIES)
    if not rows:
        raise NotFound("the mailbox is gone")
    ids = {
        parse_identifier(rows[0].get(name)).lower()
        for name in ("Guid", "ExternalDirectoryObjectId")
    }
    if len(rows) > 1 or guid.lower() not in ids:
        raise Unavailable("Exchange answered with another mailbox than was asked for")
    return rows[0]


def read_switches(row: ResponseRow, names: tuple[str, ...]) -> dict[str, bool | None]:
    """The switches of a mailbox; one that is empty is left to the organization.

    Raises Unavailable for one that the answer does not have.
    """
    if absent := [name for name in names if name not in row]:
        raise Unavailable(f"Exchange did not show {', '.join(absent)}")
    return {name: parse_optional_bool(row.get(name)) for name in names}


def list_switch_names(change: DisableClientProtocols) -> tuple[str, ...]:
    """The properties of a change. Raises Rejected for a way that is not known."""
    unknown = [name for name in change.protocols if name not in CLIENT_PROTOCOLS]
    if unknown or not change.protocols:
        raise Rejected(f"no such ways: {', '.join(unknown) or 'none were named'}")
    return tuple(CLIENT_PROTOCOLS[name] for name in change.protocols)


async def set_switches(
    exchange: ExchangeClient, row: ResponseRow, values: Mapping[str, object]
) -> None:
    """Set-CASMailbox on exactly this mailbox."""
    await exchange.invoke(
        "Set-CASMailbox",
        {"Identity": parse_identifier(row.get("Guid")), **values},
        anchor=parse_text(row.get("PrimarySmtpAddress"), 320),
    )


async def disable_client_protocols(
    exchange: ExchangeClient, change: DisableClientProtocols, sleep: Sleep
) -> AppliedChange:
    """Close the ways that are open, or left to the organization."""
    names = list_switch_names(change)

    async def read_current() -> dict[str, bool | None]:
        return read_switches(await read_client_row(exchange, change.mailbox_guid), names)

    row = await read_client_row(exchange, change.mailbox_guid)
    before = read_switches(row, names)
    closing = {name: False for name, value in before.items() if value is not False}
    if not closing:
        return AppliedChange(before, unchanged=True)
    await write_verified(
        lambda: set_switches(exchange, row, closing),
        read_current,
        lambda now: all(value is False for value in now.values()),
        before,
        sleep,
    )
    return AppliedChange(before)


async def undo_disable_client_protocols(
    exchange: ExchangeClient,
    change: DisableClientProtocols,
    before: Mapping[str, object],
    sleep: Sleep,
) -> AppliedChange:
    """Open the ways that were open, and leave to the organization what was left to it."""
    names = list_switch_names(change)
    if not set(names) <= before.keys():
        raise Rejected(PRIOR_STATE_UNKNOWN)
    was = {name: parse_optional_bool(before[name]) for name in names}
    last_row: ResponseRow = {}

    async def read_current() -> dict[str, bool | None]:
        nonlocal last_row
        last_row = await read_client_row(exchange, change.mailbox_guid)
        return read_switches(last_row, names)

    async def write(now: dict[str, bool | None]) -> None:
        values = {name: value for name, value in was.items() if now[name] is not value}
        await set_switches(exchange, last_row, values)

    undo = UndoProcedure[dict[str, bool | None]](
        read_current,
        to_record=lambda now: now,
        is_as_before=lambda now: now == was,
        is_as_applied=lambda now: all(
            value is False or value is was[name] for name, value in now.items()
        ),
        write=write,
    )
    return await run_undo(undo, sleep)
