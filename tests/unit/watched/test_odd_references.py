"""An odd object that counts for others: who depends on it is unread too, and nobody is blamed."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from core.guards.app_consent.openings import DOMAIN, OPENINGS, POWERFUL, PRINCIPAL
from core.guards.mail_protection.policies import PRESET_PREFIX
from core.microsoft365.configuration_sources import ROLE_HOLDER
from core.model.guards import GuardPolicy, ObserveContext
from core.tenant.configuration import Configuration
from core.tenant.readings import UNIDENTIFIED_PREFIX, Reading
from core.watched.guard import compare_collection
from tests.support.watched_looks import COLLECTIONS, NOW, Looks

LOOKS = 3


def row(source: str, name: str, **values: Any) -> Configuration:
    """An object whose id is its name in lower case."""
    return Configuration(source, f"id-{name.lower()}", name, values)


async def look_on(looks: Looks, rows: Sequence[Configuration]) -> list[str]:
    """What is told in the end of objects that stay like this, as verdicts by object."""
    for _ in range(LOOKS):
        found = await looks.look(rows)
    return sorted(f"{one.object_id} {one.verdict}" for one in found)


def list_unread(looks: Looks) -> list[tuple[str, str]]:
    """What the last look could not read, by object, with the reason."""
    return [(one.object_id, one.reason) for one in looks.failures]


GIVEN: Mapping[str, Any] = {"RoleAssigneeType": "User", "RoleAssigneeName": "ann"}
ASSIGNMENT, ROLE, SCOPE = "management-role-assignment", "management-role", "management-scope"


async def test_an_assignment_is_unread_with_the_scope_or_the_role_that_it_names() -> None:
    looks = Looks(COLLECTIONS["role-assignment"])
    scoped = row(
        ASSIGNMENT, "A", **GIVEN, Role="Mail Recipients", CustomRecipientWriteScope="branch"
    )
    own = row(ASSIGNMENT, "B", **GIVEN, Role="Mine", RecipientWriteScope="Self")
    other = row(ASSIGNMENT, "C", **GIVEN, Role="Mail Recipients", RecipientWriteScope="Self")
    branch = row(SCOPE, "Branch", RecipientFilter="x")
    mine = row(ROLE, "Mine", Parent="Theirs")
    theirs = row(ROLE, "Theirs", Parent="Mail Recipients")
    await looks.look([scoped, own, other, branch, mine, theirs])
    wider = row(ASSIGNMENT, "C", **GIVEN, Role="Mail Recipients", RecipientWriteScope="")
    odd_scope = row(SCOPE, "Branch", RecipientFilter=7)
    told = await look_on(looks, [scoped, own, wider, odd_scope, mine, theirs])
    assert told == ["id-c wider"]
    assert list_unread(looks) == [
        ("id-branch", "RecipientFilter is no text"),
        ("id-a", f"it depends on the {SCOPE} branch"),
    ]
    odd_role = row(ROLE, "Theirs", Parent=7)
    assert await look_on(looks, [scoped, own, wider, branch, mine, odd_role]) == told
    assert ("id-b", f"it depends on the {ROLE} Theirs") in list_unread(looks)
    assert await look_on(looks, [scoped, own, wider, branch, mine, theirs]) == told
    assert list_unread(looks) == []


async def test_a_role_is_unread_with_the_one_that_it_is_made_from() -> None:
    looks = Looks(COLLECTIONS["management-role"])
    mine, other = row(ROLE, "Mine", Parent="Theirs"), row(ROLE, "Other", Parent="View-Only Audit")
    await looks.look([mine, other, row(ROLE, "Theirs", Parent="View-Only Recipients")])
    odd, new = row(ROLE, "Theirs", Parent=7), row(ROLE, "New", Parent="Mailbox Import Export")
    assert await look_on(looks, [mine, other, odd, new]) == ["id-new new"]
    assert [one for one, _ in list_unread(looks)] == ["id-theirs", "id-mine"]


async def test_a_batch_is_unread_with_the_endpoint_that_it_uses() -> None:
    looks = Looks(COLLECTIONS["migration-batch"])
    domain = Configuration("accepted-domain", "contoso.com", "contoso.com", {})
    batch = row("migration-batch", "Sales", BatchDirection="Onboarding", TargetEndpoint="Hybrid")
    hybrid = row("migration-endpoint", "Hybrid", RemoteServer="mail.contoso.com")
    await looks.look([domain, batch, hybrid])
    odd = row("migration-endpoint", "Hybrid", RemoteServer=7)
    away = row("migration-batch", "Away", BatchDirection="Offboarding", TargetEndpoint="x")
    assert await look_on(looks, [domain, batch, odd, away]) == ["id-away new"]
    assert ("id-sales", "it depends on the migration-endpoint Hybrid") in list_unread(looks)


async def test_what_the_hybrid_wizard_made_is_unread_where_nobody_knows_what_it_made() -> None:
    looks = Looks(COLLECTIONS["organization-relationship"])
    domain = Configuration("accepted-domain", "contoso.com", "contoso.com", {})
    moves = {"MailboxMoveEnabled": True, "MailboxMoveCapability": "RemoteOutbound"}
    source = "organization-relationship"
    own = row(source, "Hybrid", DomainNames=["contoso.com"], **moves)
    wizard = row("on-premises-organization", "X", OrganizationRelationship="Hybrid")
    await looks.look([domain, own, wizard])
    odd = row("on-premises-organization", "X", OrganizationRelationship=7)
    foreign = row(source, "Thief", DomainNames=["evil.example"], **moves)
    assert await look_on(looks, [domain, own, odd, foreign]) == ["id-thief new"]
    assert ("id-hybrid", "whether the hybrid wizard made it is not known") in list_unread(looks)


async def test_a_location_keeps_what_an_odd_policy_may_ask_there_and_is_told_when_wider() -> None:
    looks = Looks(COLLECTIONS["named-location"])
    policy, asking = "conditional-access-policy", {"includeLocations": ["id-office"]}
    first = row(policy, "P", state="enabled", conditions={"locations": asking})
    ranges = [{"cidrAddress": "192.0.2.0/24"}]
    office = row("named-location", "Office", ipRanges=ranges)
    home = row("named-location", "Home", ipRanges=ranges)
    await looks.look([first, office, home])
    odd = row(policy, "P", state=7, conditions={"locations": asking})
    wider = row("named-location", "Home", ipRanges=ranges, isTrusted=True)
    assert await look_on(looks, [odd, office, wider]) == ["id-home wider"]
    assert list_unread(looks) == [(f"{UNIDENTIFIED_PREFIX}id-p", "state is no text")]
    assert not looks.covers("id-office")
    # Once it is understood again, what was asked there counts as before.
    smaller = row("named-location", "Office", ipRanges=[])
    assert await look_on(looks, [first, smaller, wider]) == ["id-home wider", "id-office weaker"]


async def test_a_rule_that_is_odd_hides_neither_what_is_switched_off_nor_what_is_gone() -> None:
    looks = Looks(COLLECTIONS["safe-links-rule"])
    policies = (row("safe-links-policy", "Mine"), row("safe-links-policy", "D", IsDefault=True))

    def rule(name: str, priority: int, state: object = "Enabled") -> Configuration:
        values: dict[str, Any] = {"SafeLinksPolicy": "Mine", "Priority": priority, "State": state}
        return row("safe-links-rule", name, **values)

    first = [rule("A", 0), rule("B", 1), rule("C", 2), rule("D", 3)]
    await looks.look([*policies, *first])
    then = [*policies, rule("A", 0, 7), rule("B", 1, "Disabled"), rule("C", 2)]
    assert await look_on(looks, then) == ["id-b weaker", "id-d gone"]
    assert await look_on(looks, [*policies, *first[:1], *then[3:]]) == ["id-b weaker", "id-d gone"]


async def test_a_preset_that_is_odd_does_not_make_its_twin_go() -> None:
    looks = Looks(COLLECTIONS["anti-phish-policy"])
    source = "anti-phish-policy"
    twins = [
        row(source, name, RecommendedPolicyType="Strict", EnableSpoofIntelligence=False)
        for name in ("One", "Two")
    ]
    await looks.look(twins)
    odd = row(source, "One", RecommendedPolicyType="Strict", EnableSpoofIntelligence=7)
    assert await look_on(looks, [odd, twins[1]]) == []
    assert not looks.covers(f"{PRESET_PREFIX}strict")
    assert await look_on(looks, twins) == []


@pytest.mark.parametrize("is_odd", [False, True])
async def test_an_app_is_limited_no_less_by_a_policy_that_nobody_understands(is_odd: bool) -> None:
    looks = Looks(COLLECTIONS["application-access-policy"])
    source = "application-access-policy"
    denies = row(source, "D", AppId="app", AccessRight="DenyAccess", ScopeName="Board")
    lets = row(source, "L", AppId="app", AccessRight="RestrictAccess", ScopeName="Invoices")
    other = row(source, "O", AppId="other", AccessRight="RestrictAccess", ScopeName="Invoices")
    await looks.look([denies, lets, other])
    changed = row(source, "O", AppId="other", AccessRight="RestrictAccess", ScopeName="All")
    then = row(source, "L", AppId="app", AccessRight=7, ScopeName="Invoices") if is_odd else lets
    assert await look_on(looks, [denies, then, changed]) == ["other wider"]
    assert [one for one, _ in list_unread(looks)] == ["app"] * is_odd


async def test_one_standing_role_is_unread_with_one_of_its_rows() -> None:
    looks = Looks(COLLECTIONS["standing-role"])
    role = {"roleDefinitionId": "62e90394-69f5-4237-9190-012177145e10"}
    able = [
        row("role-eligibility-instance", name, **role, principalId=name) for name in ("u1", "u2")
    ]
    await looks.look(able)
    odd = row("role-assignment-instance", "X", **role, principalId="u1", assignmentType=7)
    held = row("role-assignment-instance", "Y", **role, principalId="u2", assignmentType="Assigned")
    item = role["roleDefinitionId"]
    assert await look_on(looks, [*able, odd, held]) == [f"{item} u2 wider"]
    assert f"{item} u1" in [one for one, _ in list_unread(looks)]


def test_an_app_is_unread_with_its_principal_and_others_are_compared() -> None:
    def read(odd: object) -> dict[str, Reading[Configuration]]:
        apps = [row(POWERFUL, name, hosts=[], isHome=True) for name in ("A", "B")]
        principals = [
            row(PRINCIPAL, "A", signInAudience="AzureADMyOrg", appId=odd),
            row(PRINCIPAL, "B", signInAudience="all" if odd else "AzureADMyOrg", appId=""),
        ]
        sources = {POWERFUL: apps, PRINCIPAL: principals, ROLE_HOLDER: [], DOMAIN: []}
        return {name: Reading(tuple(found)) for name, found in sources.items()}

    first, _ = compare_collection(OPENINGS, read(""), ObserveContext(GuardPolicy(NOW)))
    known = {one.key: one for one in first.known_traits}
    context = ObserveContext(GuardPolicy(NOW.replace(hour=9)), known_traits=known)
    found, _ = compare_collection(OPENINGS, read(7), context)
    assert [one.object_id for one in found.items] == ["id-b"]  # type: ignore[union-attr]  # news
    assert [one.object_id for one in found.failures] == ["id-a"]
    assert not found.covers((OPENINGS.source,), "id-a")
    assert found.covers((OPENINGS.source,), "id-b")


EXCLUDED = "excluded-group"


def policy_without(name: str, *groups: object, state: object = "enabled") -> Configuration:
    """A Conditional Access policy that leaves groups out."""
    users = {"excludeGroups": list(groups)}
    return row("conditional-access-policy", name, state=state, conditions={"users": users})


@pytest.mark.parametrize("odd", [{"state": 7}, {"groups": [7]}])
async def test_who_else_is_exempt_is_told_beside_a_policy_that_nobody_understands(
    odd: dict[str, Any],
) -> None:
    looks = Looks(COLLECTIONS[EXCLUDED])

    def group(name: str, *members: str) -> Configuration:
        return Configuration(EXCLUDED, name, name, {"members": [{"id": one} for one in members]})

    policies = [policy_without("P", "g1"), policy_without("Q", "g2")]
    await looks.look([*policies, group("g1", "ann"), group("g2", "ben")])
    broken = policy_without("Q", *odd.get("groups", ["g2"]), state=odd.get("state", "enabled"))
    then = [policies[0], broken, group("g1", "ann", "eve"), group("g2", "ben", "mallory")]
    assert await look_on(looks, then) == ["g1 wider"]
    assert [(one.object_id, one.subject) for one in looks.failures] == [
        (f"{UNIDENTIFIED_PREFIX}id-q", "Q")
    ]
    assert not looks.covers("g2")
    # Who came meanwhile is news once it can be told.
    assert await look_on(looks, [*policies, *then[2:]]) == ["g1 wider", "g2 wider"]
