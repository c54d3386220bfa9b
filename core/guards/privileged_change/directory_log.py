"""Reads acts of the directory's log about anybody, and what they are judged by."""

from dataclasses import replace
from functools import partial
from typing import Protocol

from core.guards.privileged_change.acts import TOLD_FOR, find_last_look, list_cuts
from core.guards.privileged_change.bursts import Records, select_gravest
from core.guards.privileged_change.directory_acts import (
    DIRECTORY_LOG,
    SYNC_ROLE,
    DirectoryAct,
    Surroundings,
    find_directory_acts,
)
from core.guards.privileged_change.directory_operations import (
    BUSY_OPERATIONS,
    INVITES,
    PASSES,
    PRECISE_OPERATIONS,
)
from core.microsoft365.look_alike_domains import find_look_alike
from core.model.guards import ObserveContext
from core.tenant.directory import RoleHolder
from core.tenant.port import HasAccounts, HasActivity, HasConfiguration
from core.tenant.readings import Reading

MAX_ACTS, MAX_LOOKUPS = 200, 100
DOMAIN = "domain"


class DirectoryLogPorts(HasAccounts, HasActivity, HasConfiguration, Protocol):
    """What these acts take to judge."""


async def read_directory_acts(
    tenant: DirectoryLogPorts, holders: Reading[RoleHolder], context: ObserveContext
) -> Reading[DirectoryAct]:
    """The acts since the last full look, or of a day.

    What a large tenant does all day is read apart: where it is too much to be read to its end, that
    is told, and the rest stands.
    """
    last_look = find_last_look(context)
    since = last_look - TOLD_FOR
    precise = await tenant.activity.read_directory_audits(since, PRECISE_OPERATIONS)
    busy = await tenant.activity.read_directory_audits(since, BUSY_OPERATIONS)
    records = (*precise.items, *busy.items)
    surroundings = await read_surroundings(tenant, records, holders)
    unread = tuple(
        replace(failure, source=DIRECTORY_LOG, optional=False)
        for failure in precise.failures
        if not failure.object_id
    )
    skipped = (
        *(
            replace(failure, source=DIRECTORY_LOG, optional=True)
            for failure in busy.failures
            if not failure.object_id
        ),
        *list_cuts(precise, DIRECTORY_LOG, last_look),
        *list_cuts(busy, DIRECTORY_LOG, last_look),
    )
    return Reading(
        items=select_gravest(
            find_directory_acts(records, surroundings),
            MAX_ACTS,
            lambda act: (act.severity, act.record.at),
            lambda act: (act.kind, act.object_id, act.record.at.date()),
        ),
        failures=tuple(dict.fromkeys((*unread, *skipped))),
        sources=frozenset({DIRECTORY_LOG}),
        population=1,
        complete=not unread,
    )


async def read_surroundings(
    tenant: DirectoryLogPorts, records: Records, holders: Reading[RoleHolder]
) -> Surroundings:
    """What the records are judged by; asked for only where one of them needs it."""
    names = {one.id.casefold(): one.name or one.id for one in holders.items}
    passed = [one for record in records if record.operation in PASSES for one in record.names[:1]]
    made = (
        await tenant.accounts.read_users(list(dict.fromkeys(passed))[:MAX_LOOKUPS])
        if passed
        else Reading()
    )
    invites = any(record.operation in INVITES for record in records)
    domains = await tenant.configuration.read_configuration(DOMAIN) if invites else Reading()
    copiers = frozenset(one.id.casefold() for one in holders.items if SYNC_ROLE in one.roles)
    return Surroundings(
        names,
        None if holders.failures else copiers,
        {one.id.casefold(): one.created_at for one in made.items if one.created_at},
        partial(find_look_alike, own=tuple(one.id for one in domains.items)),
    )
