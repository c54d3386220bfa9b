"""Rights that groups hold, and holders whose domain is new: who is really behind them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from core.guards.mailbox_delegation.guard import GUARD
from core.guards.mailbox_delegation.judge import judge
from core.guards.mailbox_delegation.verdicts import DelegationVerdict
from core.model.findings import Finding, Severity, Verdict, format_facts
from core.model.guards import GuardPolicy, ObserveContext
from core.model.reach import goes_further
from core.tenant.known_traits import KnownTraits
from core.tenant.mail_flow import AcceptedDomain, GroupMembers, Recipient
from core.tenant.mailboxes import Delegation, Mailbox
from core.tenant.sources import DOMAINS, FULL_ACCESS, GROUP_MEMBERS
from tests.support.fakes.tenant import FakeTenant
from tests.support.observe import observe_all

NOW = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)
TERMS = GuardPolicy(NOW, GUARD.options)
SWEEP = frozenset({FULL_ACCESS})
DIRECTOR = Mailbox("m1", "g1", "director@contoso.com", "Director")
INFO = Mailbox("m2", "g2", "info@contoso.com", "Info", kind="SharedMailbox")
OWN, PARTNER = AcceptedDomain("contoso.com"), AcceptedDomain("partner.example")


def person(address: str, kind: str = "UserMailbox", outside: str = "") -> Recipient:
    return Recipient(address, True, kind, address, outside, id=f"id-{address}")


def group(name: str, kind: str = "MailUniversalSecurityGroup") -> Recipient:
    return Recipient(name, True, kind, f"{name.lower()}@contoso.com", id=f"id-{name}")


BEN, ANN = person("ben@contoso.com"), person("ann@contoso.com")
GUEST = person("max@partner.example", "GuestMailUser", "SMTP:max@partner.example")
CONTACT = person("eva@else.example", "MailContact", "SMTP:eva@else.example")
MEMBER = person("kim@partner.example", "MailUser", "SMTP:kim@partner.example")
ON_PREMISES = person("old@contoso.com", "MailUser", "SMTP:old@contoso.com")
HELPERS, INNER = group("Helpers"), group("Inner")
OPENS = Delegation("FullAccess", "Helpers", mailbox=DIRECTOR)


def holding(*groups: tuple[Recipient, tuple[Recipient, ...]], whole: bool = True) -> FakeTenant:
    return FakeTenant(
        boxes=[DIRECTOR, INFO],
        domains=[OWN],
        known_recipients=[one for one, _ in groups],
        group_members=[GroupMembers(one.key, members, whole) for one, members in groups],
        delegations=[OPENS],
    )


async def findings(fake: FakeTenant) -> list[Finding]:
    reading = await observe_all(GUARD, fake, ObserveContext(TERMS, SWEEP))
    return [found for item in reading.items for found in judge(item, TERMS)]


async def only(fake: FakeTenant) -> Finding:
    (finding,) = await findings(fake)
    return finding


def say(finding: Finding) -> str:
    return " | ".join(format_facts(finding.facts))


async def test_a_group_of_colleagues_is_one_holder_as_ever() -> None:
    finding = await only(holding((HELPERS, (ANN, BEN, ON_PREMISES))))
    assert (finding.verdict, finding.severity) == (DelegationVerdict.DELEGATED, Severity.MEDIUM)
    assert finding.summary == "helpers@contoso.com may open director@contoso.com."
    assert finding.reaches == ()


@pytest.mark.parametrize("outsider", [GUEST, CONTACT, MEMBER])
@pytest.mark.parametrize("is_nested", [False, True])
async def test_a_member_from_outside_makes_the_group_an_outsider(
    outsider: Recipient, is_nested: bool
) -> None:
    fake = (
        holding((HELPERS, (ANN, INNER)), (INNER, (BEN, outsider, HELPERS)))
        if is_nested
        else holding((HELPERS, (ANN, outsider)))
    )
    finding = await only(fake)
    assert (finding.verdict, finding.severity) == (DelegationVerdict.EXTERNAL, Severity.CRITICAL)
    assert finding.summary == (
        "helpers@contoso.com, a group with 1 member from outside, may open director@contoso.com."
    )
    assert outsider.address in say(finding)
    assert "ann@contoso.com" not in say(finding)


@pytest.mark.parametrize(
    ("right", "mailbox", "severity"),
    [
        ("FullAccess", INFO, Severity.HIGH),
        ("SendOnBehalf", DIRECTOR, Severity.HIGH),
        ("SendAs", DIRECTOR, Severity.CRITICAL),
    ],
)
async def test_how_grave_it_is_depends_on_the_right_and_the_mailbox_as_for_one_person(
    right: str, mailbox: Mailbox, severity: Severity
) -> None:
    fake = holding((HELPERS, (ANN, GUEST)))
    fake.delegations = [Delegation(right, "Helpers", mailbox=mailbox)]
    assert (await only(fake)).severity is severity


async def test_another_member_from_outside_goes_further_than_was_told() -> None:
    one = await only(holding((HELPERS, (GUEST,))))
    both = await only(holding((HELPERS, (CONTACT, GUEST))))
    other = await only(holding((HELPERS, (CONTACT,))))
    assert one.fingerprint == both.fingerprint
    assert goes_further(both.reaches, one.reaches)
    assert goes_further(other.reaches, one.reaches)
    assert not goes_further(one.reaches, both.reaches)


async def test_many_members_from_outside_are_counted_and_some_named() -> None:
    guests = tuple(person(f"g{n:02}@partner.example", "GuestMailUser") for n in range(12))
    finding = await only(holding((HELPERS, guests)))
    assert "a group with 12 members from outside" in finding.summary
    assert "g09@partner.example and 2 more" in say(finding)


@pytest.mark.parametrize(
    ("fake", "why"),
    [
        (holding((group("Helpers", "DynamicDistributionGroup"), ())), "whoever meets a filter"),
        (holding((HELPERS, (ANN,)), whole=False), "too many members"),
        (holding((HELPERS, (ANN, group("All", "DynamicDistributionGroup")))), "all@contoso.com"),
    ],
)
async def test_a_group_that_is_not_all_looked_into_is_named(fake: FakeTenant, why: str) -> None:
    finding = await only(fake)
    assert (finding.verdict, finding.severity) == (Verdict.COULD_NOT_TELL, Severity.MEDIUM)
    assert "whether somebody from outside is in the group is not known" in say(finding)
    assert why in say(finding)


async def test_a_large_group_with_a_guest_among_its_first_members_is_an_outsider() -> None:
    finding = await only(holding((HELPERS, (GUEST,)), whole=False))
    assert finding.verdict == DelegationVerdict.EXTERNAL
    assert "whether others from outside are in the group is not known" in say(finding)


async def test_where_members_may_not_be_read_the_group_says_so() -> None:
    fake = holding((HELPERS, (GUEST,)))
    fake.fail_read(GROUP_MEMBERS, permission="Get-DistributionGroupMember")
    reading = await observe_all(GUARD, fake, ObserveContext(TERMS, SWEEP))
    (finding,) = (found for item in reading.items for found in judge(item, TERMS))
    assert finding.verdict == Verdict.COULD_NOT_TELL
    assert "cannot be read" in say(finding)
    assert reading.covers((FULL_ACCESS,), "m1")


async def test_a_group_that_did_not_answer_leaves_its_mailbox_unread() -> None:
    fake = holding((HELPERS, (GUEST,)))
    fake.fail_read(GROUP_MEMBERS, HELPERS.key, "a passing fault")
    reading = await observe_all(GUARD, fake, ObserveContext(TERMS, SWEEP))
    assert not reading.covers((FULL_ACCESS,), "m1")
    assert any("members of a group" in one.reason for one in reading.failures)


async def test_mail_users_of_a_group_are_nobodys_while_the_domains_are_unread() -> None:
    fake = holding((HELPERS, (MEMBER,)))
    fake.fail_read(DOMAINS)
    reading = await observe_all(GUARD, fake, ObserveContext(TERMS, SWEEP))
    assert not reading.covers((FULL_ACCESS,), "m1")
    (finding,) = (found for item in reading.items for found in judge(item, TERMS))
    assert finding.verdict == DelegationVerdict.DELEGATED


# Domains that are new ---------------------------------------------------------------------------


async def watch(*looks: tuple[AcceptedDomain, ...], days: float = 0.25) -> list[Finding]:
    """What is said of a mail user of partner.example at several looks with their domains."""
    known: dict[str, KnownTraits] = {}
    result = []
    for number, domains in enumerate(looks):
        terms = replace(TERMS, now=NOW + number * timedelta(days=days))
        fake = FakeTenant(
            boxes=[DIRECTOR],
            domains=list(domains),
            known_recipients=[replace(MEMBER, name="kim")],
            delegations=[Delegation("FullAccess", "kim", mailbox=DIRECTOR)],
        )
        context = ObserveContext(terms, SWEEP, known_traits=known)
        reading = await observe_all(GUARD, fake, context)
        known |= {one.key: one for one in reading.known_traits}
        result += [found for item in reading.items for found in judge(item, terms)]
    return result


async def test_a_domain_of_the_first_look_is_the_organizations_own() -> None:
    for finding in await watch((OWN, PARTNER), (OWN, PARTNER)):
        assert finding.verdict == DelegationVerdict.DELEGATED
        assert "is new among" not in say(finding)


async def test_a_domain_that_becomes_accepted_makes_nobody_a_colleague_at_once() -> None:
    first, second, third, last = await watch((OWN,), (OWN, PARTNER), (OWN, PARTNER), (OWN, PARTNER))
    assert {one.verdict for one in (first, second, third, last)} == {DelegationVerdict.EXTERNAL}
    assert "is new among" not in say(first)
    assert "partner.example is new among the organization's domains" in say(second)
    assert "partner.example is new among the organization's domains" in say(third)


async def test_after_a_month_the_new_domain_is_one_of_the_organizations() -> None:
    *_, last = await watch((OWN,), (OWN, PARTNER), (OWN, PARTNER), (OWN, PARTNER), days=16)
    assert last.verdict == DelegationVerdict.DELEGATED


async def test_a_look_without_domains_makes_none_of_them_new() -> None:
    first, unread, last = await watch((OWN, PARTNER), (), (OWN, PARTNER))
    assert first.verdict == unread.verdict == last.verdict == DelegationVerdict.DELEGATED
