"""How the guard of legacy protocols looks: what it asks for, of whom, and what it says then."""

from copy import replace
from datetime import timedelta
from typing import Any

import pytest

from core.guards.legacy_protocols.guard import GUARD
from core.guards.legacy_protocols.items import (
    ORGANIZATION,
    PLANS,
    POLICIES,
    SETTINGS,
    TRANSPORT,
    AuthenticationPolicy,
    LegacyProtocolMailbox,
    NewMailboxPlan,
    SmtpAuthSetting,
)
from core.guards.legacy_protocols.judge import judge
from core.guards.legacy_protocols.observe import (
    MAX_LOOKUPS,
    describe_default_policy,
    look_up_mailboxes,
    matches_policy_name,
    read_discovery_mailboxes,
)
from core.guards.legacy_protocols.sign_in_evidence import NO_EVIDENCE
from core.microsoft365.configuration_sources import get_configuration_source_name
from core.model.guards import GuardPolicy, ObserveContext
from core.tenant.mailboxes import Mailbox, MailboxProtocols, ProtocolUse
from core.tenant.readings import ListedCount, Reading
from core.tenant.sources import MAILBOXES, POLICY_USERS, PROTOCOL_USE, PROTOCOLS
from tests.support.fakes.tenant import FakeTenant
from tests.support.guard_tenants import (
    ANN,
    BEN,
    CLOSED,
    NOW,
    build_configuration,
    build_legacy_protocol_tenant,
    build_protocols,
)

TERMS = GuardPolicy(NOW, GUARD.options)
LOOK = ObserveContext(TERMS)
DN = "CN=Block,CN=Auth Policies,DC=contoso"
SMTP_ON = build_configuration(TRANSPORT, SmtpClientAuthenticationDisabled=False)
TAKES = build_configuration(
    POLICIES, "Printers", AllowBasicAuthSmtp=True, DistinguishedName=" CN=Printers,DC=contoso "
)


def use(box: Mailbox, protocol: str) -> ProtocolUse:
    return ProtocolUse(box.id, protocol, box.address, NOW - timedelta(days=1))


async def look(tenant: FakeTenant, context: ObserveContext = LOOK) -> list[Reading[Any]]:
    return [part async for part in GUARD.observe(tenant, context) if isinstance(part, Reading)]


def list_asked(tenant: FakeTenant, source: str) -> list[tuple[str, ...]]:
    """For which objects a source was asked, each time."""
    return [names for asked, names in tenant.read_log if asked == source]


# The default policy ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "Block",
        " block ",
        "id-7",
        DN,
        DN.lower(),
        "CN=Block,CN=Elsewhere,DC=contoso",
        "contoso.onmicrosoft.com\\Block",
        "contoso.onmicrosoft.com/Configuration/Auth Policies/Block",
        "contoso\\Configuration\\Block",
    ],
)
def test_a_policy_goes_by_its_id_its_name_its_path_or_its_distinguished_name(name: str) -> None:
    policy = replace(build_configuration(POLICIES, "id-7", DistinguishedName=DN), name="Block ")
    assert matches_policy_name(name, policy)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "  ",
        "Blocked",
        "Bloc",
        "Block,CN=Auth",
        "contoso/Block/All",
        "Block=x",
        "CN=All,CN=Block",
    ],
)
def test_a_name_that_only_resembles_a_policy_is_another(name: str) -> None:
    assert not matches_policy_name(name, build_configuration(POLICIES, "Block"))


def test_a_renamed_policy_goes_by_its_whole_distinguished_name() -> None:
    renamed = build_configuration(POLICIES, "Block", DistinguishedName="CN=Old,DC=contoso")
    assert matches_policy_name("cn=old,dc=contoso", renamed)
    assert not matches_policy_name("CN=Old,DC=fabrikam", renamed)


@pytest.mark.parametrize("name", ["", " ", "7", "contoso/", "CN=", "CN=,DC=contoso"])
def test_a_policy_without_a_name_is_meant_by_no_name(name: str) -> None:
    for untold in (7, "", None):
        bare = replace(build_configuration(POLICIES, " ", DistinguishedName=untold), name="")
        assert not matches_policy_name(name, bare)


@pytest.mark.parametrize(
    ("name", "allowed", "told"),
    [
        (None, False, "the default authentication policy is not known"),
        ("", True, "no default authentication policy refuses bare passwords"),
        ("Block", False, "the default authentication policy Block refuses bare passwords"),
        ("Block", True, "the default authentication policy Block takes bare passwords"),
        ("Block", "true", "the default authentication policy Block takes bare passwords"),
        ("Block", None, "what the default authentication policy Block says is not known"),
        ("Other", False, "what the default authentication policy Other says is not known"),
        (
            "x" * 300,
            False,
            f"what the default authentication policy {'x' * 200}… (300 characters) says is not "
            "known",
        ),
    ],
)
def test_what_the_default_policy_says_is_told_in_words(
    name: str | None, allowed: object, told: str
) -> None:
    rows = (
        build_configuration(POLICIES, "First", AllowBasicAuthSmtp=not allowed),
        build_configuration(POLICIES, "Block", AllowBasicAuthSmtp=allowed),
    )
    assert describe_default_policy(name, Reading(rows)) == told


@pytest.mark.parametrize("value", [None, 7, ""])
async def test_settings_without_the_name_of_a_policy_have_no_default(value: object) -> None:
    tenant = build_legacy_protocol_tenant(
        SMTP_ON, build_configuration(SETTINGS, DefaultAuthenticationPolicy=value)
    )
    first, *_ = await look(tenant)
    assert [one.is_default for one in first.items if isinstance(one, AuthenticationPolicy)] == [
        False
    ]
    (setting,) = (one for one in first.items if isinstance(one, SmtpAuthSetting))
    assert setting.default_policy_text == "no default authentication policy refuses bare passwords"


# Whom a policy was given to ----------------------------------------------------------------------


async def read_given(tenant: FakeTenant) -> tuple[str, ...] | None:
    first, *_ = await look(tenant)
    (item,) = (
        one
        for one in first.items
        if isinstance(one, AuthenticationPolicy) and one.policy.id == "Printers"
    )
    return item.users


async def test_whom_a_policy_was_given_to_is_asked_by_its_distinguished_name() -> None:
    tenant = build_legacy_protocol_tenant(TAKES)
    tenant.policy_users["CN=Printers,DC=contoso"] = ["Printer 1", "Printer 2"]
    assert await read_given(tenant) == ("Printer 1", "Printer 2")
    assert list_asked(tenant, POLICY_USERS) == [("CN=Printers,DC=contoso",)]


async def test_whom_a_policy_was_given_to_is_not_known_where_that_cannot_be_read() -> None:
    tenant = build_legacy_protocol_tenant(TAKES)
    tenant.policy_users["CN=Printers,DC=contoso"] = ["Printer 1"]
    tenant.fail_read(POLICY_USERS)
    assert await read_given(tenant) is None


@pytest.mark.parametrize("name", [None, 7, "", " "])
async def test_a_policy_without_a_distinguished_name_cannot_be_asked_about(name: object) -> None:
    changed = {**TAKES.values, "DistinguishedName": name}
    tenant = build_legacy_protocol_tenant(replace(TAKES, values=changed))
    assert await read_given(tenant) is None
    assert list_asked(tenant, POLICY_USERS) == []


async def test_the_default_policy_is_everybodys_and_one_that_refuses_is_not_asked_about() -> None:
    for changed in (
        (TAKES, build_configuration(SETTINGS, DefaultAuthenticationPolicy="Printers")),
        (replace(TAKES, values={**TAKES.values, "AllowBasicAuthSmtp": False}),),
    ):
        tenant = build_legacy_protocol_tenant(*changed)
        assert await read_given(tenant) is None
        assert list_asked(tenant, POLICY_USERS) == []


# Who uses SMTP AUTH ------------------------------------------------------------------------------


async def read_setting(tenant: FakeTenant) -> SmtpAuthSetting:
    first, *_ = await look(tenant)
    (item,) = (one for one in first.items if isinstance(one, SmtpAuthSetting))
    return item


async def test_where_nobody_uses_smtp_auth_no_mailbox_is_asked_for_its_own_setting() -> None:
    tenant = build_legacy_protocol_tenant(SMTP_ON, observed_uses=[use(ANN, "imap")])
    setting = await read_setting(tenant)
    assert (setting.evidence.uses, setting.own_setting_count) == ((), 0)
    assert list_asked(tenant, PROTOCOLS) == [()], "only the listing was read"


async def test_of_very_many_users_only_so_many_are_asked_and_all_others_count() -> None:
    boxes = [Mailbox(f"u{n:03}", "", f"u{n:03}@contoso.com") for n in range(MAX_LOOKUPS + 5)]
    tenant = build_legacy_protocol_tenant(
        SMTP_ON,
        protocol_settings=[MailboxProtocols(box, denied=frozenset({"smtp"})) for box in boxes],
        observed_uses=[use(box, "smtp") for box in boxes],
    )
    setting = await read_setting(tenant)
    asked = tuple(box.id for box in boxes[:MAX_LOOKUPS])
    assert list_asked(tenant, PROTOCOLS) == [asked, ()]
    assert [one.account_id for one in setting.evidence.uses] == [
        box.id for box in boxes[MAX_LOOKUPS:]
    ]
    assert setting.own_setting_count == MAX_LOOKUPS


# Mailboxes ---------------------------------------------------------------------------------------


def find_mailbox(parts: list[Reading[Any]], object_id: str) -> LegacyProtocolMailbox:
    (found,) = (
        one
        for part in parts
        for one in part.items
        if isinstance(one, LegacyProtocolMailbox) and one.protocols.mailbox.id == object_id
    )
    return found


async def test_a_mailbox_that_only_does_not_tell_is_not_looked_for_in_the_log() -> None:
    boxes = [MailboxProtocols(ANN, denied=CLOSED, unknown=frozenset({"smtp"}))]
    tenant = build_legacy_protocol_tenant(protocol_settings=boxes, observed_uses=[use(ANN, "smtp")])
    assert find_mailbox(await look(tenant), "m1").evidence == NO_EVIDENCE
    assert list_asked(tenant, PROTOCOL_USE) == []


async def test_of_a_mailbox_without_an_account_it_is_said_why_nobody_is_looked_for() -> None:
    alone = build_protocols("imap", box=replace(ANN, has_account=False))
    tenant = build_legacy_protocol_tenant(protocol_settings=alone)
    found = find_mailbox(await look(tenant), "m1")
    assert found.evidence.doubts == ("which account it belongs to is not told",)
    assert not find_mailbox(
        await look(build_legacy_protocol_tenant(protocol_settings=build_protocols("imap"))), "m1"
    ).evidence.doubts


async def test_mailboxes_of_searches_are_listed_once_and_only_where_a_mailbox_is_open() -> None:
    search = replace(ANN, kind="DiscoveryMailbox")
    closed = build_legacy_protocol_tenant(boxes=[search, BEN])
    await look(closed)
    assert list_asked(closed, MAILBOXES) == []
    boxes = [replace(BEN, id=f"b{n}") for n in range(4)]
    settings = [MailboxProtocols(box, frozenset({"pop"})) for box in (search, *boxes)]
    tenant = build_legacy_protocol_tenant(
        boxes=[search, *boxes], protocol_settings=settings, page_size=2
    )
    parts = await look(tenant)
    assert list_asked(tenant, MAILBOXES) == [()]
    assert sum(isinstance(one, LegacyProtocolMailbox) for part in parts for one in part.items) == 4
    assert await read_discovery_mailboxes(tenant) == {"m1"}


async def test_a_failing_log_is_told_only_of_pages_in_which_somebody_may_sign_in() -> None:
    untold = MailboxProtocols(BEN, denied=CLOSED, unknown=frozenset({"smtp"}))
    tenant = build_legacy_protocol_tenant(
        protocol_settings=[MailboxProtocols(ANN, frozenset({"pop"})), untold], page_size=1
    )
    tenant.fail_read(PROTOCOL_USE)
    _, first, second, *_ = await look(tenant)
    assert [one.source for one in first.failures] == [PROTOCOL_USE]
    assert second.failures == ()
    assert second.covers((PROTOCOLS, PROTOCOL_USE), "m2")


async def test_a_scan_that_goes_on_where_the_last_one_stopped_ends_no_case_by_absence() -> None:
    watched = frozenset({"gone"})
    parts = await look(build_legacy_protocol_tenant(), replace(LOOK, open_case_ids=watched))
    assert parts[-1].covers((PROTOCOLS, PROTOCOL_USE), "gone")
    later = replace(LOOK, open_case_ids=watched, continuation="1")
    parts = await look(build_legacy_protocol_tenant(), later)
    assert not any(part.covers((PROTOCOLS, PROTOCOL_USE), "gone") for part in parts)


async def test_plans_and_policies_are_counted_since_one_that_is_absent_counts_as_gone() -> None:
    tenant = build_legacy_protocol_tenant(build_configuration(PLANS, "Kiosk"))
    first, *_ = await look(tenant)
    names = {source: get_configuration_source_name(source) for source in (PLANS, POLICIES)}
    assert first.listed_counts == {
        names[PLANS]: ListedCount(2, frozenset({names[PLANS]})),
        names[POLICIES]: ListedCount(1, frozenset({names[POLICIES]})),
    }


# Single objects ----------------------------------------------------------------------------------


async def test_mailboxes_that_a_listing_left_out_are_judged_anew_each() -> None:
    cid = replace(BEN, id="m3", guid="g3")
    tenant = build_legacy_protocol_tenant(
        protocol_settings=[
            MailboxProtocols(ANN, frozenset({"pop"})),
            MailboxProtocols(BEN, denied=CLOSED),
            MailboxProtocols(cid, frozenset({"imap"})),
        ],
        observed_uses=[use(ANN, "pop")],
    )
    tenant.fail_read(PROTOCOLS, "m3")
    reading = await look_up_mailboxes(tenant, LOOK, ["m1", "m2", "m3", "m9"])
    (item,) = reading.items
    assert isinstance(item, LegacyProtocolMailbox)
    assert (item.protocols.mailbox.id, len(item.evidence.uses)) == ("m1", 1)
    covered = {
        one: reading.covers((PROTOCOLS, PROTOCOL_USE), one)
        for one in ("m1", "m2", "m3", "m9", "unasked")
    }
    assert covered == {"m1": True, "m2": True, "m3": False, "m9": True, "unasked": False}


async def look_alone(tenant: FakeTenant, source: str, *ids: str) -> Reading[Any]:
    name = get_configuration_source_name(source)
    (single,) = (one for one in GUARD.single_looks if one.listing == name)
    assert single.sources == {name}
    return await single.read(tenant, LOOK, ids)


async def test_a_policy_that_its_listing_left_out_is_read_alone_and_judged_by_who_uses_it() -> None:
    tenant = build_legacy_protocol_tenant(TAKES, SMTP_ON, observed_uses=[use(ANN, "smtp")])
    tenant.unlisted.add("Printers")
    reading = await look_alone(tenant, POLICIES, "Printers", "gone")
    (item,) = reading.items
    assert isinstance(item, AuthenticationPolicy)
    assert (item.policy.id, item.is_default, len(item.evidence.uses)) == ("Printers", False, 1)
    source = get_configuration_source_name(POLICIES)
    covered = [reading.covers((source,), one) for one in ("Printers", "gone", "Block")]
    assert covered == [True, True, False]


async def test_a_plan_that_its_listing_left_out_is_read_alone() -> None:
    plan = build_configuration(PLANS, "Kiosk", ImapEnabled=True, PopEnabled=False)
    tenant = build_legacy_protocol_tenant(plan)
    tenant.unlisted.add("Kiosk")
    reading = await look_alone(tenant, PLANS, "Kiosk", "gone")
    assert reading.items == (NewMailboxPlan(plan),)
    source = get_configuration_source_name(PLANS)
    covered = [reading.covers((source,), one) for one in ("Kiosk", "gone", "Enterprise")]
    assert covered == [True, True, False]


async def test_what_has_a_case_waits_for_the_log_and_what_has_none_does_not() -> None:
    tenant = build_legacy_protocol_tenant(SMTP_ON, TAKES)
    tenant.fail_read(PROTOCOL_USE)
    context = replace(LOOK, open_case_ids=frozenset({ORGANIZATION, "Block"}))
    first, *_ = await look(tenant, context)
    kinds = [finding.kind for item in first.items for finding in judge(item, TERMS)]
    assert kinds == ["policy-basic-smtp"]
    policies = [one.policy.id for one in first.items if isinstance(one, AuthenticationPolicy)]
    assert sorted(policies) == ["Block", "Printers"]
