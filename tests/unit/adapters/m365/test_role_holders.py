"""Who holds a role, read from a tenant: and that nobody who does is ever locked out.

Random directories are put into the sandbox and read by the real adapters over HTTP. Who holds a
role in them is worked out from the scene by other code.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.adapters.m365.tenant import connect_tenant
from core.errors import Forbidden, Rejected, TenantError
from core.guards.exchange_module_access import GUARD
from core.model.guards import GuardPolicy, ObserveContext
from core.tenant.changes import DisableExchangeModule
from sandbox.scenes.default_roles import (
    ADMIN_GUID,
    ADMIN_ID,
    DEFAULT_ASSIGNMENTS,
    DEFAULT_USERS,
    GLOBAL_ADMINISTRATOR,
)
from tests.support.fakes.roles import find_role_holders
from tests.support.http_recorder import (
    Connection,
    build_module_user_row,
    build_scene,
    build_user_row,
    connect_directly,
)
from tests.support.observe import observe_all

TERMS = GuardPolicy(now=datetime(2026, 11, 20, 12, tzinfo=UTC))
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
        "owners",
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
        "principalId": ADMIN_ID,
        "roleDefinitionId": GLOBAL_ADMINISTRATOR,
        "principal": {"@odata.type": "#microsoft.graph.user", "id": ADMIN_ID},
    }
    groups = [
        {
            "id": group(number),
            "displayName": f"group {number}",
            "isAssignableToRole": draw(st.booleans()),
            "visibility": draw(st.sampled_from(["Private", "Private", "HiddenMembership"])),
            # Groups within each other, round about too; members that are not there any more.
            "members": draw(st.lists(ANYBODY | st.just(person(77)), max_size=4, unique=True)),
            "owners": draw(st.lists(st.sampled_from([*map(person, PEOPLE)]), max_size=1)),
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
        build_module_user_row(
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
            "users": [build_user_row(person(number), f"p{number}") for number in PEOPLE],
            "roleAssignments": [chief, *draw(assignments())] if with_chief else draw(assignments()),
            "roleEligibilityScheduleInstances": draw(assignments()),
            "groups": groups,
            "groupEligibility": may_join,
        },
        "exchange": {
            "Get-User": [*DEFAULT_USERS, *rows] if draw(st.integers(0, 9)) else rows,
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
    return find_role_holders({**graph, **lowered}, directory["exchange"])


@dataclass
class Tally:
    """That the property was about something."""

    changed: int = 0
    refused: int = 0
    blind: int = 0


async def check(to: Connection, directory: dict[str, Any], tally: Tally) -> None:
    """No holder is in a Change; and no Change, however it came about, is made of a holder."""
    to.sandbox.tenant.apply_patch(directory)
    to.sandbox.tenant.writes.clear()
    holders = holders_of(directory)
    tenant = connect_tenant(to.graph, to.exchange, sleep=to.clock.sleep)
    reading = await observe_all(GUARD, tenant, ObserveContext(TERMS, is_enforcing=True))
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
            await tenant.writer.apply(DisableExchangeModule(person(number), guid(number)))
        except TenantError:
            tally.refused += 1
    written = {
        str(write["body"]["CmdletInput"]["Parameters"]["Identity"])
        for write in to.sandbox.tenant.writes
    }
    tally.changed += len(written)
    assert not written & {guid(n) for n in PEOPLE if {person(n), guid(n)} & holders}
    assert ADMIN_GUID not in written
    rows = to.sandbox.tenant.exchange["Get-User"]
    kept = {row["ExternalDirectoryObjectId"].lower() for row in rows if row["EXOModuleEnabled"]}
    assert not written or kept & holders


def test_nobody_who_holds_a_role_or_may_is_ever_locked_out() -> None:
    tally = Tally()
    with asyncio.Runner() as runner:
        opening = connect_directly(build_scene(), attempts=1)
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


# One thing wrong a case ---------------------------------------------------------------------------

TWO = build_scene(
    graph={"users": [build_user_row(person(1), "p1")]},
    exchange={"Get-User": [*DEFAULT_USERS, build_module_user_row(person(1), guid(1), "p1")]},
)
TAKE = DisableExchangeModule(person(1), guid(1))


async def reasons(**more: Any) -> list[str]:
    """Why the list of a tenant is not whole; and then nothing may be written."""
    async with connect_directly(build_scene(**more), attempts=1) as to:
        found = await to.tenant.roles.read_role_holders()
        if found.failures:
            with pytest.raises(TenantError):
                await to.tenant.writer.apply(TAKE)
            assert to.sandbox.writes == []
        return [f"{miss.permission}|{miss.reason}" for miss in found.failures]


def with_members(*rows: dict[str, Any]) -> dict[str, Any]:
    """A tenant with such members of a role group."""
    return {
        "graph": {"users": [build_user_row(person(1), "p1")]},
        "exchange": {
            "Get-User": [*DEFAULT_USERS, build_module_user_row(person(1), guid(1), "p1")],
            "Get-RoleGroup": [{"Guid": person(50), "Name": "Desk"}],
            "Get-RoleGroupMember": {"Desk": list(rows)},
        },
    }


async def test_role_groups_of_exchange_stand_with_their_members_also_through_a_group() -> None:
    local = {"ExternalDirectoryObjectId": group(1), "Guid": guid(9), "Name": "bots"}
    bots = {**local, "RecipientTypeDetails": "MailUniversalSecurityGroup"}
    ann = {"ExternalDirectoryObjectId": person(1), "Guid": guid(1), "Name": "ann"}
    ann["RecipientTypeDetails"] = "UserMailbox"
    scene = build_scene(
        graph={
            "groups": [{"id": group(1), "visibility": "Private", "members": [person(2)]}],
            "users": [build_user_row(person(2), "p2")],
        },
        exchange={
            "Get-RoleGroup": [
                {"Guid": person(50), "Name": "Desk"},
                {"Guid": person(51), "Name": "Help"},
            ],
            "Get-RoleGroupMember": {"Desk": [bots, ann], "Help": [ann]},
        },
    )
    async with connect_directly(scene, attempts=1) as to:
        found = await to.tenant.roles.read_role_holders()
    assert found.failures == ()
    by_id = {one.id: one.role_groups for one in found.items}
    assert by_id[person(2)] == {"Desk"}
    assert by_id[person(1)] == by_id[guid(1)] == {"Desk", "Help"}
    assert by_id[ADMIN_ID] == frozenset()


async def test_an_owner_has_the_roles_of_the_group_and_is_not_said_to_hold_them() -> None:
    row = {
        "principalId": group(1),
        "roleDefinitionId": READER,
        "principal": {"@odata.type": "#microsoft.graph.group", "id": group(1)},
    }
    groups = [
        {
            "id": group(1),
            "visibility": "Private",
            "members": [person(2)],
            "owners": [person(1), person(2)],
        }
    ]
    graph = {"roleAssignments": [*DEFAULT_ASSIGNMENTS, row], "groups": groups}
    async with connect_directly(build_scene(graph=graph), attempts=1) as to:
        found = await to.tenant.roles.read_role_holders()
    by_id = {one.id: one for one in found.items}
    owner, both = by_id[person(1)], by_id[person(2)]
    assert (owner.assigned_via, owner.roles) == ("owner", frozenset())
    assert owner.owned_roles == {READER}
    assert both.assigned_via == "entra"
    assert both.roles == both.owned_roles == {READER}


async def test_a_tenant_without_any_assignment_is_a_list_gone_wrong() -> None:
    (reason,) = await reasons(graph={"roleAssignments": []})
    assert "no role is assigned to anybody" in reason


async def test_a_tenant_without_a_global_administrator_is_a_list_gone_wrong() -> None:
    row = {"principalId": person(1), "roleDefinitionId": READER}
    (reason,) = await reasons(graph={"roleAssignments": [row]})
    assert "no Global Administrator" in reason


async def test_a_global_administrator_that_is_an_empty_group_is_nobody() -> None:
    row = {
        "principalId": group(1),
        "roleDefinitionId": GLOBAL_ADMINISTRATOR,
        "principal": {"@odata.type": "#microsoft.graph.group", "id": group(1)},
    }
    groups = [{"id": group(1), "visibility": "Private", "members": []}]
    (reason,) = await reasons(graph={"roleAssignments": [row], "groups": groups})
    assert "no Global Administrator" in reason


async def test_an_exchange_without_role_groups_or_members_is_a_list_gone_wrong() -> None:
    (none,) = await reasons(exchange={"Get-RoleGroup": []})
    assert "no role group" in none
    (empty,) = await reasons(**with_members())
    assert "has any member" in empty


async def test_a_group_in_a_role_group_that_entra_does_not_know_cannot_be_looked_into() -> None:
    local = {"Guid": guid(7), "Name": "local", "RecipientTypeDetails": "UniversalSecurityGroup"}
    (reason,) = await reasons(**with_members(local))
    assert "has no Entra id" in reason


async def test_a_role_group_in_a_role_group_must_be_a_listed_one() -> None:
    other = {"Guid": guid(7), "Name": "elsewhere", "RecipientTypeDetails": "RoleGroup"}
    (reason,) = await reasons(**with_members(other))
    assert "was not listed" in reason


async def test_a_member_without_any_id_might_be_anybody() -> None:
    (reason,) = await reasons(**with_members({"Name": "?", "RecipientTypeDetails": "UserMailbox"}))
    assert "without any id" in reason


async def test_a_deleted_group_that_still_holds_a_role_is_unread_by_itself() -> None:
    row = {
        "principalId": group(1),
        "roleDefinitionId": READER,
        "principal": {"@odata.type": "#microsoft.graph.group", "id": group(1)},
    }
    scene = build_scene(graph={"roleAssignments": [*DEFAULT_ASSIGNMENTS, row]})
    async with connect_directly(scene, attempts=1) as to:
        found = await to.tenant.roles.read_role_holders()
        assert [miss.object_id for miss in found.failures] == [group(1)]
        assert "404" in found.failures[0].reason
        assert group(1) in {one.id for one in found.items}


async def test_a_group_of_exchange_that_entra_does_not_know_leaves_the_list_unread() -> None:
    unknown = {
        "Guid": guid(7),
        "Name": "late",
        "ExternalDirectoryObjectId": group(1),
        "RecipientTypeDetails": "MailUniversalSecurityGroup",
    }
    (reason,) = await reasons(**with_members(unknown))
    assert "404" in reason
    held = {
        "principalId": group(1),
        "roleDefinitionId": READER,
        "principal": {"@odata.type": "#microsoft.graph.group", "id": group(1)},
    }
    scene = with_members(unknown)
    scene["graph"] = {**scene["graph"], "roleAssignments": [*DEFAULT_ASSIGNMENTS, held]}
    (reason,) = await reasons(**scene)
    assert "404" in reason


async def test_who_may_join_a_group_that_holds_a_role_must_be_read_too() -> None:
    graph = {
        "roleAssignments": [
            *DEFAULT_ASSIGNMENTS,
            {"principalId": group(1), "roleDefinitionId": READER},
        ],
        "groups": [{"id": group(1), "visibility": "Private", "members": [person(9)]}],
        "groupEligibility": [{"groupId": group(1), "principalId": person(1)}],
    }
    faults = [{"match": "privilegedAccess", "kind": "error", "status": 503}]
    assert await reasons(graph=graph) == []
    (reason,) = await reasons(graph=graph, faults=faults)
    assert "503" in reason


async def test_a_listing_that_breaks_off_on_its_second_page_is_no_list() -> None:
    rows = [{"principalId": person(n), "roleDefinitionId": READER} for n in range(100, 350)]
    faults = [{"match": "skiptoken", "kind": "error", "status": 503}]
    (reason,) = await reasons(
        graph={"roleAssignments": [*DEFAULT_ASSIGNMENTS, *rows]}, faults=faults
    )
    assert "503" in reason


async def test_every_missing_permission_is_named_and_not_only_the_first() -> None:
    row = {
        "principalId": group(1),
        "roleDefinitionId": READER,
        "principal": {"@odata.type": "#microsoft.graph.group", "id": group(1)},
    }
    graph = {
        "roleAssignments": [*DEFAULT_ASSIGNMENTS, row],
        "groups": [{"id": group(1), "members": []}],
    }
    granted = {"graph": ["RoleManagement.Read.Directory"], "exchange": ["Get-User"]}
    found = await reasons(graph=graph, grants=granted)
    assert [one.partition("|")[0] for one in found] == [
        "Exchange role with Get-RoleGroup",
        "GroupMember.Read.All",
    ]


# The look right before the write ------------------------------------------------------------------


async def test_a_role_given_after_the_lists_were_read_is_seen_before_the_write() -> None:
    async with connect_directly(TWO, attempts=1) as to:
        assert person(1) not in {
            one.id for one in (await to.tenant.roles.read_role_holders()).items
        }
        late = {"principalId": person(1), "roleDefinitionId": READER, "directoryScopeId": "/"}
        to.sandbox.tenant.apply_patch({"graph": {"roleAssignments": [*DEFAULT_ASSIGNMENTS, late]}})
        with pytest.raises(Rejected) as refused:
            await to.tenant.writer.apply(TAKE)
        assert refused.value.verdict == "protected"
        assert to.sandbox.writes == []


@pytest.mark.parametrize("collection", ["roleAssignments", "roleEligibilityScheduleInstances"])
async def test_a_role_that_no_membership_shows_is_seen_before_the_write(collection: str) -> None:
    async with connect_directly(TWO, attempts=1) as to:
        await to.tenant.roles.read_role_holders()
        late = {
            "principalId": person(1),
            "roleDefinitionId": READER,
            "directoryScopeId": "/administrativeUnits/1",
        }
        base = DEFAULT_ASSIGNMENTS if collection == "roleAssignments" else []
        to.sandbox.tenant.apply_patch({"graph": {collection: [*base, late]}})
        with pytest.raises(Rejected):
            await to.tenant.writer.apply(TAKE)
        assert to.sandbox.writes == []


@pytest.mark.parametrize(
    "match", ["transitiveMemberOf", "roleAssignments.*principalId", "Instances.*principalId"]
)
async def test_a_last_look_that_fails_ends_before_the_write(match: str) -> None:
    faults = [{"match": match, "kind": "error", "status": 403}]
    async with connect_directly({**TWO, "faults": faults}, attempts=1) as to:
        with pytest.raises(Forbidden) as forbidden:
            await to.tenant.writer.apply(TAKE)
        assert forbidden.value.permission
        assert to.sandbox.writes == []


async def test_the_lists_are_read_once_for_many_changes() -> None:
    rows = [build_module_user_row(person(n), guid(n), f"p{n}") for n in range(1, 6)]
    many = build_scene(
        graph={"users": [build_user_row(person(n), f"p{n}") for n in range(1, 6)]},
        exchange={"Get-User": [*DEFAULT_USERS, *rows]},
    )
    async with connect_directly(many, attempts=1) as to:
        for number in range(1, 6):
            await to.tenant.writer.apply(DisableExchangeModule(person(number), guid(number)))
        lines = [str(one) for one in to.sandbox.requests]
        assert len(to.sandbox.writes) == 5
        assert sum("Get-RoleGroupMember" in line for line in lines) <= 2


async def test_a_role_is_held_by_name_directly_through_nested_groups_and_by_who_may_join() -> None:
    """Each holder has the roles of every group it is in or may join, and of no other."""
    other = "fe930be7-5e62-47db-91af-98c3a49a38b1"
    scene = build_scene(
        graph={
            "users": [build_user_row(person(number), f"p{number}") for number in (1, 2, 3)],
            "roleAssignments": [
                *DEFAULT_ASSIGNMENTS,
                {
                    "principalId": group(1),
                    "roleDefinitionId": other,
                    "directoryScopeId": "/",
                    "principal": {"@odata.type": "#microsoft.graph.group", "id": group(1)},
                },
                {
                    "principalId": person(1),
                    "roleDefinitionId": READER,
                    "directoryScopeId": "/",
                    "principal": {"@odata.type": "#microsoft.graph.user", "id": person(1)},
                },
            ],
            "groups": [
                {"id": group(1), "members": [group(2)]},
                {"id": group(2), "members": [person(1), person(2)]},
            ],
            "groupEligibility": [{"groupId": group(2), "principalId": person(3)}],
        }
    )
    async with connect_directly(scene) as to:
        tenant = connect_tenant(to.graph, to.exchange, sleep=to.clock.sleep)
        reading = await tenant.roles.read_role_holders()
    held = {one.id: one for one in reading.items}
    assert held[person(1)].roles == {other, READER}
    assert held[person(2)].roles == held[person(3)].roles == {other}
    assert held[person(2)].name.startswith("p2")
    assert held[ADMIN_ID].roles == {GLOBAL_ADMINISTRATOR}
    assert [one.id for one in reading.items if one.is_group] == [group(1), group(2)]
    assert not held[person(1)].is_group


# Known holders that the list lacks ----------------------------------------------------------------

ROLE = {"roleDefinitionId": READER, "directoryScopeId": "/"}


def assign(holder: str, kind: str = "user") -> dict[str, Any]:
    """A role that somebody was given."""
    principal = {"@odata.type": f"#microsoft.graph.{kind}", "id": holder}
    return {"id": f"of {holder}", "principalId": holder, "principal": principal, **ROLE}


def build_left_out(hidden: str, **graph: Any) -> dict[str, Any]:
    """A tenant of which the listing of `hidden` shows nobody but the chief."""
    scene = build_scene(
        graph={
            "users": [build_user_row(person(number), f"p{number}") for number in PEOPLE],
            "roleAssignments": [*DEFAULT_ASSIGNMENTS],
            **graph,
        }
    )
    shown = DEFAULT_ASSIGNMENTS if hidden == "roleAssignments" else []
    short = {"match": rf"/{hidden}\?\$expand", "kind": "wrongBody", "body": {"value": shown}}
    return {**scene, "faults": [{"service": "graph", **short}]}


LEFT_OUT: dict[str, dict[str, Any]] = {
    "an assignment": build_left_out(
        "roleAssignments", roleAssignments=[*DEFAULT_ASSIGNMENTS, assign(person(1))]
    ),
    "a role that can be activated": build_left_out(
        "roleEligibilityScheduleInstances", roleEligibilityScheduleInstances=[assign(person(1))]
    ),
    "the assignment of a group": build_left_out(
        "roleAssignments",
        roleAssignments=[*DEFAULT_ASSIGNMENTS, assign(group(1), "group")],
        groups=[
            {"id": group(1), "isAssignableToRole": True, "members": [group(2)]},
            {"id": group(2), "members": [person(1)]},
        ],
    ),
}


@pytest.mark.parametrize("what", LEFT_OUT)
async def test_a_list_is_unread_that_lacks_somebody_who_still_holds_a_role(what: str) -> None:
    async with connect_directly(LEFT_OUT[what], attempts=1) as to:
        believed = await to.tenant.roles.read_role_holders()
        assert believed.failures == ()
        assert person(1) not in {one.id for one in believed.items}
        found = await to.tenant.roles.read_role_holders({person(1): {READER}})
        (failure,) = found.failures
        assert failure.reason == "it leaves out objects that are there: 1"
        # Nothing is concluded from it by anybody else in the same run.
        assert (await to.tenant.roles.read_role_holders()).failures == found.failures


@pytest.mark.parametrize(
    "known",
    [
        # Nobody has lost anything.
        {ADMIN_ID: {GLOBAL_ADMINISTRATOR}},
        # Somebody was deleted, and one who holds another role lost this one.
        {person(9): {READER}, ADMIN_ID: {GLOBAL_ADMINISTRATOR, READER}},
        {person(1): {READER}},
    ],
)
async def test_who_lost_a_role_leaves_the_list_whole(known: dict[str, set[str]]) -> None:
    groups = [{"id": group(1), "isAssignableToRole": True, "members": [person(1)]}]
    scene = build_scene(graph={"users": [build_user_row(person(1), "p1")], "groups": groups})
    # Without a licence for it no role can be activated.
    async with connect_directly({**scene, "@sandbox.entraP2": False}, attempts=1) as to:
        assert (await to.tenant.roles.read_role_holders(known)).failures == ()


@pytest.mark.parametrize("match", [r"roleAssignments\?.*principalId", "transitiveMemberOf"])
async def test_a_look_at_a_known_holder_that_fails_leaves_the_list_unread(match: str) -> None:
    scene = build_scene(graph={"users": [build_user_row(person(1), "p1")]})
    faults = [{"match": match, "inner": True, "kind": "error", "status": 403}]
    async with connect_directly({**scene, "faults": faults}, attempts=1) as to:
        found = await to.tenant.roles.read_role_holders({person(1): {READER}})
        assert [one.source for one in found.failures] == ["role-holders"]
