"""Mailbox auditing: one mailbox in order, then one thing varied a case."""

from collections.abc import Mapping
from copy import replace
from datetime import UTC, datetime

import pytest

from core.errors import Rejected
from core.guards.mailbox_audit.guard import GUARD
from core.guards.mailbox_audit.items import AuditItem, AuditVerdict, LicensedAudit
from core.guards.mailbox_audit.judge import judge
from core.microsoft365.audit_actions import DEFAULT_ACTIONS, AuditLicence, ItemsAccessedRule
from core.microsoft365.service_plans import ADVANCED_AUDITING_PLAN, MAILBOX_PLANS
from core.model.findings import Finding, Severity, Shell, Step, Verdict, format_facts
from core.model.guards import GuardPolicy, ObserveContext
from core.tenant.auditing import AuditBypass, MailboxAudit, OrganizationAudit
from core.tenant.changes import (
    ClearAuditBypass,
    EnableMailboxAudit,
    EnableOrganizationAudit,
    EnableUnifiedAuditLog,
    RaiseAuditAge,
    ResetAuditSet,
)
from core.tenant.directory import Account
from core.tenant.mailboxes import Mailbox
from core.tenant.readings import Reading
from core.tenant.sources import (
    ACCOUNTS,
    AUDIT_BYPASS,
    MAILBOX_AUDIT,
    ORGANIZATION_AUDIT,
    UNIFIED_AUDIT_LOG,
)
from tests.support.fakes.tenant import FakeTenant
from tests.support.observe import observe_all
from tests.support.remedy_checks import tell_remedy

TERMS = GuardPolicy(datetime(2026, 11, 20, 6, 0, tzinfo=UTC), GUARD.options)
BOX = Mailbox("m1", "g1", "ann@contoso.com", "Ann")
ALL = frozenset(DEFAULT_ACTIONS)
PREMIUM = {"MailItemsAccessed", "Send"}
LISTS: dict[str, frozenset[str]] = dict(DEFAULT_ACTIONS)
BASIC = {name: actions - PREMIUM for name, actions in LISTS.items()}
AUDIT = MailboxAudit(BOX, True, ALL, LISTS, 90.0)
HEALTHY = LicensedAudit(AUDIT, licence=AuditLicence.PREMIUM)
PLAIN = LicensedAudit(replace(AUDIT, actions=BASIC), licence=AuditLicence.NONE)


def findings(item: AuditItem, terms: GuardPolicy = TERMS) -> dict[str, Finding]:
    return {finding.kind: finding for finding in judge(item, terms)}


def custom(changed: Mapping[str, frozenset[str]], advanced: bool = True) -> LicensedAudit:
    """A mailbox some of whose lists were set by hand."""
    base = LISTS if advanced else BASIC
    audit = replace(AUDIT, default_set=ALL - set(changed), actions={**base, **changed})
    return LicensedAudit(audit, AuditLicence.PREMIUM if advanced else AuditLicence.NONE)


def test_a_mailbox_in_order_is_nothing_to_speak_of() -> None:
    assert findings(HEALTHY) == {}
    assert findings(PLAIN) == {}
    assert findings(OrganizationAudit(audit_disabled=False, unified_log=True)) == {}
    assert findings(AuditBypass("b1", "Ann", bypassed=False)) == {}


def test_the_documented_defaults_are_spelled_as_exchange_spells_them() -> None:
    assert "MailItemsAccessed" in DEFAULT_ACTIONS["Delegate"]
    assert "Send" not in DEFAULT_ACTIONS["Delegate"]
    assert {"SendAs", "SendOnBehalf", "Create"}.isdisjoint(DEFAULT_ACTIONS["Owner"])
    assert [len(DEFAULT_ACTIONS[name]) for name in ("Admin", "Delegate", "Owner")] == [13, 11, 10]
    everything = frozenset().union(*DEFAULT_ACTIONS.values())
    assert everything.isdisjoint({"Copy", "FolderBind", "MailboxLogin", "MessageBind", "Move"})
    assert not [name for name in everything if name == "MailItemAccessed"]


def test_switches_of_the_organization_are_critical_and_put_right() -> None:
    found = findings(OrganizationAudit(audit_disabled=True, unified_log=False))
    assert {finding.severity for finding in found.values()} == {Severity.CRITICAL}
    assert found["organization-audit-disabled"].changes == (EnableOrganizationAudit(),)
    assert found["organization-audit-disabled"].sources == (ORGANIZATION_AUDIT,)
    assert found["unified-audit-log-off"].changes == (EnableUnifiedAuditLog(),)
    assert found["unified-audit-log-off"].sources == (UNIFIED_AUDIT_LOG,)


def test_what_may_be_switched_off_on_purpose_is_a_question_at_the_first_look() -> None:
    found = [
        *judge(OrganizationAudit(audit_disabled=True, unified_log=False), TERMS),
        *judge(AuditBypass("b1", "Eve"), TERMS),
    ]
    assert [finding.asks_if_preexisting for finding in found] == [True, True, True]
    commands = ("Set-OrganizationConfig", "Set-AdminAuditLogConfig", "-Identity 'b1'")
    assert all(map(str.__contains__, (tell_remedy(finding) for finding in found), commands))


def test_a_mailbox_with_less_than_microsofts_own_is_put_right_at_the_first_look_too() -> None:
    audit = replace(AUDIT, enabled=False, age_days=1.0, default_set=frozenset())
    found = findings(LicensedAudit(audit, licence=AuditLicence.PREMIUM))
    assert len(found) == 3
    assert not any(finding.asks_if_preexisting for finding in found.values())


def test_switches_and_bypasses_stand_outside_the_count_of_mailboxes() -> None:
    items = (OrganizationAudit(True, False), AuditBypass("b1", "Eve"))
    kinds = {
        type(change).__name__
        for item in items
        for finding in judge(item, TERMS)
        for change in finding.changes
    }
    assert kinds == GUARD.standalone_changes


def test_a_dehydrated_organization_is_customized_by_an_operator_first() -> None:
    item = OrganizationAudit(audit_disabled=True, unified_log=False, dehydrated=True)
    found = findings(item)
    log = found["unified-audit-log-off"]
    assert (log.verdict, log.changes) == (Verdict.ASK, ())
    commands = [step.command for step in log.steps]
    first = commands.index("Enable-OrganizationCustomization")
    assert "Set-AdminAuditLogConfig -Unified" in commands[first + 1]
    assert found["organization-audit-disabled"].changes == (EnableOrganizationAudit(),)


def test_a_switch_that_could_not_be_read_is_not_called_off() -> None:
    assert findings(OrganizationAudit(None, None)) == {}


def test_mailboxes_that_exchange_contradicts_itself_about_are_one_question() -> None:
    """Seen at E3: AuditEnabled prints True, and only a filter tells (zolderio/microsoft#1)."""
    named = ("ann@contoso.example", "bob@contoso.example")
    (finding,) = findings(
        OrganizationAudit(False, True, unlogged_count=1_200, unlogged_examples=named)
    ).values()
    assert (finding.kind, finding.verdict, finding.changes) == (
        "audit-enabled-contradicted",
        "ask",
        (),
    )
    assert "1,200 mailboxes" in finding.summary
    assert finding.facts[0].text == "ann@contoso.example, bob@contoso.example, ..."
    (one,) = findings(
        OrganizationAudit(False, True, unlogged_count=1, unlogged_examples=named[:1])
    ).values()
    assert "of a mailbox as true" in one.summary
    assert one.facts[0].text == "ann@contoso.example"
    assert one.steps == (
        Step(
            "Set it of all that Exchange filters as not audited.",
            "Get-Mailbox -ResultSize Unlimited -Filter \"AuditEnabled -eq 'False'\" | "
            "Set-Mailbox -AuditEnabled $true",
            Shell.EXCHANGE,
        ),
    )


def test_a_bypass_is_critical() -> None:
    (finding,) = judge(AuditBypass("b1", "Eve"), TERMS)
    assert (finding.kind, finding.severity) == ("audit-bypass", Severity.CRITICAL)
    assert finding.changes == (ClearAuditBypass("b1"),)
    assert (finding.object_id, finding.sources) == ("b1", (AUDIT_BYPASS,))


def test_auditing_that_is_off_is_switched_on_and_unknown_is_neither() -> None:
    off = findings(replace(HEALTHY, audit=replace(AUDIT, enabled=False)))["mailbox-audit-off"]
    unknown = findings(replace(HEALTHY, audit=replace(AUDIT, enabled=None)))["mailbox-audit-off"]
    assert (off.verdict, off.severity) == (AuditVerdict.REPAIR, Severity.MEDIUM)
    assert off.changes == (EnableMailboxAudit("g1"),)
    assert (unknown.verdict, unknown.changes) == (Verdict.COULD_NOT_TELL, ())
    assert off.compute_key(GUARD.name) == unknown.compute_key(GUARD.name)


@pytest.mark.parametrize(("days", "found"), [(30.0, True), (89.9, True), (90.0, False)])
def test_an_age_below_microsofts_own_was_shortened_and_is_put_right(
    days: float, found: bool
) -> None:
    result = findings(replace(HEALTHY, audit=replace(AUDIT, age_days=days)))
    assert ("audit-age-too-short" in result) is found
    if found:
        assert result["audit-age-too-short"].changes == (RaiseAuditAge("g1", 90),)
        assert result["audit-age-too-short"].severity is Severity.MEDIUM
        assert "somebody shortened it" in result["audit-age-too-short"].summary


def test_a_longer_age_is_wanted_only_where_the_setting_says_so_and_says_that_it_stays() -> None:
    terms = replace(TERMS, options=replace(GUARD.options, age_days=180))
    microsofts = replace(HEALTHY, audit=replace(AUDIT, age_days=90.0))
    assert findings(microsofts) == {}
    found = findings(microsofts, terms)["audit-age-too-short"]
    assert (found.severity, found.changes) == (Severity.LOW, (RaiseAuditAge("g1", 180),))
    assert "AUDIT_LOG_AGE_DAYS" in found.summary
    assert "shortened" not in found.summary
    assert any("once raised it stays" in fact for fact in format_facts(found.facts))
    short = findings(replace(HEALTHY, audit=replace(AUDIT, age_days=30.0)), terms)
    assert short["audit-age-too-short"].severity is Severity.MEDIUM
    assert short["audit-age-too-short"].changes == (RaiseAuditAge("g1", 180),)


@pytest.mark.parametrize("days", [91.0, 180.0, 730.0, 24855.0])
def test_a_longer_age_is_never_lowered(days: float) -> None:
    assert findings(replace(HEALTHY, audit=replace(AUDIT, age_days=days))) == {}


def test_an_age_that_cannot_be_understood_is_not_changed() -> None:
    found = findings(replace(HEALTHY, audit=replace(AUDIT, age_days=None)))["audit-age-too-short"]
    assert (found.verdict, found.changes) == (Verdict.COULD_NOT_TELL, ())


def test_a_list_without_an_action_goes_back_to_microsoft() -> None:
    found = findings(custom({"Owner": LISTS["Owner"] - {"HardDelete"}}))["audit-actions-missing"]
    assert (found.verdict, found.severity) == (AuditVerdict.REPAIR, Severity.MEDIUM)
    assert found.changes == (
        ResetAuditSet("g1", ("Owner",), expects=(("Owner", ("HardDelete",)),)),
    )
    assert "Owner: not audited: HardDelete" in format_facts(found.facts)


def test_a_list_that_equals_the_default_still_misses_what_is_added_in_future() -> None:
    found = findings(custom({"Admin": LISTS["Admin"]}))["audit-set-customised"]
    assert found.changes == (ResetAuditSet("g1", ("Admin",)),)


def test_an_empty_list_is_reset_for_every_type() -> None:
    empty: frozenset[str] = frozenset()
    found = findings(custom(dict.fromkeys(("Owner", "Admin", "Delegate"), empty)))
    everything = tuple((name, tuple(sorted(LISTS[name]))) for name in LISTS)
    assert found["audit-actions-missing"].changes == (
        ResetAuditSet("g1", ("Admin", "Delegate", "Owner"), expects=everything),
    )
    assert set(found) == {"audit-actions-missing"}


def test_what_was_added_is_kept_when_a_list_is_reset() -> None:
    lists = {
        "Admin": frozenset({"Copy", "FolderBind"}),
        "Owner": (LISTS["Owner"] - {"Update"}) | {"SearchQueryInitiated", "MailboxLogin"},
    }
    found = findings(custom(lists))["audit-actions-missing"]
    assert found.changes == (
        ResetAuditSet(
            "g1",
            ("Admin", "Owner"),
            (
                ("Admin", ("Copy", "FolderBind")),
                ("Owner", ("MailboxLogin", "SearchQueryInitiated")),
            ),
            (("Admin", tuple(sorted(LISTS["Admin"]))), ("Owner", ("Update",))),
        ),
    )


def test_more_than_the_default_and_nothing_less_is_somebodys_decision() -> None:
    item = custom({"Owner": LISTS["Owner"] | {"SearchQueryInitiated"}})
    found = findings(item)["audit-set-customised"]
    assert (found.verdict, found.severity, found.changes) == (AuditVerdict.KEEP, Severity.INFO, ())


def test_only_the_lists_that_miss_something_are_reset() -> None:
    lists = {
        "Owner": LISTS["Owner"] | {"SearchQueryInitiated"},
        "Admin": LISTS["Admin"] - {"SendAs"},
    }
    found = findings(custom(lists))["audit-actions-missing"]
    assert found.changes == (ResetAuditSet("g1", ("Admin",), (), (("Admin", ("SendAs",)),)),)


def test_message_bind_is_never_set_again_whatever_the_licence() -> None:
    lists = {"Admin": (LISTS["Admin"] - {"Update"}) | {"MessageBind", "Copy"}}
    found = findings(custom(lists))["audit-actions-missing"]
    assert found.changes == (
        ResetAuditSet("g1", ("Admin",), (("Admin", ("Copy",)),), (("Admin", ("Update",)),)),
    )
    assert any("MessageBind is dropped" in fact for fact in format_facts(found.facts))


def test_premium_actions_are_not_expected_without_the_licence() -> None:
    item = custom({"Owner": BASIC["Owner"] | {"Move"}}, advanced=False)
    assert findings(item)["audit-set-customised"].verdict is AuditVerdict.KEEP
    for licence in (AuditLicence.STANDARD, AuditLicence.PREMIUM):
        found = findings(replace(item, licence=licence))["audit-actions-missing"]
        assert found.changes == (
            ResetAuditSet(
                "g1",
                ("Admin", "Delegate", "Owner"),
                (("Owner", ("Move",)),),
                (
                    ("Admin", ("MailItemsAccessed",)),
                    ("Delegate", ("MailItemsAccessed",)),
                    ("Owner", ("MailItemsAccessed", "Send")),
                ),
            ),
        )


def test_a_list_that_was_not_shown_is_not_reset() -> None:
    audit = replace(AUDIT, default_set=frozenset(), actions={})
    found = findings(LicensedAudit(audit, licence=AuditLicence.PREMIUM))
    assert found["audit-set-customised"].verdict is Verdict.COULD_NOT_TELL
    assert found["audit-set-customised"].changes == ()
    assert set(found) == {"audit-set-customised"}


def test_spelling_in_other_case_is_the_same_action() -> None:
    lower = {name: frozenset(map(str.lower, actions)) for name, actions in LISTS.items()}
    types = frozenset(map(str.lower, ALL))
    assert findings(replace(HEALTHY, audit=replace(AUDIT, actions=lower, default_set=types))) == {}


@pytest.mark.parametrize(
    ("setting", "advanced", "found"),
    [
        ("licensed", True, True),
        ("licensed", False, False),
        ("required", True, True),
        ("required", False, True),
        ("ignore", True, False),
        ("ignore", False, False),
    ],
)
def test_whether_reading_mail_must_be_recorded_is_a_setting(
    setting: str, advanced: bool, found: bool
) -> None:
    lists = {**LISTS, "Owner": LISTS["Owner"] - {"MailItemsAccessed"}}
    licence = AuditLicence.PREMIUM if advanced else AuditLicence.NONE
    item = LicensedAudit(replace(AUDIT, actions=lists), licence)
    result = findings(
        item,
        replace(TERMS, options=replace(GUARD.options, items_accessed=ItemsAccessedRule(setting))),
    )
    assert set(result) == ({"audit-actions-missing"} if found else set())
    if found:
        finding = result["audit-actions-missing"]
        assert finding.changes == (
            ResetAuditSet("g1", ("Owner",), expects=(("Owner", ("MailItemsAccessed",)),)),
        )
        assert finding.severity is Severity.MEDIUM


def test_an_action_with_a_name_that_is_nearly_right_does_not_count() -> None:
    lists = {**LISTS, "Admin": (LISTS["Admin"] - {"MailItemsAccessed"}) | {"MailItemAccessed"}}
    item = LicensedAudit(replace(AUDIT, actions=lists), licence=AuditLicence.PREMIUM)
    assert set(findings(item)) == {"audit-actions-missing"}


def test_a_mailbox_may_be_wrong_in_several_ways_and_each_is_a_case() -> None:
    lists = {"Owner": frozenset({"Copy"}), "Admin": LISTS["Admin"] - {"Send"}}
    audit = replace(custom(lists).audit, enabled=False, age_days=30.0)
    found = findings(LicensedAudit(audit, licence=AuditLicence.PREMIUM))
    assert set(found) == {"mailbox-audit-off", "audit-actions-missing", "audit-age-too-short"}
    assert len({finding.compute_key(GUARD.name) for finding in found.values()}) == 3


# ----------------------------------------------------------------------------------------------
# Observation
# ----------------------------------------------------------------------------------------------


async def look(tenant: FakeTenant) -> Reading[AuditItem]:
    return await observe_all(GUARD, tenant, ObserveContext(TERMS))


async def everything(tenant: FakeTenant) -> list[Finding]:
    return [found for item in (await look(tenant)).items for found in judge(item, TERMS)]


@pytest.mark.parametrize(
    ("kind", "name", "left_alone"),
    [
        ("UserMailbox", "Ann", False),
        ("SharedMailbox", "Info", False),
        ("LinkedMailbox", "Ann", False),
        ("TeamMailbox", "Team", False),
        ("LegacyMailbox", "Old", False),
        ("RoomMailbox", "Room", True),
        ("EquipmentMailbox", "Car", True),
        ("SchedulingMailbox", "Plan", True),
        ("DiscoveryMailbox", "x", True),
        ("ArbitrationMailbox", "x", True),
        ("AuditLogMailbox", "x", True),
        ("MonitoringMailbox", "x", True),
        ("GroupMailbox", "x", True),
        ("usermailbox", "Ann", False),
        ("DiscoveryMailbox", "DiscoverySearchMailbox {D919BA05}", True),
        ("UserMailbox", "DiscoverySearchMailbox {D919BA05}", False),
        ("UserMailbox", "SystemMailbox{bb558c35}", False),
        ("SharedMailbox", "Migration.8f3e7716", False),
    ],
)
async def test_mailboxes_default_auditing_does_not_cover_are_left_alone(
    kind: str, name: str, left_alone: bool
) -> None:
    audit = replace(AUDIT, mailbox=replace(BOX, kind=kind, name=name), enabled=False)
    reading = await look(FakeTenant(audits=[audit]))
    found = [item for item in reading.items if isinstance(item, LicensedAudit)]
    assert len(found) == reading.population == (0 if left_alone else 1)


async def test_the_1001st_account_with_a_bypass_is_found() -> None:
    bypasses = [AuditBypass(f"b{n}", f"User {n}", bypassed=False) for n in range(1000)]
    tenant = FakeTenant(bypasses=[*bypasses, AuditBypass("b1000", "Eve")])
    (finding,) = await everything(tenant)
    assert finding.object_id == "b1000"


async def test_a_bypass_listing_that_failed_is_not_read_as_no_bypass() -> None:
    tenant = FakeTenant(bypasses=[AuditBypass("b1", "Eve")])
    tenant.fail_read(
        AUDIT_BYPASS, permission="Exchange role with Get-MailboxAuditBypassAssociation"
    )
    reading = await look(tenant)
    assert not reading.covers((AUDIT_BYPASS,), "b1")
    assert reading.find_source_failure(AUDIT_BYPASS)


async def test_the_licence_comes_from_the_plans_and_else_from_exchange() -> None:
    premium, standard, none = AuditLicence.PREMIUM, AuditLicence.STANDARD, AuditLicence.NONE
    mailbox_plan = next(iter(MAILBOX_PLANS))
    base = replace(AUDIT, actions=BASIC)
    capable = replace(base, capabilities=frozenset({"M365Auditing"}))
    licensed = replace(base, capabilities=frozenset({"BPOS_S_Enterprise"}))
    advanced = Account("m1", plans=frozenset({ADVANCED_AUDITING_PLAN}))
    untold = Account("m1", plans=None, licensed=True)
    for audit, accounts, licence in (
        (base, [advanced], premium),
        (base, [replace(advanced, idle_plans=advanced.plans or frozenset())], none),
        (base, [Account("m1", plans=frozenset({mailbox_plan}))], standard),
        (base, [Account("m1")], none),
        (capable, [Account("m1")], none),
        (capable, [untold], premium),
        (licensed, [untold], standard),
        (base, [untold], none),
        (capable, [], premium),
        (licensed, [], standard),
        (base, [], none),
    ):
        reading = await look(FakeTenant(audits=[audit], users=accounts))
        (item,) = (entry for entry in reading.items if isinstance(entry, LicensedAudit))
        assert item.licence is licence


async def test_without_the_right_to_read_accounts_the_guard_still_covers_its_mailboxes() -> None:
    tenant = FakeTenant(audits=[replace(AUDIT, actions=BASIC)])
    tenant.fail_read(ACCOUNTS, permission="User.Read.All")
    reading = await look(tenant)
    assert reading.covers((MAILBOX_AUDIT,), "m1")
    assert [miss.optional for miss in reading.failures] == [True]


async def test_a_licence_that_failed_to_be_read_closes_nothing() -> None:
    tenant = FakeTenant(audits=[replace(AUDIT, actions=BASIC)], users=[Account("m1")])
    tenant.fail_read(ACCOUNTS, "m1")
    reading = await look(tenant)
    assert not reading.covers((MAILBOX_AUDIT,), "m1")
    assert not reading.unread_object_ids, "the mailbox itself was read"


async def test_a_mailbox_is_asked_about_its_licence_once_and_then_where_that_decides() -> None:
    other = replace(BOX, id="m2", guid="g2")
    basic = replace(AUDIT, mailbox=other, actions=BASIC)
    tenant = FakeTenant(audits=[AUDIT, basic], users=[Account("m1"), Account("m2")])
    reading = await look(tenant)
    known = {one.key: one for one in reading.known_traits}
    await observe_all(GUARD, tenant, ObserveContext(TERMS, known_traits=known))
    asked = [names for surface, names in tenant.read_log if surface == ACCOUNTS]
    assert asked == [("m1", "m2"), ("m2",)]
    assert reading.covers((MAILBOX_AUDIT, ACCOUNTS), "m1")


async def test_a_default_that_does_not_bring_what_is_expected_is_a_refusal() -> None:
    audit = replace(AUDIT, actions={**LISTS, "Owner": BASIC["Owner"]})
    tenant = FakeTenant(
        audits=[audit],
        users=[Account("m1", plans=frozenset({ADVANCED_AUDITING_PLAN}))],
        default_audit_sets=BASIC,
    )
    (finding,) = await everything(tenant)
    with pytest.raises(Rejected, match="MailItemsAccessed"):
        await tenant.writer.apply(finding.changes[0])


async def test_changes_put_everything_right_and_nothing_is_found_again() -> None:
    extras = (LISTS["Owner"] - {"Update"}) | {"SearchQueryInitiated"}
    audit = replace(
        AUDIT,
        enabled=False,
        default_set=frozenset({"Delegate"}),
        actions={**LISTS, "Owner": extras, "Delegate": BASIC["Delegate"]},
        age_days=30.0,
    )
    tenant = FakeTenant(
        audits=[audit],
        users=[Account("m1", plans=frozenset({ADVANCED_AUDITING_PLAN}))],
        organization=OrganizationAudit(audit_disabled=True, unified_log=False),
        bypasses=[AuditBypass("b1", "Eve")],
    )
    first = await everything(tenant)
    assert len(first) == 6
    for change in [change for finding in first for change in finding.changes]:
        await tenant.writer.apply(change)
    left = await everything(tenant)
    assert [(finding.kind, finding.verdict) for finding in left] == [
        ("audit-set-customised", AuditVerdict.KEEP)
    ]
    assert "SearchQueryInitiated" in tenant.audits[0].actions["Owner"]
    assert len(tenant.applied_changes) == 6
