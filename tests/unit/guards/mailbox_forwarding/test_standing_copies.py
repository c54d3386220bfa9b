"""Settings that send copies of some mail: empty or inside is nothing, then one thing varied."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from core.guards.mailbox_forwarding.forwards import MAX_TEXT_LENGTH, ForwardRecipient
from core.guards.mailbox_forwarding.guard import GUARD
from core.guards.mailbox_forwarding.judge import judge
from core.guards.mailbox_forwarding.options import Policy
from core.guards.mailbox_forwarding.standing_copies import StandingCopyItem, list_standing_copies
from core.guards.mailbox_forwarding.texts import (
    MAX_SHOWN,
    format_forward_target,
    format_word_list,
    list_recipient_facts,
    list_target_facts,
)
from core.guards.mailbox_forwarding.verdicts import ForwardingVerdict
from core.microsoft365.configuration_sources import get_configuration_source_name
from core.microsoft365.recipients import ForwardTarget, RecipientLocation
from core.model.findings import Fact, Finding, Severity, Verdict, format_facts
from core.model.guards import GuardPolicy, ObserveContext
from core.tenant.configuration import Configuration
from core.tenant.mail_flow import AcceptedDomain, GroupMembers, Recipient
from core.tenant.quoting import quote_text
from core.tenant.sources import DOMAINS, RECIPIENTS
from tests.support.fakes.tenant import FakeTenant
from tests.support.observe import observe_all
from tests.support.sentences import check_sentences

TERMS = GuardPolicy(datetime(2026, 11, 20, 6, 0, tzinfo=UTC), GUARD.options)
ALLOWING = replace(
    TERMS, options=replace(GUARD.options, allowed_domains=frozenset({"archive.example"}))
)
STAFF = Recipient("staff@contoso.com", True, "MailUniversalDistributionGroup", "staff@contoso.com")
GUEST = Recipient("g", True, "GuestMailUser", "g@else.example", "SMTP:g@else.example", id="g")


def transport(address: object) -> Configuration:
    return Configuration("transport-config", "", "transport", {"JournalingReportNdrTo": address})


def policy(*addresses: str, on: object = True) -> Configuration:
    values = {
        "Guid": "p1",
        "BccSuspiciousOutboundMail": on,
        "BccSuspiciousOutboundAdditionalRecipients": list(addresses),
    }
    return Configuration("outbound-spam-policy", "p1", "Default", values)


async def findings(
    *settings: Configuration,
    terms: Policy = TERMS,
    people: Sequence[Recipient] = (),
    groups: Sequence[GroupMembers] = (),
) -> list[Finding]:
    tenant = FakeTenant(
        domains=[AcceptedDomain("contoso.com")],
        configurations=list(settings),
        known_recipients=list(people),
        group_members=list(groups),
    )
    reading = await observe_all(GUARD, tenant, ObserveContext(terms))
    return [
        found
        for item in reading.items
        if isinstance(item, StandingCopyItem)
        for found in judge(item, terms)
    ]


@pytest.mark.parametrize(
    "setting",
    [
        transport("<>"),
        transport(""),
        transport(None),
        transport("postmaster@contoso.com"),
        policy(),
        policy("abuse@contoso.com"),
        policy("x@evil.example", on=False),
        policy("x@evil.example", on="False"),
    ],
)
async def test_copies_for_administrators_or_nobody_are_nothing(setting: Configuration) -> None:
    assert await findings(setting) == []


@pytest.mark.parametrize(
    ("setting", "kind", "says"),
    [
        (transport("x@evil.example"), "journal-reports", "The organization sends journal reports"),
        (transport("SMTP:x@evil.example"), "journal-reports", "The organization sends"),
        (policy("x@evil.example"), "outbound-copies", "policy Default sends blind copies"),
        (policy("abuse@contoso.com", "x@evil.example", on="True"), "outbound-copies", "blind"),
    ],
)
async def test_copies_to_the_outside_are_told(setting: Configuration, kind: str, says: str) -> None:
    (finding,) = await findings(setting)
    assert (finding.kind, finding.verdict) == (kind, ForwardingVerdict.EXTERNAL)
    assert finding.severity is Severity.MEDIUM
    assert says in finding.summary
    assert finding.summary.endswith("to the outside.")
    assert any("x@evil.example" in fact for fact in format_facts(finding.facts))
    assert finding.sources == (get_configuration_source_name(setting.source), DOMAINS)


async def test_an_allowed_domain_is_shown_and_a_group_is_looked_into() -> None:
    (kept,) = await findings(policy("j@archive.example"), terms=ALLOWING)
    assert (kept.verdict, kept.severity) == (ForwardingVerdict.KEEP, Severity.INFO)
    (unseen,) = await findings(policy("staff@contoso.com"), people=[STAFF])
    assert (unseen.verdict, unseen.severity) == (Verdict.COULD_NOT_TELL, Severity.LOW)
    members = GroupMembers(STAFF.key, (GUEST,))
    (told,) = await findings(policy("staff@contoso.com"), people=[STAFF], groups=[members])
    assert told.verdict == ForwardingVerdict.EXTERNAL


async def test_another_address_is_another_finding() -> None:
    (one,) = await findings(policy("x@evil.example"))
    (other,) = await findings(policy("y@evil.example"))
    assert one.compute_key(GUARD.name) != other.compute_key(GUARD.name)


async def test_without_the_domains_a_copy_is_unread_and_never_clean() -> None:
    tenant = FakeTenant(
        domains=[AcceptedDomain("contoso.com")], configurations=[transport("x@evil.example")]
    )
    tenant.fail_read(DOMAINS)
    reading = await observe_all(GUARD, tenant, ObserveContext(TERMS))
    name = get_configuration_source_name("transport-config")
    assert [one.object_id for one in reading.failures if one.source == name] == ["organization"]


async def test_a_copy_to_somebody_who_could_not_be_looked_up_is_unread() -> None:
    tenant = FakeTenant(domains=[AcceptedDomain("contoso.com")], configurations=[transport("Ann")])
    tenant.fail_read(RECIPIENTS)
    reading = await observe_all(GUARD, tenant, ObserveContext(TERMS))
    name = get_configuration_source_name("transport-config")
    assert [one.object_id for one in reading.failures if one.source == name] == ["organization"]


async def test_settings_that_may_not_be_read_cost_nothing_else() -> None:
    tenant = FakeTenant(domains=[AcceptedDomain("contoso.com")])
    name = get_configuration_source_name("transport-config")
    tenant.fail_read(name, permission="Get-TransportConfig")
    reading = await observe_all(GUARD, tenant, ObserveContext(TERMS))
    (miss,) = (one for one in reading.failures if one.source == name)
    assert miss.optional


def test_a_hostile_name_stays_text() -> None:
    odd = replace(policy("x@evil.example"), name="a\u202eb\n" + "x" * 900)
    (copy,) = list_standing_copies(odd)
    assert "\u202e" not in copy.title
    assert len(copy.title) < 300


async def test_sentences_about_settings_that_send_copies() -> None:
    people = [STAFF, GUEST]
    groups = [GroupMembers("staff@contoso.com", (GUEST,))]
    archive = "j@archive.example"
    many = [f"x{number:02}@evil.example" for number in range(22)]
    settings = {
        "Journal reports go outside": transport("x@evil.example"),
        "Journal reports of an object with an id": replace(transport("x@evil.example"), id="t1"),
        "Journal reports go to an archive": transport(archive),
        "Journal reports go to somebody unknown": transport("Ghost"),
        "Journal reports go to a group": transport("staff@contoso.com"),
        "Copies go outside": policy("x@evil.example"),
        "Copies go to very many": policy(*many),
        "Copies of a policy without a name": replace(policy("x@evil.example"), name=""),
        "Copies of a policy with a long name": replace(policy("x@evil.example"), name="n" * 300),
        "A switch that is not told": Configuration(
            "outbound-spam-policy",
            "p1",
            "Default",
            {"BccSuspiciousOutboundAdditionalRecipients": ["x@evil.example"]},
        ),
    }
    check_sentences(
        "mailbox_forwarding_standing_copies",
        {
            name: await findings(setting, terms=ALLOWING, people=people, groups=groups)
            for name, setting in settings.items()
        },
    )
    (unseen,) = list_standing_copies(transport("staff@contoso.com"))
    target = ForwardTarget("staff@contoso.com", RecipientLocation.UNSEEN)
    found = list(judge(StandingCopyItem(unseen, (target,)), TERMS))
    check_sentences("mailbox_forwarding_standing_copies_unseen", {"A group": found})


@pytest.mark.parametrize("length", [3, 90, 400])
def test_a_recipient_is_shown_as_far_as_it_fits(length: int) -> None:
    """Of whatever is long, the beginning; who and why are never left out for it."""
    long = "w" * length
    shown = [
        format_forward_target(target)
        for target in (
            ForwardTarget("", RecipientLocation.OUTSIDE, long, long),
            ForwardTarget("raw", RecipientLocation.UNRESOLVED, long, "via", long),
            ForwardTarget(long, RecipientLocation.UNRESOLVED),
            ForwardTarget("raw", RecipientLocation.UNRESOLVED, "known"),
            ForwardTarget("raw", RecipientLocation.UNSEEN, reason=long),
        )
    ]
    cut = quote_text(long, MAX_TEXT_LENGTH)
    assert shown == [
        f"{cut} (through {cut})",
        f"{cut}, who cannot be identified (through via): {cut}",
        f"{cut}, who cannot be identified",
        "known, who cannot be identified",
        f"a group of which not every member is known: {cut}",
    ]


@pytest.mark.parametrize("count", [MAX_SHOWN - 1, MAX_SHOWN, MAX_SHOWN + 1, MAX_SHOWN + 5])
def test_of_many_recipients_and_words_the_others_are_counted(count: int) -> None:
    names = [f"x{number:03}@evil.example" for number in range(count)]
    targets = [ForwardTarget(name, RecipientLocation.OUTSIDE, name) for name in names]
    hidden = max(count - MAX_SHOWN, 0)
    told = [Fact("to", quote_text(name)) for name in names[:MAX_SHOWN]]
    more = [Fact("", f"and {hidden} more")] if hidden else []
    assert list(list_target_facts("to", targets)) == [*told, *more]
    sendings = [ForwardRecipient("forwards to", target) for target in targets]
    lines = [Fact("", f"forwards to {quote_text(name)}") for name in names[:MAX_SHOWN]]
    assert list(list_recipient_facts(sendings)) == [*lines, *more]
    words = ", ".join(names[:MAX_SHOWN]) + (f" and {hidden} more" if hidden else "")
    assert format_word_list(names) == words
