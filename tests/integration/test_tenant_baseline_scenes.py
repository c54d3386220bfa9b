"""The baseline, through the real SDKs: four companies and what becomes of them."""

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

import pytest_asyncio

from core.config.catalog import CATALOG
from core.guards.tenant_baseline.rule_file import build_full_baseline
from core.microsoft365.configuration_sources import ADMIN_TOOLS
from core.microsoft365.known_apps import PUBLIC_CLIENTS
from sandbox.graph.apps import MICROSOFT_TENANT_ID, build_principal
from sandbox.graph.policies import DEFAULT_GRAPH_POLICIES
from sandbox.scenes.people import TenantBuilder
from sandbox.scenes.row_templates import build_outbound_policy, build_remote_domain
from tests.support.run_scene import SceneResult, dump_cards, list_declared_permissions, run_scene

BASELINE = "tenant-baseline"
OFF = {duty.guard.name: "off" for duty in CATALOG if duty.guard.name != BASELINE}
EVERYTHING = ",".join(sorted(build_full_baseline().enforced))
GUEST_ROLE = "a0b1b346-4d3e-4e8b-98f8-753987be4970"


def company(*, grants: bool = True, **exchange: list[dict[str, Any]]) -> dict[str, Any]:
    """A well-kept company, with other rows of these cmdlets."""
    cast = TenantBuilder()
    cast.add_mailbox("ann", "Ann")
    rows = {"RemoteDomain": [build_remote_domain(forwards=False)], **exchange}
    scene: dict[str, Any] = {"graph": cast.build_graph(), "exchange": cast.build_exchange(**rows)}
    scene["graph"]["authorizationPolicy"] = deepcopy(
        dict(DEFAULT_GRAPH_POLICIES["authorizationPolicy"])
    )
    return scene | ({"grants": list_declared_permissions()} if grants else {})


def neglected_company() -> dict[str, Any]:
    """A company that never touched a default, as an export prints it."""
    scene = company(
        RemoteDomain=[
            {**build_remote_domain(forwards=True), "AutoForwardEnabled": "True"},
            {"Identity": "Partner", "Name": "Partner", "AutoForwardEnabled": "False"},
        ],
        HostedOutboundSpamFilterPolicy=[
            build_outbound_policy("Automatic"),
            {"Identity": "Sales", "Name": "Sales", "IsDefault": False, "AutoForwardingMode": "On"},
        ],
        HostedOutboundSpamFilterRule=[
            {
                "Identity": "Sales",
                "Name": "Sales",
                "HostedOutboundSpamFilterPolicy": "Sales",
                "Priority": 0,
                "State": "Enabled",
            }
        ],
        OwaMailboxPolicy=[
            {
                "Identity": "OwaMailboxPolicy-Default",
                "Name": "OwaMailboxPolicy-Default",
                "AdditionalStorageProvidersAvailable": "True",
                "AllowOfflineOn": "AllComputers",
                "RulesEnabled": "True",
            }
        ],
        MobileDeviceMailboxPolicy=[
            {
                "Identity": "Default",
                "Name": "Default",
                "AllowNonProvisionableDevices": True,
                "AllowSimplePassword": True,
                "MaxPasswordFailedAttempts": "Unlimited",
                "MinPasswordLength": None,
                "PasswordEnabled": False,
                "RequireDeviceEncryption": False,
            }
        ],
        SharingPolicy=[
            {
                "Identity": "Default Sharing Policy",
                "Name": "Default Sharing Policy",
                "Enabled": True,
                "Domains": [
                    "Anonymous:CalendarSharingFreeBusyReviewer",
                    "*:CalendarSharingFreeBusySimple",
                ],
            }
        ],
    )
    graph = scene["graph"]
    scene["exchange"]["Get-OrganizationConfig"][0] |= {
        "ActivityBasedAuthenticationTimeoutEnabled": False,
        "CustomerLockboxEnabled": False,
        "MailTipsAllTipsEnabled": "False",
        "MailTipsExternalRecipientsTipsEnabled": False,
        "MailTipsGroupMetricsEnabled": False,
        "MailTipsLargeAudienceThreshold": 1_000,
        "OAuth2ClientProfileEnabled": "False",
        "RejectDirectSend": False,
    }
    scene["exchange"]["Get-RemoteDomain"][0]["TrustedMailInboundEnabled"] = True
    scene["exchange"]["Get-HostedOutboundSpamFilterPolicy"][0] |= {
        "ActionWhenThresholdReached": "Alert",
        "RecipientLimitExternalPerHour": 10_000,
        "RecipientLimitInternalPerHour": 10_000,
        "RecipientLimitPerDay": 10_000,
    }
    scene["exchange"]["Get-OwaMailboxPolicy"][0] |= {
        "BookingsMailboxCreationEnabled": True,
        "PersonalAccountCalendarsEnabled": True,
        "PersonalAccountsEnabled": True,
    }
    graph["adminConsentRequestPolicy"] = {"isEnabled": False}
    graph["authenticationMethodsPolicy"] = {
        "systemCredentialPreferences": {"state": "disabled"},
        "authenticationMethodConfigurations": [
            {"id": name, "state": "enabled"} for name in ("Sms", "Voice", "Email")
        ],
    }
    graph["servicePrincipals"] = [
        build_principal(tool, tool, PUBLIC_CLIENTS[tool], MICROSOFT_TENANT_ID)
        for tool in ADMIN_TOOLS[:2]
    ]
    graph["organization"][0]["privacyProfile"] = None
    graph["authorizationPolicy"] |= {
        "allowInvitesFrom": "everyone",
        "allowEmailVerifiedUsersToJoinOrganization": True,
        "allowedToSignUpEmailBasedSubscriptions": True,
        "allowUserConsentForRiskyApps": True,
        "guestUserRoleId": GUEST_ROLE,
    }
    inner = graph["authorizationPolicy"]["defaultUserRolePermissions"]
    inner |= {
        "allowedToCreateApps": True,
        "allowedToCreateSecurityGroups": True,
        "allowedToCreateTenants": True,
        "allowedToReadBitlockerKeysForOwnedDevice": True,
    }
    return scene


async def played(
    scene: Mapping[str, Any], mode: str, enforced: str = "", ticks: int = 3
) -> SceneResult:
    """A scene in which this guard alone looks."""
    settings = {"BASELINE_ENFORCE": enforced}
    modes = {**OFF, BASELINE: mode}
    return SceneResult(scene, await run_scene(scene, ticks=ticks, modes=modes, settings=settings))


def found(journey: SceneResult, tick: int) -> dict[str, set[tuple[str, str]]]:
    """What a tick found: severity and verdict by the row."""
    table: dict[str, set[tuple[str, str]]] = {}
    for finding in journey.find_run(tick, BASELINE)["findings"]:
        table.setdefault(finding["kind"], set()).add((finding["severity"], finding["verdict"]))
    return table


def written(journey: SceneResult) -> list[tuple[str, Any]]:
    """Each write: the cmdlet or the path, and what was set by it."""
    result = []
    for write in journey.writes:
        if write["api"] == "graph":
            result.append((write["target"], write["body"]))
        else:
            given = dict(write["body"]["CmdletInput"]["Parameters"])
            given.pop("Identity", None)
            result.append((write["body"]["CmdletInput"]["CmdletName"], given))
    return result


def silent(journey: SceneResult, tick: int) -> bool:
    """True when a tick has written nothing, wants nothing and told nothing."""
    run = journey.find_run(tick, BASELINE)
    return (run["changes"], run["preview"], run["news"], run["told"]) == ([], [], 0, None)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def neglected() -> SceneResult:
    return await played(neglected_company(), "alert", EVERYTHING)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def enforced() -> SceneResult:
    return await played(neglected_company(), "enforce", EVERYTHING)


# In order ---------------------------------------------------------------------------------------


async def test_a_company_in_order_is_read_in_full_and_nothing_is_said() -> None:
    journey = await played(company(), "enforce", EVERYTHING)
    for tick in (1, 2, 3):
        run = journey.find_run(tick, BASELINE)
        assert (run["findings"], run["unread"], run["blind"]) == ([], 0, [])
        assert run["seen"] == run["population"] == 11
        assert silent(journey, tick)
    assert (journey.cards, journey.writes) == ([], [])


# Neglected --------------------------------------------------------------------------------------

LEFT = {
    row.id: {(row.severity, "drift")}
    for row in build_full_baseline().rows
    if row.id not in build_full_baseline().enforced
}


def test_a_neglected_company_shows_every_row(neglected: SceneResult) -> None:
    table = found(neglected, 1)
    assert table.keys() == {row.id for row in build_full_baseline().rows}
    assert table["outbound-forwarding"] == {("high", "repair"), ("medium", "repair")}
    assert table["remote-domain-forwarding"] == {("high", "repair")}
    assert {name: table[name] for name in LEFT} == LEFT
    assert table["owa-rules"] == {("info", "repair")}


def test_it_is_told_on_one_card_and_nothing_is_written_in_alert_mode(
    neglected: SceneResult,
) -> None:
    assert len(neglected.cards) == 1
    assert neglected.writes == []
    assert silent(neglected, 2)
    assert silent(neglected, 3)
    assert neglected.find_run(1, BASELINE)["told"] is True
    run = neglected.find_run(1, BASELINE)
    assert "AutoForwardEnabled is True" in str(run["findings"])
    assert f"Initial scan: {run['news']} pre-existing cases" in dump_cards(neglected.cards)


def test_the_first_run_only_says_what_the_second_writes(enforced: SceneResult) -> None:
    first, second = enforced.find_run(1, BASELINE), enforced.find_run(2, BASELINE)
    assert first["changes"] == []
    assert {(row["case"], row["kind"]) for row in first["preview"]} == {
        (row["case"], row["kind"]) for row in second["changes"]
    }
    assert {row["outcome"] for row in second["changes"]} == {"applied"}


def test_each_write_sets_the_one_property_of_its_row(enforced: SceneResult) -> None:
    exchange: Sequence[tuple[str, Mapping[str, object]]] = [
        ("Set-OrganizationConfig", {"OAuth2ClientProfileEnabled": True}),
        ("Set-RemoteDomain", {"AutoForwardEnabled": False}),
        ("Set-HostedOutboundSpamFilterPolicy", {"AutoForwardingMode": "Off"}),
        ("Set-HostedOutboundSpamFilterPolicy", {"AutoForwardingMode": "Off"}),
        ("Set-OwaMailboxPolicy", {"AdditionalStorageProvidersAvailable": False}),
        ("Set-OwaMailboxPolicy", {"AllowOfflineOn": "NoComputers"}),
        ("Set-MobileDeviceMailboxPolicy", {"PasswordEnabled": True}),
        ("Set-MobileDeviceMailboxPolicy", {"AllowSimplePassword": False}),
        ("Set-MobileDeviceMailboxPolicy", {"MinPasswordLength": 6}),
        ("Set-MobileDeviceMailboxPolicy", {"MaxPasswordFailedAttempts": 10}),
        ("Set-MobileDeviceMailboxPolicy", {"RequireDeviceEncryption": True}),
        ("Set-MobileDeviceMailboxPolicy", {"AllowNonProvisionableDevices": False}),
    ]
    bodies: Sequence[Mapping[str, object]] = [
        {"allowInvitesFrom": "adminsAndGuestInviters"},
        {"guestUserRoleId": "2af84b1e-32c8-42b7-82bc-daa82404023b"},
        {"allowEmailVerifiedUsersToJoinOrganization": False},
        {"allowedToSignUpEmailBasedSubscriptions": False},
    ]
    wanted = [*exchange, *(("/policies/authorizationPolicy", body) for body in bodies)]
    nested = "defaultUserRolePermissions"
    plain = [(name, body) for name, body in written(enforced) if nested not in body]
    assert sorted(map(json.dumps, plain)) == sorted(map(json.dumps, wanted))
    # What stands beside a value inside of an object is written along, as it was.
    first, last = [body[nested] for _, body in written(enforced) if nested in body]
    changed = {"allowedToCreateApps", "allowedToCreateTenants"}
    assert {first[name] for name in changed} == {True, False}
    assert {last[name] for name in changed} == {False}
    assert last["allowedToCreateSecurityGroups"] is last["allowedToReadOtherUsers"] is True
    assert {name: first[name] for name in first.keys() - changed} == {
        name: last[name] for name in last.keys() - changed
    }


def test_what_was_written_is_right_and_what_is_for_people_is_left(enforced: SceneResult) -> None:
    table = found(enforced, 3)
    # A row that is only noted is never written.
    assert table.pop("owa-rules") == {("info", "repair")}
    assert table == LEFT
    assert silent(enforced, 3)


# Attacked ---------------------------------------------------------------------------------------


async def test_an_intruder_who_opens_a_way_out_is_told_and_shut_out_where_that_is_allowed() -> None:
    scene = company()
    domain = {"Identity": "evil", "Name": "evil", "DomainName": "evil.example", "Guid": "e" * 8}
    policy = "/exchange/Get-HostedOutboundSpamFilterPolicy/Default"
    edits = [
        {"op": "add", "path": "/exchange/Get-RemoteDomain/-", "value": domain},
        {"op": "set", "path": f"/exchange/Get-RemoteDomain/{'e' * 8}/AutoForwardEnabled"}
        | {"value": True},
        {"op": "set", "path": f"{policy}/AutoForwardingMode", "value": "On"},
        {"op": "set", "path": "/graph/authorizationPolicy/allowInvitesFrom", "value": "everyone"},
    ]
    rewritten = [
        {"op": "set", "path": f"{policy}/WhenChangedUTC", "value": "2026-11-20T01:00:00Z"},
        {"op": "set", "path": f"{policy}/AutoForwardingMode", "value": "on"},
    ]
    plans = [{}, {"edit": edits}, {"edit": rewritten}, {}]
    journey = await played(scene | {"ticks": plans}, "enforce", "remote-domain-forwarding", ticks=4)
    assert silent(journey, 1)
    second = journey.find_run(2, BASELINE)
    assert found(journey, 2) == {
        "remote-domain-forwarding": {("high", "repair")},
        "outbound-forwarding": {("high", "drift")},
        "guest-invitations": {("medium", "drift")},
    }
    assert second["news"] == 3
    assert written(journey) == [("Set-RemoteDomain", {"AutoForwardEnabled": False})]
    facts = {fact for row in second["findings"] for fact in row["facts"]}
    assert "row guest-invitations only alerts: BASELINE_ENFORCE does not name it" in facts
    for tick in (3, 4):
        assert found(journey, tick).keys() == {"outbound-forwarding", "guest-invitations"}
        assert silent(journey, tick)
    # What was put right, what is high, what is medium.
    assert len(journey.cards) == 3


# Unreadable -------------------------------------------------------------------------------------


async def test_what_cannot_be_read_is_told_and_nothing_of_it_is_called_right() -> None:
    bare = {"Identity": "Bare", "Name": "Bare", "Guid": "b" * 8, "@sandbox.bare": True}
    scene = company(RemoteDomain=[build_remote_domain(forwards=False), bare])
    scene["grants"]["graph"].remove("Policy.Read.All")
    scene["grants"]["graph"].remove("Policy.ReadWrite.Authorization")
    scene["grants"]["exchange"].remove("Get-SharingPolicy")
    scene["exchange"]["Get-OwaMailboxPolicy"] = [
        {"Identity": "odd", "Name": "odd", "AllowOfflineOn": {"odd": 1}, "RulesEnabled": False}
    ]
    journey = await played(scene, "alert", ticks=4)
    first = journey.find_run(1, BASELINE)
    table = found(journey, 1)
    assert table["permission-missing"] == {("critical", "could-not-tell")}
    assert table["owa-offline"] == {("low", "could-not-tell")}
    unreadable = {
        (row["subject"], fact)
        for row in first["findings"]
        if row["kind"] == "unreadable"
        for fact in row["facts"]
    }
    assert unreadable == {
        ("remote domain Bare", "the tenant does not show AutoForwardEnabled"),
        ("remote domain Bare", "the tenant does not show TrustedMailInboundEnabled"),
        (
            "owa mailbox policy odd",
            "the tenant does not show AdditionalStorageProvidersAvailable",
        ),
    }
    assert set(first["blind"]) == {
        "configuration-admin-consent-policy",
        "configuration-authentication-methods-policy",
        "configuration-authorization-policy",
        "configuration-sharing-policy",
    }
    assert not {"guest-invitations", "calendar-sharing"} & table.keys()
    assert journey.writes == []
    assert silent(journey, 2)
    # What could not be read three times in a row is told then, and not again.
    assert journey.find_run(3, BASELINE)["news"] == 3
    assert silent(journey, 4)


async def test_a_row_that_comes_into_sight_is_taken_stock_of_and_not_changed_at_once() -> None:
    scene = company(RemoteDomain=[build_remote_domain(forwards=True)])
    grants = deepcopy(scene["grants"])
    scene["grants"]["exchange"].remove("Get-RemoteDomain")
    journey = await played(
        scene | {"ticks": [{}, {"grants": grants}, {}, {}]},
        "enforce",
        "remote-domain-forwarding",
        ticks=4,
    )
    assert journey.find_run(2, BASELINE)["changes"] == []
    assert len(journey.find_run(2, BASELINE)["preview"]) == 1
    assert written(journey) == [("Set-RemoteDomain", {"AutoForwardEnabled": False})]
    assert found(journey, 4) == {}
