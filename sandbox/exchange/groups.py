"""Groups in Exchange: the members of distribution groups and of Microsoft 365 groups.

A scene lists the members by group (`{"all-desk@contoso.com": [...]}`), or flat, with the group's
name in `Group`; flat rows without it belong to every group. A member is a full row, or the name of
a recipient of the scene.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sandbox.exchange.read_cmdlets import (
    Cmdlet,
    CmdletResult,
    Command,
    build_binding_error,
    build_missing_object_error,
    get_recipient_row,
    limit_rows,
)
from sandbox.http_types import Row, split_words
from sandbox.state.tenant import Owner, SimulatedTenant, fold_key

MICROSOFT_365_GROUP = "groupmailbox"
DISTRIBUTION_GROUPS = frozenset(
    split_words(
        "mailnonuniversalgroup mailuniversaldistributiongroup mailuniversalsecuritygroup roomlist"
    )
)
LINK_TYPES = frozenset(split_words("members owners subscribers aggregators eventsubscribers"))


def find_group(tenant: SimulatedTenant, identity: object, kinds: frozenset[str]) -> Owner:
    """Finds the group of an identity. Raises CmdletError for none of these kinds."""
    if identity is None:
        raise build_binding_error(
            "cannot bind argument to parameter 'Identity' because it is null."
        )
    for owner in tenant.find_owners(identity):
        row = get_recipient_row(owner)
        if row is not None and fold_key(row.get("RecipientTypeDetails")) in kinds:
            return owner
    raise build_missing_object_error(identity)


def iter_members(tenant: SimulatedTenant, cmdlet: str, group: Owner) -> Iterator[Row]:
    """The rows of a group's members."""
    collection: Any = tenant.exchange.get(cmdlet) or []
    if isinstance(collection, Mapping):
        listed = [
            entry
            for name, entries in collection.items()
            if any(owner is group for owner in tenant.find_owners(name))
            for entry in entries
        ]
    else:
        listed = [
            entry
            for entry in collection
            if not isinstance(entry, Mapping)
            or "Group" not in entry
            or any(owner is group for owner in tenant.find_owners(entry["Group"]))
        ]
    for entry in listed:
        if isinstance(entry, Mapping):
            yield {name: value for name, value in entry.items() if name != "Group"}
            continue
        rows = [get_recipient_row(owner) for owner in tenant.find_owners(entry)]
        yield from (row for row in rows[:1] if row is not None)


def get_distribution_group_member(tenant: SimulatedTenant, command: Command) -> CmdletResult:
    """Get-DistributionGroupMember: the direct members of one distribution or security group."""
    group = find_group(tenant, command.get_parameter("Identity"), DISTRIBUTION_GROUPS)
    return CmdletResult(limit_rows([*iter_members(tenant, command.name, group)], command))


def get_unified_group_links(tenant: SimulatedTenant, command: Command) -> CmdletResult:
    """Get-UnifiedGroupLinks: who is linked to one Microsoft 365 group."""
    if fold_key(command.get_parameter("LinkType")) not in LINK_TYPES:
        raise build_binding_error("LinkType is missing or unknown.")
    group = find_group(tenant, command.get_parameter("Identity"), frozenset({MICROSOFT_365_GROUP}))
    return CmdletResult(limit_rows([*iter_members(tenant, command.name, group)], command))


MEMBER_PARAMETERS: Sequence[str] = split_words(
    "Identity IncludeSoftDeletedObjects ReadFromDomainController ResultSize"
)
LINK_PARAMETERS: Sequence[str] = split_words("Identity LinkType ResultSize")
GROUP_CMDLETS: Mapping[str, Cmdlet] = {
    "Get-DistributionGroupMember": Cmdlet(
        get_distribution_group_member, frozenset(MEMBER_PARAMETERS)
    ),
    "Get-UnifiedGroupLinks": Cmdlet(get_unified_group_links, frozenset(LINK_PARAMETERS)),
}
