"""Asking Exchange whom recipients stand for, through contacts and groups, round by round."""

from dataclasses import replace

from core.microsoft365.addresses import OwnDomains
from core.microsoft365.recipients import (
    MAX_HOPS,
    KnownRecipients,
    list_further_groups,
    list_further_lookups,
)
from core.tenant.mail_flow import GroupMembers, Recipient
from core.tenant.member_memory import MemberMemory
from core.tenant.merging import collect_failures, collect_sources
from core.tenant.port import HasMailFlow
from core.tenant.readings import Reading

MAX_GROUPS = 200
"""So many groups are looked into for one batch of mailboxes."""


async def look_up_recipients(
    tenant: HasMailFlow,
    names: set[str],
    own_domains: OwnDomains | None,
    memory: MemberMemory | None = None,
) -> tuple[KnownRecipients, Reading[Recipient]]:
    """What recipients stand for, and what those stand for that are contacts or groups.

    Each round asks for the own addresses and the groups that the round before brought up. A group
    that lacks members which `memory` knows is not answered.
    """
    known, asked, wanted = KnownRecipients(), set[str](), names
    parts: list[Reading[Recipient] | Reading[GroupMembers]] = []
    for _ in range(2 * MAX_HOPS):
        if own_domains is None:
            break
        groups = {group.key: group for group in list_further_groups(known)}
        groups = {key: group for key, group in groups.items() if key not in known.unread_groups}
        if not wanted and not groups:
            break
        if wanted:
            part = await tenant.mail_flow.read_recipients(sorted(wanted))
            parts.append(part)
            asked |= wanted | {failure.object_id for failure in part.failures}
            found = {recipient.name: recipient for recipient in part.items}
            known = replace(known, by_name={**known.by_name, **found})
        if groups:
            known, members = await look_into_groups(tenant, known, list(groups.values()), memory)
            parts.append(members)
        wanted = set(list_further_lookups(known, own_domains)) - asked
    return known, Reading(failures=collect_failures(parts), sources=collect_sources(parts))


async def look_up_group_members(
    tenant: HasMailFlow, known: KnownRecipients
) -> tuple[KnownRecipients, Reading[GroupMembers]]:
    """The members of every group among known recipients, and of the groups that those hold."""
    parts: list[Reading[GroupMembers]] = []
    asked: set[str] = set()
    while groups := {one.key: one for one in list_further_groups(known) if one.key not in asked}:
        asked |= groups.keys()
        known, members = await look_into_groups(tenant, known, list(groups.values()))
        parts.append(members)
    return known, Reading(failures=collect_failures(parts), sources=collect_sources(parts))


async def look_into_groups(
    tenant: HasMailFlow,
    known: KnownRecipients,
    groups: list[Recipient],
    memory: MemberMemory | None = None,
) -> tuple[KnownRecipients, Reading[GroupMembers]]:
    """The members of groups. A group of which they may not be read, or one too many, is named."""
    room = MAX_GROUPS - len(known.groups) - len(known.unread_groups)
    asked = groups[: max(room, 0)]
    members = await tenant.mail_flow.read_group_members(asked) if asked else Reading[GroupMembers]()
    refused = {
        group.key: f"its members cannot be read: {failure.reason}"
        for group in asked
        for failure in members.failures
        if failure.permission and failure.object_id in ("", group.key)
    }
    refused |= {group.key: "too many groups to look into at once" for group in groups[len(asked) :]}
    whole = [one for one in members.items if memory is None or memory.is_whole(one)]
    found = {group.group_key: group for group in whole}
    return (
        replace(
            known,
            groups={**known.groups, **found},
            unread_groups={**known.unread_groups, **refused},
        ),
        members,
    )
