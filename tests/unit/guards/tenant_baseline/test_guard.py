"""The baseline: an organization in order, then one setting varied a case."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from core.guards.tenant_baseline.baseline import Baseline, BaselineRow, ExpectedValue, RowWaiver
from core.guards.tenant_baseline.guard import GUARD, BaselineVerdict
from core.guards.tenant_baseline.observe import ORGANIZATION, build_row_source
from core.guards.tenant_baseline.permissions import build_baseline_permissions
from core.guards.tenant_baseline.rule_file import SHIPPED_ROWS, build_full_baseline, is_writable_row
from core.microsoft365.configuration_sources import (
    CONFIGURATION_SOURCES,
    get_configuration_source_name,
)
from core.model.findings import Finding, Severity, Step, Verdict, format_facts
from core.model.guards import GuardPolicy, ObserveContext
from core.tenant.changes import SetConfiguration
from core.tenant.configuration import Configuration
from core.tenant.readings import Reading
from tests.support.fakes.tenant import FakeTenant
from tests.support.guard_tenants import build_baseline_tenant, build_varied_baseline_tenant
from tests.support.observe import observe_all
from tests.support.remedy_checks import tell_remedy

NOW = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)
ROWS = {row.id: row for row in SHIPPED_ROWS}
FORWARDING: dict[str, object] = {"AutoForwardEnabled": True, "TrustedMailInboundEnabled": False}
USUAL_LIMITS: dict[str, object] = {
    "ActionWhenThresholdReached": "BlockUserForToday",
    "RecipientLimitExternalPerHour": 0,
    "RecipientLimitInternalPerHour": 0,
    "RecipientLimitPerDay": 0,
}
TERMS = GuardPolicy(NOW, options=Baseline(SHIPPED_ROWS))


def hiding(source: str, name: str) -> FakeTenant:
    """The same in which the objects of a source do not show a property."""
    found = build_baseline_tenant()
    found.configurations = [
        replace(one, values={key: held for key, held in one.values.items() if key != name})
        if one.source == source
        else one
        for one in found.configurations
    ]
    return found


def adding(found: FakeTenant, source: str, identity: str, **values: object) -> FakeTenant:
    """One more object of a source."""
    name = str(values.get("Name", identity))
    found.configurations.append(Configuration(source, identity, name, values))
    return found


async def seen(found: FakeTenant, terms: GuardPolicy = TERMS) -> Reading[Any]:
    return await observe_all(GUARD, found, ObserveContext(terms))


async def findings(found: FakeTenant, terms: GuardPolicy = TERMS) -> list[Finding]:
    """All that is found, in order."""
    reading = await seen(found, terms)
    return [finding for item in reading.items for finding in GUARD.judge(item, terms)]


async def only(found: FakeTenant, terms: GuardPolicy = TERMS) -> Finding:
    """The one thing that is found."""
    (finding,) = await findings(found, terms)
    return finding


def enforcing(*rows: str) -> GuardPolicy:
    return replace(TERMS, options=Baseline(SHIPPED_ROWS, frozenset(rows)))


def with_row(row: BaselineRow, *enforced: str) -> GuardPolicy:
    """Terms whose row of this id is this one."""
    rows = tuple(row if one.id == row.id else one for one in SHIPPED_ROWS)
    return replace(TERMS, options=Baseline(rows, frozenset(enforced)))


# In order ---------------------------------------------------------------------------------------


async def test_an_organization_in_order_is_nothing_to_speak_of() -> None:
    reading = await seen(build_baseline_tenant())
    assert await findings(build_baseline_tenant()) == []
    assert reading.failures == ()
    assert {item.row.id for item in reading.items} == ROWS.keys()
    assert reading.sources >= {build_row_source(row) for row in SHIPPED_ROWS}
    assert reading.sources >= {get_configuration_source_name(row.source) for row in SHIPPED_ROWS}


async def test_an_object_that_microsoft_wrote_again_is_the_same_as_before() -> None:
    """Dates, the order of lists and the form of values come and go by themselves."""
    wrong = build_varied_baseline_tenant(
        "sharing-policy", "Domains", ["b:CalendarSharingFreeBusyDetail", "*:x"]
    )
    before = await findings(wrong)
    for number, one in enumerate(wrong.configurations):
        values: dict[str, object] = {**one.values, "WhenChangedUTC": "now", "ExchangeVersion": "2"}
        if isinstance(values.get("Domains"), list):
            values["Domains"] = ["*: X", "B:calendarsharingfreebusydetail"]
        values = {
            name: str(value) if isinstance(value, bool | int) else value
            for name, value in values.items()
        }
        wrong.configurations[number] = replace(one, values=values)
    again = await findings(wrong)
    assert [one.compute_key(GUARD.name) for one in again] == [
        one.compute_key(GUARD.name) for one in before
    ]
    assert [format_facts(one.facts) for one in again] == [format_facts(one.facts) for one in before]


# One setting wrong ------------------------------------------------------------------------------

WRONG: tuple[tuple[str, object], ...] = (
    ("modern-authentication", False),
    ("modern-authentication", "False"),
    ("direct-send", False),
    ("direct-send", "False"),
    ("mail-tips", False),
    ("mail-tips-external", False),
    ("mail-tips-group-metrics", "False"),
    ("mail-tips-audience", 26),
    ("web-session-timeout", False),
    ("customer-lockbox", False),
    ("remote-domain-forwarding", True),
    ("remote-domain-forwarding", "True"),
    ("remote-domain-trusted", True),
    ("outbound-limit-action", "Alert"),
    ("outbound-limit-external", 501),
    ("outbound-limit-internal", "10,000"),
    ("outbound-limit-day", 1001),
    ("owa-bookings", True),
    ("owa-personal-accounts", True),
    ("owa-personal-calendars", True),
    ("users-create-security-groups", True),
    ("users-read-bitlocker-keys", True),
    ("admin-consent-workflow", False),
    ("method-sms", "enabled"),
    ("method-voice", "enabled"),
    ("method-email", "enabled"),
    ("method-system-preferred", "disabled"),
    ("outbound-forwarding", "On"),
    ("outbound-forwarding", "on"),
    ("owa-storage-providers", True),
    ("owa-offline", "AllComputers"),
    ("owa-rules", True),
    ("device-password", False),
    ("device-simple-password", True),
    ("device-password-length", 4),
    ("device-password-length", None),
    ("device-password-attempts", "Unlimited"),
    ("device-password-attempts", "16"),
    ("device-encryption", False),
    ("device-unprovisioned", "True"),
    ("calendar-sharing", ["*:CalendarSharingFreeBusyDetail"]),
    ("calendar-sharing", "Anonymous:CalendarSharingFreeBusySimple"),
    ("guest-invitations", "everyone"),
    ("guest-invitations", "adminsGuestInvitersAndAllMembers"),
    ("guest-access", "a0b1b346-4d3e-4e8b-98f8-753987be4970"),
    ("users-register-applications", True),
    ("users-create-tenants", True),
    ("email-verified-users", True),
    ("email-subscriptions", True),
    ("risky-applications", True),
    ("public-client-tools", ["Graph Explorer"]),
    ("privacy-contact", None),
    ("privacy-contact", ""),
    ("privacy-statement", None),
)


def with_value(row: BaselineRow, value: object) -> FakeTenant:
    at, _, name = row.property_name.rpartition(".")
    return build_varied_baseline_tenant(row.source, name, value, at)


@pytest.mark.parametrize(("name", "value"), WRONG)
async def test_each_row_sees_its_setting(name: str, value: object) -> None:
    row = ROWS[name]
    finding = await only(with_value(row, value))
    assert (finding.kind, finding.verdict) == (name, BaselineVerdict.DRIFT)
    assert finding.severity is Severity[row.severity.upper()]
    assert finding.sources == (get_configuration_source_name(row.source), build_row_source(row))
    assert finding.changes == ()
    assert any("only alerts" in fact for fact in format_facts(finding.facts))
    assert f"why: {row.rationale}" in format_facts(finding.facts)
    assert "<identity>" not in tell_remedy(finding)


def test_every_row_has_its_case_above() -> None:
    assert {name for name, _ in WRONG} == ROWS.keys()


RIGHT: tuple[tuple[str, object], ...] = (
    ("modern-authentication", "True"),
    ("outbound-forwarding", "off"),
    ("direct-send", "True"),
    ("mail-tips-audience", "25"),
    ("outbound-limit-action", "BlockUser"),
    ("outbound-limit-external", 0),
    ("outbound-limit-day", "500"),
    ("method-system-preferred", "enabled"),
    ("method-sms", "Disabled"),
    ("owa-offline", "PrivateComputersOnly"),
    ("device-password-length", "8"),
    ("device-password-attempts", 4),
    ("calendar-sharing", []),
    ("calendar-sharing", None),
    ("calendar-sharing", ["partner.example: CalendarSharingFreeBusySimple"]),
    ("guest-invitations", "none"),
    ("guest-access", "10DAE51F-B6AF-4016-8D66-8C2A99B929B3"),
    ("risky-applications", None),
    ("public-client-tools", []),
)


@pytest.mark.parametrize(("name", "value"), RIGHT)
async def test_what_is_only_printed_differently_or_stricter_is_right(
    name: str, value: object
) -> None:
    assert await findings(with_value(ROWS[name], value)) == []


# Unknown is not clean ---------------------------------------------------------------------------


@pytest.mark.parametrize("row", [row for row in SHIPPED_ROWS if "." not in row.property_name])
async def test_a_property_that_is_not_shown_is_unread_and_never_fine(row: BaselineRow) -> None:
    reading = await seen(hiding(row.source, row.property_name))
    misses = [miss for miss in reading.failures if miss.source == build_row_source(row)]
    assert misses
    for miss in misses:
        assert row.property_name in miss.reason
        assert miss.object_id
        assert not miss.optional
        assert not reading.covers(
            (get_configuration_source_name(row.source), build_row_source(row)), miss.object_id
        )
    others = [one for one in SHIPPED_ROWS if one.source == row.source and one is not row]
    for other in others:
        assert reading.covers(
            (get_configuration_source_name(row.source), build_row_source(other)),
            misses[0].object_id,
        )


async def test_a_property_inside_of_what_is_not_shown_is_not_shown() -> None:
    reading = await seen(hiding("authorization-policy", "defaultUserRolePermissions"))
    surfaces = {miss.source for miss in reading.failures}
    assert surfaces == {
        "baseline-users-register-applications",
        "baseline-users-create-tenants",
        "baseline-users-create-security-groups",
        "baseline-users-read-bitlocker-keys",
    }
    assert {miss.object_id for miss in reading.failures} == {ORGANIZATION}


async def test_no_privacy_profile_at_all_is_two_things_that_are_missing() -> None:
    found = await findings(build_varied_baseline_tenant("organization", "privacyProfile", None))
    assert [one.kind for one in found] == ["privacy-contact", "privacy-statement"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("modern-authentication", None),
        ("modern-authentication", "maybe"),
        ("modern-authentication", {"value": True}),
        ("remote-domain-forwarding", 0),
        ("outbound-forwarding", None),
        ("outbound-forwarding", 2),
        ("device-password-length", ["6"]),
        ("calendar-sharing", [1]),
        ("guest-access", None),
        ("direct-send", None),
        ("direct-send", "Preview"),
        ("method-sms", None),
    ],
)
async def test_a_value_nobody_understands_could_not_be_told(name: str, value: object) -> None:
    terms = enforcing(name) if is_writable_row(ROWS[name]) else TERMS
    finding = await only(with_value(ROWS[name], value), terms)
    assert (finding.kind, finding.verdict) == (name, Verdict.COULD_NOT_TELL)
    assert finding.severity <= Severity.MEDIUM
    assert finding.changes == ()


async def test_automatic_is_unknown_and_off_is_recommended() -> None:
    mode = "Automatic"
    row = ROWS["outbound-forwarding"]
    finding = await only(with_value(row, mode))
    assert (finding.verdict, finding.severity) == (Verdict.COULD_NOT_TELL, Severity.MEDIUM)
    assert "Automatic" in format_facts(finding.facts)[0]
    assert "-Identity 'p1' -AutoForwardingMode Off" in tell_remedy(finding)
    enforced = await only(with_value(row, mode), enforcing("outbound-forwarding"))
    assert enforced.verdict is BaselineVerdict.REPAIR
    assert enforced.changes == (
        SetConfiguration("outbound-spam-policy", "p1", "AutoForwardingMode", "Off"),
    )


@pytest.mark.parametrize("source", sorted({row.source for row in SHIPPED_ROWS}))
async def test_a_source_that_cannot_be_read_covers_none_of_its_rows(source: str) -> None:
    found = build_baseline_tenant()
    found.fail_read(
        get_configuration_source_name(source),
        "",
        "HTTP 403",
        CONFIGURATION_SOURCES[source].permission,
    )
    reading = await seen(found)
    miss = reading.find_source_failure(get_configuration_source_name(source))
    assert miss
    assert miss.permission
    for row in SHIPPED_ROWS:
        covered = reading.covers(
            (get_configuration_source_name(row.source), build_row_source(row)), "any"
        )
        assert covered is (row.source != source)
    assert not [item for item in reading.items if item.row.source == source]


async def test_an_object_that_could_not_be_read_stays_what_it_was() -> None:
    found = build_varied_baseline_tenant("remote-domain", "AutoForwardEnabled", True)
    found.fail_read(get_configuration_source_name("remote-domain"), "d1")
    reading = await seen(found)
    row = ROWS["remote-domain-forwarding"]
    assert not reading.covers(
        (get_configuration_source_name(row.source), build_row_source(row)), "d1"
    )
    assert await findings(found) == []


# Every object -----------------------------------------------------------------------------------


async def test_every_remote_domain_is_looked_at_and_not_only_the_default() -> None:
    found = adding(build_baseline_tenant(), "remote-domain", "d2", Name="evil", **FORWARDING)
    finding = await only(found)
    assert (finding.object_id, finding.subject) == ("d2", "remote domain evil")
    reading = await seen(found)
    assert reading.population == (await seen(build_baseline_tenant())).population + 1


async def test_two_objects_that_are_wrong_are_two_cases_and_renaming_makes_no_third() -> None:
    found = build_varied_baseline_tenant("remote-domain", "AutoForwardEnabled", True)
    adding(found, "remote-domain", "d2", Name="evil", **FORWARDING)
    keys = {one.compute_key(GUARD.name) for one in await findings(found)}
    assert len(keys) == 2
    found.configurations = [replace(one, name="renamed") for one in found.configurations]
    assert {one.compute_key(GUARD.name) for one in await findings(found)} == keys


async def test_outbound_policies_are_told_by_priority_with_whom_they_apply_to() -> None:
    found = build_varied_baseline_tenant("outbound-spam-policy", "AutoForwardingMode", "On")
    for name, priority, state in (("late", 7, "Enabled"), ("early", 0, "Enabled"), ("no", 1, "x")):
        policy = {**USUAL_LIMITS, "Name": name, "IsDefault": False, "AutoForwardingMode": "On"}
        adding(found, "outbound-spam-policy", f"p-{name}", **policy)
        state = "Disabled" if state == "x" else state
        rule = {"HostedOutboundSpamFilterPolicy": name, "Priority": priority, "State": state}
        adding(found, "outbound-spam-rule", f"r-{name}", **rule)
    adding(found, "outbound-spam-policy", "p-z", Name="z", AutoForwardingMode="On", **USUAL_LIMITS)
    told = await findings(found)
    assert [one.object_id for one in told] == ["p-early", "p-late", "p-no", "p-z", "p1"]
    assert "applies to those its rule of priority 0 names" in format_facts(told[0].facts)
    assert "applies to everybody no rule names" in format_facts(told[4].facts)
    severities = [one.severity for one in told]
    assert severities == [Severity.HIGH, Severity.HIGH, Severity.LOW, Severity.LOW, Severity.HIGH]


@pytest.mark.parametrize("state", ["Enabled", None, "Unheard of"])
async def test_a_policy_is_idle_only_while_all_its_rules_are_known_to_be_off(
    state: str | None,
) -> None:
    found = build_baseline_tenant()
    adding(found, "outbound-spam-policy", "p2", Name="a", AutoForwardingMode="On")
    for identity, told in (("r1", "Disabled"), ("r2", state)):
        rule = {"HostedOutboundSpamFilterPolicy": "A", "Priority": None, "State": told}
        adding(found, "outbound-spam-rule", identity, **rule)
    finding = await only(found)
    assert finding.severity is Severity.HIGH
    assert "applies to those its rule of a priority that is not shown names" in format_facts(
        finding.facts
    )


async def test_policies_are_judged_in_full_while_their_rules_are_unknown() -> None:
    found = build_baseline_tenant()
    policy = {**USUAL_LIMITS, "Name": "a", "IsDefault": False, "AutoForwardingMode": "On"}
    adding(found, "outbound-spam-policy", "p2", **policy)
    found.fail_read(
        get_configuration_source_name("outbound-spam-rule"), "", "HTTP 403", "Get-…Rule"
    )
    finding = await only(found)
    assert finding.severity is Severity.HIGH
    assert "to whom it applies could not be read" in format_facts(finding.facts)
    reading = await seen(found)
    assert [miss.optional for miss in reading.failures] == [True]


async def test_a_sharing_policy_that_is_switched_off_shares_nothing() -> None:
    found = build_varied_baseline_tenant(
        "sharing-policy", "Domains", ["Anonymous:CalendarSharingFreeBusyReviewer"]
    )
    assert len(await findings(found)) == 1
    index = next(n for n, one in enumerate(found.configurations) if one.source == "sharing-policy")
    one = found.configurations[index]
    found.configurations[index] = replace(one, values={**one.values, "Enabled": "False"})
    assert await findings(found) == []
    without = {name: value for name, value in one.values.items() if name != "Enabled"}
    found.configurations[index] = replace(one, values=without)
    assert len(await findings(found)) == 1


async def test_a_further_entry_of_a_list_is_another_case_and_named() -> None:
    before = await only(
        build_varied_baseline_tenant(
            "sharing-policy", "Domains", ["a:CalendarSharingFreeBusyDetail"]
        )
    )
    after = await only(
        build_varied_baseline_tenant(
            "sharing-policy",
            "Domains",
            ["a:CalendarSharingFreeBusyDetail", "evil.example:ContactsSharing"],
        )
    )
    assert before.compute_key(GUARD.name) != after.compute_key(GUARD.name)
    assert "too wide: evil.example:contactssharing: that domain sees contacts" in format_facts(
        after.facts
    )


# Row by row -------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", [row for row in SHIPPED_ROWS if is_writable_row(row)])
async def test_a_row_that_is_enforced_writes_its_value_and_no_other_row_does(
    row: BaselineRow,
) -> None:
    value = next(value for name, value in WRONG if name == row.id)
    finding = await only(with_value(row, value), enforcing(row.id))
    (change,) = finding.changes
    assert isinstance(change, SetConfiguration)
    assert finding.verdict is BaselineVerdict.REPAIR
    assert row.expected.matches(change.value)
    assert f"row {row.id}: put right in enforce mode" in format_facts(finding.facts)
    others = build_full_baseline().enforced - {row.id}
    assert (await only(with_value(row, value), enforcing(*others))).changes == ()


@pytest.mark.parametrize("row", [row for row in SHIPPED_ROWS if is_writable_row(row)])
async def test_what_an_enforced_row_writes_puts_it_right(row: BaselineRow) -> None:
    found = with_value(row, next(value for name, value in WRONG if name == row.id))
    (change,) = (await only(found, enforcing(row.id))).changes
    done = await found.writer.apply(change)
    assert not done.unchanged
    assert await findings(found, enforcing(row.id)) == []
    assert (await found.writer.apply(change)).unchanged


def test_what_is_for_a_person_is_told_so() -> None:
    assert {row.id for row in SHIPPED_ROWS if is_writable_row(row)} == {
        *("modern-authentication", "remote-domain-forwarding", "outbound-forwarding"),
        *("owa-storage-providers", "owa-offline", "owa-rules"),
        *("device-password", "device-simple-password", "device-password-length"),
        *("device-password-attempts", "device-encryption", "device-unprovisioned"),
        *("guest-invitations", "guest-access", "users-register-applications"),
        *("users-create-tenants", "email-verified-users", "email-subscriptions"),
    }


async def test_a_row_without_a_way_to_write_it_says_so() -> None:
    finding = await only(with_value(ROWS["privacy-contact"], None))
    assert "row privacy-contact only alerts: it is for a person to set" in format_facts(
        finding.facts
    )
    assert "Set it: Entra admin center" in tell_remedy(finding)


async def test_a_row_that_is_switched_off_is_noted_until_its_day_has_passed() -> None:
    row = ROWS["guest-invitations"]
    off = replace(row, waiver=RowWaiver("CISO", "merger", date(2026, 11, 20)))
    found = with_value(row, "everyone")
    noted = await only(found, with_row(off, row.id))
    assert (noted.severity, noted.verdict, noted.changes) == (
        Severity.INFO,
        BaselineVerdict.KEEP,
        (),
    )
    assert format_facts(noted.facts)[0] == "switched off until 2026-11-20 by CISO: merger"
    later = replace(with_row(off, row.id), now=NOW.replace(day=21))
    again = await only(found, later)
    assert (again.severity, again.verdict) == (Severity.MEDIUM, BaselineVerdict.REPAIR)
    assert "that is over" in format_facts(again.facts)[0]


# Hostile text and commands ----------------------------------------------------------------------


async def test_foreign_names_are_shown_as_they_are_and_cannot_leave_their_quotes() -> None:
    found = build_baseline_tenant()
    name = "x' ; Remove-Mailbox\u202e\n" + "y" * 5_000
    adding(found, "remote-domain", "id' -AutoForwardEnabled $true #", Name=name)
    found.configurations[-1] = replace(
        found.configurations[-1], values={"AutoForwardEnabled": True}, name=name
    )
    finding = await only(found)
    assert len(finding.subject) < 400
    assert "\u202e" not in finding.subject
    assert "\n" not in finding.summary
    assert "-Identity 'id'' -AutoForwardEnabled $true #' -Auto" in tell_remedy(finding)


async def test_a_long_value_is_cut_where_it_is_shown() -> None:
    finding = await only(with_value(ROWS["guest-invitations"], "e" * 2_000))
    assert len(finding.summary) < 600


# Permissions ------------------------------------------------------------------------------------


def test_what_is_read_and_what_is_written_follow_from_the_rows() -> None:
    reads = {
        one.name for one in build_baseline_permissions(Baseline(SHIPPED_ROWS)) if not one.writes
    }
    assert reads == {CONFIGURATION_SOURCES[row.source].permission for row in SHIPPED_ROWS} | {
        "Get-HostedOutboundSpamFilterRule"
    }
    assert not [one for one in build_baseline_permissions(Baseline(SHIPPED_ROWS)) if one.writes]
    (writes,) = (
        one
        for one in build_baseline_permissions(
            enforcing("device-password", "device-encryption").options
        )
        if one.writes
    )
    assert writes.name == "Set-MobileDeviceMailboxPolicy"
    assert writes.parameters == ("Identity", "PasswordEnabled", "RequireDeviceEncryption")


def test_without_rows_nothing_is_needed() -> None:
    assert build_baseline_permissions(Baseline()) == ()


def test_one_permission_stands_once_however_many_sources_need_it() -> None:
    extra = replace(
        ROWS["guest-access"], id="defaults", source="security-defaults", property_name="isEnabled",
        expected=ExpectedValue("is", (True,)),
    )  # fmt: skip
    names = [one.name for one in build_baseline_permissions(Baseline((*SHIPPED_ROWS, extra)))]
    assert len(names) == len(set(names))


# What may be forwarded all the same -------------------------------------------------------------


def allowing(*domains: str, enforced: tuple[str, ...] = ()) -> GuardPolicy:
    baseline = Baseline(SHIPPED_ROWS, frozenset(enforced), frozenset(domains))
    return replace(TERMS, options=baseline)


def with_partner(name: str = "partner.example") -> FakeTenant:
    """An organization in order with one more remote domain, to which mail may be forwarded."""
    shown = {**FORWARDING, "Name": "Partner", "DomainName": name}
    return adding(build_baseline_tenant(), "remote-domain", "d2", **shown)


def forwarding_anywhere(found: FakeTenant, name: str = "*") -> FakeTenant:
    """The same whose default remote domain lets forwards through."""
    found.configurations = [
        replace(one, values={**one.values, "DomainName": name, "AutoForwardEnabled": True})
        if (one.source, one.id) == ("remote-domain", "d1")
        else one
        for one in found.configurations
    ]
    return found


@pytest.mark.parametrize("enforced", [(), ("remote-domain-forwarding",)])
async def test_the_remote_domain_of_an_allowed_domain_is_kept(enforced: tuple[str, ...]) -> None:
    terms = allowing("partner.example", enforced=enforced)
    finding = await only(with_partner(), terms)
    assert (finding.verdict, finding.severity) == (BaselineVerdict.KEEP, Severity.INFO)
    assert finding.changes == ()
    assert "ALLOWED_FORWARD_DOMAINS" in format_facts(finding.facts)[0]


@pytest.mark.parametrize(
    ("domain", "allowed"),
    [
        ("partner.example", "other.example"),
        ("sub.partner.example", "partner.example"),
        ("partner.example", "sub.partner.example"),
    ],
)
async def test_an_allowed_domain_excuses_no_other_one(domain: str, allowed: str) -> None:
    finding = await only(with_partner(domain), allowing(allowed))
    assert (finding.verdict, finding.severity) == (BaselineVerdict.DRIFT, Severity.HIGH)


@pytest.mark.parametrize("domain", ["PARTNER.example", "bücher.example", "xn--bcher-kva.example"])
async def test_an_allowed_domain_is_one_however_it_is_written(domain: str) -> None:
    terms = allowing("partner.example", "xn--bcher-kva.example")
    assert (await only(with_partner(domain), terms)).verdict is BaselineVerdict.KEEP


@pytest.mark.parametrize("name", ["*", "*.example", "*.partner.example"])
async def test_what_would_also_end_an_allowed_forward_is_asked_about(name: str) -> None:
    found = forwarding_anywhere(build_baseline_tenant(), name)
    told = await only(found, allowing("partner.example"))
    assert (told.verdict, told.severity) == (BaselineVerdict.DRIFT, Severity.HIGH)
    assert tell_remedy(told).startswith("First give a remote domain of its own")
    plain = (await only(found)).steps
    first = Step("First give a remote domain of its own with forwarding on to partner.example.")
    assert told.steps == (*plain[:2], first, *plain[2:])
    enforced = allowing("partner.example", enforced=("remote-domain-forwarding",))
    asked = await only(found, enforced)
    assert (asked.verdict, asked.changes) == (Verdict.ASK, ())
    assert "partner.example" in format_facts(asked.facts)[0]


async def test_a_remote_domain_is_closed_when_the_allowed_one_has_its_own() -> None:
    terms = allowing("partner.example", enforced=("remote-domain-forwarding",))
    told = {
        one.object_id: one for one in await findings(forwarding_anywhere(with_partner()), terms)
    }
    assert (told["d2"].verdict, told["d2"].changes) == (BaselineVerdict.KEEP, ())
    assert told["d1"].verdict is BaselineVerdict.REPAIR
    assert len(told["d1"].changes) == 1


async def test_an_outbound_policy_is_not_switched_off_under_an_allowed_domain() -> None:
    found = build_varied_baseline_tenant("outbound-spam-policy", "AutoForwardingMode", "On")
    terms = allowing("partner.example", enforced=("outbound-forwarding",))
    finding = await only(found, terms)
    assert (finding.verdict, finding.changes) == (Verdict.ASK, ())
    assert "an outbound policy of their own" in tell_remedy(finding)


# Sentences --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("privacy-contact", "", "contactEmail is empty, and should not be empty."),
        ("privacy-contact", "  ", "contactEmail is empty, and should not be empty."),
        ("privacy-contact", None, "contactEmail is not set, and should not be empty."),
        ("guest-invitations", "everyone", "and should be adminsAndGuestInviters or none."),
        ("device-password-length", 4, "MinPasswordLength is 4, and should be at least 6."),
        ("calendar-sharing", ["*:New"], "share no more than *:CalendarSharingFreeBusySimple."),
    ],
)
async def test_a_summary_is_a_sentence(name: str, value: object, told: str) -> None:
    finding = await only(with_value(ROWS[name], value))
    assert finding.summary.endswith(told)


@pytest.mark.parametrize(
    ("entry", "sees"),
    [
        (
            "Anonymous:CalendarSharingFreeBusyReviewer",
            "everybody on the internet sees calendars in full",
        ),
        ("*:CalendarSharingFreeBusyDetail", "everybody in any organization sees calendars in part"),
        (
            "Anonymous:CalendarSharingFreeBusySimple",
            "everybody on the internet sees when people are busy",
        ),
        (
            "a.example:CalendarSharingFreeBusyDetail, ContactsSharing",
            "that domain sees calendars in part and contacts",
        ),
        ("a.example:SomethingNew", "that domain sees what this version does not know"),
    ],
)
async def test_what_is_shared_is_said_in_full_or_in_part(entry: str, sees: str) -> None:
    finding = await only(with_value(ROWS["calendar-sharing"], [entry]))
    assert format_facts(finding.facts)[0].endswith(sees)
