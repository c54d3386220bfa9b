"""A page that is missing is never a smaller tenant: no finding goes away because of it.

A tenant of thousands is looked at while Exchange answers every listing; then it refuses the
continuations, in each way that is known. What was found stays, all objects are read or the listing
counts as unread, and what is mended meanwhile still ends.
"""

from typing import Any

import pytest

from core.guards.mailbox_forwarding.verdicts import ForwardingVerdict
from core.model.cases import Case
from core.model.guards import GuardConfig
from tests.resilience.generators.large_tenants import (
    COUNT,
    OPEN,
    REFUSALS,
    REFUSED_IN_EVERY_WAY,
    build_large_tenant,
    list_closed,
    list_found,
    mend,
)
from tests.resilience.generators.staged import AdapterHarness, get_object_cases, open_harness
from tests.support.builders import AUDIT_CONFIG, CONFIGS_BY_NAME, FORWARDING_CONFIG

TWO_PAGES = 1_100
EVERYTHING = {f"m{number}" for number in OPEN}
ON_TWO_PAGES = {f"m{number}" for number in OPEN if number < TWO_PAGES}


@pytest.mark.parametrize("refusal", REFUSALS)
async def test_nothing_goes_away_with_a_page_and_what_is_mended_still_ends(refusal: str) -> None:
    async with open_harness(build_large_tenant(), AUDIT_CONFIG) as stage:
        first = await stage.run_guard()
        assert (first.population, first.read_count) == (COUNT, COUNT)
        assert await list_found(stage) == EVERYTHING
        stage.sandbox.tenant.apply_patch({"reality": REFUSALS[refusal]})
        second = await stage.run_guard()
        assert (second.population, second.read_count, second.unread_count) == (COUNT, COUNT, 0)
        assert list_closed(second) == []
        assert await list_found(stage) == EVERYTHING
        mend(stage, COUNT - 1)
        await stage.run_guard()
        assert await list_found(stage) == EVERYTHING - {f"m{COUNT - 1}"}


async def test_a_tenant_that_no_way_lists_is_unread_for_as_long_as_it_lasts() -> None:
    async with open_harness(build_large_tenant(TWO_PAGES, alike=True), AUDIT_CONFIG) as stage:
        await stage.run_guard()
        stage.sandbox.tenant.apply_patch({"reality": REFUSED_IN_EVERY_WAY})
        for _ in range(2):
            report = await stage.run_guard()
            assert "mailbox-audit" in report.unavailable_sources
            assert list_closed(report) == []
            assert await list_found(stage) == ON_TWO_PAGES
        (case,) = await list_self_checks(stage, "source-unavailable")
        assert case.object_id == "mailbox-audit"
        stage.sandbox.tenant.apply_patch({"reality": {}})
        mend(stage, 0)
        report = await stage.run_guard()
        assert (report.population, report.read_count) == (TWO_PAGES, TWO_PAGES)
        assert await list_found(stage) == ON_TWO_PAGES - {"m0"}
        assert await list_self_checks(stage, "source-unavailable") == []


async def list_self_checks(stage: AdapterHarness, kind: str) -> list[Case]:
    return [case for case in (await stage.get_open_cases()).values() if case.kind == kind]


async def test_a_first_look_that_lacks_pages_is_not_taken_for_the_tenant() -> None:
    reality = {**REFUSED_IN_EVERY_WAY, **REFUSALS["a warning and no link"]}
    scene = build_large_tenant(TWO_PAGES, alike=True) | {"reality": reality}
    async with open_harness(scene, AUDIT_CONFIG) as stage:
        await stage.run_guard()
        assert (await stage.load_snapshot()).state.population is None
        stage.sandbox.tenant.apply_patch({"reality": {}})
        await stage.run_guard()
        assert await list_found(stage) == ON_TWO_PAGES
        assert await list_self_checks(stage, "listing-shrank") == []


# -- lists of settings that are cut without a word ------------------------------------------------

BASELINE_CONFIG = CONFIGS_BY_NAME["tenant-baseline"]
REMOTE_DOMAINS = [
    {
        "Guid": f"0000000{number}-3333-4000-8000-000000000001",
        "Identity": f"Domain {number}",
        "Name": f"Domain {number}",
        "DomainName": f"partner{number}.example",
        "AutoForwardEnabled": True,
    }
    for number in range(3)
]
MAIL_FLOW_RULES = [
    {
        "Guid": f"0000000{number}-2222-4000-8000-000000000001",
        "Name": f"Copy {number}",
        "State": "Enabled",
        "Mode": "Enforce",
        "BlindCopyTo": [f"copy{number}@evil.example"],
    }
    for number in range(3)
]


@pytest.mark.parametrize(
    ("config", "cmdlet", "rows"),
    [
        (BASELINE_CONFIG, "Get-RemoteDomain", REMOTE_DOMAINS),
        (FORWARDING_CONFIG, "Get-TransportRule", MAIL_FLOW_RULES),
    ],
    ids=["remote domains", "mail-flow rules"],
)
@pytest.mark.parametrize("left", [1, 2])
async def test_a_list_of_settings_that_is_cut_once_ends_nothing(
    config: GuardConfig, cmdlet: str, rows: list[dict[str, Any]], left: int
) -> None:
    scene = build_large_tenant(5)
    scene["exchange"][cmdlet] = rows
    async with open_harness(scene, config) as stage:
        for _ in range(2):
            await stage.run_guard()
        found = set(await get_object_cases(stage))
        for count in (left, 3, left, 3):
            stage.sandbox.tenant.scene["exchange"][cmdlet] = rows[:count]
            report = await stage.run_guard()
            assert list_closed(report) == []
            assert set(await get_object_cases(stage)) == found
        # Whoever deletes it for good is believed one look later.
        stage.sandbox.tenant.scene["exchange"][cmdlet] = rows[:left]
        ended = [len(list_closed(await stage.run_guard())) for _ in range(2)]
        assert ended[0] == 0
        assert ended[1] > 0


async def test_a_domain_that_a_listing_lacks_once_makes_no_inside_address_an_outside_one() -> None:
    domains = [
        {"Name": name, "DomainName": name, "DomainType": "Authoritative"}
        for name in ("contoso.example", "branch.example")
    ]
    forwarded = "smtp:info@branch.example"
    scene = build_large_tenant(3)
    scene["exchange"]["Get-AcceptedDomain"] = domains
    scene["exchange"]["Get-Mailbox"][0]["ForwardingSmtpAddress"] = forwarded
    async with open_harness(scene, FORWARDING_CONFIG) as stage:
        for _ in range(2):
            await stage.run_guard()
        assert await list_forward_verdicts(stage) == set()
        rows = stage.sandbox.tenant.scene["exchange"]
        rows["Get-AcceptedDomain"] = domains[:1]
        await stage.run_guard()
        assert await list_forward_verdicts(stage) == {ForwardingVerdict.UNRESOLVED}
        rows["Get-AcceptedDomain"] = domains
        await stage.run_guard()
        assert await list_forward_verdicts(stage) == set()
        # Whoever removes it for good is believed one look later.
        rows["Get-AcceptedDomain"] = domains[:1]
        for _ in range(2):
            await stage.run_guard()
        assert await list_forward_verdicts(stage) == {ForwardingVerdict.EXTERNAL}


async def list_forward_verdicts(stage: AdapterHarness) -> set[str]:
    cases = (await get_object_cases(stage)).values()
    return {case.verdict for case in cases if case.kind == "mailbox-forward"}


DEFAULT_POLICY = {"Name": "Default", "IsDefault": True, "AutoForwardingMode": "Off"}
SALES_POLICY = {"Name": "Sales", "IsDefault": False, "AutoForwardingMode": "On"}
SALES_RULE = {
    "Name": "Sales",
    "HostedOutboundSpamFilterPolicy": "Sales",
    "State": "Enabled",
    "Priority": 0,
    "From": ["m0@contoso.example"],
}
EVERY_DOMAIN = {"Name": "Default", "DomainName": "*", "AutoForwardEnabled": True}
STOPPED_DOMAIN = {"Name": "Evil", "DomainName": "evil.example", "AutoForwardEnabled": False}


@pytest.mark.parametrize(
    ("cmdlet", "before", "rest"),
    [
        ("Get-HostedOutboundSpamFilterPolicy", ", and it leaves", ", but outbound spam policy"),
        ("Get-HostedOutboundSpamFilterRule", ", and it leaves", ", but outbound spam policy"),
        ("Get-RemoteDomain", ", but the remote domain", ", and it leaves"),
    ],
)
async def test_what_a_list_of_settings_lacks_once_neither_stops_a_forward_nor_lets_it_leave(
    cmdlet: str, before: str, rest: str
) -> None:
    scene = build_large_tenant(3)
    rows = scene["exchange"]
    rows["Get-Mailbox"][0]["ForwardingSmtpAddress"] = "smtp:x@evil.example"
    rows["Get-RemoteDomain"] = [EVERY_DOMAIN]
    rows["Get-HostedOutboundSpamFilterPolicy"] = [DEFAULT_POLICY, SALES_POLICY]
    rows["Get-HostedOutboundSpamFilterRule"] = [SALES_RULE]
    if cmdlet == "Get-RemoteDomain":
        rows[cmdlet] = [EVERY_DOMAIN, STOPPED_DOMAIN]
    async with open_harness(scene, FORWARDING_CONFIG) as stage:
        await stage.run_guard()
        assert before in await get_forward_summary(stage)
        # A look that lacks the last of them once: by a policy of which a rule is left, one knows.
        live = stage.sandbox.tenant.scene["exchange"]
        whole = live[cmdlet]
        for lacking in (True, False, True):
            live[cmdlet] = whole[:-1] if lacking else whole
            await stage.run_guard()
            shown = ", and whether it leaves is not known" if lacking else before
            assert shown in await get_forward_summary(stage)
        # Whoever deletes it for good is believed one look later.
        live["Get-HostedOutboundSpamFilterRule"] = live["Get-HostedOutboundSpamFilterRule"][:-1]
        if cmdlet == "Get-RemoteDomain":
            live["Get-HostedOutboundSpamFilterRule"] = [SALES_RULE]
        for _ in range(2):
            await stage.run_guard()
        assert rest in await get_forward_summary(stage)


async def get_forward_summary(stage: AdapterHarness) -> str:
    cases = (await get_object_cases(stage)).values()
    (summary,) = [case.summary for case in cases if case.kind == "mailbox-forward"]
    return summary


async def test_a_member_that_a_group_lacks_once_brings_no_outsider_inside() -> None:
    scene = build_large_tenant(3)
    rows, members = scene["exchange"], ["m1@contoso.example", "out@contoso.example"]
    outsider = {
        "Name": members[1],
        "RecipientTypeDetails": "MailContact",
        "PrimarySmtpAddress": members[1],
        "ExternalEmailAddress": "SMTP:x@evil.example",
    }
    desk = {
        "Name": "desk@contoso.example",
        "RecipientTypeDetails": "MailUniversalDistributionGroup",
        "PrimarySmtpAddress": "desk@contoso.example",
    }
    rows["Get-Mailbox"][0]["ForwardingAddress"] = "desk@contoso.example"
    rows["Get-Recipient"] = [outsider, desk]
    rows["Get-DistributionGroupMember"] = {"desk@contoso.example": members}
    async with open_harness(scene, FORWARDING_CONFIG) as stage:
        await stage.run_guard()
        assert await list_forward_verdicts(stage) == {ForwardingVerdict.EXTERNAL}
        for listed in (members[:1], members, members[:1]):
            live = stage.sandbox.tenant.scene["exchange"]["Get-DistributionGroupMember"]
            live["desk@contoso.example"] = listed
            stage.sandbox.tenant.rebuild_index()
            report = await stage.run_guard()
            assert list_closed(report) == []
            assert report.unread_count == (0 if listed == members else 1)
            assert await list_forward_verdicts(stage) == {ForwardingVerdict.EXTERNAL}
        # Whoever removes the member for good is believed one look later.
        await stage.run_guard()
        await stage.run_guard()
        assert await list_forward_verdicts(stage) == set()
