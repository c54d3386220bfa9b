"""The members of Exchange's role groups."""

from collections.abc import Sequence
from itertools import batched

from core.adapters.exchange.client import ExchangeClient
from core.adapters.exchange.command import Command
from core.adapters.exchange.listings import list_each, list_rows
from core.adapters.m365.mailboxes import ALL_RESULTS
from core.adapters.m365.roles.holders import EXCHANGE, RoleHolders
from core.adapters.m365.roles.parse import (
    GROUP,
    MEMBER_PROPERTIES,
    OTHER,
    ROLE_GROUP_PROPERTIES,
    Principal,
    RoleGroup,
    RoleGroupMember,
    parse_all,
    parse_role_group,
    parse_role_group_member,
)
from core.adapters.parsing import ResponseRow
from core.errors import TenantError, Unavailable

COMMAND_CHUNK_SIZE = 200


async def collect_role_groups(exchange: ExchangeClient, role_holders: RoleHolders) -> None:
    """The members of every role group of Exchange.

    A role group inside another is among all role groups; any other group is asked of Graph.
    """
    try:
        command = Command("Get-RoleGroup", ALL_RESULTS, ROLE_GROUP_PROPERTIES)
        rows = await list_rows(exchange, command)
        groups = list(parse_all(rows, parse_role_group))
        if not groups:
            raise Unavailable("Exchange listed no role group, which no tenant is without")
    except TenantError as error:
        role_holders.add_failure(error)
        return
    known = {one.id for one in groups} | {one.name.lower() for one in groups}
    members = 0
    for part in batched(groups, COMMAND_CHUNK_SIZE, strict=False):
        for group, answer in zip(
            part, await list_each(exchange, build_member_commands(part)), strict=True
        ):
            try:
                members += add_role_group_members(role_holders, group, answer, known)
            except TenantError as error:
                role_holders.add_failure(error)
    if not members and not role_holders.failures:
        role_holders.add_failure("no role group of Exchange has any member, which no tenant can be")


def add_role_group_members(
    role_holders: RoleHolders,
    group: RoleGroup,
    answer: list[ResponseRow] | TenantError,
    known: set[str],
) -> int:
    """The members of one role group, and how many they are. Raises TenantError."""
    if isinstance(answer, TenantError):
        raise answer
    members = list(parse_all(answer, parse_role_group_member))
    for one in members:
        add_role_group_member(role_holders, group, one, known)
    return len(members)


def build_member_commands(groups: Sequence[RoleGroup]) -> list[Command]:
    """The commands that list the members of role groups."""
    return [
        Command("Get-RoleGroupMember", {"Identity": one.id, **ALL_RESULTS}, MEMBER_PROPERTIES)
        for one in groups
    ]


def add_role_group_member(
    role_holders: RoleHolders, group: RoleGroup, one: RoleGroupMember, known: set[str]
) -> None:
    """One member of a role group. Raises Unavailable for a group that cannot be expanded."""
    if one.is_nested:
        if one.guid not in known and one.name.lower() not in known:
            raise Unavailable(f"role group {group.name!r}: a role group in it was not listed")
        return
    for member in filter(None, (one.guid, one.id)):
        role_holders.role_groups.setdefault(member, set()).add(group.name)
    if one.guid:
        role_holders.add_principal(Principal(one.guid, OTHER), EXCHANGE)
    if one.id:
        role_holders.add_principal(Principal(one.id, one.kind), EXCHANGE)
        role_holders.exchange_members.add(one.id)
    elif one.kind == GROUP:
        raise Unavailable(f"role group {group.name!r}: a group in it has no Entra id")
