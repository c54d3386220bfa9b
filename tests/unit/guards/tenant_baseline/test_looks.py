"""tenant-baseline: what is read of the organization, and of single objects that a list lacks."""

from copy import replace
from datetime import UTC, datetime

import pytest

from core.guards.tenant_baseline.baseline import Baseline, BaselineRow, ExpectedValue
from core.guards.tenant_baseline.observe import (
    MAX_TEXT_LENGTH,
    SINGLE_LOOKS,
    BaselineItem,
    build_baseline_batch,
    build_row_source,
    format_configuration_name,
    observe,
)
from core.guards.tenant_baseline.rule_file import SHIPPED_ROWS
from core.microsoft365.configuration_sources import (
    CONFIGURATION_SOURCES,
    get_configuration_source_name,
)
from core.model.guards import GuardPolicy, ObserveContext
from core.tenant.configuration import Configuration
from core.tenant.mail_flow import AcceptedDomain
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import MAILBOX_FORWARDS
from tests.support.fakes.tenant import FakeTenant

NOW = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)
ROWS = {row.id: row for row in SHIPPED_ROWS}
FORWARDING, TRUSTED = ROWS["remote-domain-forwarding"], ROWS["remote-domain-trusted"]
OUTBOUND = ROWS["outbound-forwarding"]
REMOTE, POLICIES, RULES = map(
    get_configuration_source_name, ("remote-domain", "outbound-spam-policy", "outbound-spam-rule")
)
LOOKS = {look.listing: look for look in SINGLE_LOOKS}


def remote(identity: str, domain: str, *, forwards: bool = True) -> Configuration:
    values = {"DomainName": domain, "AutoForwardEnabled": forwards}
    return Configuration("remote-domain", identity, f"name of {identity}", values)


def policy(identity: str, **values: object) -> Configuration:
    shown = {"AutoForwardingMode": "On", **values}
    return Configuration("outbound-spam-policy", identity, f"name of {identity}", shown)


def build_context(
    *rows: BaselineRow, enforced: tuple[str, ...] = (), is_enforcing: bool = True
) -> ObserveContext[Baseline]:
    baseline = Baseline(rows, frozenset(enforced), frozenset({"partner.example"}))
    return ObserveContext(GuardPolicy(NOW, baseline), is_enforcing=is_enforcing)


def build_tenant(*configurations: Configuration) -> FakeTenant:
    return FakeTenant(configurations=list(configurations), domains=[AcceptedDomain("contoso.com")])


async def look(
    tenant: FakeTenant, context: ObserveContext[Baseline]
) -> list[Reading[BaselineItem]]:
    return [part async for part in observe(tenant, context)]


async def test_each_source_is_read_once_for_all_of_its_rows() -> None:
    tenant = build_tenant(remote("d1", "*"), remote("d2", "a.example"), policy("p1"))
    first, second = await look(tenant, build_context(FORWARDING, OUTBOUND, TRUSTED))
    assert [source for source, _ in tenant.read_log] == [REMOTE, POLICIES, RULES]
    assert [(one.row.id, one.configuration.id, one.value) for one in first.items] == [
        (FORWARDING.id, "d1", True),
        (FORWARDING.id, "d2", True),
    ]
    assert first.failures == tuple(
        ReadFailure(
            build_row_source(TRUSTED),
            "the tenant does not show TrustedMailInboundEnabled",
            one,
            f"remote domain name of {one}",
        )
        for one in ("d1", "d2")
    )
    assert first.sources == {REMOTE, build_row_source(FORWARDING), build_row_source(TRUSTED)}
    assert (first.population, first.complete, first.scope) == (2, True, None)
    assert second.sources == {POLICIES, RULES, build_row_source(OUTBOUND)}


async def test_a_listing_that_broke_off_or_failed_covers_no_row() -> None:
    tenant = build_tenant(remote("d1", "*"))
    tenant.interrupted_sources.add(REMOTE)
    (part,) = await look(tenant, build_context(FORWARDING))
    assert not part.complete
    assert [gap.source for gap in part.failures] == [REMOTE]
    tenant.clear_faults()
    tenant.fail_read(REMOTE)
    (part,) = await look(tenant, build_context(FORWARDING))
    assert part.sources == {REMOTE}
    assert part.failures == (ReadFailure(REMOTE, "HTTP 503"),)


async def test_that_the_rules_of_policies_cannot_be_read_is_a_detail() -> None:
    tenant = build_tenant(policy("p1"))
    tenant.interrupted_sources.add(RULES)
    tenant.fail_read(RULES, "r1")
    (part,) = await look(tenant, build_context(OUTBOUND))
    assert {(gap.source, gap.object_id, gap.optional) for gap in part.failures} == {
        (RULES, "r1", True),
        (RULES, "", True),
    }
    assert [one.notes for one in part.items] == [("to whom it applies could not be read",)]


async def test_policies_come_by_priority_with_whom_they_are_for_and_what_they_decide() -> None:
    rules = [
        Configuration(
            "outbound-spam-rule",
            f"r{number}",
            f"r{number}",
            {"HostedOutboundSpamFilterPolicy": of, "Priority": number, "State": state},
        )
        for number, (of, state) in enumerate(
            [("b", "Enabled"), ("a", "Enabled"), ("c", "Disabled")]
        )
    ]
    policies = [policy(name) for name in ("a", "b", "c")]
    tenant = build_tenant(*policies, policy("d", IsDefault=True), *rules)
    limit = replace(OUTBOUND, id="mode", property_name="Name", expected=ExpectedValue("is", ("x",)))
    context = build_context(OUTBOUND, replace(limit, property_name="IsDefault"))
    (part,) = await look(tenant, context)
    assert [
        (one.configuration.id, one.notes, one.is_inactive, one.allowed_domains)
        for one in part.items
        if one.row is OUTBOUND
    ] == [
        ("b", ("applies to those its rule of priority 0 names",), False, ("partner.example",)),
        ("a", ("applies to those its rule of priority 1 names",), False, ("partner.example",)),
        ("c", ("its rule is switched off: it applies to nobody now",), True, ()),
        ("d", ("applies to everybody no rule names",), False, ("partner.example",)),
    ]
    (other,) = [one for one in part.items if one.row is not OUTBOUND]
    assert (other.configuration.id, other.allowed_domains) == ("d", ())


@pytest.mark.parametrize(
    ("shown", "is_judged"),
    [
        ({"Enabled": True}, True),
        ({"Enabled": "false"}, False),
        ({}, True),
        ({"Enabled": "?"}, True),
    ],
)
def test_a_row_is_for_objects_that_are_not_known_to_be_others(
    shown: dict[str, object], is_judged: bool
) -> None:
    row = replace(FORWARDING, where=(("Enabled", True),))
    one = remote("d1", "*")
    one = replace(one, values={**one.values, **shown})
    batch = build_baseline_batch(Reading((one,)), Reading(), [row], Baseline())
    assert bool(batch.items) is is_judged
    hidden = replace(one, values=shown)
    batch = build_baseline_batch(Reading((hidden,)), Reading(), [row], Baseline())
    assert bool(batch.failures) is is_judged
    both = build_baseline_batch(Reading((one,)), Reading(), [row, FORWARDING], Baseline())
    assert both.items[-1].row is FORWARDING


def test_what_there_is_one_of_is_named_by_its_kind_and_others_by_name_or_id() -> None:
    long = "n" * 300
    assert format_configuration_name(remote("d1", "*")) == "remote domain name of d1"
    assert format_configuration_name(replace(remote("d1", "*"), name="")) == "remote domain d1"
    only = Configuration("organization-config", "", "", {})
    assert format_configuration_name(only) == "organization config"
    cut = f"remote domain {long[:MAX_TEXT_LENGTH]}… (300 characters)"
    assert format_configuration_name(replace(remote("d1", "*"), name=long)) == cut
    batch = build_baseline_batch(Reading((only,)), Reading(), [ROWS["direct-send"]], Baseline())
    assert [gap.object_id for gap in batch.failures] == ["organization"]


# Forwards in effect -------------------------------------------------------------------------------


async def test_forwards_in_effect_are_read_once_before_what_would_end_them() -> None:
    named = {"TrustedMailInboundEnabled": True}
    open_domain = replace(remote("d1", "*"), values={**remote("d1", "*").values, **named})
    tenant = build_tenant(open_domain, remote("d2", "a.example", forwards=False), policy("p1"))
    rows = (FORWARDING, TRUSTED, OUTBOUND)
    enforced = tuple(row.id for row in rows)
    parts = await look(tenant, build_context(*rows, enforced=enforced))
    assert {
        (one.row.id, one.configuration.id)
        for part in parts
        for one in part.items
        if one.live_forwards is not None
    } == {(FORWARDING.id, "d1"), (OUTBOUND.id, "p1")}
    assert [source for source, _ in tenant.read_log].count(MAILBOX_FORWARDS) == 1
    for context in (
        build_context(*rows, enforced=enforced, is_enforcing=False),
        build_context(*rows, enforced=(TRUSTED.id,)),
    ):
        tenant.read_log.clear()
        await look(tenant, context)
        assert MAILBOX_FORWARDS not in [source for source, _ in tenant.read_log]


# Single objects -----------------------------------------------------------------------------------


def test_every_source_of_objects_with_an_id_is_looked_at_alone() -> None:
    assert {look.listing for look in SINGLE_LOOKS} == {
        get_configuration_source_name(name)
        for name, source in CONFIGURATION_SOURCES.items()
        if source.has_single_objects
    }
    assert all(look.sources == {look.listing} for look in SINGLE_LOOKS)


async def test_an_object_that_a_list_lacks_is_judged_among_those_beside_it() -> None:
    tenant = build_tenant(
        remote("d1", "*"), remote("d2", "partner.example"), remote("d3", "b.example")
    )
    tenant.unlisted = {"d1"}
    tenant.fail_read(REMOTE, "d9")
    context = build_context(FORWARDING, OUTBOUND, is_enforcing=False)
    part = await LOOKS[REMOTE].read(tenant, context, ["d1", "d9", "gone"])
    # The closest remote domain decides about an allowed one, and it was not asked for.
    assert [(one.configuration.id, one.allowed_domains) for one in part.items] == [("d1", ())]
    assert part.failures == (ReadFailure(REMOTE, "HTTP 503", "d9"),)
    assert part.scope == frozenset({"d1", "d9", "gone"})
    assert part.covers((REMOTE, build_row_source(FORWARDING)), "d1")
    tenant.configurations = [remote("d1", "*")]
    part = await LOOKS[REMOTE].read(tenant, context, ["d1"])
    assert [one.allowed_domains for one in part.items] == [("partner.example",)]


async def test_forwards_in_effect_are_read_for_a_single_object_too() -> None:
    tenant = build_tenant(remote("d1", "*"), remote("d2", "b.example"))
    context = build_context(FORWARDING, enforced=(FORWARDING.id,))
    part = await LOOKS[REMOTE].read(tenant, context, ["d1"])
    assert [one.configuration.id for one in part.items if one.live_forwards] == ["d1"]
    quiet = build_context(FORWARDING)
    tenant.read_log.clear()
    part = await LOOKS[REMOTE].read(tenant, quiet, ["d1"])
    assert [one.live_forwards for one in part.items] == [None]
    assert MAILBOX_FORWARDS not in [source for source, _ in tenant.read_log]
