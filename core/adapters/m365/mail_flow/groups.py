"""The members of groups that mail is sent on to.

Exchange is asked and not Graph: it prints where mail to a contact or mail user goes, and Graph
shows neither that nor the contacts themselves to an app that may only read memberships.
"""

from collections.abc import Sequence
from itertools import batched

from core.adapters.exchange.client import ExchangeClient
from core.adapters.exchange.command import Command
from core.adapters.exchange.listings import list_each
from core.adapters.m365.mail_flow.parse import RECIPIENT_PROPERTIES, parse_recipient_row
from core.adapters.m365.mailboxes import CHUNK_SIZE
from core.adapters.parsing import parse_each_row
from core.adapters.read_errors import build_object_failures
from core.errors import NotFound, TenantError
from core.tenant.mail_flow import GroupMembers, Recipient
from core.tenant.readings import Reading
from core.tenant.sources import GROUP_MEMBERS

RELIES_ON = ("exchange-group-members",)

MAX_MEMBERS = 500
"""So many members are read of a group; of a larger one it is said that it is."""
MICROSOFT_365_GROUP = "groupmailbox"


def build_members_command(group: Recipient) -> Command:
    """The command that lists the direct members of a group, and one more than are kept."""
    identity = group.address or group.id or group.name
    if group.kind.casefold() == MICROSOFT_365_GROUP:
        return Command(
            "Get-UnifiedGroupLinks",
            {"Identity": identity, "LinkType": "Members", "ResultSize": MAX_MEMBERS + 1},
            RECIPIENT_PROPERTIES,
        )
    return Command(
        "Get-DistributionGroupMember",
        {"Identity": identity, "ResultSize": MAX_MEMBERS + 1},
        RECIPIENT_PROPERTIES,
    )


async def fetch_group_members(
    exchange: ExchangeClient, groups: Sequence[Recipient]
) -> Reading[GroupMembers]:
    """The direct members of each group. A failure names the group by its key.

    One refused for its kind does not hide the others: the two kinds of groups have two cmdlets.
    """
    items: list[GroupMembers] = []
    failures: dict[str, TenantError | str] = {}
    for part in batched(groups, CHUNK_SIZE, strict=False):
        commands = [build_members_command(group) for group in part]
        answers = await list_each(exchange, commands)
        for group, rows in zip(part, answers, strict=True):
            key = group.key
            if isinstance(rows, NotFound):
                items.append(GroupMembers(key, complete=False))
            elif isinstance(rows, TenantError):
                failures[key] = rows
            else:
                members, broken = parse_each_row(rows[:MAX_MEMBERS], parse_recipient_row)
                whole = len(rows) <= MAX_MEMBERS and not broken
                items.append(GroupMembers(key, tuple(members), complete=whole))
    subjects = {group.key: group.address for group in groups}
    return Reading(
        items=tuple(items),
        failures=build_object_failures(
            GROUP_MEMBERS, failures, len(groups), subjects, optional=True
        ),
        sources=frozenset({GROUP_MEMBERS}),
        population=len(items) + len(failures),
    )
