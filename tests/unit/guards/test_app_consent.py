"""Apps and consent: an app nobody has to worry about, then one thing wrong a case."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from core.guards.app_consent.grants import (
    ACCESS_POLICIES,
    ASSIGNMENTS,
    EXCHANGE_PRINCIPALS,
    MAX_PERMISSIONS,
    POLICY,
    AccessPolicy,
    AppGrant,
    AppGrants,
    AppRegistrations,
    ConsentedApp,
    ConsentItem,
    DelegatedGrantView,
    ExchangeAppRole,
    HeldRole,
)
from core.guards.app_consent.guard import GUARD
from core.guards.app_consent.judge import describe_user_count, judge
from core.guards.app_consent.observe import find_principal_id
from core.guards.app_consent.user_consent import PROPERTY
from core.guards.app_consent.verdicts import ConsentVerdict
from core.microsoft365.configuration_sources import get_configuration_source_name
from core.microsoft365.directory_roles import GLOBAL_ADMINISTRATOR
from core.microsoft365.known_apps import MICROSOFT_TENANTS
from core.microsoft365.permission_rules import PermissionRisk
from core.model.findings import Finding, Severity, Verdict, format_facts
from core.model.guards import GuardPolicy, ObserveContext
from core.model.reach import goes_further
from core.tenant.apps import (
    App,
    AppCredential,
    AppPermission,
    AppRegistration,
    DelegatedGrant,
)
from core.tenant.changes import SetConfiguration
from core.tenant.configuration import Configuration
from core.tenant.directory import RoleHolder
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import (
    APP_PERMISSIONS,
    APP_REGISTRATIONS,
    APPS,
    DELEGATED_GRANTS,
    FEDERATED_CREDENTIALS,
    ROLE_HOLDERS,
)
from tests.support.fakes.apps import FakeAppReader
from tests.support.fakes.tenant import FakeTenant
from tests.support.guard_tenants import (
    FOR_SELF,
    GRAPH,
    HOME_APP,
    MICROSOFT_SERVICES_TENANT,
    UNVERIFIED_APP,
    VERIFIED_APP,
    build_app_consent_tenant,
    build_consent_policy,
    build_delegated_grant,
)
from tests.support.observe import observe_all
from tests.support.remedy_checks import tell_remedy

NOW = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)
TERMS = GuardPolicy(NOW)
OWN_API = App("api", "a1", "Payroll API", is_home_tenant=True)
UNTOLD = replace(VERIFIED_APP, owner_tenant_id="", publisher="")
MICROSOFTS = replace(VERIFIED_APP, owner_tenant_id=MICROSOFT_SERVICES_TENANT, publisher="")
ITSELF = replace(HOME_APP, is_self=True)
FOR_OWNED = "ManagePermissionGrantsForOwnedResource.microsoft-chats"


def delegated(app: App, *scopes: str, everyone: bool = False, api: App = GRAPH) -> ConsentedApp:
    return ConsentedApp(app, (DelegatedGrantView(api, everyone, dict.fromkeys(scopes, 1)),))


def given(app: App, value: str, api: App = GRAPH) -> ConsentedApp:
    return ConsentedApp(app, (), (AppGrant(api, AppPermission("x1", app.id, api.id, "r1", value)),))


def only(item: ConsentedApp | Configuration) -> Finding:
    (finding,) = judge(item, TERMS)
    return finding


def keys(item: ConsentedApp) -> set[str]:
    return {finding.compute_key(GUARD.name) for finding in judge(item, TERMS)}


# Whose app, and what it may do --------------------------------------------------------------------


def test_an_app_without_permissions_is_nothing_to_speak_of() -> None:
    assert list(judge(ConsentedApp(UNVERIFIED_APP), TERMS)) == []


def test_what_signing_in_needs_is_one_note_whatever_the_app() -> None:
    finding = only(delegated(UNVERIFIED_APP, "openid", "profile", "email", "offline_access"))
    assert (finding.severity, finding.verdict) == (Severity.INFO, ConsentVerdict.KEEP)


def test_offline_access_alone_is_nothing() -> None:
    assert only(delegated(UNVERIFIED_APP, "offline_access")).severity is Severity.INFO


@pytest.mark.parametrize(
    ("app", "users", "everyone", "alone"),
    [
        (VERIFIED_APP, Severity.MEDIUM, Severity.HIGH, Severity.HIGH),
        (UNVERIFIED_APP, Severity.HIGH, Severity.CRITICAL, Severity.CRITICAL),
        (UNTOLD, Severity.MEDIUM, Severity.HIGH, Severity.HIGH),
        (HOME_APP, Severity.MEDIUM, Severity.HIGH, Severity.HIGH),
        (MICROSOFTS, Severity.INFO, Severity.INFO, Severity.INFO),
        (ITSELF, Severity.INFO, Severity.INFO, Severity.INFO),
        (replace(UNVERIFIED_APP, enabled=False), Severity.INFO, Severity.INFO, Severity.INFO),
    ],
)
def test_how_grave_mail_is_depends_on_whose_app_it_is(
    app: App, users: Severity, everyone: Severity, alone: Severity
) -> None:
    assert only(delegated(app, "Mail.Read")).severity is users
    assert only(delegated(app, "Mail.Read", everyone=True)).severity is everyone
    assert only(given(app, "Mail.Read")).severity is alone


def test_an_ordinary_scope_of_an_unverified_app_is_told_and_no_more() -> None:
    assert only(delegated(UNVERIFIED_APP, "Calendars.Read")).severity is Severity.LOW
    assert only(delegated(HOME_APP, "Calendars.Read")).severity is Severity.INFO
    assert only(given(UNVERIFIED_APP, "User.Read.All")).severity is Severity.MEDIUM


OTHERS_API = App("o1", "a-o1", "Orders API", "0e15e000-0000-4000-8000-000000000009")
NEW_API = App("n1", "a-n1", "A new API of Microsoft's", MICROSOFT_SERVICES_TENANT)


@pytest.mark.parametrize(
    ("app", "api", "role", "severity"),
    [
        (HOME_APP, OWN_API, "Orders.ReadWrite.All", Severity.INFO),
        (HOME_APP, OTHERS_API, "Orders.Read", Severity.LOW),
        (HOME_APP, OTHERS_API, "Orders.ReadWrite.All", Severity.MEDIUM),
        (VERIFIED_APP, OWN_API, "Orders.Read", Severity.MEDIUM),
        (UNVERIFIED_APP, OWN_API, "Orders.ReadWrite.All", Severity.MEDIUM),
        (HOME_APP, NEW_API, "Novelty.Read", Severity.LOW),
        (HOME_APP, NEW_API, "Novelty.ReadWrite.All", Severity.MEDIUM),
        (HOME_APP, NEW_API, "full_access_as_robot", Severity.HIGH),
        (UNVERIFIED_APP, NEW_API, "Mail.ReadWrite", Severity.CRITICAL),
        (HOME_APP, NEW_API, "", Severity.HIGH),
    ],
)
def test_a_role_at_an_api_that_no_list_has_is_told_by_whose_both_are(
    app: App, api: App, role: str, severity: Severity
) -> None:
    finding = only(given(app, role, api))
    assert finding.severity is severity
    assert (finding.verdict is ConsentVerdict.KEEP) == (severity is Severity.INFO)


@pytest.mark.parametrize("app", [VERIFIED_APP, UNVERIFIED_APP, HOME_APP, UNTOLD])
@pytest.mark.parametrize(
    "role", ["RoleManagement.ReadWrite.Directory", "full_access_as_app", "Exchange.ManageAsApp"]
)
def test_a_master_of_the_directory_or_of_every_mailbox_is_critical(app: App, role: str) -> None:
    assert only(given(app, role)).severity is Severity.CRITICAL


def test_a_role_that_the_api_does_not_list_is_taken_for_a_grave_one() -> None:
    finding = only(given(VERIFIED_APP, ""))
    assert finding.severity is Severity.HIGH
    assert "r1" in finding.summary


@pytest.mark.parametrize("owner", sorted(MICROSOFT_TENANTS))
def test_microsoft_registers_its_apps_in_several_tenants(owner: str) -> None:
    finding = only(given(replace(UNVERIFIED_APP, owner_tenant_id=owner), "Directory.ReadWrite.All"))
    assert (finding.severity, finding.verdict) == (Severity.INFO, ConsentVerdict.KEEP)


@pytest.mark.parametrize(
    "owner",
    ["9188040d-6c67-4c5b-b112-36a304b66dad", "47df5bb7-e6bc-4256-afb0-dd8c8e3c1ce8"],
)
def test_the_tenants_of_personal_accounts_and_of_the_gallery_are_not_microsoft(owner: str) -> None:
    assert (
        only(delegated(replace(UNVERIFIED_APP, owner_tenant_id=owner), "Mail.Read")).severity
        > Severity.LOW
    )


def test_a_managed_identity_is_this_tenants_whoever_registered_it() -> None:
    identity = replace(MICROSOFTS, is_home_tenant=True, kind="ManagedIdentity")
    assert only(given(identity, "Mail.Read")).severity is Severity.HIGH


def test_an_app_whose_owner_is_not_told_is_no_impostor_and_never_microsofts() -> None:
    finding = only(delegated(replace(UNTOLD, name="Microsoft Teams Services"), "Mail.Read"))
    assert (finding.severity, finding.verdict) == (Severity.MEDIUM, ConsentVerdict.GRANTED)
    assert "registered in: not told" in format_facts(finding.facts)


# Names --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "Microsoft Teams",
        "MicrosoftTeams",
        "Teams",
        "Office 365 Security",
        "Micr\u043es\u043eft Outlook",
        "Zoom for Micros\u03bfft 365",
        "0utlook Sync",
        "0ut1ook",
        "Mic\u200brosoft",
        "rnicrosoft login",
        "O\ufb00ice 365",
        "\uff2dicrosoft",
    ],
)
def test_a_name_of_microsofts_on_somebody_elses_app_is_an_impostors(name: str) -> None:
    app = replace(UNVERIFIED_APP, name=name)
    finding = only(delegated(app, "Calendars.Read"))
    assert (finding.severity, finding.verdict) == (Severity.MEDIUM, ConsentVerdict.IMPOSTOR)
    microsofts = replace(app, owner_tenant_id=MICROSOFT_SERVICES_TENANT)
    assert only(delegated(microsofts, "Calendars.Read")).verdict is ConsentVerdict.KEEP


@pytest.mark.parametrize(
    "name",
    ["Zoom for Outlook", "Officevibe", "Adobe Acrobat for Microsoft Teams", "Modern Mail", "", "1"],
)
def test_a_name_that_says_what_an_app_is_for_is_honest(name: str) -> None:
    finding = only(delegated(replace(VERIFIED_APP, name=name), "Calendars.Read"))
    assert finding.verdict is ConsentVerdict.GRANTED


def test_an_impostor_that_only_signs_people_in_is_told_all_the_same() -> None:
    finding = only(delegated(replace(UNVERIFIED_APP, name="Microsoft Teams"), "openid"))
    assert (finding.severity, finding.verdict) == (Severity.LOW, ConsentVerdict.IMPOSTOR)


def test_a_hostile_name_is_bounded_and_shown_as_what_it_is() -> None:
    finding = only(delegated(replace(UNVERIFIED_APP, name="a\u202e" + "b" * 5_000), "Mail.Read"))
    assert "\u202e" not in finding.summary
    assert len(finding.summary) < 300


@pytest.mark.parametrize(
    ("reply", "unsafe"),
    [
        ("http://app.example/x", True),
        ("https://*.app.example", True),
        ("https://app.example", False),
        ("http://localhost:8080", False),
        ("http://127.0.0.1", False),
        ("myapp://auth", False),
        ("http://[broken", False),
    ],
)
def test_sign_ins_sent_in_the_clear_are_a_step_graver(reply: str, unsafe: bool) -> None:
    app = replace(VERIFIED_APP, reply_urls=(reply,))
    finding, *_ = judge(delegated(app, "Mail.Read"), TERMS)
    assert finding.severity is (Severity.HIGH if unsafe else Severity.MEDIUM)


# Identity -----------------------------------------------------------------------------------------


def test_a_scope_that_is_added_is_a_new_finding_and_one_taken_away_ends() -> None:
    before = keys(delegated(UNVERIFIED_APP, "Mail.Read"))
    after = keys(delegated(UNVERIFIED_APP, "Mail.Read", "Files.Read.All"))
    assert len(before) == 1
    assert len(after - before) == 1
    assert before <= after


def test_scopes_are_a_set_and_their_order_and_case_are_no_news() -> None:
    one = keys(delegated(UNVERIFIED_APP, "Mail.Read", "Calendars.Read", "openid"))
    assert one == keys(delegated(UNVERIFIED_APP, "calendars.read", "mail.read"))


def test_another_name_is_the_same_case_and_another_api_or_audience_is_not() -> None:
    one = keys(delegated(UNVERIFIED_APP, "Mail.Read"))
    assert keys(delegated(replace(UNVERIFIED_APP, name="Other"), "Mail.Read")) == one
    assert keys(delegated(UNVERIFIED_APP, "Mail.Read", everyone=True)) != one
    assert keys(delegated(UNVERIFIED_APP, "Mail.Read", api=replace(GRAPH, id="exchange"))) != one


def test_the_thousand_and_first_user_changes_nothing_that_is_told() -> None:
    def told(count: int) -> Finding:
        return only(
            ConsentedApp(UNVERIFIED_APP, (DelegatedGrantView(GRAPH, False, {"Mail.Read": count}),))
        )

    assert told(1_001) == told(5_000)
    assert describe_user_count(1) == "one user"
    assert told(1) != told(2)


def test_the_advice_is_the_exact_command_and_nothing_is_removed_here() -> None:
    finding = only(delegated(UNVERIFIED_APP, "Mail.Read"))
    assert finding.changes == ()
    assert "Get-MgServicePrincipalOauth2PermissionGrant -ServicePrincipalId 'c1'" in tell_remedy(
        finding
    )
    assert "$_.ResourceId -eq 'graph' -and $_.ConsentType -eq 'Principal'" in tell_remedy(finding)
    alone = only(given(UNVERIFIED_APP, "Mail.Read"))
    assert alone.changes == ()
    assert "-ServicePrincipalId 'graph' -AppRoleAssignmentId 'x1'" in tell_remedy(alone)


def test_ids_that_would_break_out_of_a_command_stay_text() -> None:
    finding = only(delegated(replace(UNVERIFIED_APP, id="c1'; Remove-All"), "Mail.Read"))
    assert "'c1''; Remove-All'" in tell_remedy(finding)


# Credentials --------------------------------------------------------------------------------------

SECRET = AppCredential("k1", "secret", NOW + timedelta(days=365))


@pytest.mark.parametrize(
    ("app", "severity"),
    [
        (MICROSOFTS, Severity.HIGH),
        (VERIFIED_APP, Severity.HIGH),
        (UNTOLD, Severity.HIGH),
        (HOME_APP, Severity.MEDIUM),
        (ITSELF, Severity.HIGH),
    ],
)
def test_a_secret_on_a_service_principal_is_told_even_on_microsofts_apps(
    app: App, severity: Severity
) -> None:
    finding = only(ConsentedApp(replace(app, credentials=(SECRET,))))
    assert (finding.kind, finding.severity) == ("app-credential", severity)
    assert "-KeyId 'k1'" in tell_remedy(finding)


def test_a_second_secret_is_a_finding_of_its_own() -> None:
    more = replace(SECRET, id="k2", kind="certificate", expires=None)
    one, other = judge(ConsentedApp(replace(VERIFIED_APP, credentials=(SECRET, more))), TERMS)
    assert one.compute_key(GUARD.name) != other.compute_key(GUARD.name)
    assert "-KeyCredentials @()" in tell_remedy(other)
    assert other.severity is Severity.HIGH


@pytest.mark.parametrize(
    ("app", "credential"),
    [
        (replace(HOME_APP, kind="ManagedIdentity"), SECRET),
        (VERIFIED_APP, replace(SECRET, saml_signing=True)),
    ],
)
def test_managed_identities_and_saml_have_certificates_by_nature(
    app: App, credential: AppCredential
) -> None:
    assert list(judge(ConsentedApp(replace(app, credentials=(credential,))), TERMS)) == []


def test_a_secret_that_has_ended_opens_nothing() -> None:
    finding = only(ConsentedApp(replace(VERIFIED_APP, credentials=(replace(SECRET, expires=NOW),))))
    assert (finding.severity, finding.verdict) == (Severity.INFO, ConsentVerdict.DORMANT)


# User consent -------------------------------------------------------------------------------------


def test_users_who_may_not_consent_are_nothing_to_speak_of() -> None:
    assert list(judge(build_consent_policy(), TERMS)) == []
    assert list(judge(build_consent_policy(FOR_OWNED), TERMS)) == []


@pytest.mark.parametrize(
    ("entry", "severity"),
    [
        (FOR_SELF, Severity.HIGH),
        ("ManagePermissionGrantsForSelf.microsoft-user-default-low", Severity.MEDIUM),
        ("ManagePermissionGrantsForSelf.microsoft-user-default-recommended", Severity.MEDIUM),
        ("managepermissiongrantsforself.our-own-policy", Severity.MEDIUM),
    ],
)
def test_consent_is_taken_from_users_and_every_other_entry_stays(
    entry: str, severity: Severity
) -> None:
    finding = only(build_consent_policy("A.first", entry, FOR_OWNED))
    assert (finding.severity, finding.verdict) == (severity, ConsentVerdict.REPAIR)
    assert finding.changes == (SetConfiguration(POLICY, "", PROPERTY, ("A.first", FOR_OWNED)),)
    assert finding.sources == (get_configuration_source_name(POLICY),)


@pytest.mark.parametrize(
    ("policies", "says"),
    [
        (("microsoft-user-default-legacy", "microsoft-user-default-low"), "into their mail"),
        (("microsoft-user-default-low",), "of verified publishers"),
        (("Microsoft-User-Default-Recommended",), "Microsoft's current recommendation"),
        (("microsoft-user-default-low", "ours"), "a policy of the tenant's own"),
    ],
)
def test_what_users_may_agree_to_is_said_as_it_is(policies: tuple[str, ...], says: str) -> None:
    entries = [f"ManagePermissionGrantsForSelf.{one}" for one in policies]
    finding = only(build_consent_policy(*entries))
    assert says in finding.summary
    assert (finding.severity is Severity.HIGH) is ("into their mail" in says)


@pytest.mark.parametrize("value", [None, "ManagePermissionGrantsForSelf.x", [7], {}])
def test_a_policy_that_does_not_say_is_not_a_policy_that_forbids(value: object) -> None:
    silent = Configuration(
        POLICY, "", "", {"defaultUserRolePermissions": {"permissionGrantPoliciesAssigned": value}}
    )
    finding = only(silent)
    assert (finding.verdict, finding.changes) == (Verdict.COULD_NOT_TELL, ())
    assert only(replace(silent, values={})).verdict is Verdict.COULD_NOT_TELL


def test_consent_to_risky_apps_is_told_and_left_to_a_person() -> None:
    printed = only(build_consent_policy(allowUserConsentForRiskyApps="True"))
    finding = only(build_consent_policy(allowUserConsentForRiskyApps=True))
    assert printed == finding
    assert (finding.severity, finding.changes) == (Severity.HIGH, ())
    assert "-AllowUserConsentForRiskyApps:$false" in tell_remedy(finding)
    assert list(judge(build_consent_policy(allowUserConsentForRiskyApps=None), TERMS)) == []


# Looking ------------------------------------------------------------------------------------------


async def look(tenant: FakeTenant, *watched: str) -> Reading[ConsentItem]:
    return await observe_all(GUARD, tenant, ObserveContext(TERMS, open_case_ids=frozenset(watched)))


def held(reading: Reading[ConsentItem], app_id: str) -> ConsentedApp:
    (found,) = (
        one for one in reading.items if isinstance(one, ConsentedApp) and one.app.id == app_id
    )
    return found


async def test_roles_of_the_directory_and_of_exchange_stand_with_their_app() -> None:
    tenant = build_app_consent_tenant()
    reader, administrator = "5d6b6bb7-de71-4623-b4af-96380a352509", GLOBAL_ADMINISTRATOR
    tenant.holders = [
        RoleHolder("c1", "entra", frozenset({reader, administrator})),
        RoleHolder("c2", "entra", frozenset({reader})),
    ]
    role = exchange_row(ASSIGNMENTS, "A-1", Role="Application Mail.ReadWrite", App="c2")
    principal = exchange_row(EXCHANGE_PRINCIPALS, "Sync", ObjectId="c2")
    tenant.configurations += [role, principal]
    reading = await look(tenant)
    assert held(reading, "c1").held_role == HeldRole(PermissionRisk.TENANT_WIDE, ROLE_HOLDERS)
    assert held(reading, "c2").held_role == HeldRole(
        PermissionRisk.SENSITIVE, get_configuration_source_name(ASSIGNMENTS)
    )
    assert held(reading, "graph").held_role is None
    assert reading.covers((ROLE_HOLDERS,), "c1")
    tenant.fail_read(ROLE_HOLDERS)
    reading = await look(tenant)
    assert not reading.covers((ROLE_HOLDERS,), "c1")
    assert held(reading, "c1").held_role is None


async def test_grants_of_many_users_are_one_holding_with_a_count() -> None:
    tenant = build_app_consent_tenant(
        *(build_delegated_grant("c1", "Mail.Read openid") for _ in range(7)),
        build_delegated_grant("c1", "openid"),
    )
    reading = await look(tenant)
    (one,) = held(reading, "c1").delegated_grants
    assert one.scope_counts == {"Mail.Read": 7, "openid": 8}
    assert reading.failures == ()
    assert reading.population == 3
    assert reading.covers((DELEGATED_GRANTS, APP_PERMISSIONS, APPS), "c1")


def agree(principal: str, scopes: str = "Mail.Read openid", client: str = "c1") -> DelegatedGrant:
    return replace(build_delegated_grant(client, scopes), principal_id=principal)


async def test_few_people_who_agreed_are_named_as_far_as_their_names_are_known() -> None:
    ann = Configuration("directory-user", "u1", "ann@contoso.com", {})
    tenant = build_app_consent_tenant(
        *(agree(one) for one in ("u2", "u1", "u1")),
        *(agree(f"u{number}", "Files.Read.All") for number in range(4)),
        agree("u1", "Mail.Send", client="c2"),
    )
    tenant.configurations.append(ann)
    reading = await look(tenant)
    (one,) = held(reading, "c1").delegated_grants
    assert one.agreed == {
        "Mail.Read": ("ann@contoso.com", "u2"),
        "openid": ("ann@contoso.com", "u2"),
    }
    (other,) = held(reading, "c2").delegated_grants
    assert other.agreed == {"Mail.Send": ("ann@contoso.com",)}


async def test_only_who_granted_more_than_signing_in_needs_is_asked_for_and_news_comes_first() -> (
    None
):
    tenant = build_app_consent_tenant(
        agree("told", "Mail.Read"),
        agree("new", "Mail.Read", client="c2"),
        agree("signs-in", "openid User.Read"),
    )
    await look(tenant, "c1")
    assert tenant.named_ids == ["new", "told"]


@pytest.mark.parametrize(
    ("people", "whom", "by"),
    [
        (("ann@contoso.com",), "for ann@contoso.com, who agreed", "ann@contoso.com"),
        (("ann@x", "ben@x"), "for users who agreed", "ann@x, ben@x"),
        # An id says nothing in a sentence.
        (("u1",), "for users who agreed", "u1"),
        ((), "for users who agreed", "tens of users"),
    ],
)
def test_who_agreed_is_told_where_they_are_few(people: tuple[str, ...], whom: str, by: str) -> None:
    view = DelegatedGrantView(GRAPH, False, {"Mail.Read": 12}, {"Mail.Read": people})
    found = only(ConsentedApp(UNVERIFIED_APP, (view,)))
    assert found.summary.endswith(f"may use Mail.Read {whom}.")
    assert by in [fact.text for fact in found.facts if fact.label == "granted by"]


async def test_permissions_stand_with_their_app_and_their_api() -> None:
    tenant = build_app_consent_tenant(
        roles=(AppPermission("x1", "c2", "graph", "r1", "Mail.Read"),)
    )
    (one,) = held(await look(tenant), "c2").app_grants
    assert (one.api.name, one.permission.value) == ("Microsoft Graph", "Mail.Read")


@pytest.mark.parametrize("surface", [DELEGATED_GRANTS, APP_PERMISSIONS])
async def test_a_surface_that_cannot_be_read_is_never_empty(surface: str) -> None:
    tenant = build_app_consent_tenant(build_delegated_grant("c1", "Mail.Read"))
    tenant.fail_read(surface, permission="Directory.Read.All")
    reading = await look(tenant)
    miss = reading.find_source_failure(surface)
    assert miss is not None
    assert miss.permission == "Directory.Read.All"
    async for part in GUARD.observe(tenant, ObserveContext(TERMS)):
        assert isinstance(part, Reading)
        assert not part.covers((surface,), "c1")


async def test_a_grant_of_nobody_knows_whom_keeps_every_case_open() -> None:
    tenant = build_app_consent_tenant(build_delegated_grant("c1", "Mail.Read"))
    tenant.fail_read(DELEGATED_GRANTS, "unidentified-1")
    async for part in GUARD.observe(
        tenant, ObserveContext(TERMS, open_case_ids=frozenset({"c1", "gone"}))
    ):
        assert isinstance(part, Reading)
        assert not part.covers((DELEGATED_GRANTS, APPS), "c1")
        assert not part.covers((DELEGATED_GRANTS, APPS), "gone")


async def test_one_apps_broken_grant_leaves_only_that_app_unread() -> None:
    tenant = build_app_consent_tenant(
        build_delegated_grant("c1", "Mail.Read"), build_delegated_grant("c2", "Mail.Read")
    )
    tenant.fail_read(DELEGATED_GRANTS, "c1")
    reading = await look(tenant)
    (miss,) = reading.failures
    assert (miss.object_id, miss.subject) == ("c1", "Contoso Notes")
    assert reading.covers((DELEGATED_GRANTS, APPS), "c2")


async def test_an_api_that_cannot_be_read_leaves_its_users_unread() -> None:
    tenant = build_app_consent_tenant(
        build_delegated_grant("c1", "Mail.Read"),
        build_delegated_grant("c2", "Mail.Read", api="other"),
    )
    tenant.service_principals.append(App("other"))
    tenant.fail_read(APPS, "other")
    reading = await look(tenant)
    assert {(miss.source, miss.object_id) for miss in reading.failures} >= {
        (DELEGATED_GRANTS, "c2")
    }
    assert held(reading, "c2").delegated_grants == ()
    assert held(reading, "c1").delegated_grants != ()


async def test_without_a_look_at_the_apis_nothing_granted_is_judged_or_clean() -> None:
    tenant = build_app_consent_tenant(build_delegated_grant("c1", "Mail.Read"))
    tenant.fail_read(APPS, permission="Application.Read.All")
    reading = await look(tenant, "c1")
    for surface in (APPS, DELEGATED_GRANTS, APP_PERMISSIONS):
        miss = reading.find_source_failure(surface)
        assert miss is not None
        assert miss.permission == "Application.Read.All"
    assert not reading.complete


async def test_a_vanished_app_is_gone_and_a_broken_listing_makes_nothing_gone() -> None:
    tenant = build_app_consent_tenant()
    parts = [
        part
        async for part in GUARD.observe(
            tenant, ObserveContext(TERMS, open_case_ids=frozenset({"old"}))
        )
    ]
    assert any(
        isinstance(part, Reading) and part.covers((DELEGATED_GRANTS, APPS), "old") for part in parts
    )
    tenant.interrupted_sources.add(APPS)
    async for part in GUARD.observe(
        tenant, ObserveContext(TERMS, open_case_ids=frozenset({"old"}))
    ):
        assert isinstance(part, Reading)
        assert not part.covers((DELEGATED_GRANTS, APPS), "old")


async def test_permissions_of_an_app_that_is_not_listed_are_not_overlooked() -> None:
    tenant = build_app_consent_tenant(build_delegated_grant("ghost", "Mail.Read"))
    finding = only(held(await look(tenant, "ghost"), "ghost"))
    assert (finding.kind, finding.verdict) == ("app-unlisted", Verdict.COULD_NOT_TELL)
    assert finding.confirmations_needed > 0


async def test_an_unreadable_policy_is_named_and_the_apps_are_read_all_the_same() -> None:
    tenant = build_app_consent_tenant(build_delegated_grant("c1", "Mail.Read"))
    tenant.fail_read(get_configuration_source_name(POLICY), permission="Policy.Read.All")
    reading = await look(tenant)
    assert reading.find_source_failure(get_configuration_source_name(POLICY))
    assert held(reading, "c1").delegated_grants


def test_what_does_not_fit_into_memory_is_unread_and_not_forgotten() -> None:
    holdings = AppGrants(count=MAX_PERMISSIONS)
    holdings.add_delegated_grant(build_delegated_grant("c1", "Mail.Read Files.Read.All"))
    holdings.add_app_permission(AppPermission("x1", "c1", "graph", "r1", "Mail.Read"))
    assert {miss.source for miss in holdings.failures} == {DELEGATED_GRANTS, APP_PERMISSIONS}
    assert holdings.list_complete_sources() == frozenset()


def test_the_last_permission_that_fits_is_held_and_the_next_is_told_once() -> None:
    holdings = AppGrants(count=MAX_PERMISSIONS - 2)
    for scopes in ("Mail.Read", "Mail.Read", "Files.Read.All"):
        holdings.add_delegated_grant(build_delegated_grant("c1", scopes))
    assert holdings.failures == []
    assert holdings.delegated_grants["c1"]["graph", False] == {"Mail.Read": 2, "Files.Read.All": 1}
    # What is held already is counted further, whatever else does not fit.
    holdings.add_delegated_grant(build_delegated_grant("c1", "Mail.Read"))
    assert holdings.failures == []
    for _ in range(2):
        holdings.add_app_permission(AppPermission("x1", "c1", "graph", "r1", "Mail.Read"))
    assert [miss.reason for miss in holdings.failures] == ["more than 200,000 permissions of apps"]
    assert holdings.app_permissions == {}


def test_registrations_that_do_not_fit_are_told() -> None:
    rows = tuple(AppRegistration(f"r{n}", f"a{n}") for n in range(MAX_PERMISSIONS + 2))
    registrations = AppRegistrations()
    registrations.add_page(Reading(items=rows[:MAX_PERMISSIONS]))
    assert registrations.failures == []
    registrations.add_page(Reading(items=rows[MAX_PERMISSIONS:]))
    assert [one.reason for one in registrations.failures] == ["more than 200,000 registrations"]
    assert len(registrations.by_app_id) == MAX_PERMISSIONS
    assert APP_REGISTRATIONS not in registrations.list_complete_sources()
    assert list(registrations.list_other_failures()) == registrations.failures


def test_what_was_not_read_of_one_registration_is_told_of_its_app() -> None:
    miss = ReadFailure(FEDERATED_CREDENTIALS, "HTTP 503", "r2")
    page = Reading(items=(AppRegistration("r2", "a-c1"),), failures=(miss,))
    registrations = AppRegistrations()
    registrations.add_page(page)
    assert registrations.list_complete_sources() == {APP_REGISTRATIONS, FEDERATED_CREDENTIALS}
    assert list(registrations.list_other_failures()) == []
    (told,) = registrations.list_app_failures(UNVERIFIED_APP)
    assert (told.object_id, told.subject) == ("c1", "Contoso Notes")
    assert list(registrations.list_app_failures(GRAPH)) == []


# What surrounds apps -----------------------------------------------------------------------------

REGISTRATION = AppRegistration("r2", HOME_APP.app_id, "Tool")


def exchange_row(source: str, name: str, **values: object) -> Configuration:
    return Configuration(source, name, name, {"Name": name, **values})


async def test_a_registration_stands_with_its_app() -> None:
    tenant = build_app_consent_tenant()
    tenant.app_registrations = [REGISTRATION]
    reading = await look(tenant)
    assert held(reading, "c2").registration == REGISTRATION
    assert reading.covers((APP_REGISTRATIONS, FEDERATED_CREDENTIALS, APPS), "c2")


@pytest.mark.parametrize("source", [APP_REGISTRATIONS, FEDERATED_CREDENTIALS])
async def test_registrations_that_cannot_be_read_keep_every_case_open(source: str) -> None:
    tenant = build_app_consent_tenant()
    tenant.app_registrations = [REGISTRATION]
    tenant.fail_read(source, permission="Application.Read.All")
    async for part in GUARD.observe(
        tenant, ObserveContext(TERMS, open_case_ids=frozenset({"c2", "gone"}))
    ):
        assert isinstance(part, Reading)
        assert not part.covers((source, APPS), "c2")
        assert not part.covers((source, APPS), "gone")
    assert (await look(tenant)).find_source_failure(source)


async def test_one_registration_that_cannot_be_read_leaves_its_app_unread() -> None:
    tenant = build_app_consent_tenant()
    tenant.app_registrations = [REGISTRATION]
    tenant.fail_read(FEDERATED_CREDENTIALS, "r2")
    reading = await look(tenant)
    assert ("c2", "Contoso Notes") in {
        (miss.object_id, miss.subject)
        for miss in reading.failures
        if miss.source == FEDERATED_CREDENTIALS
    }
    assert not reading.find_source_failure(FEDERATED_CREDENTIALS)


async def test_where_the_policy_cannot_be_read_users_may_register_apps() -> None:
    tenant = build_app_consent_tenant()
    assert held(await look(tenant), "c1").users_may_register
    closed = {"allowedToCreateApps": False, "permissionGrantPoliciesAssigned": []}
    tenant.configurations = [
        Configuration(POLICY, "", POLICY, {"defaultUserRolePermissions": closed})
    ]
    assert not held(await look(tenant), "c1").users_may_register
    tenant.fail_read(get_configuration_source_name(POLICY))
    assert held(await look(tenant), "c1").users_may_register


@pytest.mark.parametrize(
    ("values", "app_id", "scope"),
    [
        ({"App": "c2"}, "c2", ""),
        ({"RoleAssignee": "Sync", "RoleAssigneeType": "ServicePrincipal"}, "c2", ""),
        ({"App": "c2", "CustomResourceScope": "Invoices"}, "c2", "Invoices"),
        ({"App": "c2", "RecipientAdministrativeUnitScope": "Berlin"}, "c2", "Berlin"),
        ({"App": "c2", "CustomRecipientWriteScope": "Organization"}, "c2", ""),
        ({"App": "somebody unknown"}, "A-1", ""),
        ({"RoleAssignee": "c2", "RoleAssigneeType": "AgentIdentity"}, "c2", ""),
        ({"RoleAssigneeName": "Sync"}, "c2", ""),
    ],
)
async def test_a_role_of_exchange_finds_its_app(
    values: dict[str, object], app_id: str, scope: str
) -> None:
    tenant = build_app_consent_tenant()
    principal = exchange_row(EXCHANGE_PRINCIPALS, "Sync", ObjectId="c2", DisplayName="Sync")
    role = exchange_row(ASSIGNMENTS, "A-1", Role="Application Mail.Read", **values)
    people = exchange_row(ASSIGNMENTS, "A-2", Role="x", RoleAssigneeType="RoleGroup", App="c2")
    tenant.configurations += [principal, role, people]
    (item,) = (one for one in (await look(tenant)).items if isinstance(one, ExchangeAppRole))
    assert (item.app.id, item.scope, item.assignment) == (app_id, scope, "A-1")
    (finding,) = judge(item, TERMS)
    assert finding.severity >= Severity.MEDIUM


def group_role(role: str, number: int, **values: object) -> Configuration:
    """A role that the group Bots gives its members."""
    usual = {"RoleAssigneeName": "Bots", "RoleAssigneeType": "RoleGroup"}
    return exchange_row(ASSIGNMENTS, f"G-{number}", Role=role, **{**usual, **values})


async def look_at_member(
    *rows: Configuration, holder_id: str = "c2", groups: frozenset[str] = frozenset({"Bots"})
) -> ConsentedApp:
    """The app c2, where somebody is in role groups of Exchange."""
    tenant = build_app_consent_tenant()
    tenant.holders = [
        RoleHolder(holder_id, "exchange", role_groups=groups),
        RoleHolder("person", "exchange", role_groups=groups),
    ]
    tenant.configurations += rows
    return held(await look(tenant), "c2")


def judge_groups(item: ConsentedApp) -> list[Finding]:
    return [one for one in judge(item, TERMS) if one.kind == "exchange-role-group"]


WITHIN = {"CustomRecipientWriteScope": "Invoices"}


@pytest.mark.parametrize(
    ("rows", "severity"),
    [
        ([group_role("ApplicationImpersonation", 1)], Severity.CRITICAL),
        ([group_role("ApplicationImpersonation", 1, **WITHIN)], Severity.HIGH),
        (
            [group_role("Mail Recipients", 1), group_role("Role Management", 2, **WITHIN)],
            Severity.CRITICAL,
        ),
        ([group_role("Message Tracking", 1), group_role("View-Only Recipients", 2)], Severity.HIGH),
        ([group_role("View-Only Recipients", 1)], Severity.MEDIUM),
        ([group_role("View-Only Recipients", 1, **WITHIN)], Severity.LOW),
        (
            [
                group_role("View-Only Recipients", 1),
                group_role("Role Management", 2, Enabled=False),
                group_role("Role Management", 3, RoleAssignmentDelegationType="DelegatingOrgWide"),
                group_role("Role Management", 4, RoleAssigneeName="Others"),
                group_role("Role Management", 5, RoleAssigneeType="User"),
            ],
            Severity.MEDIUM,
        ),
        ([], Severity.HIGH),
    ],
)
async def test_a_role_group_weighs_for_an_app_like_its_roles(
    rows: list[Configuration], severity: Severity
) -> None:
    other = group_role("Message Tracking", 9, RoleAssigneeName="Others")
    (finding,) = judge_groups(await look_at_member(other, *rows))
    assert (finding.object_id, finding.severity) == ("c2", severity)
    assert finding.verdict == ConsentVerdict.GRANTED
    assert "is in the role group Bots of Exchange" in finding.summary


async def test_a_member_that_exchange_knows_by_its_own_id_is_found() -> None:
    principal = exchange_row(EXCHANGE_PRINCIPALS, "Sync", ObjectId="C2", Guid="guid-of-c2")
    rows = (principal, group_role("Role Management", 1))
    item = await look_at_member(*rows, holder_id="guid-of-c2")
    assert item.held_role == HeldRole(PermissionRisk.TENANT_WIDE, ROLE_HOLDERS)
    assert judge_groups(item)
    assert not judge_groups(await look_at_member(*rows, holder_id="guid-of-another"))


async def test_a_role_more_of_a_group_goes_further_and_a_further_group_is_another_case() -> None:
    one, two = group_role("Message Tracking", 1), group_role("Role Management", 2)
    (narrow,) = judge_groups(await look_at_member(one))
    (wide,) = judge_groups(await look_at_member(one, two))
    assert narrow.compute_key("g") == wide.compute_key("g")
    assert goes_further(wide.reaches, narrow.reaches)
    both = judge_groups(await look_at_member(one, groups=frozenset({"Bots", "More"})))
    assert len({finding.compute_key("g") for finding in both}) == 2


async def test_nothing_is_said_of_groups_whose_roles_were_not_read() -> None:
    tenant = build_app_consent_tenant()
    tenant.holders = [RoleHolder("c2", "exchange", role_groups=frozenset({"Bots"}))]
    tenant.fail_read(get_configuration_source_name(ASSIGNMENTS), permission="Get-X")
    reading = await look(tenant)
    assert held(reading, "c2").role_groups == ()
    assert not reading.covers((get_configuration_source_name(ASSIGNMENTS),), "c2")


async def test_a_tenant_where_exchange_may_not_be_read_is_told_so_and_judged_by_graph() -> None:
    tenant = build_app_consent_tenant(build_delegated_grant("c1", "Mail.Read"))
    for source in (ASSIGNMENTS, ACCESS_POLICIES):
        tenant.fail_read(get_configuration_source_name(source), permission="Get-X")
    reading = await look(tenant)
    (miss,) = (one for one in reading.failures if one.optional)
    assert miss.source == get_configuration_source_name(ASSIGNMENTS)
    assert held(reading, "c1").access_policies is None
    assert held(reading, "c1").delegated_grants


async def test_access_policies_belong_to_their_app() -> None:
    tenant = build_app_consent_tenant()
    tenant.configurations.append(
        exchange_row(
            ACCESS_POLICIES,
            "P",
            AppId=HOME_APP.app_id.upper(),
            AccessRight="RestrictAccess",
            ScopeName="Invoices",
        )
    )
    reading = await look(tenant)
    assert held(reading, "c2").access_policies == (AccessPolicy("RestrictAccess", "Invoices"),)
    assert held(reading, "graph").access_policies == ()


@pytest.mark.parametrize(
    "shown", ["ObjectId", "Identity", "DisplayName", "Name", "Guid", "AppId", "Sid"]
)
@pytest.mark.parametrize("named", ["App", "RoleAssignee", "RoleAssigneeName"])
def test_the_app_of_a_role_is_known_by_whatever_exchange_prints(shown: str, named: str) -> None:
    row = exchange_row(ASSIGNMENTS, "m1", **{named: "Backup"})
    values = {"ObjectId": "C2"} | {shown: "backup"}
    principal = Configuration(EXCHANGE_PRINCIPALS, "e1", "e1", values)
    wanted = "backup" if shown == "ObjectId" else "c2"
    assert find_principal_id(row, (principal,)) == wanted
    assert find_principal_id(row, ()) == ""


def test_a_name_that_two_apps_have_is_that_of_neither() -> None:
    def principal(object_id: str, **values: str) -> Configuration:
        shown = {"ObjectId": object_id, "DisplayName": "Backup", **values}
        return Configuration(EXCHANGE_PRINCIPALS, object_id, object_id, shown)

    row = exchange_row(ASSIGNMENTS, "m1", RoleAssigneeName="Backup")
    trusted, other = principal("c1"), principal("c2")
    assert find_principal_id(row, (trusted,)) == "c1"
    assert find_principal_id(row, (trusted, other)) == ""
    # An id outweighs what is unique in Exchange, and that a name that anybody may give.
    named = principal("c3", Name="Backup")
    assert find_principal_id(row, (trusted, other, named)) == "c3"
    by_id = exchange_row(ASSIGNMENTS, "m1", App="C2", RoleAssigneeName="Backup")
    assert find_principal_id(by_id, (trusted, other, named)) == "c2"
    # What two apps have as an id is not looked for among names.
    ids = (principal("c1", AppId="Backup"), principal("c2", Guid="Backup"))
    assert find_principal_id(row, (*ids, named)) == ""


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("7c9e6679-7425-40de-944b-e07fc1f90ae7", True),
        ("7c9e6679742540de944be07fc1f90ae7", False),
        ("7c9e6679-7425-40de-944b", False),
        ("Backup", False),
    ],
)
def test_an_app_that_exchange_does_not_list_is_known_by_an_id_alone(text: str, found: bool) -> None:
    row = exchange_row(ASSIGNMENTS, "m1", RoleAssignee=text)
    assert bool(find_principal_id(row, ())) is found


class LeavingOut(FakeAppReader):
    """A listing of apps that ends too soon; the apps themselves are there."""

    async def list_apps(self) -> AsyncIterator[Reading[App]]:
        async for page in super().list_apps():
            items = tuple(one for one in page.items if one.name != "left out")
            yield replace(page, items=items, scope=frozenset(one.id for one in items))


class TenantLeavingOut(FakeTenant):
    @property
    def apps(self) -> LeavingOut:
        return LeavingOut(self)


async def test_an_app_that_the_list_leaves_out_is_not_gone() -> None:
    there, gone = (f"0000000{number}-0000-4000-8000-000000000001" for number in range(2))
    of = TenantLeavingOut(
        service_principals=[GRAPH, replace(HOME_APP, id=there, name="left out")],
        configurations=[build_consent_policy()],
    )
    context = ObserveContext(TERMS, open_case_ids=frozenset({there, gone, POLICY}))
    readings = [one async for one in GUARD.observe(of, context) if isinstance(one, Reading)]
    assert not any(one.covers((APPS,), there) for one in readings)
    assert any(one.covers((APPS,), gone) for one in readings)
    assert there in {failure.object_id for one in readings for failure in one.failures}
