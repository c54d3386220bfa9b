"""What a person expects to hear about what protects the tenant, and what stays quiet."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from core.guards.privileged_change import GUARD
from core.guards.privileged_change.access import CONDITIONS, INCLUDED
from core.guards.privileged_change.guard import join_permissions
from core.guards.privileged_change.removed_administrators import rate_removal
from core.microsoft365.configuration_sources import ROLE_HOLDER
from core.model.findings import Severity
from core.model.guards import Permission, Service
from core.tenant.configuration import Configuration
from tests.support.certificates import build_certificate
from tests.support.watched_examples import EXAMPLES
from tests.support.watched_looks import COLLECTIONS, Looks

GLOBAL_ADMINISTRATOR = "62e90394-69f5-4237-9190-012177145e10"
EXCHANGE = "29232cdf-9323-42fd-ade2-1d097af3e4de"
MESSAGE_CENTER_READER = "790c1fb9-7f7d-4f88-86a1-ef1f95c05c1b"


def ask(state: str = "enabled", controls: tuple[str, ...] = ("mfa",), **users: object) -> Any:
    """A Conditional Access policy for everybody."""
    return {
        "state": state,
        "conditions": {"users": {"includeUsers": ["All"], **users}},
        "grantControls": {"operator": "OR", "builtInControls": [*controls]},
    }


def name(*groups: str) -> Any:
    """A policy for some groups."""
    return ask(includeUsers=[], includeGroups=[*groups])


def aim(*apps: str) -> Any:
    """A policy for some applications."""
    found = ask()
    found["conditions"]["applications"] = {"includeApplications": [*apps]}
    return found


def when(**conditions: object) -> Any:
    """A policy for everybody under some conditions."""
    found = ask()
    found["conditions"] |= conditions
    return found


def visit(*tenants: str) -> Any:
    """A policy for guests of some organizations, or of all."""
    kind = "enumerated" if tenants else "all"
    guests = {
        "guestOrExternalUserTypes": "b2bCollaborationGuest",
        "externalTenants": {"membershipKind": kind, "members": [*tenants]},
    }
    return ask(includeUsers=[], includeGuestsOrExternalUsers=guests)


def filter_apps(rule: str = "") -> Any:
    """A policy for every application, or for those that a rule leaves."""
    found = aim("All")
    if rule:
        left = {"mode": "exclude", "rule": rule}
        found["conditions"]["applications"]["applicationFilter"] = left
    return found


def strengthen(*others: str) -> Any:
    """A policy that asks for a strength, or for something else."""
    found = ask(controls=others)
    found["grantControls"]["authenticationStrength"] = {"id": "s1"}
    return found


def demand(*controls: str) -> Any:
    """A policy that asks for all of these together."""
    found = ask(controls=controls)
    found["grantControls"]["operator"] = "AND"
    return found


def keep(**controls: object) -> Any:
    """A policy that asks something of sessions."""
    return ask() | {"sessionControls": controls}


def hourly(hours: int) -> dict[str, object]:
    """A sign-in again after so many hours."""
    return {"isEnabled": True, "type": "hours", "value": hours, "frequencyInterval": "timeBased"}


def block(apps: str = "All", state: str = "enabled", **conditions: Any) -> Any:
    """A policy that lets nobody into every application."""
    found = ask(state=state, controls=("block",), **conditions.pop("users", {}))
    found["conditions"] |= {"applications": {"includeApplications": [apps]}, **conditions}
    return found


POLICY = "high: The Conditional Access policy Policy"
LOCKED_OUT = f"{POLICY} is new: it lets in nobody but those whom it leaves out"
CHOICE = ("mfa", "compliantDevice")
KEPT_CONTROLS = ("keeps control mfa", "keeps control compliantdevice")
LAXER = "medium: The Conditional Access policy Policy"
REGISTERING = "urn:user:registersecurityinfo"


async def tell(
    name: str, source: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> str:
    """What is said of one object between two looks; None: it is not there."""
    looks = Looks(COLLECTIONS[name])

    def rows(values: Mapping[str, Any] | None) -> list[Configuration]:
        return [] if values is None else [Configuration(source, "p1", "Policy", values)]

    await looks.look(rows(before))
    if after is None:
        await looks.look(rows(after))
    found = await looks.look(rows(after))
    return "; ".join(f"{one.severity.label}: {one.summary}" for one in found)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (ask(), ask(excludeUsers=["u1"]), "high: The Conditional Access policy Policy leaves out"),
        (ask(excludeUsers=["u1"]), ask(), ""),
        (ask(), ask(state="enabledForReportingButNotEnforced"), "high"),
        (ask(state="disabled"), ask(), ""),
        (ask(), ask(controls=()), "high"),
        (ask(controls=()), ask(), ""),
        (ask(), ask(includeUsers=["u1"]), "high"),
        (ask(), ask(excludeGuestsOrExternalUsers={"externalTenants": None}), "high"),
        (ask(state="disabled"), ask(state="disabled", excludeUsers=["u1"]), ""),
        (ask(), None, "high"),
        (None, ask(), ""),
        # Whom and what it counts for.
        (name("g1"), name("g1", "g2"), ""),
        (name("g1", "g2"), name("g2"), f"{POLICY} no longer counts for the group g1."),
        (name("g1"), ask(), ""),
        (ask(), name("g1"), f"{POLICY} no longer counts for every user."),
        (aim("a1"), aim("a1", "a2"), ""),
        (aim("a1"), aim("All"), ""),
        (aim("a1", "a2"), aim("a1"), f"{POLICY} no longer counts for the application a2."),
        (
            when(applications={"includeUserActions": [REGISTERING]}),
            when(applications={"includeUserActions": []}),
            f"{POLICY} no longer counts for the action {REGISTERING}.",
        ),
        # When it counts.
        (when(), when(signInRiskLevels=["high"]), "high"),
        (when(signInRiskLevels=["high"]), when(signInRiskLevels=["high", "medium"]), ""),
        (when(signInRiskLevels=["high"]), when(signInRiskLevels=[]), ""),
        (when(signInRiskLevels=["high", "medium"]), when(signInRiskLevels=["high"]), "high"),
        (when(clientAppTypes=["browser"]), when(clientAppTypes=["all"]), ""),
        (when(clientAppTypes=["all"]), when(clientAppTypes=["browser"]), "high"),
        (when(), when(authenticationFlows={"transferMethods": "deviceCodeFlow"}), "high"),
        (
            when(authenticationFlows={"transferMethods": "deviceCodeFlow"}),
            when(authenticationFlows={"transferMethods": "deviceCodeFlow,authenticationTransfer"}),
            "",
        ),
        (when(), when(signInRiskLevels={"least": "high"}), "high"),
        (when(), when(devices={"deviceFilter": {"mode": "include", "rule": "x"}}), "high"),
        # Which guests of whose organizations, and which applications by a filter.
        (visit(), visit("t1"), f"{POLICY} only counts for guests of some organizations."),
        (visit("t1"), visit(), ""),
        (filter_apps(), filter_apps("x"), f"{POLICY} only counts under a condition"),
        (filter_apps("x"), filter_apps(), ""),
        # Another way to meet it.
        (strengthen(), strengthen("compliantDevice"), f"{POLICY} is also met by compliantDevice"),
        (ask(controls=("mfa", "compliantDevice")), strengthen("compliantDevice"), ""),
        (ask(), ask(controls=CHOICE), f"{POLICY} is also met by compliantDevice."),
        # Fewer other ways, and none but another one.
        (ask(controls=CHOICE), ask(), ""),
        (ask(controls=CHOICE), demand("compliantDevice"), ""),
        (ask(controls=(*CHOICE, "approvedApplication")), ask(controls=CHOICE), ""),
        (ask(controls=CHOICE), demand(*CHOICE), ""),
        (ask(controls=CHOICE), strengthen(), ""),
        (ask(controls=CHOICE), ask(controls=("approvedApplication",)), f"{POLICY} is met by appro"),
        (ask(controls=CHOICE), ask(controls=()), f"{POLICY} no longer asks for anything before"),
        (ask(), ask(controls=("compliantDevice",)), f"{POLICY} is met by compliantDevice; no lon"),
        (ask(), demand("mfa"), ""),
        (demand("mfa"), ask(), ""),
        # All of them together, and no longer.
        (demand(*CHOICE), ask(controls=CHOICE), f"{POLICY} is also met by mfa; is also met by"),
        (demand(*CHOICE), ask(), f"{POLICY} is met by mfa; "),
        (ask(), demand(*CHOICE), ""),
        # What it asks of a session.
        (keep(), keep(signInFrequency=hourly(4)), ""),
        (keep(signInFrequency=hourly(4)), keep(signInFrequency=hourly(1)), ""),
        (keep(signInFrequency=hourly(4)), keep(signInFrequency=hourly(24)), f"{LAXER} asks again"),
        (keep(signInFrequency=hourly(4)), keep(), f"{LAXER} asks again after a longer time"),
        (
            keep(signInFrequency={"isEnabled": True, "frequencyInterval": "everyTime"}),
            keep(signInFrequency={"isEnabled": True, "type": "days", "value": 1}),
            f"{LAXER} asks again after a longer time, or not at all.",
        ),
        (
            keep(persistentBrowser={"isEnabled": True, "mode": "never"}),
            keep(persistentBrowser={"isEnabled": True, "mode": "always"}),
            f"{LAXER} keeps browsers signed in; no longer ends sessions with the browser.",
        ),
        (keep(), keep(continuousAccessEvaluation={"mode": "disabled"}), "high"),
        (keep(secureSignInSession={"isEnabled": True}), keep(), f"{LAXER} no longer binds"),
        (keep(signInFrequency=None), keep(), ""),
        # Whoever blocks asks more than anything else; what it let in before is no loss.
        (ask(), block("Office365"), ""),
        (demand(*CHOICE), block("Office365"), ""),
        (ask(controls=CHOICE), block("Office365"), ""),
        (block("a1"), aim("a1"), f"{POLICY} is met by mfa; lets people in whom it blocked."),
        # A policy that shuts administrators out.
        (None, block(), f"{LOCKED_OUT}."),
        (None, block(users={"excludeUsers": ["u1"]}), f"{LOCKED_OUT}; leaves out the user u1."),
        (
            None,
            block(users={"includeUsers": [], "includeRoles": [GLOBAL_ADMINISTRATOR.upper()]}),
            f"{POLICY} is new: it lets in no administrator but those whom it leaves out.",
        ),
        (ask(), block(), f"{POLICY} lets in nobody but those whom it leaves out."),
        (
            block(state="disabled"),
            block(),
            f"{POLICY} lets in nobody but those whom it leaves out.",
        ),
        (block(), block(), ""),
        # It blocks some only, somewhere, or nothing yet.
        (None, block(state="enabledForReportingButNotEnforced"), ""),
        (None, block("Office365"), ""),
        (None, block(users={"includeUsers": ["u1"]}), ""),
        (None, block(users={"includeUsers": [], "includeRoles": [MESSAGE_CENTER_READER]}), ""),
        (None, block(clientAppTypes=["exchangeActiveSync", "other"]), ""),
        (None, block(locations={"includeLocations": ["All"], "excludeLocations": ["l1"]}), ""),
        (None, block(platforms={"includePlatforms": ["all"], "excludePlatforms": ["iOS"]}), ""),
        (None, block(devices={"deviceFilter": {"mode": "exclude", "rule": "x"}}), ""),
    ],
)
async def test_a_policy_is_told_when_it_asks_less_or_leaves_out_more(
    before: Mapping[str, Any] | None, after: Mapping[str, Any] | None, expected: str
) -> None:
    said = await tell("conditional-access-policy", "conditional-access-policy", before, after)
    assert said.startswith(expected)
    assert bool(said) == bool(expected)


@pytest.mark.parametrize(
    ("policy", "remembered"),
    [
        (ask(controls=CHOICE), ("or mfa", "or compliantdevice", *KEPT_CONTROLS)),
        (ask(), (KEPT_CONTROLS[0],)),
        (demand("mfa"), (KEPT_CONTROLS[0], "keeps all controls")),
        (demand(*CHOICE), (*KEPT_CONTROLS, "keeps all controls")),
    ],
)
async def test_what_the_release_before_remembered_of_controls_is_no_loss(
    policy: Mapping[str, Any], remembered: tuple[str, ...]
) -> None:
    looks = Looks(COLLECTIONS["conditional-access-policy"])
    rows = [Configuration("conditional-access-policy", "p1", "Policy", policy)]
    await looks.look(rows)
    for key, row in looks.known.items():
        if row.object_id == "p1":
            kept = {
                name: at
                for name, at in row.traits.items()
                if not name.startswith(
                    ("or ", "keeps asks", "keeps control ", "keeps all controls")
                )
            }
            before = dict.fromkeys(remembered, row.first_looked_at)
            looks.known[key] = replace(row, traits={**kept, **before})
    for _ in range(3):
        assert await looks.look(rows) == []


async def test_whom_a_policy_leaves_out_is_named_and_known_by_id() -> None:
    looks = Looks(COLLECTIONS["conditional-access-policy"])
    ann = Configuration("directory-user", "u1", "ann@contoso.com", {})

    def rows(**users: Any) -> list[Configuration]:
        return [Configuration("conditional-access-policy", "p1", "Policy", ask(**users))]

    left_out = {
        "excludeUsers": ["U1", "gone", "GuestsOrExternalUsers"],
        "excludeGroups": ["g1"],
        "excludeRoles": [GLOBAL_ADMINISTRATOR],
    }
    await looks.look(rows())
    (found,) = await looks.look([*rows(**left_out), ann])
    said = [fact.text.partition(" (since")[0] for fact in found.facts if not fact.label]
    assert said == [
        "it leaves out the user ann@contoso.com",
        "it leaves out the user gone",
        "it leaves out the user GuestsOrExternalUsers",
        "it leaves out the group g1",
        "it leaves out the role Global Administrator",
    ]
    # Known by their ids: the same people by other names, or by none, are no news.
    renamed = replace(ann, name="ann.new@contoso.com")
    (again,) = await looks.look([*rows(**left_out), renamed])
    assert again.reaches == found.reaches


async def test_a_policy_that_shuts_administrators_out_is_switched_off() -> None:
    step = (
        "Invoke-MgGraphRequest -Method PATCH -Uri 'v1.0/identity/conditionalAccess/policies/p1' "
        "-Body (@{ state = 'disabled' } | ConvertTo-Json -Depth 5)"
    )
    for first in ([], [Configuration("conditional-access-policy", "p1", "Policy", ask())]):
        looks = Looks(COLLECTIONS["conditional-access-policy"])
        await looks.look(first)
        blocking = Configuration("conditional-access-policy", "p1", "Policy", block())
        (found,) = await looks.look([blocking])
        assert step in [one.command for one in found.steps]


async def test_a_policy_that_is_switched_off_is_told_as_that_alone() -> None:
    off = ask(state="disabled")
    said = await tell("conditional-access-policy", "conditional-access-policy", ask(), off)
    assert said == "high: The Conditional Access policy Policy is no longer enforced."


def activate(role: str, *asked: str, **rules: Mapping[str, Any]) -> Mapping[str, Any]:
    """How a role is activated."""
    given = [{"id": name, **values} for name, values in rules.items()]
    enabled = {"id": "Enablement_EndUser_Assignment", "enabledRules": [*asked]}
    return {"roleDefinitionId": role, "policy": {"rules": [enabled, *given]}}


MFA = "MultiFactorAuthentication"
CONTEXT = {"AuthenticationContext_EndUser_Assignment": {"isEnabled": True}}
CONTEXTS = {"AuthenticationContext_EndUser_Assignment": {"isEnabled": True, "claimValue": "c1"}}


def approve(*users: str) -> Mapping[str, Any]:
    """How the gravest role is activated if any of these has to approve."""
    approvers = [{"userId": one} for one in users]
    setting = {"isApprovalRequired": True, "approvalStages": [{"primaryApprovers": approvers}]}
    return activate(GLOBAL_ADMINISTRATOR, MFA, Approval_EndUser_Assignment={"setting": setting})


def name_context(claim: str) -> Mapping[str, Any]:
    """How it is activated if Conditional Access is asked by a context."""
    rule = {"isEnabled": True, "claimValue": claim}
    return activate(GLOBAL_ADMINISTRATOR, MFA, AuthenticationContext_EndUser_Assignment=rule)


def limit(duration: str) -> Mapping[str, Any]:
    """How it is activated if it stays active for so long."""
    rule = {"maximumDuration": duration}
    return activate(GLOBAL_ADMINISTRATOR, MFA, Expiration_EndUser_Assignment=rule)


APPROVED = {"Approval_EndUser_Assignment": {"setting": {"isApprovalRequired": True}}}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (activate(GLOBAL_ADMINISTRATOR, MFA), activate(GLOBAL_ADMINISTRATOR), "high"),
        (activate(GLOBAL_ADMINISTRATOR, MFA), activate(GLOBAL_ADMINISTRATOR, **CONTEXT), ""),
        (activate(GLOBAL_ADMINISTRATOR, **APPROVED), activate(GLOBAL_ADMINISTRATOR), "high"),
        (activate(GLOBAL_ADMINISTRATOR), activate(GLOBAL_ADMINISTRATOR, MFA, **APPROVED), ""),
        (activate(MESSAGE_CENTER_READER, MFA), activate(MESSAGE_CENTER_READER), ""),
        (approve("u1"), approve("u2"), "high"),
        (approve("u1", "u2"), approve("u1"), ""),
        (name_context("c1"), name_context("c2"), "high"),
        (limit("PT8H"), limit("PT4H"), ""),
        (limit("PT8H"), limit("P1D"), "low"),
    ],
)
async def test_a_powerful_role_is_told_when_it_is_easier_to_take(
    before: Mapping[str, Any], after: Mapping[str, Any], expected: str
) -> None:
    said = await tell("role-activation", "role-activation-policy", before, after)
    assert said.partition(":")[0] == expected


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("microsoft.directory/applications/credentials/update", "high"),
        ("microsoft.directory/servicePrincipals/managePermissionGrantsForAll.x", "high"),
        ("microsoft.directory/users/password/update", "high"),
        ("microsoft.directory/devices/enable", "medium"),
        ("microsoft.directory/users/standard/read", ""),
    ],
)
async def test_a_role_of_ones_own_is_as_grave_as_its_gravest_action(
    action: str, expected: str
) -> None:
    values = {"rolePermissions": [{"allowedResourceActions": [action]}]}
    said = await tell("directory-role", "own-directory-role", None, values)
    assert said.partition(":")[0] == expected


async def test_a_unit_that_shields_is_told_and_an_ordinary_one_is_not() -> None:
    plain, restricted = {"members": ["u1"]}, {"isMemberManagementRestricted": True}
    assert await tell("administrative-unit", "administrative-unit", None, plain) == ""
    assert (await tell("administrative-unit", "administrative-unit", None, restricted)).startswith(
        "high"
    )


def hold_authorities(*rows: Mapping[str, Any]) -> Mapping[str, Any]:
    """An organization that trusts these authorities."""
    roots = [{"isRootAuthority": True, **one} for one in rows]
    return {"certificateBasedAuthConfiguration": [{"certificateAuthorities": roots}]}


def store(*rows: Mapping[str, Any]) -> Mapping[str, Any]:
    """A trust store with these authorities."""
    return {"certificateAuthorities": [{"certificateAuthorityType": "root", **one} for one in rows]}


KEPT = {"certificate": build_certificate("k"), "issuerSki": "AB", "issuer": "CN=Contoso"}
HASHED = {"thumbprint": "T1", "issuerSubjectKeyIdentifier": "AB", "issuer": "CN=Contoso"}
ODD = {**KEPT, "certificate": "MIIB"}
BARE = {"id": "a1", "issuerSubjectKeyIdentifier": "AB", "issuer": "CN=Contoso"}


@pytest.mark.parametrize(
    ("known", "other", "is_told"),
    [
        pytest.param(KEPT, {"certificate": build_certificate("k", serial=2)}, False, id="renewed"),
        pytest.param(KEPT, {"certificate": build_certificate("k", name="CN=X")}, False, id="named"),
        # Its maker chose the identifier and the names of a trusted authority.
        pytest.param(KEPT, {"certificate": build_certificate("thief")}, True, id="another key"),
        pytest.param(KEPT, {"certificate": "MIIB"}, True, id="an unreadable certificate"),
        # Neither of two can be read: then there is nothing but what their key is called.
        pytest.param(ODD, {"certificate": "MIIC"}, False, id="renewed and unreadable"),
        pytest.param(ODD, {"certificate": "MIIC", "issuerSki": "CD"}, True, id="other and unread"),
        pytest.param(HASHED, {"thumbprint": "t1", "id": "a2"}, False, id="the same hash"),
        pytest.param(HASHED, {"thumbprint": "T2"}, True, id="another hash"),
        pytest.param(BARE, {"isIssuerHintEnabled": True}, False, id="the same object"),
        pytest.param(BARE, {"id": "a2"}, True, id="another object"),
        pytest.param(BARE, {"issuerSubjectKeyIdentifier": "CD"}, True, id="another identifier"),
    ],
)
async def test_an_authority_is_known_by_what_its_maker_cannot_choose(
    known: Mapping[str, Any], other: Mapping[str, Any], *, is_told: bool
) -> None:
    for name, source, hold in (
        ("certificate-authority", "certificate-authority", hold_authorities),
        ("trust-store-authority", "trust-store", store),
    ):
        for after in (hold({**known, **other}), hold(known, {**known, **other})):
            said = await tell(name, source, hold(known), after)
            assert said.startswith("critical") is is_told
            assert bool(said) is is_told


def test_the_guard_only_reads() -> None:
    assert not any(one.writes for one in GUARD.permissions)
    assert "eDiscovery.Read.All" in {one.name for one in GUARD.permissions if one.optional}


async def test_a_context_that_no_policy_in_force_asks_for_is_no_second_factor() -> None:
    looks = Looks(COLLECTIONS["role-activation"])
    role = Configuration(
        "role-activation-policy", "r", "r", activate(GLOBAL_ADMINISTRATOR, **CONTEXTS)
    )

    def policy(state: str) -> Configuration:
        names = {"includeAuthenticationContextClassReferences": ["c1"]}
        values = {"state": state, "conditions": {"applications": names}}
        return Configuration("conditional-access-policy", "p1", "Policy", values)

    assert await looks.look([role]) == []
    assert await looks.look([role, policy("enabled")]) == []
    (found,) = await looks.look([role, policy("enabledForReportingButNotEnforced")])
    assert "without a second factor" in found.summary


def build_user(**values: object) -> Configuration:
    """A user with these properties, as the directory prints them."""
    name = {"userPrincipalName": "ann_x.example#EXT#@contoso.com", "userType": "Member"}
    return Configuration("directory-user", "u1", "ann", {**name, **values})


async def test_a_guest_made_long_ago_that_is_a_member_now_was_changed() -> None:
    partner = {"identitySynchronization": {"userSyncInbound": {"isSyncAllowed": True}}}
    synchronises = Configuration("cross-tenant-partner", "t1", "t1", partner)
    for made, told in (("2024-01-01T00:00:00Z", 1), ("2026-11-01T12:00:00Z", 0)):
        looks = Looks(COLLECTIONS["outside-member"])
        await looks.look([synchronises])
        found = await looks.look([synchronises, build_user(createdDateTime=made)])
        assert len(found) == told
        assert len(await looks.look([synchronises, build_user(createdDateTime=made)])) == told


@pytest.mark.parametrize(
    ("federation", "expected"), [("Managed", Severity.HIGH), ("Federated", Severity.CRITICAL)]
)
async def test_an_immutable_id_is_gravest_where_a_federation_can_use_it(
    federation: str, expected: Severity
) -> None:
    looks = Looks(COLLECTIONS["sign-in-name"])
    domain = Configuration("domain", "x", "x", {"authenticationType": federation})
    await looks.look([domain])
    user = build_user(userPrincipalName="ann@contoso.com", onPremisesImmutableId="Um9iaW4=")
    (found,) = await looks.look([domain, user])
    assert found.severity is expected


def hold(*names: str, role: str = GLOBAL_ADMINISTRATOR) -> list[Configuration]:
    """The holders of a role."""
    return [Configuration(ROLE_HOLDER, one, one, {"roles": [role]}) for one in names]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (hold("a", "b", "c"), hold("a"), {"critical"}),
        (hold("a", "b", "c"), hold("a", "b"), set()),
        (hold("a", "b"), hold("b"), {"critical"}),
        (hold("a", role=EXCHANGE) + hold("g", "h"), hold("g", "h"), set()),
        (hold("a", "b", role=EXCHANGE) + hold("g", "h"), hold("g", "h"), {"high"}),
    ],
)
async def test_administrators_that_go_together_or_leave_one_alone_are_told(
    before: list[Configuration], after: list[Configuration], expected: set[str]
) -> None:
    looks = Looks(COLLECTIONS["administrator"])
    for rows in (before, after):
        assert await looks.look(rows) == []
    found = await looks.look(after)
    assert {one.severity.label for one in found} == expected
    if expected:
        gone = {one.id for one in before} - {one.id for one in after}
        assert {one.subject.partition(" ")[0] for one in found} == gone


def register(name: str, build: str, owner: str = "u1", number: int = 1) -> Configuration:
    """A device that somebody joined on the first day."""
    owners = [{"id": owner, "userPrincipalName": f"{owner}@contoso.com"}]
    values = {
        "registrationDateTime": f"2026-11-01T0{number}:00:00.1234567Z",
        "operatingSystemVersion": build,
        "registeredOwners": owners,
    }
    return Configuration("device", f"d{number}", name, values)


def undate(device: Configuration) -> Configuration:
    """The device, of which Graph does not say when it was registered."""
    return replace(device, values={**device.values, "registrationDateTime": None})


@pytest.mark.parametrize(
    ("devices", "first", "later"),
    [
        ([register("DESKTOP-7QK4M2XB", "10.0.19041.928")], "high", "high"),
        ([register("DESKTOP-7QK4M2X", "10.0.19041.928")], "", ""),
        ([register("DESKTOP-7QK4M2XB", "10.0.26100.4061")], "", ""),
        ([register("PC", "10.0.26100.4061", "admin")], "", "high"),
        ([register("PC", "1", number=one) for one in (1, 2)], "", ""),
        ([register("PC", "1", number=one) for one in (1, 2, 3)], "", "high"),
        # Of which nobody knows when they were registered, nobody says that it was within a day.
        ([undate(register("PC", "1", number=one)) for one in (1, 2, 3)], "", ""),
    ],
)
async def test_a_device_is_told_by_what_it_looks_like_and_whose_it_is(
    devices: list[Configuration], first: str, later: str
) -> None:
    holders = hold("admin")
    looks = Looks(COLLECTIONS["device"])
    found = await looks.look([*holders, *devices])
    assert {one.severity.label for one in found} == {*filter(None, [first])}
    looks = Looks(COLLECTIONS["device"])
    await looks.look(holders)
    found = await looks.look([*holders, *devices])
    assert {one.severity.label for one in found} == {*filter(None, [later])}


async def test_a_location_is_told_when_it_is_smaller_where_a_policy_asks_something() -> None:
    def locate(*countries: str, **more: object) -> Configuration:
        values = {"countriesAndRegions": [*countries], **more}
        return Configuration("named-location", "l1", "Blocked", values)

    def policy(*locations: str) -> Configuration:
        values = {
            "state": "enabled",
            "conditions": {"locations": {"includeLocations": [*locations]}},
        }
        return Configuration("conditional-access-policy", "p1", "Block", values)

    for locations, expected in ((("l1",), ["medium"]), (("All",), [])):
        looks = Looks(COLLECTIONS["named-location"])
        await looks.look([locate("KP", "RU"), policy(*locations)])
        found = await looks.look([locate("KP"), policy(*locations)])
        assert [one.severity.label for one in found] == expected
    looks = Looks(COLLECTIONS["named-location"])
    await looks.look([locate("KP")])
    (found_one,) = await looks.look([locate("KP", includeUnknownCountriesAndRegions=True)])
    assert "nobody knows" in found_one.summary


@pytest.mark.parametrize(
    ("member", "shown"),
    [
        ({"id": "U2", "userPrincipalName": "anna@contoso.com"}, "shields anna@contoso.com"),
        ({"id": "U2", "displayName": "PC-1"}, "shields PC-1"),
        ({"id": "U2"}, "shields u2"),
        ("u2", "shields u2"),
    ],
)
async def test_whom_a_unit_shields_is_told_by_name(member: object, shown: str) -> None:
    looks = Looks(COLLECTIONS["administrative-unit"])

    def unit(*members: object) -> list[Configuration]:
        values = {"isMemberManagementRestricted": True, "members": list(members)}
        return [Configuration("administrative-unit", "a1", "Board", values)]

    await looks.look(unit("u1"))
    (found,) = await looks.look(unit("u1", member))
    assert shown in found.summary
    # Known by the id, whatever is told of it.
    assert len(await looks.look(unit("u1", {"id": "u2", "displayName": "Other"}))) == 1
    assert await looks.look(unit("u1")) == []


CERTIFICATE = {"id": "X509Certificate", "state": "enabled"}
SINGLE, BOTH = "x509CertificateSingleFactor", "x509CertificateMultiFactor"


def certify(default: str = SINGLE, *rules: Mapping[str, str], **more: object) -> dict[str, Any]:
    """Certificates as a method."""
    modes = {"x509CertificateAuthenticationDefaultMode": default, "rules": [*rules]}
    return CERTIFICATE | {"authenticationModeConfiguration": modes} | more


def trust(identifier: str, mode: str) -> Mapping[str, str]:
    """A rule of how much certificates of an issuer, or of a policy, count for."""
    return {"identifier": identifier, "x509CertificateAuthenticationMode": mode}


def bind(field: str) -> Mapping[str, str]:
    """By what the owner of a certificate is found."""
    return {"x509CertificateField": field, "userProperty": "userPrincipalName"}


def restrict(kind: str, *makes: str) -> dict[str, Any]:
    """Passkeys of some makes."""
    found = {"isEnforced": True, "enforcementType": kind, "aaGuids": [*makes]}
    return {"id": "Fido2", "state": "enabled", "keyRestrictions": found}


REVOKED: dict[str, Any] = {"crlValidationConfiguration": {"state": "enabled"}}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (certify(), certify(BOTH), "high: The authentication method X509Certificate lets any"),
        (certify(BOTH), certify(), ""),
        (certify(), certify(SINGLE, trust("CN=Thief", BOTH)), "high"),
        (certify(), certify(SINGLE, trust("CN=Own", SINGLE)), ""),
        (certify(), certify(certificateUserBindings=[bind("RFC822Name")]), "medium"),
        (certify(certificateUserBindings=[bind("PrincipalName")]), certify(), ""),
        (certify() | REVOKED, certify(), "medium"),
        (certify(), certify() | REVOKED, ""),
        (restrict("allow", "a"), restrict("allow", "a", "b"), "low"),
        (restrict("allow", "a", "b"), restrict("allow", "a"), ""),
        (restrict("block", "a"), restrict("block", "a", "b"), ""),
        # What a method that is off would take is told when it is switched on.
        (certify() | {"state": "disabled"}, certify(BOTH) | {"state": "disabled"}, ""),
    ],
)
async def test_a_method_is_told_when_it_counts_for_more(
    before: Mapping[str, Any], after: Mapping[str, Any], expected: str
) -> None:
    said = await tell(
        "authentication-method",
        "authentication-methods-policy",
        {"authenticationMethodConfigurations": [before]},
        {"authenticationMethodConfigurations": [after]},
    )
    assert said.startswith(expected)
    assert bool(said) == bool(expected)


CAMPAIGN = "authenticationMethodsRegistrationCampaign"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("enabled", "disabled", "medium"),
        ("default", "disabled", "medium"),
        ("enabled", "default", ""),
        ("disabled", "enabled", ""),
    ],
)
async def test_that_people_can_no_longer_report_prompts_is_told(
    before: str, after: str, expected: str
) -> None:
    def allow(state: str) -> Mapping[str, Any]:
        return {
            "authenticationMethodConfigurations": [],
            "reportSuspiciousActivitySettings": {"state": state},
            "registrationEnforcement": {CAMPAIGN: {"state": state}},
        }

    said = await tell(
        "authentication-method", "authentication-methods-policy", allow(before), allow(after)
    )
    assert said.partition(":")[0] == expected
    if said:
        assert said == (
            "medium: The authentication method policy of the tenant no longer lets people report "
            "prompts that are not theirs; no longer asks people to register a better method."
        )


async def test_a_new_owner_of_an_excluded_group_is_told_and_one_who_leaves_is_not() -> None:
    example = EXAMPLES["excluded-group"]
    anna, ben = {"id": "u8", "name": "anna@contoso.com"}, {"id": "u9", "name": "ben@contoso.com"}
    looks = Looks(COLLECTIONS["excluded-group"])
    for owners, said in (
        ([anna], []),
        ([anna, ben], ["lets ben@contoso.com exempt anybody, as its owner"]),
        ([ben], ["lets ben@contoso.com exempt anybody, as its owner"]),
    ):
        group = example.build("id-known", {"owners": owners})
        found = await looks.look([*example.others, group])
        assert [one.severity for one in found] == [Severity.HIGH] * len(said)
        assert all(said[0] in one.summary for one in found)
    (told,) = found
    removal = "Invoke-MgGraphRequest -Method DELETE -Uri 'v1.0/groups/id-known/owners/u9/$ref'"
    assert removal in [step.command for step in told.steps]


def test_no_beginning_of_what_a_policy_includes_is_that_of_something_else() -> None:
    kinds = [f"for {noun} " for _, noun in INCLUDED] + [f"at {noun} " for _, noun in CONDITIONS]
    assert not [
        (one, other) for one in kinds for other in kinds if one != other and other.startswith(one)
    ]


def test_a_permission_of_several_parts_is_needed_where_one_needs_it() -> None:
    one = Permission(Service.GRAPH, "A", "for one thing", optional=True)
    other = replace(one, reason="for another")
    needed = replace(one, reason="for a third", optional=False)
    same_name = replace(one, service=Service.EXCHANGE)
    assert join_permissions([one], [other, same_name]) == (
        replace(one, reason="for one thing; for another"),
        same_name,
    )
    for groups in (([one], [needed]), ([needed], [one])):
        (joined,) = join_permissions(*groups)
        assert not joined.optional
    assert join_permissions([needed]) == (needed,)


@pytest.mark.parametrize(
    ("role", "gone", "left", "severity"),
    [
        (GLOBAL_ADMINISTRATOR, 1, 1, Severity.CRITICAL),
        (GLOBAL_ADMINISTRATOR, 1, 2, Severity.INFO),
        (GLOBAL_ADMINISTRATOR, 2, 9, Severity.CRITICAL),
        (EXCHANGE, 1, 0, Severity.INFO),
        (EXCHANGE, 2, 0, Severity.HIGH),
        (EXCHANGE, 2, 1, Severity.INFO),
    ],
)
def test_how_grave_it_is_that_holders_of_a_role_go(
    role: str, gone: int, left: int, severity: Severity
) -> None:
    other = EXCHANGE if role == GLOBAL_ADMINISTRATOR else GLOBAL_ADMINISTRATOR
    went = [*(f"{role} the {number}" for number in range(gone)), f"{other} x", f"{other} y"]
    stay = [*(f"{role} no {number}" for number in range(left)), f"{other} z"]
    assert rate_removal(went[0], went, stay) is severity
