"""Who holds a role, read from a tenant: and that nobody who does is ever locked out.

Random directories are put into the sandbox and read by the real adapters over HTTP. Who holds a
role in them is worked out from the scene by other code.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.adapters.m365 import M365
from core.errors import TenantError
from core.guards.exchange_module_access import GUARD
from core.model import Look, Terms
from core.tenant import DisableExchangeModule
from sandbox.roles_scene import CHIEF, CHIEF_GUID, GLOBAL_ADMINISTRATOR, USERS
from tests.adapters.connection import Connection, connected, module_row, scene, user
from tests.fake_roles import holders_in
from tests.looked import looked

TERMS = Terms(now=datetime(2026, 11, 20, 12, tzinfo=UTC))
PEOPLE = range(1, 9)
GROUPS = range(1, 6)
READER = "88d8e3e3-8f55-4a1e-953a-9b9898b8876b"


def person(number: int) -> str:
    return f"aaaaaaaa-0000-4000-8000-{number:012}"


def guid(number: int) -> str:
    return f"bbbbbbbb-0000-4000-8000-{number:012}"


def group(number: int) -> str:
    return f"cccccccc-0000-4000-8000-{number:012}"


ANYBODY = st.sampled_from([*map(person, PEOPLE), *map(group, GROUPS)])
KINDS = st.sampled_from(["UserMailbox", "SharedMailbox", "GuestMailUser", "User"])


@st.composite
def assignments(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Roles given to persons and groups; sometimes Graph does not say which of the two it is."""
    rows = []
    for one in draw(st.lists(ANYBODY, max_size=4)):
        kind = "group" if one.startswith("c") else "user"
        row: dict[str, Any] = {
            "principalId": draw(st.sampled_from([one, one.upper()])) if kind == "user" else one,
            "roleDefinitionId": READER,
            "directoryScopeId": draw(st.sampled_from(["/", "/administrativeUnits/1"])),
        }
        if draw(st.booleans()):
            row["principal"] = {"@odata.type": f"#microsoft.graph.{kind}", "id": one}
        rows.append(row)
    return rows


@st.composite
def role_group_members(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Members of a role group: persons, groups, a role group, somebody long deleted."""
    rows = []
    for one in draw(st.lists(ANYBODY, max_size=3)):
        number = int(one[-12:])
        nested = one.startswith("c")
        kind = "MailUniversalSecurityGroup" if nested else draw(KINDS)
        rows.append(
            {
                "ExternalDirectoryObjectId": one,
                "Guid": f"dddddddd-0000-4000-8000-{number:012}" if nested else guid(number),
                "Name": f"n{number}",
                "RecipientTypeDetails": draw(st.sampled_from([kind, kind, ""])),
            }
        )
    if draw(st.booleans()):
        rows.append({"Guid": person(99), "Name": "gone", "RecipientTypeDetails": "User"})
    if draw(st.booleans()):
        rows.append({"Guid": "", "Name": "Recipients", "RecipientTypeDetails": "RoleGroup"})
    return rows


FAULTS = st.sampled_from(
    [
        "roleAssignments",
        "roleEligibilityScheduleInstances",
        "transitiveMembers",
        "privilegedAccess",
        "^Get-RoleGroup$",
        "^Get-RoleGroupMember Recipients",
        "^Get-RoleGroupMember",
        "^Get-User$",
        "transitiveMemberOf",
        f"groups/{group(1)}",
        "principalId eq",
    ]
)


@st.composite
def directories(draw: st.DrawFn) -> dict[str, Any]:
    """A directory with all that makes it hard to say who administers."""
    chief = {
        "principalId": CHIEF,
        "roleDefinitionId": GLOBAL_ADMINISTRATOR,
        "principal": {"@odata.type": "#microsoft.graph.user", "id": CHIEF},
    }
    groups = [
        {
            "id": group(number),
            "displayName": f"group {number}",
            "isAssignableToRole": draw(st.booleans()),
            "visibility": draw(st.sampled_from(["Private", "Private", "HiddenMembership"])),
            # Groups within each other, round about too; members that are not there any more.
            "members": draw(st.lists(ANYBODY | st.just(person(77)), max_size=4, unique=True)),
        }
        for number in GROUPS
        if draw(st.integers(0, 9))
    ]
    may_join = [
        {"groupId": group(draw(st.sampled_from(GROUPS))), "principalId": one, "accessId": "member"}
        for one in draw(st.lists(ANYBODY, max_size=3))
    ]
    with_chief = draw(st.integers(0, 9)) > 0
    rows = [
        module_row(
            person(number),
            guid(number),
            f"p{number}",
            RecipientTypeDetails=draw(KINDS),
            ExternalDirectoryObjectId=draw(
                st.sampled_from([person(number), person(number).upper()])
            ),
        )
        for number in PEOPLE
    ]
    return {
        "graph": {
            "users": [user(person(number), f"p{number}") for number in PEOPLE],
            "roleAssignments": [chief, *draw(assignments())] if with_chief else draw(assignments()),
            "roleEligibilityScheduleInstances": draw(assignments()),
            "groups": groups,
            "groupEligibility": may_join,
        },
        "exchange": {
            "Get-User": [*USERS, *rows] if draw(st.integers(0, 9)) else rows,
            "Get-RoleGroup": [
                {"Guid": person(50), "Name": "Organization Management"},
                {"Name": "Recipients"},
            ],
            "Get-RoleGroupMember": {
                "Organization Management": draw(role_group_members()),
                "Recipients": draw(role_group_members()),
            },
        },
        "faults": [
            {"match": match, "kind": "error", "status": 503}
            for match in draw(st.lists(FAULTS, max_size=1))
        ],
        "@sandbox.entraP2": draw(st.booleans()),
    }


def holders_of(directory: dict[str, Any]) -> set[str]:
    """Who holds a role, or may: without PIM's licence nobody may."""
    graph = dict(directory["graph"])
    if not directory["@sandbox.entraP2"]:
        graph |= {"roleEligibilityScheduleInstances": [], "groupEligibility": []}
    lowered = {
        name: [{**row, "principalId": row["principalId"].lower()} for row in graph[name]]
        for name in ("roleAssignments", "roleEligibilityScheduleInstances")
    }
    return holders_in({**graph, **lowered}, directory["exchange"])


@dataclass
class Tally:
    """That the property was about something."""

    changed: int = 0
    refused: int = 0
    blind: int = 0


async def check(to: Connection, directory: dict[str, Any], tally: Tally) -> None:
    """No holder is in a Change; and no Change, however it came about, is made of a holder."""
    to.sandbox.tenant.merge(directory)
    to.sandbox.tenant.writes.clear()
    holders = holders_of(directory)
    tenant = M365(to.graph, to.exchange, sleep=to.clock.sleep)
    reading = await looked(GUARD, tenant, Look(TERMS, enforcing=True))
    changes = {
        change.user_id
        for item in reading.items
        for finding in GUARD.judge(item, TERMS)
        for change in finding.changes
        if isinstance(change, DisableExchangeModule)
    }
    assert not changes & holders
    tally.blind += not reading.items
    for number in PEOPLE:
        try:
            await tenant.apply(DisableExchangeModule(person(number), guid(number)))
        except TenantError:
            tally.refused += 1
    written = {
        str(write["body"]["CmdletInput"]["Parameters"]["Identity"])
        for write in to.sandbox.tenant.writes
    }
    tally.changed += len(written)
    assert not written & {guid(n) for n in PEOPLE if {person(n), guid(n)} & holders}
    assert CHIEF_GUID not in written
    rows = to.sandbox.tenant.exchange["Get-User"]
    kept = {row["ExternalDirectoryObjectId"].lower() for row in rows if row["EXOModuleEnabled"]}
    assert not written or kept & holders


def test_nobody_who_holds_a_role_or_may_is_ever_locked_out() -> None:
    tally = Tally()
    with asyncio.Runner() as runner:
        opening = connected(scene(), attempts=1)
        to = runner.run(opening.__aenter__())

        @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
        @given(directories())
        def holds(directory: dict[str, Any]) -> None:
            runner.run(check(to, directory, tally))

        try:
            holds()
        finally:
            runner.run(opening.__aexit__(None, None, None))
    assert min(tally.changed, tally.refused, tally.blind) > 20, tally
