"""What speaks against an app itself: whose it claims to be, who made it, where it sends people."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from core.guards.app_consent.grants import (
    AccessPolicy,
    AppGrant,
    ConsentedApp,
    DelegatedGrantView,
    ExchangeAppRole,
)
from core.guards.app_consent.guard import GUARD
from core.guards.app_consent.judge import judge
from core.guards.app_consent.verdicts import ConsentVerdict
from core.model.findings import Finding, Severity, format_facts
from core.model.guards import GuardPolicy
from core.tenant.apps import App, AppPermission
from tests.support.guard_tenants import (
    GRAPH,
    HOME_APP,
    MICROSOFT_SERVICES_TENANT,
    UNVERIFIED_APP,
    VERIFIED_APP,
)

TERMS = GuardPolicy(datetime(2026, 11, 20, 6, 0, tzinfo=UTC))
COMMAND_LINE = App(
    "t1",
    "14d82eec-204b-4c2f-b7e8-296a70dab67e",
    "Microsoft Graph Command Line Tools",
    MICROSOFT_SERVICES_TENANT,
)
SERVICE = replace(COMMAND_LINE, app_id="a-service", name="Microsoft Something Service")
RCLONE = replace(UNVERIFIED_APP, app_id="4761b959-9780-4c2d-87a3-512b4638f767")
EM_CLIENT = replace(VERIFIED_APP, app_id="e9a7fea1-1cc0-4cd9-a31b-9137ca5deedd")


def delegated(app: App, *scopes: str, everyone: bool = False, **more: object) -> ConsentedApp:
    view = DelegatedGrantView(GRAPH, everyone, dict.fromkeys(scopes, 1))
    return replace(ConsentedApp(app, (view,)), **more)  # type: ignore[arg-type]


def given(app: App, value: str, role_id: str = "r1", **more: object) -> ConsentedApp:
    grant = AppGrant(GRAPH, AppPermission("x1", app.id, GRAPH.id, role_id, value))
    return replace(ConsentedApp(app, (), (grant,)), **more)  # type: ignore[arg-type]


def say(finding: Finding) -> str:
    return " | ".join(format_facts(finding.facts))


def about(item: ConsentedApp | ExchangeAppRole, kind: str) -> list[Finding]:
    return [finding for finding in judge(item, TERMS) if finding.kind == kind]


def worst(item: ConsentedApp | ExchangeAppRole) -> Finding:
    return max(judge(item, TERMS), key=lambda finding: finding.severity)


# Microsoft's own tools ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scopes", "everyone", "severity"),
    [
        (("Mail.ReadWrite",), True, Severity.MEDIUM),
        (("Files.Read.All", "openid"), True, Severity.MEDIUM),
        (("RoleManagement.ReadWrite.Directory",), True, Severity.HIGH),
        (("Mail.ReadWrite",), False, Severity.LOW),
        (("openid", "profile", "User.Read"), True, Severity.INFO),
        (("User.Read.All", "Group.Read.All"), True, Severity.INFO),
        (("Directory.Read.All",), True, Severity.INFO),
        (("Future.ReadWrite.All",), True, Severity.MEDIUM),
        (("Future.ReadWrite.All",), False, Severity.INFO),
        (("Future.Read",), True, Severity.INFO),
    ],
)
def test_what_microsofts_tools_may_do_unasked_is_this_tenants_decision(
    scopes: tuple[str, ...], everyone: bool, severity: Severity
) -> None:
    finding = worst(delegated(COMMAND_LINE, *scopes, everyone=everyone))
    assert finding.severity is severity
    wanted = ConsentVerdict.GRANTED if severity > Severity.INFO else ConsentVerdict.KEEP
    assert finding.verdict is wanted
    assert "-AccountEnabled:$false" not in finding.advice


def test_a_service_of_microsofts_is_not_a_tool() -> None:
    finding = worst(
        delegated(SERVICE, "Mail.ReadWrite", "Directory.AccessAsUser.All", everyone=True)
    )
    assert (finding.severity, finding.verdict) == (Severity.INFO, ConsentVerdict.KEEP)


# At home ------------------------------------------------------------------------------------------


def test_where_users_may_register_apps_home_is_no_discount() -> None:
    ordinary = delegated(HOME_APP, "Calendars.Read")
    assert worst(ordinary).severity is Severity.INFO
    assert worst(replace(ordinary, users_may_register=True)).severity is Severity.LOW


@pytest.mark.parametrize(
    ("name", "scopes", "severity", "verdict"),
    [
        ("rnicrosoft_office", ("Mail.Read",), Severity.HIGH, ConsentVerdict.IMPOSTOR),
        ("rnicrosoft_office", ("openid",), Severity.LOW, ConsentVerdict.IMPOSTOR),
        ("...", ("Mail.ReadWrite",), Severity.HIGH, ConsentVerdict.IMPOSTOR),
        ("\u200b\u200b", ("Calendars.Read",), Severity.LOW, ConsentVerdict.IMPOSTOR),
        ("DocuSign", ("Files.Read.All",), Severity.HIGH, ConsentVerdict.IMPOSTOR),
        ("Microsoft Office", ("Mail.Send",), Severity.HIGH, ConsentVerdict.IMPOSTOR),
        ("Office inventory tool", ("User.Read", "openid"), Severity.INFO, ConsentVerdict.KEEP),
        ("Teams rota", ("Calendars.Read",), Severity.INFO, ConsentVerdict.KEEP),
        ("Salesforce", ("User.Read",), Severity.INFO, ConsentVerdict.KEEP),
    ],
)
def test_impostors_at_home(
    name: str, scopes: tuple[str, ...], severity: Severity, verdict: ConsentVerdict
) -> None:
    finding = worst(delegated(replace(HOME_APP, name=name), *scopes))
    assert (finding.severity, finding.verdict) == (severity, verdict)


def test_without_a_known_owner_only_a_disguise_is_an_impostors() -> None:
    untold = replace(VERIFIED_APP, owner_tenant_id="", publisher="")
    plain = worst(delegated(replace(untold, name="Microsoft Teams Services"), "Mail.Read"))
    disguised = worst(delegated(replace(untold, name="Micros\u043eft Teams"), "Mail.Read"))
    assert plain.verdict is ConsentVerdict.GRANTED
    assert disguised.verdict is ConsentVerdict.IMPOSTOR


def test_an_administrators_own_tool_may_be_called_after_what_it_is_for() -> None:
    app = replace(HOME_APP, name="Outlook signatures")
    finding = worst(given(app, "MailboxSettings.ReadWrite"))
    assert (finding.severity, finding.verdict) == (Severity.HIGH, ConsentVerdict.GRANTED)
    everyone = worst(delegated(app, "Mail.Read", everyone=True))
    assert everyone.verdict is ConsentVerdict.GRANTED


@pytest.mark.parametrize("name", ["Adobe Drive X", "DocuSign"])
def test_a_brand_that_nobody_verified_is_told_even_if_it_only_signs_in(name: str) -> None:
    finding = worst(delegated(replace(UNVERIFIED_APP, name=name), "openid", "profile"))
    assert (finding.severity, finding.verdict) == (Severity.LOW, ConsentVerdict.GRANTED)
    assert "known product" in say(finding)
    verified = worst(delegated(replace(VERIFIED_APP, name=name), "openid"))
    assert verified.severity is Severity.INFO


# Permissions that are not on the list ------------------------------------------------------------


@pytest.mark.parametrize("app", [VERIFIED_APP, HOME_APP])
def test_a_new_broad_permission_is_medium_at_least(app: App) -> None:
    for item in (
        given(app, "Novelty.ReadWrite.All"),
        given(app, "Novelty.Read.All"),
        delegated(app, "Novelty.ReadWrite.Owned"),
        delegated(app, "full_access_to_novelties"),
    ):
        finding = worst(item)
        assert finding.severity >= Severity.MEDIUM
        assert "list of permissions" in say(finding)


def test_a_new_narrow_permission_is_told() -> None:
    assert worst(delegated(HOME_APP, "Novelty.Read")).severity is Severity.LOW


def test_a_role_that_the_api_does_not_name_is_looked_up_by_its_id() -> None:
    finding = worst(given(HOME_APP, "", "e2a3a72e-5f79-4c64-b1b1-878b674786c9"))
    assert "Mail.ReadWrite" in finding.summary
    assert finding.severity is Severity.HIGH


def test_the_card_says_what_a_permission_opens() -> None:
    facts = say(worst(given(HOME_APP, "UserAuthMethod-TAP.ReadWrite.All")))
    assert "opens: passwords, second factors" in facts


# Apps seen in takeovers ---------------------------------------------------------------------------


def test_an_app_of_intruders_is_known_by_its_id_whatever_its_name() -> None:
    for app, severity in ((RCLONE, Severity.HIGH), (EM_CLIENT, Severity.MEDIUM)):
        (finding,) = about(delegated(replace(app, name="Notes"), "Files.Read"), "abused-app")
        assert finding.severity is severity
        (idle,) = about(ConsentedApp(app), "abused-app")
        assert idle.severity is Severity.LOW
    assert about(delegated(VERIFIED_APP, "Files.Read"), "abused-app") == []


def test_an_abused_app_that_is_switched_off_does_nothing() -> None:
    (finding,) = about(delegated(replace(RCLONE, enabled=False), "Files.Read"), "abused-app")
    assert (finding.severity, finding.verdict) == (Severity.INFO, ConsentVerdict.DORMANT)


def test_what_microsoft_has_disabled_is_told() -> None:
    app = replace(VERIFIED_APP, microsoft_status="DisabledDueToViolationOfServicesAgreement")
    (finding,) = about(delegated(app, "Mail.Read"), "disabled-by-microsoft")
    assert finding.severity is Severity.HIGH
    assert "ServicesAgreement" in say(finding)
    (empty,) = about(ConsentedApp(app), "disabled-by-microsoft")
    assert empty.severity is Severity.MEDIUM


# Reply addresses ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("app", "url", "scope", "severities"),
    [
        (HOME_APP, "https://*.contoso.com", "openid", [Severity.MEDIUM]),
        (HOME_APP, "https://*.contoso.com", "Mail.Read", [Severity.HIGH]),
        (HOME_APP, "https://203.0.113.9/cb", "openid", [Severity.MEDIUM]),
        (HOME_APP, "https://portal.azurewebsites.net", "openid", [Severity.LOW]),
        (HOME_APP, "https://portal.azurewebsites.net", "Mail.Read", [Severity.MEDIUM]),
        (UNVERIFIED_APP, "https://x.ngrok.io", "openid", [Severity.LOW]),
        (VERIFIED_APP, "https://x.ngrok.io", "Mail.Read", []),
        (HOME_APP, "http://localhost:8400", "Mail.Read", []),
        (HOME_APP, "https://portal.contoso.com", "Mail.Read", []),
        (replace(VERIFIED_APP, owner_tenant_id=MICROSOFT_SERVICES_TENANT), "https://*.x", "a", []),
    ],
)
def test_an_address_that_others_can_take_is_a_finding(
    app: App, url: str, scope: str, severities: list[Severity]
) -> None:
    found = about(delegated(replace(app, reply_urls=(url,)), scope), "reply-address")
    assert [finding.severity for finding in found] == severities


def test_only_where_a_verified_publisher_hosts_its_app_is_its_own_affair() -> None:
    urls = ("https://x.ngrok.io", "http://z.example", f"http://{'z' * 300}")
    app = replace(VERIFIED_APP, reply_urls=urls, microsoft_status="s" * 300)
    item = delegated(app, "Mail.Read")
    hosts = [finding.summary.rpartition(": ")[2] for finding in about(item, "reply-address")]
    assert hosts == ["z.example.", f"{'z' * 120}… (300 characters)."]
    (disabled,) = about(item, "disabled-by-microsoft")
    assert say(disabled).endswith(f"Microsoft says: {'s' * 120}… (300 characters)")


def test_an_app_of_others_that_nobody_let_in_is_left_alone() -> None:
    app = replace(UNVERIFIED_APP, reply_urls=("https://*.evil.example",))
    assert list(judge(ConsentedApp(app), TERMS)) == []
    own = replace(HOME_APP, reply_urls=("https://*.contoso.com",))
    assert len(about(ConsentedApp(own), "reply-address")) == 1


def test_another_host_is_a_new_case_and_another_path_is_not() -> None:
    def key(url: str) -> str:
        (finding,) = about(delegated(replace(HOME_APP, reply_urls=(url,)), "a"), "reply-address")
        return finding.compute_key(GUARD.name)

    assert key("https://x.github.io/a") == key("https://x.github.io/b")
    assert key("https://x.github.io/a") != key("https://y.github.io/a")


# Access policies ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policies", "words"),
    [
        (None, ""),
        ((), "application access policy: none"),
        ((AccessPolicy("RestrictAccess", "Invoices"),), "only mailboxes of Invoices"),
        ((AccessPolicy("DenyAccess", "Board"),), "every mailbox but those of Board"),
    ],
)
def test_the_scope_of_an_access_policy_is_said_with_the_grant(
    policies: tuple[AccessPolicy, ...] | None, words: str
) -> None:
    facts = say(worst(given(HOME_APP, "Mail.Read", access_policies=policies)))
    assert words in facts
    assert bool(words) is ("access policy" in facts)
    files = worst(given(HOME_APP, "Files.Read.All", access_policies=policies))
    assert "access policy" not in say(files)


# Roles of Exchange --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "scope", "severity"),
    [
        ("Application Mail.ReadWrite", "", Severity.HIGH),
        ("Application Mail.Read", "Invoices", Severity.MEDIUM),
        ("Application Exchange Full Access", "", Severity.CRITICAL),
        ("Application EWS.AccessAsApp", "", Severity.HIGH),
        ("ApplicationImpersonation", "", Severity.CRITICAL),
        ("ApplicationImpersonation", "Board", Severity.HIGH),
        ("Application Calendars.Read", "", Severity.MEDIUM),
        ("View-Only Recipients", "", Severity.MEDIUM),
        ("A role of our own", "", Severity.HIGH),
    ],
)
def test_a_role_of_exchange_is_as_grave_as_a_consent(
    role: str, scope: str, severity: Severity
) -> None:
    (finding,) = judge(ExchangeAppRole(HOME_APP, role, "Sync-All", scope), TERMS)
    assert (finding.severity, finding.verdict) == (severity, ConsentVerdict.GRANTED)
    assert role in finding.summary
    assert (scope or "every mailbox") in finding.summary


def test_a_role_that_loses_its_scope_is_a_new_case() -> None:
    def key(scope: str) -> str:
        (finding,) = judge(ExchangeAppRole(HOME_APP, "Application Mail.Read", "A", scope), TERMS)
        return finding.compute_key(GUARD.name)

    assert key("Invoices") != key("")


def test_roles_of_this_app_itself_and_disabled_ones_are_noted() -> None:
    itself = ExchangeAppRole(replace(HOME_APP, is_self=True), "Mail Recipients", "A")
    assert worst(itself).severity is Severity.INFO
    off = ExchangeAppRole(HOME_APP, "Application Mail.Read", "A", is_enabled=False)
    assert (worst(off).severity, worst(off).verdict) == (Severity.INFO, ConsentVerdict.DORMANT)
