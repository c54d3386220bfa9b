"""Legacy protocols: a tenant in which all is off, then one thing on, or unknown, a case."""

from collections.abc import Mapping
from copy import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.guards.legacy_protocols.guard import GUARD
from core.guards.legacy_protocols.items import ORGANIZATION, PLANS, POLICIES, SETTINGS, TRANSPORT
from core.guards.legacy_protocols.judge import judge
from core.guards.legacy_protocols.observe import matches_policy_name
from core.guards.legacy_protocols.sign_in_evidence import SMTP_REPORT
from core.guards.legacy_protocols.verdicts import ProtocolVerdict
from core.microsoft365.configuration_sources import get_configuration_source_name
from core.model.findings import Finding, Severity, Shell, Step, Verdict, format_facts
from core.model.guards import GuardPolicy, ObserveContext
from core.tenant.changes import DisableMailboxProtocols, SetConfiguration
from core.tenant.mailboxes import Mailbox, MailboxProtocols, ProtocolUse
from core.tenant.readings import Reading
from core.tenant.sources import PROTOCOL_USE, PROTOCOLS, SIGN_INS
from tests.support.fakes.tenant import FakeTenant
from tests.support.guard_tenants import (
    ANN,
    BEN,
    CLOSED,
    build_configuration,
    build_legacy_protocol_tenant,
    build_protocols,
)
from tests.support.observe import observe_all
from tests.support.remedy_checks import tell_remedy

NOW = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)
TERMS = GuardPolicy(NOW, GUARD.options)
ENFORCED = replace(TERMS, options=replace(GUARD.options, without_sign_ins="enforce"))
PERMISSION = "AuditLog.Read.All"


def use(box: Mailbox, protocol: str, days: int = 1, *addresses: str) -> ProtocolUse:
    return ProtocolUse(box.id, protocol, box.address, NOW - timedelta(days=days), addresses)


async def read(tenant: FakeTenant, terms: GuardPolicy = TERMS, *watched: str) -> Reading[Any]:
    return await observe_all(GUARD, tenant, ObserveContext(terms, open_case_ids=frozenset(watched)))


async def found(
    tenant: FakeTenant, terms: GuardPolicy = TERMS, *watched: str
) -> Mapping[str, Finding]:
    """What is wrong, by kind."""
    reading = await read(tenant, terms, *watched)
    findings = [one for item in reading.items for one in judge(item, terms)]
    assert len({one.compute_key(GUARD.name) for one in findings}) == len(findings)
    return {one.kind: one for one in findings}


SMTP_ON = build_configuration(TRANSPORT, SmtpClientAuthenticationDisabled=False)
SMTP_OFF_CHANGE = SetConfiguration(TRANSPORT, "", "SmtpClientAuthenticationDisabled", True)


# Healthy ----------------------------------------------------------------------------------------


async def test_where_all_is_off_nothing_is_said_and_nobody_asks_who_signed_in() -> None:
    tenant = build_legacy_protocol_tenant()
    reading = await read(tenant)
    assert reading.items
    assert await found(tenant) == {}
    assert reading.failures == ()
    assert reading.population == 2
    assert reading.covers((PROTOCOLS, PROTOCOL_USE), "m1")
    assert PROTOCOL_USE not in [surface for surface, _ in tenant.read_log]


@pytest.mark.parametrize("refused", [frozenset({"smtp"}) | CLOSED, CLOSED])
async def test_a_mailbox_that_refuses_smtp_auth_or_leaves_it_to_the_organization_is_no_finding(
    refused: frozenset[str],
) -> None:
    tenant = build_legacy_protocol_tenant(protocol_settings=[MailboxProtocols(ANN, denied=refused)])
    assert await found(tenant) == {}


async def test_without_a_default_policy_and_with_smtp_auth_off_there_is_nothing_to_say() -> None:
    assert (
        await found(
            build_legacy_protocol_tenant(
                build_configuration(SETTINGS, DefaultAuthenticationPolicy=None)
            )
        )
        == {}
    )


# The organization -------------------------------------------------------------------------------


async def test_smtp_auth_that_nobody_uses_is_switched_off_for_the_organization() -> None:
    finding = (await found(build_legacy_protocol_tenant(SMTP_ON)))["smtp-auth-organization"]
    assert (finding.severity, finding.verdict) == (Severity.HIGH, ProtocolVerdict.REPAIR)
    assert finding.changes == (SMTP_OFF_CHANGE,)
    assert finding.object_id == ORGANIZATION
    assert finding.sources == (get_configuration_source_name(TRANSPORT), PROTOCOL_USE)
    assert "no successful sign-in by SMTP AUTH in the last 30 days" in format_facts(finding.facts)
    # No app may read that report, so the card names it.
    assert SMTP_REPORT in format_facts(finding.facts)
    assert "the default authentication policy Block refuses bare passwords" in format_facts(
        finding.facts
    )
    assert "Set-TransportConfig -SmtpClientAuthenticationDisabled $true" in tell_remedy(finding)


async def test_the_word_false_is_as_good_as_the_value() -> None:
    tenant = build_legacy_protocol_tenant(
        build_configuration(TRANSPORT, SmtpClientAuthenticationDisabled="False")
    )
    assert (await found(tenant))["smtp-auth-organization"].verdict is ProtocolVerdict.REPAIR


@pytest.mark.parametrize("value", [None, "", 0, {}])
async def test_a_switch_of_the_organization_that_is_not_told_is_not_known(value: object) -> None:
    tenant = build_legacy_protocol_tenant(
        build_configuration(TRANSPORT, SmtpClientAuthenticationDisabled=value)
    )
    finding = (await found(tenant))["smtp-auth-organization"]
    assert (finding.verdict, finding.changes) == (Verdict.COULD_NOT_TELL, ())
    look_up = "Get-TransportConfig | Format-List SmtpClientAuthenticationDisabled"
    assert finding.steps == (Step("Look at the setting.", look_up, Shell.EXCHANGE),)


async def test_who_uses_smtp_auth_is_named_and_nothing_is_switched_off() -> None:
    tenant = build_legacy_protocol_tenant(
        SMTP_ON, observed_uses=[use(ANN, "smtp", 1, "203.0.113.7")]
    )
    finding = (await found(tenant))["smtp-auth-organization"]
    assert (finding.severity, finding.verdict) == (Severity.HIGH, Verdict.ASK)
    assert finding.changes == ()
    assert "ann@contoso.com used SMTP AUTH from 203.0.113.7, last on 2026-11-19" in format_facts(
        finding.facts
    )


async def test_even_where_sign_ins_need_not_be_readable_use_is_a_veto() -> None:
    tenant = build_legacy_protocol_tenant(SMTP_ON, observed_uses=[use(ANN, "smtp")])
    finding = (await found(tenant, ENFORCED))["smtp-auth-organization"]
    assert (finding.verdict, finding.changes) == (Verdict.ASK, ())


async def test_many_users_are_counted_and_ten_of_them_named() -> None:
    many = [Mailbox(f"u{n}", f"g{n}", f"u{n:03}@contoso.com") for n in range(250)]
    tenant = build_legacy_protocol_tenant(SMTP_ON, observed_uses=[use(box, "smtp") for box in many])
    finding = (await found(tenant))["smtp-auth-organization"]
    assert "used by 250 accounts in all" in format_facts(finding.facts)
    assert sum("used SMTP AUTH" in fact for fact in format_facts(finding.facts)) == 10


@pytest.mark.parametrize("own", [{"allowed": frozenset({"smtp"})}, {"denied": frozenset({"smtp"})}])
async def test_a_user_whose_mailbox_decides_for_itself_does_not_speak_for_the_organization(
    own: Mapping[str, frozenset[str]],
) -> None:
    boxes = [MailboxProtocols(ANN, **own), MailboxProtocols(BEN, denied=CLOSED)]
    tenant = build_legacy_protocol_tenant(
        SMTP_ON, protocol_settings=boxes, observed_uses=[use(ANN, "smtp")]
    )
    finding = (await found(tenant))["smtp-auth-organization"]
    assert (finding.verdict, finding.changes) == (ProtocolVerdict.REPAIR, (SMTP_OFF_CHANGE,))
    assert "1 more who use it have a setting of their own" in format_facts(finding.facts)


@pytest.mark.parametrize("gone", [True, False])
async def test_a_user_whose_mailbox_cannot_be_looked_at_counts_as_concerned(gone: bool) -> None:
    boxes = [MailboxProtocols(BEN, denied=CLOSED)]
    tenant = build_legacy_protocol_tenant(
        SMTP_ON, protocol_settings=boxes, observed_uses=[use(ANN, "smtp")]
    )
    if not gone:
        tenant.fail_read(PROTOCOLS, ANN.id)
    assert (await found(tenant))["smtp-auth-organization"].verdict is Verdict.ASK


async def test_use_before_the_days_that_count_is_no_use() -> None:
    tenant = build_legacy_protocol_tenant(SMTP_ON, observed_uses=[use(ANN, "smtp", 31)])
    assert (await found(tenant))["smtp-auth-organization"].verdict is ProtocolVerdict.REPAIR


# Without the sign-in log ------------------------------------------------------------------------


@pytest.mark.parametrize("permission", [PERMISSION, "Microsoft Entra ID P1 (a licence)"])
async def test_where_sign_ins_cannot_be_read_the_setting_decides(permission: str) -> None:
    tenant = build_legacy_protocol_tenant(SMTP_ON, protocol_settings=build_protocols("imap"))
    tenant.fail_read(PROTOCOL_USE, permission=permission)
    for kind in ("smtp-auth-organization", "mailbox-protocols"):
        finding = (await found(tenant))[kind]
        assert (finding.verdict, finding.changes) == (Verdict.ASK, ())
        assert any(permission in fact for fact in format_facts(finding.facts))
        assert (await found(tenant, ENFORCED))[kind].verdict is ProtocolVerdict.REPAIR


async def test_what_is_missing_to_read_sign_ins_is_a_detail_and_keeps_no_case_open() -> None:
    tenant = build_legacy_protocol_tenant(protocol_settings=build_protocols("imap"))
    tenant.fail_read(PROTOCOL_USE, permission=PERMISSION)
    reading = await read(tenant)
    assert reading.covers((PROTOCOLS, PROTOCOL_USE), "m1")
    (miss,) = reading.failures
    assert (miss.source, miss.permission, miss.optional) == (SIGN_INS, PERMISSION, True)


async def test_while_the_log_fails_what_is_new_is_asked_and_never_written() -> None:
    tenant = build_legacy_protocol_tenant(SMTP_ON, protocol_settings=build_protocols("imap"))
    tenant.fail_read(PROTOCOL_USE)
    for terms in (TERMS, ENFORCED):
        findings = await found(tenant, terms)
        assert findings.keys() == {"smtp-auth-organization", "mailbox-protocols"}
        assert {one.verdict for one in findings.values()} == {Verdict.ASK}
        assert not any(one.changes for one in findings.values())
        doubt = "who uses it is not known: who uses them could not be read just now"
        assert all(doubt in format_facts(one.facts) for one in findings.values())


@pytest.mark.parametrize("optional", [False, True])
async def test_while_the_log_fails_what_has_a_case_stays_as_it_was_last_judged(
    optional: bool,
) -> None:
    tenant = build_legacy_protocol_tenant(SMTP_ON, protocol_settings=build_protocols("imap"))
    tenant.fail_read(PROTOCOL_USE, optional=optional)
    assert await found(tenant, TERMS, ORGANIZATION, "m1") == {}
    reading = await read(tenant, TERMS, ORGANIZATION, "m1")
    assert not reading.covers((PROTOCOLS, PROTOCOL_USE), "m1")
    assert not reading.covers(
        (get_configuration_source_name(TRANSPORT), PROTOCOL_USE), ORGANIZATION
    )
    assert [miss.optional for miss in reading.failures] == [False]


async def test_a_log_of_which_not_all_was_read_speaks_against_but_never_for() -> None:
    tenant = build_legacy_protocol_tenant(protocol_settings=build_protocols("imap", "smtp"))
    tenant.fail_read(PROTOCOL_USE, "smtp", "too many", optional=True)
    findings = await found(tenant)
    assert findings["smtp-auth-override"].verdict is Verdict.ASK
    assert "who uses it is not known: too many" in format_facts(
        findings["smtp-auth-override"].facts
    )


async def test_a_mailbox_without_an_account_cannot_be_looked_up_in_the_log() -> None:
    tenant = build_legacy_protocol_tenant(
        protocol_settings=build_protocols("imap", box=replace(ANN, has_account=False))
    )
    finding = (await found(tenant))["mailbox-protocols"]
    assert (finding.verdict, finding.changes) == (Verdict.ASK, ())


# Mailboxes --------------------------------------------------------------------------------------


async def test_an_override_of_smtp_auth_is_set_to_refuse_and_not_emptied() -> None:
    finding = (
        await found(build_legacy_protocol_tenant(protocol_settings=build_protocols("smtp")))
    )["smtp-auth-override"]
    assert (finding.severity, finding.verdict) == (Severity.MEDIUM, ProtocolVerdict.REPAIR)
    assert finding.changes == (DisableMailboxProtocols("g1", ("smtp",)),)
    assert finding.sources == (PROTOCOLS, PROTOCOL_USE)
    assert finding.steps[-1].command == (
        "Set-CASMailbox -Identity 'ann@contoso.com' -SmtpClientAuthenticationDisabled $true"
    )


@pytest.mark.parametrize("organization", [True, False])
async def test_an_override_counts_whatever_the_organization_says(organization: bool) -> None:
    setting = build_configuration(TRANSPORT, SmtpClientAuthenticationDisabled=organization)
    assert "smtp-auth-override" in await found(
        build_legacy_protocol_tenant(setting, protocol_settings=build_protocols("smtp"))
    )


@pytest.mark.parametrize(
    ("protocols", "dangerous"),
    [(("imap",), "imap"), (("pop",), "pop"), (("pop", "imap"), "imap+pop")],
)
async def test_pop_and_imap_that_nobody_uses_are_switched_off(
    protocols: tuple[str, ...], dangerous: str
) -> None:
    finding = (
        await found(build_legacy_protocol_tenant(protocol_settings=build_protocols(*protocols)))
    )["mailbox-protocols"]
    assert (finding.severity, finding.verdict) == (Severity.LOW, ProtocolVerdict.REPAIR)
    assert finding.fingerprint == dangerous
    assert finding.changes == (DisableMailboxProtocols("g1", tuple(dangerous.split("+"))),)


async def test_a_protocol_switched_on_beside_another_is_another_finding() -> None:
    one = (await found(build_legacy_protocol_tenant(protocol_settings=build_protocols("pop"))))[
        "mailbox-protocols"
    ]
    both = (
        await found(build_legacy_protocol_tenant(protocol_settings=build_protocols("pop", "imap")))
    )["mailbox-protocols"]
    assert one.compute_key(GUARD.name) != both.compute_key(GUARD.name)


async def test_a_renamed_mailbox_is_the_same_finding() -> None:
    one = (await found(build_legacy_protocol_tenant(protocol_settings=build_protocols("pop"))))[
        "mailbox-protocols"
    ]
    renamed = build_protocols("pop", box=replace(ANN, address="new@contoso.com"))
    other = (await found(build_legacy_protocol_tenant(protocol_settings=renamed)))[
        "mailbox-protocols"
    ]
    assert one.compute_key(GUARD.name) == other.compute_key(GUARD.name)


async def test_a_mailbox_one_of_whose_protocols_is_in_use_is_asked_about() -> None:
    tenant = build_legacy_protocol_tenant(
        protocol_settings=build_protocols("imap", "pop"), observed_uses=[use(ANN, "imap")]
    )
    finding = (await found(tenant))["mailbox-protocols"]
    assert (finding.severity, finding.verdict) == (Severity.MEDIUM, Verdict.ASK)
    assert finding.changes == ()
    assert any("ann@contoso.com used IMAP" in fact for fact in format_facts(finding.facts))
    assert finding.steps[-1].command == (
        "Set-CASMailbox -Identity 'ann@contoso.com' -PopEnabled $false"
    )
    assert "needs another way first" in finding.advice


async def test_where_all_of_its_protocols_are_in_use_the_command_names_them_all() -> None:
    tenant = build_legacy_protocol_tenant(
        protocol_settings=build_protocols("imap", "pop"),
        observed_uses=[use(ANN, "imap"), use(ANN, "pop")],
    )
    finding = (await found(tenant))["mailbox-protocols"]
    assert finding.steps[-1].command == (
        "Set-CASMailbox -Identity 'ann@contoso.com' -ImapEnabled $false -PopEnabled $false"
    )


async def test_use_of_one_protocol_does_not_speak_for_another() -> None:
    tenant = build_legacy_protocol_tenant(
        protocol_settings=build_protocols("imap", "smtp"), observed_uses=[use(ANN, "imap")]
    )
    findings = await found(tenant)
    assert findings["smtp-auth-override"].verdict is ProtocolVerdict.REPAIR
    assert findings["mailbox-protocols"].verdict is Verdict.ASK


async def test_what_somebody_else_uses_is_not_held_against_a_mailbox() -> None:
    tenant = build_legacy_protocol_tenant(
        protocol_settings=build_protocols("imap"), observed_uses=[use(BEN, "imap")]
    )
    assert (await found(tenant))["mailbox-protocols"].verdict is ProtocolVerdict.REPAIR


async def test_the_next_sign_in_from_the_same_place_on_the_same_day_changes_no_fact() -> None:
    first = build_legacy_protocol_tenant(
        protocol_settings=build_protocols("imap"), observed_uses=[use(ANN, "imap", 1, "10.0.0.1")]
    )
    later = replace(use(ANN, "imap", 1, "10.0.0.1"), last_used=NOW - timedelta(hours=20))
    second = build_legacy_protocol_tenant(
        protocol_settings=build_protocols("imap"), observed_uses=[later]
    )
    assert (await found(first))["mailbox-protocols"] == (await found(second))["mailbox-protocols"]


async def test_what_a_mailbox_does_not_tell_is_not_known() -> None:
    boxes = [MailboxProtocols(ANN, denied=frozenset({"pop"}), unknown=frozenset({"imap", "smtp"}))]
    findings = await found(build_legacy_protocol_tenant(protocol_settings=boxes))
    assert findings.keys() == {"mailbox-protocols-unknown"}
    finding = findings["mailbox-protocols-unknown"]
    assert (finding.verdict, finding.changes) == (Verdict.COULD_NOT_TELL, ())
    assert "IMAP and SMTP AUTH" in finding.summary


@pytest.mark.parametrize("kind", ["SharedMailbox", "RoomMailbox", "SchedulingMailbox"])
async def test_mailboxes_of_no_person_are_judged_like_any_other(kind: str) -> None:
    boxes = [replace(ANN, kind=kind), BEN]
    assert await found(
        build_legacy_protocol_tenant(boxes=boxes, protocol_settings=build_protocols("pop"))
    )


async def test_discovery_mailboxes_are_left_alone_and_their_names_are_nothing_to_go_by() -> None:
    search = replace(ANN, kind="DiscoveryMailbox", name="DiscoverySearchMailbox{D919BA05}")
    assert (
        await found(
            build_legacy_protocol_tenant(
                boxes=[search, BEN], protocol_settings=build_protocols("pop")
            )
        )
        == {}
    )
    untold = [MailboxProtocols(search, denied=CLOSED, unknown=frozenset({"smtp"}))]
    assert await found(build_legacy_protocol_tenant(boxes=[search], protocol_settings=untold)) == {}
    person = replace(search, kind="UserMailbox")
    assert await found(
        build_legacy_protocol_tenant(
            boxes=[person, BEN], protocol_settings=build_protocols("pop", box=person)
        )
    )


@pytest.mark.parametrize("address", ["a'b\n@contoso.com", "\u202e@contoso.com", "x" * 300])
async def test_no_command_is_made_of_a_name_that_cannot_be_written(address: str) -> None:
    tenant = build_legacy_protocol_tenant(
        protocol_settings=build_protocols("pop", box=replace(ANN, address=address))
    )
    finding = (await found(tenant))["mailbox-protocols"]
    assert [step.command for step in finding.steps] == ["", ""]
    assert "\n" not in finding.summary
    assert len(finding.summary) < 400


# Plans ------------------------------------------------------------------------------------------


async def test_what_new_mailboxes_get_is_switched_off_whoever_uses_it_today() -> None:
    plan = build_configuration(PLANS, "Enterprise", ImapEnabled=True, PopEnabled="True")
    finding = (await found(build_legacy_protocol_tenant(plan, observed_uses=[use(ANN, "imap")])))[
        "plan-protocols"
    ]
    assert (finding.severity, finding.verdict) == (Severity.MEDIUM, ProtocolVerdict.REPAIR)
    assert finding.changes == (
        SetConfiguration(PLANS, "Enterprise", "ImapEnabled", False),
        SetConfiguration(PLANS, "Enterprise", "PopEnabled", False),
    )
    assert finding.steps[-1].command == (
        "Set-CASMailboxPlan -Identity 'Enterprise' -ImapEnabled $false -PopEnabled $false"
    )


async def test_a_plan_that_has_imap_off_by_itself_is_fine_and_its_pop_is_not() -> None:
    plan = build_configuration(PLANS, "ExchangeOnlineDeskless", ImapEnabled=False, PopEnabled=True)
    finding = (await found(build_legacy_protocol_tenant(plan)))["plan-protocols"]
    assert finding.changes == (SetConfiguration(PLANS, plan.id, "PopEnabled", False),)


async def test_a_plan_that_does_not_tell_is_not_known() -> None:
    findings = await found(
        build_legacy_protocol_tenant(build_configuration(PLANS, "Enterprise", PopEnabled=False))
    )
    assert findings["plan-protocols-unknown"].verdict is Verdict.COULD_NOT_TELL


# Authentication policies ------------------------------------------------------------------------

ALLOWS = build_configuration(POLICIES, "Printers", AllowBasicAuthSmtp=True)


@pytest.mark.parametrize(
    ("default", "severity"),
    [
        ("Block", Severity.MEDIUM),
        (None, Severity.MEDIUM),
        ("Printers", Severity.HIGH),
        ("CN=Printers,CN=Auth Policies,DC=example", Severity.HIGH),
        ("contoso.onmicrosoft.com\\printers", Severity.HIGH),
    ],
)
async def test_a_policy_that_takes_bare_passwords_is_worse_as_the_default(
    default: str | None, severity: Severity
) -> None:
    tenant = build_legacy_protocol_tenant(
        ALLOWS, build_configuration(SETTINGS, DefaultAuthenticationPolicy=default)
    )
    finding = (await found(tenant))["policy-basic-smtp"]
    is_default = severity is Severity.HIGH
    assert finding.severity is severity
    assert finding.verdict == (ProtocolVerdict.REPAIR if is_default else Verdict.ASK)
    change = SetConfiguration(POLICIES, "Printers", "AllowBasicAuthSmtp", False)
    assert finding.changes == ((change,) if is_default else ())


async def test_while_anybody_uses_smtp_auth_no_policy_is_changed() -> None:
    boxes = [MailboxProtocols(ANN, denied=CLOSED)]
    tenant = build_legacy_protocol_tenant(
        ALLOWS, protocol_settings=boxes, observed_uses=[use(ANN, "smtp")]
    )
    finding = (await found(tenant))["policy-basic-smtp"]
    assert (finding.verdict, finding.changes) == (Verdict.ASK, ())


async def test_a_policy_that_does_not_tell_is_not_known() -> None:
    finding = (await found(build_legacy_protocol_tenant(build_configuration(POLICIES, "Block"))))[
        "policy-basic-smtp"
    ]
    assert (finding.verdict, finding.changes) == (Verdict.COULD_NOT_TELL, ())


async def test_other_switches_of_a_policy_mean_nothing_any_more() -> None:
    policy = build_configuration(
        POLICIES, "Block", AllowBasicAuthSmtp=False, AllowBasicAuthImap=True
    )
    assert await found(build_legacy_protocol_tenant(policy)) == {}


async def test_without_knowing_the_default_no_policy_is_judged_and_none_is_let_go() -> None:
    tenant = build_legacy_protocol_tenant(ALLOWS)
    tenant.configurations = [one for one in tenant.configurations if one.source != SETTINGS]
    tenant.fail_read(get_configuration_source_name(SETTINGS), permission="Get-OrganizationConfig")
    assert await found(tenant) == {}
    surfaces = (
        get_configuration_source_name(POLICIES),
        get_configuration_source_name(SETTINGS),
        PROTOCOL_USE,
    )
    assert not (await read(tenant)).covers(surfaces, "Printers")


def test_a_name_with_a_comma_is_no_other_policy() -> None:
    assert not matches_policy_name("Block, all", build_configuration(POLICIES, "Block"))
    assert not matches_policy_name("", build_configuration(POLICIES, ""))


# Coverage ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", [TRANSPORT, PLANS, POLICIES])
async def test_settings_that_cannot_be_read_are_not_clean(source: str) -> None:
    tenant = build_legacy_protocol_tenant()
    tenant.fail_read(get_configuration_source_name(source), permission="an Exchange role")
    reading = await read(tenant)
    assert reading.find_source_failure(get_configuration_source_name(source))
    assert not reading.covers((get_configuration_source_name(source), PROTOCOL_USE), ORGANIZATION)


async def test_mailboxes_that_cannot_be_listed_are_not_gone() -> None:
    tenant = build_legacy_protocol_tenant()
    tenant.fail_read(PROTOCOLS, permission="Get-CASMailbox")
    reading = await read(tenant, TERMS, "m1")
    assert not reading.complete
    assert not reading.covers((PROTOCOLS, PROTOCOL_USE), "m1")


async def test_a_mailbox_that_is_gone_ends_its_case_even_while_the_log_fails() -> None:
    tenant = build_legacy_protocol_tenant(protocol_settings=build_protocols("pop"))
    tenant.fail_read(PROTOCOL_USE)
    parts = [
        part
        async for part in GUARD.observe(
            tenant, ObserveContext(TERMS, open_case_ids=frozenset({"m1", "m9"}))
        )
    ]
    last = parts[-1]
    assert isinstance(last, Reading)
    assert last.covers((PROTOCOLS, PROTOCOL_USE), "m9")
    assert not last.covers((PROTOCOLS, PROTOCOL_USE), "m1")


async def test_one_mailbox_that_cannot_be_read_is_that_one() -> None:
    tenant = build_legacy_protocol_tenant(protocol_settings=build_protocols("pop", box=BEN))
    tenant.fail_read(PROTOCOLS, "m1")
    reading = await read(tenant)
    assert reading.unread_object_ids == {"m1"}
    assert "mailbox-protocols" in await found(tenant)


async def test_the_log_is_read_once_however_many_pages_there_are() -> None:
    boxes = [Mailbox(f"m{n}", f"g{n}", f"n{n}@contoso.com") for n in range(50)]
    tenant = build_legacy_protocol_tenant(
        SMTP_ON, protocol_settings=[MailboxProtocols(box, frozenset({"pop"})) for box in boxes]
    )
    tenant.page_size = 10
    await read(tenant)
    assert [surface for surface, _ in tenant.read_log].count(PROTOCOL_USE) == 1


# Writing ----------------------------------------------------------------------------------------


async def test_what_is_changed_is_no_finding_any_more() -> None:
    plan = build_configuration(PLANS, "Enterprise", ImapEnabled=True, PopEnabled=True)
    tenant = build_legacy_protocol_tenant(
        SMTP_ON,
        ALLOWS,
        plan,
        build_configuration(SETTINGS, DefaultAuthenticationPolicy="Printers"),
        protocol_settings=build_protocols("imap", "pop", "smtp"),
    )
    findings = await found(tenant)
    assert len(findings) == 5
    for finding in findings.values():
        for change in finding.changes:
            assert not (await tenant.writer.apply(change)).unchanged
            assert (await tenant.writer.apply(change)).unchanged
    assert await found(tenant) == {}
