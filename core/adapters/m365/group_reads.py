"""Groups of Entra with everybody in them, however deep, and their owners, who fill them; and the
names of accounts that are known by their ids.
"""

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from core.adapters.graph.client import GraphClient
from core.adapters.parsing import ResponseRow, find_guid, parse_identifier, parse_text
from core.adapters.read_errors import build_object_failures
from core.errors import NotFound, Rejected, TenantError, Unavailable
from core.microsoft365.configuration_sources import EXCLUDED_GROUP, get_configuration_source_name
from core.tenant.configuration import Configuration
from core.tenant.readings import Reading

READ_GROUPS, READ_HIDDEN = "GroupMember.Read.All", "Member.Read.Hidden"
READ_ACCOUNTS = "User.Read.All"
NAME_LIMIT = 200
RULE_LIMIT = 4_000
MAX_GROUPS = 100
MAX_NAMES = 400
"""So many accounts are named in a run; others are shown by their ids."""
MAX_MEMBERS = 20_000
"""More are no exception of a policy, and each costs memory."""


async def fetch_groups(graph: GraphClient, ids: Sequence[str]) -> Reading[Configuration]:
    """Each group with its rule, transitive members and owners. A failure names its group."""
    items: list[Configuration] = []
    failures: dict[str, TenantError | str] = {}
    for group in ids[:MAX_GROUPS]:
        try:
            items.append(await fetch_group(graph, group))
        except NotFound:
            # A policy keeps the id of a group that was deleted.
            continue
        except TenantError as error:
            failures[group] = error
    for group in ids[MAX_GROUPS:]:
        failures[group] = f"more than {MAX_GROUPS} groups are left out by policies"
    source = get_configuration_source_name(EXCLUDED_GROUP)
    return Reading(
        items=tuple(items),
        failures=build_object_failures(source, failures, len(ids), {}),
        sources=frozenset({source}),
        population=len(items) + len(failures),
    )


async def fetch_group(graph: GraphClient, group: str) -> Configuration:
    """One group. Raises TenantError; Unavailable where members may be hidden."""
    path = f"/groups/{quote(group, safe='')}"
    row = await graph.get(f"{path}?$select=id,displayName,membershipRule,visibility", READ_GROUPS)
    members = await fetch_people(graph, f"{path}/transitiveMembers")
    owners = await fetch_owners(graph, f"{path}/owners")
    visibility = parse_text(row.get("visibility"), NAME_LIMIT)
    if not members and visibility.casefold() == "hiddenmembership":
        raise Unavailable(f"the group hides its members from an app without {READ_HIDDEN}")
    return Configuration(
        EXCLUDED_GROUP,
        parse_identifier(row.get("id"), NAME_LIMIT) or group,
        parse_text(row.get("displayName"), NAME_LIMIT) or group,
        {
            "membershipRule": parse_text(row.get("membershipRule"), RULE_LIMIT),
            "members": [parse_member(one) for one in members],
            "owners": [parse_member(one) for one in owners],
        },
    )


async def fetch_owners(graph: GraphClient, path: str) -> list[ResponseRow]:
    """The owners of a group: none of one that Graph knows no owners of, since it was made in
    Exchange or on premises (Microsoft Learn: Graph "List group owners"). Raises TenantError.
    """
    try:
        return await fetch_people(graph, path)
    except (NotFound, Rejected):
        return []


async def fetch_people(graph: GraphClient, path: str) -> list[ResponseRow]:
    """Everybody of a relation of a group. Raises TenantError; Unavailable if they are too many."""
    found: list[ResponseRow] = []
    asked = f"{path}?$select=id,displayName,userPrincipalName&$top=999"
    async for page in graph.read_pages(asked, READ_GROUPS):
        found += page
        if len(found) > MAX_MEMBERS:
            raise Unavailable(f"the group has more than {MAX_MEMBERS:,} members")
    return found


async def fetch_account_names(graph: GraphClient, ids: Sequence[str]) -> Mapping[str, str]:
    """The principal names of the first of these accounts; one that is gone or unread has none, and
    neither has what is no id, such as all guests.
    """
    names: dict[str, str] = {}

    def take(key: str, answer: ResponseRow | TenantError) -> None:
        if not isinstance(answer, TenantError) and parse_identifier(answer.get("id")) == key:
            names[key] = parse_member(answer)["name"]

    accounts = [one for one in ids if find_guid(one)]
    asked = "$select=id,displayName,userPrincipalName"
    paths = {one: f"/users/{quote(one, safe='')}?{asked}" for one in accounts[:MAX_NAMES]}
    try:
        await graph.get_batch(paths, READ_ACCOUNTS, take)
    except TenantError:
        return {}
    return names


def parse_member(row: ResponseRow) -> dict[str, str]:
    """A member by id and name, where the app may see the name."""
    name = row.get("userPrincipalName") or row.get("displayName") or row.get("id")
    return {"id": parse_identifier(row.get("id"), NAME_LIMIT), "name": parse_text(name, NAME_LIMIT)}
