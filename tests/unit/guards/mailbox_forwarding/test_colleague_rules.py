"""Mail-flow rules that show mail to colleagues: stock at the first look, told from then on."""

import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from core.guards.mailbox_forwarding.guard import GUARD
from core.guards.mailbox_forwarding.verdicts import ForwardingVerdict
from core.model.findings import Finding, Severity, format_facts
from core.model.guards import GuardPolicy, ObserveContext
from core.tenant.known_traits import KnownTraits
from core.tenant.mail_flow import AcceptedDomain, GroupMembers, Recipient, TransportRule
from core.tenant.mailboxes import Mailbox
from core.tenant.readings import ReadFailure
from core.tenant.sources import DOMAINS, RECIPIENTS, TRANSPORT_RULES
from core.watched.judge import WatchedVerdict
from tests.support.fakes.tenant import FakeTenant
from tests.support.observe import observe_all
from tests.support.remedy_checks import check_remedies

START = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
BOB, EVA, EVIL = "bob@contoso.com", "eva@contoso.com", "x@evil.example"
PEOPLE = [Recipient(one, True, "UserMailbox", one) for one in (BOB, EVA)]
STAFF = Recipient("staff@contoso.com", True, "MailUniversalDistributionGroup", "staff@contoso.com")
RULE = TransportRule("t1", "Copies")
TO_EVA = {"SentTo": (EVA,)}
SOME = {"SenderDomainIs": ("bank.example",)}
ALL_IN = {"FromScope": ("NotInOrganization",)}
VIRUS = {"AttachmentHasExecutableContent": ("True",)}
TO_US = {"RecipientDomainIs": ("contoso.com",)}
TO_BANK = {"RecipientDomainIs": ("bank.example",)}
WORDS = {"SubjectContainsWords": ("invoice",), **TO_EVA}
KNOWN = replace(
    RULE, blind_copy_to=(BOB,), conditions=TO_EVA, exceptions={"From": ("news@shop.example",)}
)
LOW, MEDIUM, HIGH = Severity.LOW, Severity.MEDIUM, Severity.HIGH


@dataclass
class Looks:
    """The guard on a tenant with some mail-flow rules, remembering as the engine does."""

    at: datetime = START
    known: dict[str, KnownTraits] = field(default_factory=dict)
    tenant: FakeTenant = field(
        default_factory=lambda: FakeTenant(
            boxes=[Mailbox("m1", "g1", "ann@contoso.com", "Ann")],
            domains=[AcceptedDomain("contoso.com")],
            known_recipients=[*PEOPLE, STAFF],
            group_members=[GroupMembers(STAFF.key, (PEOPLE[0],))],
        )
    )

    async def look(self, *rules: TransportRule) -> list[Finding]:
        """What is told of these rules."""
        self.tenant.mail_flow_rules = list(rules)
        policy = GuardPolicy(self.at, GUARD.options)
        context = ObserveContext(policy, known_traits=dict(self.known))
        read = await observe_all(GUARD, self.tenant, context)
        self.known |= {row.key: row for row in read.known_traits}
        self.at += QUARTER
        found = [one for item in read.items for one in GUARD.judge(item, policy)]
        check_remedies(found)
        return [one for one in found if one.verdict != WatchedVerdict.STOCK]

    async def tell_new(self, rule: TransportRule) -> list[Finding]:
        """What is told of a rule that is made after the first look."""
        assert await self.look() == []
        return await self.look(rule)


async def tell(rule: TransportRule) -> list[Finding]:
    return await Looks().tell_new(rule)


@pytest.mark.parametrize(
    ("rule", "severity"),
    [
        (replace(RULE, blind_copy_to=(BOB,)), MEDIUM),
        (replace(RULE, blind_copy_to=(BOB,), conditions=ALL_IN), MEDIUM),
        (replace(RULE, blind_copy_to=(BOB,), conditions=TO_EVA), MEDIUM),
        (replace(RULE, blind_copy_to=(BOB,), conditions=SOME), MEDIUM),
        (replace(RULE, blind_copy_to=(BOB,), conditions=VIRUS), LOW),
        (replace(RULE, blind_copy_to=(STAFF.address,)), MEDIUM),
        (replace(RULE, blind_copy_to=("gone@contoso.com",)), MEDIUM),
        (replace(RULE, report_to=(BOB,), reports_mail=True), MEDIUM),
        (replace(RULE, report_to=(BOB,), reports_mail=True, enforced=False), MEDIUM),
        (replace(RULE, report_to=(BOB,), reports_mail=True, conditions=VIRUS), LOW),
        (replace(RULE, redirect_to=(BOB,)), HIGH),
        (replace(RULE, redirect_to=(BOB,), conditions=ALL_IN), HIGH),
        (replace(RULE, redirect_to=(BOB,), conditions=WORDS), HIGH),
        (replace(RULE, redirect_to=(BOB,), conditions=SOME), MEDIUM),
        (replace(RULE, redirect_to=(BOB,), conditions=TO_EVA), LOW),
        (replace(RULE, redirect_to=(BOB,), conditions={"SentTo": (BOB, EVA)}), LOW),
        (replace(RULE, redirect_to=(BOB,), conditions={"SentTo": (EVA,), **VIRUS}), LOW),
        (
            replace(RULE, redirect_to=(BOB,), conditions=TO_US),
            HIGH,
        ),
        (
            replace(RULE, redirect_to=(BOB,), conditions=TO_BANK),
            MEDIUM,
        ),
        (replace(RULE, moderators=(BOB,)), MEDIUM),
        (replace(RULE, moderators=(BOB,), conditions=WORDS), MEDIUM),
        (replace(RULE, moderators=(BOB,), conditions=SOME), LOW),
        (replace(RULE, moderators=(BOB,), conditions={"SentTo": (STAFF.address,)}), LOW),
        (replace(RULE, moderators=(BOB,), conditions={"MessageSizeOver": ("5000",)}), LOW),
        (replace(RULE, copy_to=(BOB,)), LOW),
        (replace(RULE, add_to=(BOB,), conditions=ALL_IN), LOW),
        (replace(RULE, redirect_to=(BOB,), activates_at=START + timedelta(days=3)), HIGH),
    ],
)
async def test_a_new_rule_that_shows_mail_of_others_inside_is_told(
    rule: TransportRule, severity: Severity
) -> None:
    (finding,) = await tell(rule)
    assert (finding.kind, finding.object_id) == ("colleague-rule", "t1")
    assert (finding.verdict, finding.severity) == (WatchedVerdict.NEW, severity)


@pytest.mark.parametrize(
    "rule",
    [
        RULE,
        replace(RULE, blind_copy_to=(EVA,), conditions=TO_EVA),
        replace(RULE, blind_copy_to=("Eva@contoso.com",), conditions={"From": (EVA,)}),
        replace(RULE, redirect_to=(BOB,), enabled=False),
        replace(RULE, redirect_to=(BOB,), enforced=False),
        replace(RULE, blind_copy_to=(BOB,), expires_at=START),
        replace(RULE, report_to=(BOB,)),
        replace(RULE, copy_to=(BOB,), conditions=TO_EVA),
        replace(RULE, add_to=(BOB,), conditions=SOME),
    ],
)
async def test_a_new_rule_that_harms_nobody_is_nothing(rule: TransportRule) -> None:
    assert await tell(rule) == []


@pytest.mark.parametrize("conditions", [{}, TO_EVA, SOME, WORDS])
async def test_what_was_there_at_the_first_look_is_stock(
    conditions: dict[str, tuple[str, ...]],
) -> None:
    looks = Looks()
    archive = replace(RULE, blind_copy_to=(BOB,), redirect_to=(EVA,), conditions=conditions)
    for _ in range(3):
        assert await looks.look(archive) == []
    assert await looks.look(replace(archive, name="Archive", priority=7)) == []
    assert await looks.look(replace(archive, enabled=False)) == []
    assert await looks.look() == []


@pytest.mark.parametrize(
    ("changed", "severity"),
    [
        (replace(KNOWN, conditions={}), MEDIUM),
        (replace(KNOWN, conditions={**TO_EVA, **SOME}), LOW),
        (replace(KNOWN, conditions={"SentTo": (EVA, "cfo@contoso.com")}), LOW),
        (replace(KNOWN, exceptions={}), LOW),
        (replace(KNOWN, blind_copy_to=(BOB, EVA), conditions=SOME), MEDIUM),
        (replace(KNOWN, redirect_to=(BOB,)), LOW),
    ],
)
async def test_a_known_rule_that_shows_more_is_told(
    changed: TransportRule, severity: Severity
) -> None:
    looks = Looks()
    assert await looks.look(KNOWN) == []
    (finding,) = await looks.look(changed)
    assert (finding.verdict, finding.severity) == (WatchedVerdict.WIDER, severity)
    assert await looks.look(KNOWN) == []


async def test_a_rule_that_is_switched_on_after_the_first_look_is_told() -> None:
    looks, rule = Looks(), replace(RULE, blind_copy_to=(BOB,))
    assert await looks.look(replace(rule, enabled=False)) == []
    (finding,) = await looks.look(rule)
    assert (finding.verdict, finding.severity) == (WatchedVerdict.WIDER, MEDIUM)


async def test_a_wide_rule_that_takes_less_is_only_said_to_take_other_mail() -> None:
    looks, rule = Looks(), replace(RULE, redirect_to=(BOB,))
    assert await looks.look(rule) == []
    (finding,) = await looks.look(replace(rule, conditions=SOME))
    assert finding.severity is LOW
    assert finding.summary == (
        "The mail-flow rule Copies takes mail by SenderDomainIs bank.example."
    )


async def test_the_sentence_says_to_whom_which_mail_goes_and_how_to_stop_it() -> None:
    (finding,) = await tell(replace(RULE, blind_copy_to=(BOB,), exceptions={"From": (BOB,)}))
    assert finding.summary == (
        "The mail-flow rule Copies is new: it blind copies to bob@contoso.com; takes every "
        "message, but for exceptions."
    )
    assert "without any condition: it takes every message" in format_facts(finding.facts)
    commands = [step.command for step in finding.steps]
    assert any(one.startswith("Disable-TransportRule -Identity 't1'") for one in commands)


async def test_a_rule_to_outside_and_inside_is_told_for_both() -> None:
    found = await tell(replace(RULE, blind_copy_to=(EVIL, BOB)))
    assert {(one.kind, one.verdict) for one in found} == {
        ("transport-rule", ForwardingVerdict.EXTERNAL),
        ("colleague-rule", WatchedVerdict.NEW),
    }


async def test_a_group_whose_members_cannot_be_read_for_a_while_is_the_same_group() -> None:
    looks, rule = Looks(), replace(RULE, blind_copy_to=(STAFF.address,))
    assert await looks.look(rule) == []
    members, looks.tenant.group_members = looks.tenant.group_members, []
    for _ in range(3):
        assert {one.kind for one in await looks.look(rule)} <= {"transport-rule"}
    looks.tenant.group_members = members
    assert await looks.look(rule) == []


@pytest.mark.parametrize("source", [DOMAINS, RECIPIENTS, TRANSPORT_RULES])
async def test_nothing_is_new_after_a_first_look_that_lacked_something(source: str) -> None:
    looks, rule = Looks(), replace(RULE, blind_copy_to=(BOB,))
    looks.tenant.failures[source, ""] = ReadFailure(source, "HTTP 503")
    await looks.look(rule)
    del looks.tenant.failures[source, ""]
    assert await looks.look(rule) == []
    assert await looks.look(rule) == []


@pytest.mark.parametrize("source", [DOMAINS, RECIPIENTS, TRANSPORT_RULES])
async def test_what_is_unread_for_a_while_is_no_news_afterwards(source: str) -> None:
    looks, rule = Looks(), replace(RULE, blind_copy_to=(BOB,))
    assert await looks.look(rule) == []
    looks.tenant.failures[source, ""] = ReadFailure(source, "HTTP 503")
    for _ in range(3):
        await looks.look(rule)
    del looks.tenant.failures[source, ""]
    assert await looks.look(rule) == []


@pytest.mark.parametrize(
    ("conditions", "severity"),
    [
        ({"SubjectMatchesPatterns": (".*",)}, HIGH),
        ({"SenderDomainIs": ("contoso.com",)}, HIGH),
        ({"RecipientDomainIs": ("bank.example", "Contoso.com")}, HIGH),
        ({"RecipientDomainIs": ("notcontoso.com",)}, MEDIUM),
        ({"AnyOfRecipientAddressContainsWords": ("contoso.com",)}, MEDIUM),
    ],
)
async def test_what_nearly_all_mail_meets_leaves_no_mail_alone(
    conditions: dict[str, tuple[str, ...]], severity: Severity
) -> None:
    (finding,) = await tell(replace(RULE, redirect_to=(BOB,), conditions=conditions))
    assert finding.severity is severity


async def test_a_rule_without_a_name_is_shown_by_its_id_and_long_texts_are_cut() -> None:
    long = f"{'b' * 300}@contoso.com"
    (bare,) = await tell(replace(RULE, name="", redirect_to=(BOB,)))
    assert bare.summary == (
        "The mail-flow rule t1 is new: it redirects to bob@contoso.com; takes every message."
    )
    conditions = {"SentTo": ("e" * 100,), "SenderDomainIs": ("d" * 100, "bank.example")}
    wordy = replace(RULE, name="n" * 300, redirect_to=(long,), conditions=conditions)
    (finding,) = await tell(wordy)
    cut = ("n" * 200, "b" * 200, "d" * 60, "e" * 60)
    assert re.findall(r"(\w{50,})…", finding.summary) == list(cut)
    assert "bank.example; SentTo" in finding.summary
    stop = [one.command for one in finding.steps if one.command.startswith("Disable-")]
    assert stop == ["Disable-TransportRule -Identity 't1' -Confirm:$false"]


async def test_what_is_remembered_of_a_rule_is_pinned() -> None:
    looks = Looks()
    await looks.look(replace(RULE, blind_copy_to=(BOB,), exceptions={"From": (BOB, EVA)}))
    (row,) = (one for one in looks.known.values() if one.kind == "watched colleague-rule")
    assert list(row.traits) == ["=mail c09f933a18376dc7", "copies unseen 4 bob@contoso.com"]
