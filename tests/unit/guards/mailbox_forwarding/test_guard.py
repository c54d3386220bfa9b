"""Forwarding and hiding of mail: a mailbox in order, then one thing varied a case."""

import json
from copy import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from core.guards.mailbox_forwarding.forwards import Forward
from core.guards.mailbox_forwarding.guard import GUARD
from core.guards.mailbox_forwarding.judge import judge
from core.guards.mailbox_forwarding.verdicts import ForwardingVerdict
from core.model.findings import Finding, Severity, Verdict, format_facts
from core.model.guards import GuardPolicy, ObserveContext
from core.model.reach import goes_further
from core.tenant.changes import ClearMailboxForward, DisableInboxRule
from core.tenant.mail_flow import (
    AcceptedDomain,
    Folder,
    InboxRule,
    OutboundPolicy,
    Recipient,
    RemoteDomain,
    RuleCondition,
    TransportRule,
)
from core.tenant.mailboxes import Mailbox
from core.tenant.readings import Reading
from core.tenant.sources import (
    DOMAINS,
    HIDDEN_RULES,
    INBOX_RULES,
    MAILBOX_FORWARDS,
    MAILBOXES,
    OUTBOUND_POLICIES,
    RECIPIENTS,
    RULE_FOLDERS,
    TRANSPORT_RULES,
)
from core.watched.judge import WatchedVerdict
from tests.support.fakes.tenant import FakeTenant
from tests.support.observe import observe_all
from tests.support.remedy_checks import tell_remedy

TERMS = GuardPolicy(datetime(2026, 11, 20, 6, 0, tzinfo=UTC), GUARD.options)
ANN = Mailbox("m1", "g1", "ann@contoso.com", "Ann")
EVIL = "x@evil.example"
NARROW = (RuleCondition("subjectContains", ("weekly report",)),)
RULE = InboxRule("r1", "m1", "Invoices", "graph", conditions=NARROW)
REDIRECT = replace(RULE, redirect_to=(EVIL,))
UNREADABLE = replace(RULE, readable=False, read_only=True)
BOB = "/o=ExchangeLabs/ou=Exchange Administrative Group/cn=Recipients/cn=1-bob"
CONTACT = Recipient(BOB, True, "MailContact", "bob@contoso.com", f"SMTP:{EVIL}")
FLOW = TransportRule("t1", "Copy for the board")
SWEEP = frozenset({HIDDEN_RULES, RULE_FOLDERS})
FOLDERS = frozenset({RULE_FOLDERS})


def tenant(*boxes: Mailbox, rules: tuple[InboxRule, ...] = ()) -> FakeTenant:
    """A tenant that lets automatic forwards pass."""
    return FakeTenant(
        boxes=list(boxes) or [ANN],
        rules=list(rules),
        domains=[AcceptedDomain("contoso.com"), AcceptedDomain("contoso.onmicrosoft.com")],
        remote_domain_list=[RemoteDomain("*", auto_forward=True)],
        policies=[OutboundPolicy("Default", "On", is_default=True)],
    )


async def look(fake: FakeTenant, due: frozenset[str] = frozenset()) -> Reading[Forward]:
    return await observe_all(GUARD, fake, ObserveContext(TERMS, due))


async def findings(
    fake: FakeTenant, due: frozenset[str] = frozenset(), terms: GuardPolicy = TERMS
) -> list[Finding]:
    return [found for item in (await look(fake, due)).items for found in judge(item, terms)]


async def only(
    fake: FakeTenant, due: frozenset[str] = frozenset(), terms: GuardPolicy = TERMS
) -> Finding:
    (finding,) = await findings(fake, due, terms)
    return finding


async def key(fake: FakeTenant, due: frozenset[str] = frozenset()) -> str:
    return (await only(fake, due)).compute_key(GUARD.name)


# ----------------------------------------------------------------------------------------------
# Forwards of mailboxes
# ----------------------------------------------------------------------------------------------


async def test_mailboxes_in_order_are_nothing_to_speak_of() -> None:
    fake = tenant(ANN, rules=(replace(RULE, mark_as_read=True),))
    reading = await look(fake, SWEEP)
    assert reading.items == ()
    assert reading.failures == ()
    assert reading.population == 1
    surfaces = (MAILBOXES, INBOX_RULES, HIDDEN_RULES, RULE_FOLDERS, DOMAINS, TRANSPORT_RULES)
    assert reading.covers(surfaces, "m1")


async def test_a_forward_to_an_outside_address_is_found_and_can_be_cleared() -> None:
    fake = tenant(replace(ANN, forwarding_smtp_address=f"smtp:{EVIL}", keeps_copy=True))
    finding = await only(fake)
    assert (finding.kind, finding.verdict) == ("mailbox-forward", ForwardingVerdict.EXTERNAL)
    assert finding.severity is Severity.HIGH
    assert finding.changes == (ClearMailboxForward("g1"),)
    assert finding.sources == (MAILBOX_FORWARDS, DOMAINS)
    assert finding.fingerprint == json.dumps([EVIL])
    assert "the mailbox keeps a copy" in format_facts(finding.facts)
    await fake.writer.apply(finding.changes[0])
    assert await findings(fake) == []


async def test_forwarding_address_is_not_internal_by_being_an_object() -> None:
    fake = tenant(replace(ANN, forwarding_address="Bob Private"))
    fake.known_recipients = [replace(CONTACT, name="Bob Private")]
    finding = await only(fake)
    assert finding.verdict is ForwardingVerdict.EXTERNAL
    assert (
        format_facts(finding.facts)[0]
        == f"ForwardingAddress: {EVIL} (through MailContact bob@contoso.com)"
    )


async def test_forwarding_address_that_is_a_colleague_is_nothing() -> None:
    fake = tenant(replace(ANN, forwarding_address="Bob"))
    fake.known_recipients = [Recipient("Bob", True, "UserMailbox", "bob@contoso.com")]
    assert await findings(fake) == []


async def test_a_forward_to_nobody_known_is_its_own_verdict() -> None:
    finding = await only(tenant(replace(ANN, forwarding_address="Bob Private")))
    assert (finding.verdict, finding.severity) == (ForwardingVerdict.UNRESOLVED, Severity.MEDIUM)
    assert finding.changes == ()


async def test_of_two_forwards_the_one_exchange_heeds_is_told() -> None:
    both = replace(ANN, forwarding_address="Bob", forwarding_smtp_address="smtp:y@other.example")
    fake = tenant(both)
    fake.known_recipients = [replace(CONTACT, name="Bob")]
    winner, loser = await findings(fake)
    assert (winner.verdict, loser.verdict) == (
        ForwardingVerdict.EXTERNAL,
        ForwardingVerdict.DORMANT,
    )
    assert loser.severity is Severity.INFO
    assert loser.changes == ()
    assert "ForwardingSmtpAddress, without effect: smtp:y@other.example" in format_facts(
        winner.facts
    )
    fake.known_recipients = [Recipient("Bob", True, "UserMailbox", "bob@contoso.com")]
    assert (await only(fake)).verdict is ForwardingVerdict.DORMANT


async def test_a_forward_without_effect_need_not_be_looked_up() -> None:
    fake = tenant(
        replace(ANN, forwarding_address="Bob", forwarding_smtp_address="smtp:cy@contoso.com")
    )
    fake.known_recipients = [replace(CONTACT, name="Bob")]
    fake.fail_read(RECIPIENTS, "cy@contoso.com")
    assert (await only(fake)).verdict is ForwardingVerdict.EXTERNAL
    assert (await look(fake)).failures == ()


async def test_a_discovery_mailbox_is_not_asked_for_rules() -> None:
    fake = tenant(ANN, replace(ANN, id="m2", guid="g2", kind="DiscoveryMailbox"))
    await look(fake, SWEEP)
    asked = dict(fake.read_log)
    assert asked[INBOX_RULES] == asked[HIDDEN_RULES] == ("m1",)


async def test_mailboxes_of_disabled_accounts_are_read_like_any() -> None:
    fake = tenant(ANN, rules=(REDIRECT,))
    assert (await only(fake)).verdict is ForwardingVerdict.EXTERNAL
    assert "accounts" not in {surface for surface, _ in fake.read_log}


# ----------------------------------------------------------------------------------------------
# Inbox rules
# ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["forward_to", "forward_as_attachment_to", "redirect_to"])
async def test_every_way_to_pass_mail_on_counts_by_itself(action: str) -> None:
    rule = replace(
        RULE,
        forward_to=(EVIL,) if action == "forward_to" else (),
        forward_as_attachment_to=(EVIL,) if action == "forward_as_attachment_to" else (),
        redirect_to=(EVIL,) if action == "redirect_to" else (),
    )
    finding = await only(tenant(rules=(rule,)))
    assert (finding.kind, finding.verdict) == ("inbox-rule-forward", ForwardingVerdict.EXTERNAL)
    assert finding.severity is Severity.HIGH
    assert finding.changes == (DisableInboxRule("m1", "r1"),)
    assert finding.sources == (MAILBOXES, INBOX_RULES, DOMAINS)


async def test_a_rule_that_only_redirects_is_not_dropped() -> None:
    assert (await only(tenant(rules=(REDIRECT,)))).verdict is ForwardingVerdict.EXTERNAL


async def test_the_outside_recipient_counts_wherever_it_stands_in_the_list() -> None:
    for recipients in ((EVIL, "bob@contoso.com"), ("bob@contoso.com", EVIL)):
        finding = await only(tenant(rules=(replace(RULE, forward_to=recipients),)))
        assert finding.verdict is ForwardingVerdict.EXTERNAL
        assert finding.fingerprint == json.dumps([EVIL])


@pytest.mark.parametrize(
    "recipient",
    [
        "bob@contoso.com",
        '"Bob" [SMTP:bob@contoso.onmicrosoft.com]',
        '"x@evil.example" [SMTP:b@contoso.com]',
    ],
)
async def test_a_rule_among_colleagues_is_nothing(recipient: str) -> None:
    assert await findings(tenant(rules=(replace(RULE, forward_to=(recipient,)),))) == []


@pytest.mark.parametrize(
    "recipient",
    ["x@evilcontoso.com", "x@sub.contoso.com", "x_gmail.com#EXT#@contoso.onmicrosoft.com"],
)
async def test_what_only_looks_like_ours_is_outside(recipient: str) -> None:
    fake = tenant(rules=(replace(RULE, forward_to=(recipient,)),))
    assert (await only(fake)).verdict is ForwardingVerdict.EXTERNAL


async def test_a_legacy_name_of_a_live_contact_is_outside_and_of_nobody_is_unresolved() -> None:
    fake = tenant(rules=(replace(RULE, redirect_to=(f'"Bob" [EX:{BOB}]',)),))
    finding = await only(fake)
    assert (finding.verdict, finding.severity) == (ForwardingVerdict.UNRESOLVED, Severity.MEDIUM)
    fake.known_recipients = [CONTACT]
    assert (await only(fake)).verdict is ForwardingVerdict.EXTERNAL


async def test_a_look_up_that_failed_leaves_the_mailbox_unread() -> None:
    fake = tenant(
        replace(ANN, forwarding_address="Bob"), rules=(replace(RULE, redirect_to=(BOB,)),)
    )
    fake.known_recipients = [CONTACT, replace(CONTACT, name="Bob")]
    fake.fail_read(RECIPIENTS, BOB)
    fake.fail_read(RECIPIENTS, "Bob")
    reading = await look(fake)
    assert reading.items == ()
    assert {(miss.source, miss.object_id) for miss in reading.failures} == {
        (INBOX_RULES, "m1"),
        (MAILBOX_FORWARDS, "m1"),
    }
    assert len(reading.unread_object_ids) == 1


async def test_without_the_right_to_look_up_what_is_plainly_outside_is_still_found() -> None:
    plain, unclear = REDIRECT, replace(RULE, id="r2", mailbox_id="m2", redirect_to=(BOB,))
    fake = tenant(ANN, replace(ANN, id="m2", guid="g2"), rules=(plain, unclear))
    fake.fail_read(RECIPIENTS, permission="Exchange role with Get-Recipient")
    reading = await look(fake)
    assert len(reading.items) == 1
    assert reading.find_source_failure(RECIPIENTS)
    assert reading.covers((MAILBOXES, INBOX_RULES, DOMAINS), "m1")
    assert not reading.covers((MAILBOXES, INBOX_RULES, DOMAINS), "m2")


@pytest.mark.parametrize("how", ["failed", "empty", "broken-off"])
async def test_without_the_own_domains_nothing_is_called_outside(how: str) -> None:
    fake = tenant(replace(ANN, forwarding_smtp_address=EVIL), rules=(REDIRECT,))
    fake.mail_flow_rules = [replace(FLOW, redirect_to=(EVIL,))]
    if how == "failed":
        fake.fail_read(DOMAINS)
    elif how == "empty":
        fake.domains = []
    else:
        fake.interrupted_sources.add(DOMAINS)
    reading = await look(fake)
    assert await findings(fake) == []
    assert not reading.covers((DOMAINS,), "m1")
    assert {(miss.source, miss.object_id) for miss in reading.failures} == {
        (DOMAINS, ""),
        (MAILBOX_FORWARDS, "m1"),
        (INBOX_RULES, "m1"),
        (TRANSPORT_RULES, "t1"),
    }


async def test_without_the_own_domains_mail_that_is_hidden_is_still_found() -> None:
    fake = tenant(rules=(replace(REDIRECT, delete="delete"),))
    fake.fail_read(DOMAINS)
    assert (await only(fake)).verdict is ForwardingVerdict.HIDES_MAIL


async def test_marking_as_read_is_a_part_of_a_forward_also_while_the_domains_are_unread() -> None:
    fake = tenant(rules=(replace(REDIRECT, mark_as_read=True),))
    assert (await only(fake)).kind == "inbox-rule-forward"
    fake.fail_read(DOMAINS)
    reading = await look(fake)
    assert await findings(fake) == []
    assert not reading.covers((INBOX_RULES,), "m1")
    quiet = tenant(rules=(replace(RULE, name=".", forward_to=(), mark_as_read=True),))
    quiet.fail_read(DOMAINS)
    assert (await only(quiet)).summary.endswith("marks the mail as read.")


async def test_a_renamed_or_remade_rule_is_the_same_case_and_a_new_target_is_another() -> None:
    first = await key(tenant(rules=(REDIRECT,)))
    remade = replace(REDIRECT, id="r9", name="..", redirect_to=('"Z" [SMTP:X@Evil.example]',))
    assert await key(tenant(rules=(remade,))) == first
    moved = replace(REDIRECT, redirect_to=("y@evil.example",))
    assert await key(tenant(rules=(moved,))) != first
    added = replace(REDIRECT, forward_to=("y@evil.example",))
    assert await key(tenant(rules=(added,))) != first


async def test_a_disabled_rule_is_dormant_so_that_enabling_it_is_news() -> None:
    off = await only(tenant(rules=(replace(REDIRECT, enabled=False),)))
    on = await only(tenant(rules=(REDIRECT,)))
    assert (off.verdict, off.severity, off.changes) == (
        ForwardingVerdict.DORMANT,
        Severity.INFO,
        (),
    )
    assert off.compute_key(GUARD.name) == on.compute_key(GUARD.name)
    assert on.verdict is ForwardingVerdict.EXTERNAL
    nobody = replace(RULE, enabled=False, redirect_to=("Nobody",))
    assert await findings(tenant(rules=(nobody,))) == []


async def test_a_disabled_rule_whose_recipient_cannot_be_looked_up_hides_nothing_else() -> None:
    fake = tenant(rules=(replace(RULE, enabled=False, redirect_to=(BOB,)),))
    fake.fail_read(RECIPIENTS, BOB)
    reading = await look(fake)
    assert (reading.items, reading.failures) == ((), ())


async def test_a_broken_rule_stays_a_finding() -> None:
    finding = await only(tenant(rules=(replace(REDIRECT, in_error=True),)))
    assert finding.verdict is ForwardingVerdict.EXTERNAL
    assert any("broken" in fact for fact in format_facts(finding.facts))


async def test_a_read_only_rule_is_left_to_a_person_with_the_exact_command() -> None:
    finding = await only(tenant(rules=(replace(REDIRECT, read_only=True, name="It's"),)))
    assert finding.changes == ()
    assert "Disable-InboxRule -Mailbox 'g1' -Identity 'It''s'" in tell_remedy(finding)
    assert "client-side" in tell_remedy(finding)


async def test_an_allowed_domain_is_shown_and_not_told() -> None:
    fake = tenant(rules=(replace(RULE, forward_to=("a@Partner.example",)),))
    allowed = replace(
        TERMS, options=replace(GUARD.options, allowed_domains=frozenset({"partner.EXAMPLE"}))
    )
    finding = await only(fake, terms=allowed)
    assert (finding.verdict, finding.severity) == (ForwardingVerdict.KEEP, Severity.INFO)
    for recipients in (
        ("a@partner.example", EVIL),
        ("a@sub.partner.example",),
        ("a@notpartner.example",),
    ):
        fake.rules = [replace(RULE, forward_to=recipients)]
        assert (await only(fake, terms=allowed)).verdict is ForwardingVerdict.EXTERNAL


async def test_facts_are_bounded_and_in_an_order_that_stays() -> None:
    many = tuple(f"{'u' * 150}{n}@evil.example" for n in range(500))
    finding = await only(tenant(rules=(replace(RULE, name="n" * 9000, forward_to=many),)))
    again = await only(tenant(rules=(replace(RULE, name="n" * 9000, forward_to=many[::-1]),)))
    assert finding == again
    assert len(format_facts(finding.facts)) < 30
    assert all(len(fact) < 300 for fact in format_facts(finding.facts))
    assert "and 480 more" in format_facts(finding.facts)


# ----------------------------------------------------------------------------------------------
# Does it leave, and who else
# ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "severity", "words"),
    [
        ("On", Severity.HIGH, "it leaves the organization"),
        ("Off", Severity.MEDIUM, "stopped before it leaves"),
        ("Automatic", Severity.HIGH, "blocked today, but not pinned"),
        ("", Severity.HIGH, "is not known"),
    ],
)
async def test_whether_mail_leaves_is_a_fact_and_no_excuse(
    mode: str, severity: Severity, words: str
) -> None:
    fake = tenant(rules=(REDIRECT,))
    fake.policies = [OutboundPolicy("Default", mode, is_default=True)]
    finding = await only(fake)
    assert (finding.verdict, finding.severity) == (ForwardingVerdict.EXTERNAL, severity)
    assert any(words in fact for fact in format_facts(finding.facts))


async def test_outbound_settings_that_cannot_be_read_keep_nothing_from_being_judged() -> None:
    fake = tenant(rules=(REDIRECT,))
    fake.fail_read(OUTBOUND_POLICIES, permission="Exchange role with Get-RemoteDomain")
    reading = await look(fake)
    assert all(miss.optional for miss in reading.failures)
    finding = await only(fake)
    assert finding.severity is Severity.HIGH
    assert any("is not known" in fact for fact in format_facts(finding.facts))


async def test_what_findings_share_is_the_outside_address_mail_goes_to_now() -> None:
    boxes = [replace(ANN, id=f"m{n}", guid=f"g{n}", address=f"{n}@contoso.com") for n in range(3)]
    boxes[0] = replace(boxes[0], forwarding_smtp_address=EVIL)
    rules = (replace(REDIRECT, mailbox_id="m1"), replace(REDIRECT, mailbox_id="m2", enabled=False))
    found = {finding.object_id: finding for finding in await findings(tenant(*boxes, rules=rules))}
    assert found["m0"].correlations == found["m1"].correlations != ()
    assert found["m2"].correlations == ()


# ----------------------------------------------------------------------------------------------
# Hidden and unreadable rules
# ----------------------------------------------------------------------------------------------


async def test_a_rule_only_exchange_shows_is_hidden_and_critical() -> None:
    fake = tenant()
    fake.exchange_rules = [replace(REDIRECT, id="17", api="exchange")]
    assert await findings(fake) == []
    finding = await only(fake, SWEEP)
    assert (finding.verdict, finding.severity) == (ForwardingVerdict.EXTERNAL, Severity.CRITICAL)
    assert finding.sources[0] == HIDDEN_RULES
    assert any("hidden from Outlook" in fact for fact in format_facts(finding.facts))
    assert finding.changes == ()
    assert "Disable-InboxRule -Mailbox 'g1' -Identity '17'" in tell_remedy(finding)


async def test_a_hidden_case_is_not_closed_by_a_run_that_did_not_sweep() -> None:
    fake = tenant(rules=(UNREADABLE,))
    fake.exchange_rules = [
        replace(RULE, name="Other", api="exchange", redirect_to=("y@evil.example",))
    ]
    hidden = next(item for item in await findings(fake, SWEEP) if item.fingerprint.startswith("["))
    reading = await look(fake)
    assert dict(fake.read_log)[HIDDEN_RULES] == ("m1",), "this mailbox was asked, the others not"
    assert not reading.covers(hidden.sources, "m1")
    assert (await look(fake, SWEEP)).covers(hidden.sources, "m1")


async def test_the_same_rule_seen_by_both_is_one_finding() -> None:
    fake = tenant(rules=(REDIRECT, replace(RULE, id="r2", name="RSS", move_to="f1")))
    fake.folders = [Folder("m1", "f1", "RSS Feeds")]
    assert await findings(fake, SWEEP) == await findings(fake, FOLDERS)
    assert len(await findings(fake, FOLDERS)) == 2


async def test_a_rule_exchange_leaves_open_is_compared_with_all_rules_of_graph() -> None:
    other = replace(ANN, id="m2", guid="g2", address="bob@contoso.com")
    fake = tenant(ANN, other, rules=(replace(RULE, mark_as_read=True),))
    await look(fake, SWEEP)
    asked = [sorted(names) for surface, names in fake.read_log if surface == INBOX_RULES]
    assert asked == [["m1", "m2"]]
    fake.exchange_rules = [replace(RULE, name="X", id="17", api="exchange", readable=False)]
    assert (await only(fake, SWEEP)).kind == "inbox-rule-unreadable"
    asked = [sorted(names) for surface, names in fake.read_log if surface == INBOX_RULES]
    assert asked == [["m1", "m2"]] * 2, "a sweep reads the harmless ones at once"
    await observe_all(GUARD, fake, ObserveContext(TERMS, open_case_ids=frozenset({"m1"})))
    asked = [sorted(names) for surface, names in fake.read_log if surface == INBOX_RULES]
    assert asked[2:] == [["m1", "m2"]], "and so does a look at a mailbox with a case"


async def test_a_hidden_rule_does_not_pass_under_the_name_of_a_visible_one() -> None:
    fake = tenant(rules=(replace(RULE, mark_as_read=True),))
    fake.exchange_rules = [replace(REDIRECT, api="exchange")]
    assert (await only(fake, SWEEP)).severity is Severity.CRITICAL


@pytest.mark.parametrize("reverse", [False, True])
async def test_a_visible_rule_hides_no_second_rule_like_it(reverse: bool) -> None:
    off = replace(REDIRECT, enabled=False)
    fake = tenant(rules=(off,))
    pair = [replace(rule, api="exchange") for rule in (off, REDIRECT)]
    fake.exchange_rules = pair[::-1] if reverse else pair
    finding = await only(fake, SWEEP)
    assert (finding.verdict, finding.severity) == (ForwardingVerdict.EXTERNAL, Severity.CRITICAL)
    assert any(fact.startswith("switched off: Invoices") for fact in format_facts(finding.facts))
    assert finding.summary.startswith("A hidden inbox rule")
    moves = replace(RULE, move_to="Projects")
    fake = tenant(rules=(moves,))
    pair = [replace(moves, api="exchange", move_to=to) for to in ("Projects", "RSS Feeds")]
    fake.exchange_rules = pair[::-1] if reverse else pair
    assert (await only(fake, SWEEP)).verdict is ForwardingVerdict.HIDES_MAIL


async def test_a_rule_disabled_for_what_it_sends_is_also_put_right_as_one_that_hides() -> None:
    both = replace(REDIRECT, delete="permanent")
    sends, hides = await findings(tenant(rules=(both,)))
    assert sends.changes == hides.changes == (DisableInboxRule("m1", "r1"),)
    assert (await only(tenant(rules=(replace(RULE, delete="delete"),)))).changes == ()
    sends, hides = await findings(tenant(rules=(replace(both, read_only=True),)))
    assert sends.changes == hides.changes == ()


async def test_only_what_a_command_is_needed_for_gets_one() -> None:
    dormant = await only(tenant(rules=(replace(REDIRECT, enabled=False),)))
    unresolved = await only(tenant(rules=(replace(RULE, redirect_to=("Somebody",)),)))
    assert "Disable-InboxRule" not in tell_remedy(dormant) + tell_remedy(unresolved)
    assert "does nothing now" in tell_remedy(dormant)
    assert "disable the rule" in tell_remedy(unresolved)


async def test_where_graph_could_not_be_asked_a_rule_is_not_called_hidden() -> None:
    fake = tenant(rules=(REDIRECT,))
    fake.fail_read(INBOX_RULES, "m1")
    finding = await only(fake, SWEEP)
    assert finding.severity is Severity.HIGH
    assert "seen through Exchange" in format_facts(finding.facts)
    assert not any("hidden" in fact for fact in format_facts(finding.facts))
    assert finding.sources[0] == HIDDEN_RULES


async def test_an_allowed_domain_does_not_excuse_a_hidden_rule() -> None:
    fake = tenant()
    fake.exchange_rules = [replace(REDIRECT, api="exchange")]
    allowed = replace(
        TERMS, options=replace(GUARD.options, allowed_domains=frozenset({"evil.example"}))
    )
    assert (await only(fake, SWEEP, allowed)).verdict is ForwardingVerdict.EXTERNAL


JUNK = "Junk E-mail Rule"
AWAY = "Microsoft.Exchange.OOF.KnownExternalSenders.Global"


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        (JUNK, {"move_to": "Junk Email"}),
        ("Junk E-Mail Rule", {"move_to": "ann:\\Nevyžádaná pošta"}),
        (JUNK, {"readable": False}),
        (AWAY, {"readable": False}),
    ],
)
async def test_a_hidden_rule_with_exactly_the_shape_of_exchanges_own_is_excused(
    name: str, changes: dict[str, Any]
) -> None:
    fake = tenant()
    own = replace(RULE, name=name, api="exchange", conditions=(), **changes)
    fake.exchange_rules = [own]
    assert await findings(fake, SWEEP) == []
    fake.exchange_rules = [own, replace(own, id="99")]
    assert len(await findings(fake, SWEEP)) == 1, "of each there is one"


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        (JUNK, {"move_to": "Junk Email", "delete": "delete"}),
        (JUNK, {"move_to": "RSS Feeds"}),
        (JUNK, {"move_to": "Junk Email", "mark_as_read": True}),
        (JUNK, {"move_to": "Junk Email", "conditions": NARROW}),
        (JUNK, {"move_to": "Junk Email", "redirect_to": ("bob@contoso.com",)}),
        (AWAY, {"move_to": "Junk Email"}),
        (AWAY, {"redirect_to": (EVIL,)}),
        (f"{AWAY}.2", {"readable": False}),
        ("Microsoft.Exchange.OOF.Anything", {"readable": False}),
        (f"{JUNK} ", {"move_to": "Junk Email"}),
    ],
)
async def test_the_name_of_exchanges_own_rules_excuses_nothing_else(
    name: str, changes: dict[str, Any]
) -> None:
    fake = tenant()
    own = replace(RULE, name=name, api="exchange", conditions=())
    fake.exchange_rules = [replace(own, **changes)]
    found = await findings(fake, SWEEP)
    assert max(finding.severity for finding in found) >= Severity.MEDIUM


async def test_a_visible_rule_is_not_excused_by_the_name_of_exchanges_own() -> None:
    fake = tenant(rules=(replace(RULE, name=JUNK, move_to="junkemail", conditions=()),))
    assert (await only(fake, SWEEP)).verdict is ForwardingVerdict.HIDES_MAIL
    fake = tenant(rules=(replace(UNREADABLE, name=AWAY),))
    assert (await only(fake)).kind == "inbox-rule-unreadable"


async def test_a_rule_graph_shows_without_actions_is_read_through_exchange_on_every_run() -> None:
    fake = tenant(ANN, replace(ANN, id="m2", guid="g2"), rules=(UNREADABLE,))
    fake.exchange_rules = [replace(REDIRECT, id="17", api="exchange")]
    finding = await only(fake)
    assert dict(fake.read_log)[HIDDEN_RULES] == ("m1",)
    assert (finding.verdict, finding.severity) == (ForwardingVerdict.EXTERNAL, Severity.HIGH)
    assert finding.sources == (MAILBOXES, INBOX_RULES, DOMAINS)
    assert finding.changes == ()
    assert "-Identity '17'" in tell_remedy(finding)
    assert not (await look(fake)).covers((HIDDEN_RULES,), "m1")
    assert await findings(fake, SWEEP) == [finding]


async def test_between_sweeps_only_mailboxes_with_a_case_are_asked_about_hidden_rules() -> None:
    fake = tenant(ANN, replace(ANN, id="m2", guid="g2"))
    fake.exchange_rules = [replace(REDIRECT, id="17", api="exchange")]
    assert (await look(fake)).items == ()
    assert HIDDEN_RULES not in dict(fake.read_log)
    again = await observe_all(GUARD, fake, ObserveContext(TERMS, open_case_ids=frozenset({"m1"})))
    assert dict(fake.read_log)[HIDDEN_RULES] == ("m1",)
    # What stands beside an open case is read of it, too.
    items = tuple(replace(one, beside=None) for one in again.items)
    assert items == (await look(fake, SWEEP)).items
    assert again.covers((HIDDEN_RULES,), "m1")
    assert not again.covers((HIDDEN_RULES,), "m2")


async def test_a_mailbox_that_a_sweep_could_not_read_is_asked_again_at_once() -> None:
    fake = tenant(ANN, replace(ANN, id="m2", guid="g2"))
    fake.fail_read(HIDDEN_RULES, "m1")
    again = await observe_all(GUARD, fake, ObserveContext(TERMS, open_case_ids=frozenset({"m1"})))
    assert [(miss.source, miss.object_id) for miss in again.failures] == [(HIDDEN_RULES, "m1")]
    assert not again.covers((HIDDEN_RULES,), "m1")


async def test_a_rule_nobody_shows_the_actions_of_is_unreadable_and_never_harmless() -> None:
    finding = await only(tenant(rules=(UNREADABLE,)))
    assert (finding.kind, finding.verdict) == ("inbox-rule-unreadable", Verdict.COULD_NOT_TELL)
    assert finding.severity is Severity.MEDIUM
    assert "Get-InboxRule -Mailbox 'g1' -IncludeHidden" in tell_remedy(finding)
    assert await findings(tenant(rules=(replace(UNREADABLE, enabled=False),))) == []


async def test_an_action_nobody_knows_is_told_beside_a_harmless_one_and_said_once() -> None:
    sorting = replace(RULE, move_to="f1", has_unknown_action=True)
    fake = tenant(rules=(sorting,))
    fake.folders = [Folder("m1", "f1", "Newsletters")]
    finding = await only(fake)
    assert (finding.kind, finding.verdict) == ("inbox-rule-unreadable", Verdict.COULD_NOT_TELL)
    assert finding.summary.endswith("does something that Exoguard does not know.")
    fake.rules = [replace(sorting, enabled=False)]
    assert await findings(fake) == []
    told = await only(tenant(rules=(replace(REDIRECT, has_unknown_action=True),)))
    assert told.kind == "inbox-rule-forward"


async def test_a_rule_exchange_failed_to_explain_keeps_what_was_concluded_before() -> None:
    fake = tenant(rules=(UNREADABLE,))
    fake.exchange_rules = [replace(REDIRECT, api="exchange")]
    before = await only(fake)
    fake.fail_read(HIDDEN_RULES, "m1")
    reading = await look(fake)
    assert reading.items == ()
    assert not reading.covers(before.sources, "m1")
    assert [(miss.source, miss.object_id) for miss in reading.failures] == [(INBOX_RULES, "m1")]


async def test_a_rule_exchange_may_not_explain_is_unreadable() -> None:
    fake = tenant(rules=(UNREADABLE,))
    fake.fail_read(HIDDEN_RULES, permission="Exchange role with Get-InboxRule")
    reading = await look(fake)
    assert (await only(fake)).kind == "inbox-rule-unreadable"
    assert not reading.covers((MAILBOXES, INBOX_RULES), "m1")
    assert reading.find_source_failure(HIDDEN_RULES)


async def test_two_unreadable_rules_are_two_cases() -> None:
    fake = tenant(rules=(UNREADABLE, replace(UNREADABLE, id="r2", name="Other")))
    assert len({finding.compute_key(GUARD.name) for finding in await findings(fake)}) == 2


# ----------------------------------------------------------------------------------------------
# Rules that hide mail
# ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delete", ["delete", "permanent"])
async def test_a_rule_that_deletes_hides_mail(delete: str) -> None:
    finding = await only(tenant(rules=(replace(RULE, delete=delete),)))
    assert (finding.kind, finding.verdict) == ("inbox-rule-hides", ForwardingVerdict.HIDES_MAIL)
    assert finding.severity is Severity.LOW
    assert finding.sources == (MAILBOXES, INBOX_RULES)
    assert finding.changes == ()


@pytest.mark.parametrize(
    ("folder", "severity"),
    [
        (Folder("m1", "f1", "Gelöschte Elemente", "deleteditems"), Severity.LOW),
        (Folder("m1", "f1", "Flux RSS"), Severity.MEDIUM),
        (Folder("m1", "f1", "RSS-Feeds", "rssfeeds"), Severity.MEDIUM),
        (Folder("m1", "f1", "x", "conversationhistory"), Severity.MEDIUM),
        (Folder("m1", "f1", "Projects"), None),
        (Folder("m1", "f1", "Inbox", "inbox"), None),
        (Folder("m2", "f1", "x", "deleteditems"), None),
    ],
)
async def test_moving_mail_hides_it_in_the_folders_nobody_opens_in_any_language(
    folder: Folder, severity: Severity | None
) -> None:
    fake = tenant(rules=(replace(RULE, move_to="f1"),))
    fake.folders = [folder]
    found = await findings(fake, FOLDERS)
    assert [finding.severity for finding in found] == ([severity] if severity else [])
    assert all(finding.sources[-1] == RULE_FOLDERS for finding in found)


async def test_a_folder_that_could_not_be_read_is_unread_and_not_ordinary() -> None:
    fake = tenant(rules=(replace(RULE, move_to="f1"), replace(REDIRECT, id="r2")))
    fake.folders = [Folder("m1", "f1", "RSS Feeds")]
    hides = next(item for item in await findings(fake, FOLDERS) if item.kind == "inbox-rule-hides")
    fake.fail_read(RULE_FOLDERS, "m1", optional=True)
    reading = await look(fake, FOLDERS)
    assert not reading.covers(hides.sources, "m1")
    assert reading.covers((MAILBOXES, INBOX_RULES, DOMAINS), "m1")
    assert (await only(fake, FOLDERS)).kind == "inbox-rule-forward"


async def test_without_the_right_to_read_folders_only_moves_go_unjudged() -> None:
    fake = tenant(rules=(replace(RULE, move_to="f1"), replace(RULE, id="r2", delete="delete")))
    fake.folders = [Folder("m1", "f1", "RSS Feeds")]
    fake.fail_read(RULE_FOLDERS, permission="Mail.ReadBasic.All")
    reading = await look(fake, FOLDERS)
    assert [(miss.source, miss.optional) for miss in reading.failures] == [(RULE_FOLDERS, True)]
    assert (await only(fake, FOLDERS)).severity is Severity.LOW


TELLING = replace(
    RULE,
    move_to="f1",
    mark_as_read=True,
    conditions=(RuleCondition("subjectContains", ("invoice",)),),
)


async def test_of_a_folder_that_could_not_be_read_this_time_nothing_is_concluded() -> None:
    fake = tenant(rules=(TELLING,))
    fake.folders = [Folder("m1", "f1", "RSS Feeds")]
    before = await only(fake)
    fake.fail_read(RULE_FOLDERS, "m1", optional=True)
    reading = await look(fake)
    assert reading.items == ()
    assert not reading.covers(before.sources, "m1")


async def test_without_the_right_to_read_folders_a_rule_is_judged_by_the_mail_it_takes() -> None:
    fake = tenant(rules=(TELLING, replace(RULE, id="r2", move_to="f1", mark_as_read=True)))
    fake.folders = [Folder("m1", "f1", "RSS Feeds")]
    fake.fail_read(RULE_FOLDERS, permission="Mail.ReadBasic.All")
    finding = await only(fake)
    assert finding.severity is Severity.MEDIUM
    assert finding.summary.endswith("moves the mail to a folder that was not looked into.")


async def test_without_the_own_domains_a_rule_about_addresses_leaves_its_mailbox_unread() -> None:
    ours = (RuleCondition("recipientContains", ("contoso.onmicrosoft.com",)),)
    fake = tenant(rules=(replace(RULE, delete="delete", conditions=ours),))
    before = await only(fake)
    assert before.severity is Severity.HIGH
    fake.fail_read(DOMAINS)
    reading = await look(fake)
    assert reading.items == ()
    assert not reading.covers(before.sources, "m1")


async def test_a_rule_says_what_mail_it_takes_and_what_not() -> None:
    rule = replace(
        RULE,
        delete="delete",
        conditions=(
            RuleCondition("fromAddresses", ("boss@contoso.com", "helpdesk@contoso.com")),
            RuleCondition("hasAttachments", ("true",)),
            RuleCondition("subjectContains", ("lunch", "wire transfer")),
        ),
        exceptions=(RuleCondition("sentToMe", ("true",)),),
    )
    finding = await only(tenant(rules=(rule,)))
    assert format_facts(finding.facts) == (
        "rule: Invoices",
        "deletes the mail",
        "looks for: wire transfer",
        "senders who warn: helpdesk@contoso.com",
        "colleagues: boss@contoso.com",
        "takes mail: with an attachment; with the words lunch",
        "but no mail: sent to the owner",
    )
    everything = replace(rule, conditions=(), exceptions=rule.exceptions)
    assert "without any condition: it takes every message but its exceptions" in format_facts(
        (await only(tenant(rules=(everything,)))).facts
    )
    nothing_left_out = replace(rule, conditions=(RuleCondition("bodyContains", ("@",)),))
    assert (
        "its conditions leave no message alone: it takes every message but its exceptions"
        in format_facts((await only(tenant(rules=(nothing_left_out,)))).facts)
    )


async def test_a_rule_nobody_shows_the_actions_of_is_not_said_to_take_every_message() -> None:
    finding = await only(tenant(rules=(replace(UNREADABLE, conditions=()),)))
    assert not any("every message" in fact for fact in format_facts(finding.facts))


async def test_a_forward_that_marks_as_read_is_one_finding_that_says_so() -> None:
    finding = await only(tenant(rules=(replace(REDIRECT, mark_as_read=True, conditions=()),)))
    assert "marks the mail as read" in format_facts(finding.facts)


async def test_hostile_texts_of_conditions_stay_on_one_line_and_short() -> None:
    evil = "x\n**[y](https://evil.example)**\u202e" + "z" * 5_000
    rule = replace(
        RULE,
        delete="delete",
        conditions=(
            RuleCondition("somethingNew", (evil,) * 3),
            RuleCondition("senderContains", tuple(f"{n}{evil}" for n in range(900))),
        ),
    )
    facts = format_facts((await only(tenant(rules=(rule,)))).facts)
    assert all("\n" not in fact and "\u202e" not in fact for fact in facts)
    assert max(map(len, facts)) < 2_500


async def test_a_rule_that_moves_nothing_leaves_the_folders_read() -> None:
    assert (await look(tenant(rules=(REDIRECT,)), FOLDERS)).covers((RULE_FOLDERS,), "m1")


@pytest.mark.parametrize(
    "rule",
    [
        replace(RULE, move_to="f1", mark_as_read=True),
        replace(RULE, move_to="f1", conditions=()),
        replace(RULE, move_to="f1", name="..."),
        replace(RULE, move_to="f1", conditions=(RuleCondition("subjectContains", ("invoice",)),)),
        replace(RULE, move_to="f1", redirect_to=("y@evil.example",)),
        replace(RULE, move_to="deleteditems"),
    ],
    ids=["read", "everything", "nameless", "telling", "forward", "well-known"],
)
async def test_a_rule_that_may_hide_mail_is_followed_at_once(rule: InboxRule) -> None:
    fake = tenant(rules=(rule,))
    fake.folders = [Folder("m1", "f1", "x", "conversationhistory")]
    assert "inbox-rule-hides" in {finding.kind for finding in await findings(fake)}
    assert (await look(fake)).covers((RULE_FOLDERS,), "m1")


async def test_a_rule_that_seems_to_sort_mail_is_followed_in_the_sweep_or_with_a_case() -> None:
    fake = tenant(rules=(replace(RULE, move_to="f1"),))
    fake.folders = [Folder("m1", "f1", "x", "deleteditems")]
    reading = await look(fake)
    assert reading.items == ()
    assert not reading.covers((MAILBOXES, INBOX_RULES, RULE_FOLDERS), "m1")
    assert reading.covers((MAILBOXES, INBOX_RULES, DOMAINS), "m1")
    swept = await look(fake, FOLDERS)
    assert len(swept.items) == 1
    watched = await observe_all(GUARD, fake, ObserveContext(TERMS, open_case_ids=frozenset({"m1"})))
    assert watched.items == swept.items
    assert watched.covers((MAILBOXES, INBOX_RULES, RULE_FOLDERS), "m1")


async def test_a_disabled_rule_hides_nothing() -> None:
    assert await findings(tenant(rules=(replace(RULE, enabled=False, delete="delete"),))) == []


async def test_a_rule_may_send_mail_away_and_hide_it() -> None:
    rule = replace(
        REDIRECT,
        delete="delete",
        name=".",
        conditions=(RuleCondition("subjectContains", ("invoice",)),),
    )
    forward, hides = await findings(tenant(rules=(rule,)))
    assert (forward.kind, hides.kind) == ("inbox-rule-forward", "inbox-rule-hides")
    assert hides.severity is Severity.HIGH
    assert "looks for: invoice" in format_facts(hides.facts)
    assert "deletes the mail" in format_facts(forward.facts)


async def test_a_rule_among_colleagues_that_deletes_still_hides_mail() -> None:
    rule = replace(RULE, forward_to=("bob@contoso.com",), delete="delete")
    assert (await only(tenant(rules=(rule,)))).kind == "inbox-rule-hides"


async def test_a_hidden_rule_that_hides_mail_is_grave() -> None:
    fake = tenant()
    fake.exchange_rules = [replace(RULE, api="exchange", move_to="ann:\\RSS Feeds")]
    finding = await only(fake, SWEEP)
    assert (finding.verdict, finding.severity) == (ForwardingVerdict.HIDES_MAIL, Severity.HIGH)
    assert finding.sources == (HIDDEN_RULES, MAILBOXES, INBOX_RULES)


async def test_another_name_is_the_same_case_and_more_mail_goes_further() -> None:
    rule = replace(RULE, delete="delete")
    first = await only(tenant(rules=(rule,)))
    renamed = await only(tenant(rules=(replace(rule, id="r9", name="new name", sequence=7),)))
    assert renamed.compute_key(GUARD.name) == first.compute_key(GUARD.name)
    assert not goes_further(renamed.reaches, first.reaches)
    for wider in (
        replace(rule, conditions=(RuleCondition("subjectContains", ("other",)),)),
        replace(rule, delete="permanent"),
        replace(rule, mark_as_read=True),
    ):
        again = await only(tenant(rules=(wider,)))
        assert again.compute_key(GUARD.name) == first.compute_key(GUARD.name)
        assert goes_further(again.reaches, first.reaches)


async def test_slight_rules_and_grave_ones_are_cases_apart() -> None:
    adverts = replace(RULE, delete="delete")
    thief = replace(adverts, id="r2", name="x", conditions=())
    found = await findings(tenant(rules=(adverts, thief)))
    assert [one.severity for one in found] == [Severity.LOW, Severity.HIGH]
    assert len({one.compute_key(GUARD.name) for one in found}) == 2


async def test_several_rules_are_one_case_that_counts_and_names_them_all() -> None:
    rules = tuple(
        replace(RULE, id=f"r{n}", name=f"rule {n}", delete="delete", conditions=())
        for n in range(38)
    )
    finding = await only(tenant(rules=rules))
    facts = format_facts(finding.facts)
    assert "38" in finding.summary
    assert facts[0].startswith("rules: 38: rule 0, rule 1, ")
    assert "and 18 more" in facts[0]
    assert len(facts) < 30
    assert "rule 0" in tell_remedy(finding)
    same = tuple(replace(one, name="f") for one in rules[:12])
    assert "f (12 times)" in format_facts((await only(tenant(rules=same))).facts)[0]


async def test_rules_that_send_to_the_same_people_are_one_case_and_all_are_disabled() -> None:
    second = replace(REDIRECT, id="r2", name="copies", conditions=())
    finding = await only(tenant(rules=(REDIRECT, second)))
    assert finding.changes == (DisableInboxRule("m1", "r1"), DisableInboxRule("m1", "r2"))
    assert finding.summary == (
        "Each of 2 inbox rules of ann@contoso.com forwards mail to the outside, to the same "
        "addresses, and it leaves."
    )
    assert "Invoices" in tell_remedy(finding)
    assert "copies" in tell_remedy(finding)
    assert goes_further(finding.reaches, (await only(tenant(rules=(REDIRECT,)))).reaches)


async def test_which_of_several_rules_is_switched_off_is_said() -> None:
    off = replace(REDIRECT, id="r2", name="old copy", enabled=False)
    finding = await only(tenant(rules=(REDIRECT, off)))
    facts = format_facts(finding.facts)
    assert "switched off: old copy" in facts
    assert not any("disabled" in fact for fact in facts)
    assert finding.changes == (DisableInboxRule("m1", "r1"),)
    assert (finding.reaches, finding.severity) == (
        (await only(tenant(rules=(REDIRECT,)))).reaches,
        Severity.HIGH,
    )


async def test_a_hidden_rule_is_judged_in_full_beside_a_visible_one_to_the_same_colleague() -> None:
    plain = replace(RULE, forward_to=("bob@contoso.com",))
    fake = tenant(rules=(plain,))
    hidden = replace(plain, id="17", name="x", api="exchange", conditions=(), delete="permanent")
    fake.exchange_rules = [hidden]
    finding = await only(fake, SWEEP)
    assert (finding.kind, finding.severity) == ("inbox-rule-hides", Severity.HIGH)
    assert "forwards to bob@contoso.com" in format_facts(finding.facts)
    assert finding.needs_own_exemption
    visible = await only(tenant(rules=(replace(hidden, api="graph"),)))
    assert visible.compute_key(GUARD.name) != finding.compute_key(GUARD.name)
    assert not visible.needs_own_exemption


async def test_a_hidden_forward_goes_further_than_a_visible_one_to_the_same_address() -> None:
    visible = await only(tenant(rules=(REDIRECT,)))
    fake = tenant()
    fake.exchange_rules = [replace(REDIRECT, api="exchange")]
    hidden = await only(fake, SWEEP)
    assert hidden.compute_key(GUARD.name) == visible.compute_key(GUARD.name)
    assert goes_further(hidden.reaches, visible.reaches)
    assert not goes_further(visible.reaches, hidden.reaches)
    assert (hidden.needs_own_exemption, visible.needs_own_exemption) == (True, False)
    fake.rules = [REDIRECT]
    fake.exchange_rules = [replace(REDIRECT, id="18", name="x", api="exchange")]
    both = await only(fake, SWEEP)
    assert both.severity is Severity.CRITICAL
    assert both.summary.startswith("Each of 2 inbox rules (1 hidden) of ann@contoso.com forwards")
    assert both.changes == (DisableInboxRule("m1", "r1"),)


async def test_a_hidden_rule_that_sends_to_a_colleague_is_told_unless_it_passes_meetings() -> None:
    fake = tenant()
    secret = replace(RULE, api="exchange", forward_to=("bob@contoso.com",))
    fake.exchange_rules = [secret]
    finding = await only(fake, SWEEP)
    assert (finding.kind, finding.verdict) == ("inbox-rule-hidden", Verdict.COULD_NOT_TELL)
    meetings = (RuleCondition("isMeetingRequest", ("true",)),)
    fake.exchange_rules = [replace(secret, conditions=meetings)]
    assert await findings(fake, SWEEP) == []


@pytest.mark.parametrize("due", [SWEEP, frozenset[str]()])
async def test_a_hidden_rule_that_only_marks_mail_is_told_and_a_visible_one_is_nothing(
    due: frozenset[str],
) -> None:
    # Between sweeps Exchange is asked about mailboxes with a case.
    context = ObserveContext(TERMS, due, open_case_ids=frozenset({"m1"}))

    async def judged(fake: FakeTenant) -> list[Finding]:
        reading = await observe_all(GUARD, fake, context)
        return [found for item in reading.items for found in judge(item, TERMS)]

    marks = replace(RULE, api="exchange", name="Categories")
    fake = tenant()
    fake.exchange_rules = [marks]
    (finding,) = await judged(fake)
    assert (finding.kind, finding.severity) == ("inbox-rule-hidden", Severity.LOW)
    assert finding.verdict is Verdict.COULD_NOT_TELL
    assert finding.needs_own_exemption
    assert await judged(tenant(rules=(replace(marks, api="graph"),))) == []
    fake.exchange_rules = [replace(marks, enabled=False)]
    assert await judged(fake) == []


async def test_a_folder_nobody_can_find_cannot_be_told_about() -> None:
    fake = tenant(rules=(replace(RULE, move_to="f1"),))
    fake.folders = [Folder("m1", "f1", is_found=False)]
    finding = await only(fake, FOLDERS)
    assert (finding.verdict, finding.severity) == (Verdict.COULD_NOT_TELL, Severity.LOW)
    assert "cannot be found" in finding.summary


async def test_keeping_no_copy_goes_further_than_keeping_one() -> None:
    kept = replace(ANN, forwarding_smtp_address=EVIL, keeps_copy=True)
    before, after = await only(tenant(kept)), await only(tenant(replace(kept, keeps_copy=False)))
    assert goes_further(after.reaches, before.reaches)
    assert not goes_further(before.reaches, after.reaches)


# ----------------------------------------------------------------------------------------------
# Mail-flow rules
# ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "severity"),
    [
        (replace(FLOW, redirect_to=(EVIL,)), Severity.CRITICAL),
        (replace(FLOW, blind_copy_to=(EVIL,)), Severity.CRITICAL),
        (replace(FLOW, copy_to=(EVIL,)), Severity.HIGH),
        (replace(FLOW, add_to=(EVIL,)), Severity.HIGH),
        (replace(FLOW, copy_to=(EVIL,), report_to=("b@contoso.com",)), Severity.HIGH),
    ],
)
async def test_a_mail_flow_rule_with_an_outside_recipient_concerns_everybody(
    rule: TransportRule, severity: Severity
) -> None:
    fake = tenant()
    fake.mail_flow_rules = [rule]
    fake.policies = [OutboundPolicy("Default", "Off", is_default=True)]
    finding = await only(fake)
    assert (finding.kind, finding.verdict) == ("transport-rule", ForwardingVerdict.EXTERNAL)
    assert finding.severity is severity
    assert (finding.object_id, finding.sources) == ("t1", (TRANSPORT_RULES, DOMAINS))
    assert finding.changes == ()


@pytest.mark.parametrize(
    ("rule", "verdict"),
    [
        (replace(FLOW, redirect_to=("Nobody",)), ForwardingVerdict.UNRESOLVED),
        (replace(FLOW, redirect_to=(EVIL,), enabled=False), ForwardingVerdict.DORMANT),
        (replace(FLOW, redirect_to=(EVIL,), enforced=False), ForwardingVerdict.DORMANT),
        (replace(FLOW, redirect_to=("Nobody",), enabled=False), None),
        (replace(FLOW, redirect_to=("bob@contoso.com",)), WatchedVerdict.STOCK),
        (FLOW, None),
    ],
)
async def test_other_mail_flow_rules(rule: TransportRule, verdict: str | None) -> None:
    fake = tenant()
    fake.mail_flow_rules = [rule]
    assert [finding.verdict for finding in await findings(fake)] == ([verdict] if verdict else [])


async def test_a_mail_flow_rule_to_an_allowed_domain_is_shown_and_not_told() -> None:
    fake = tenant()
    fake.mail_flow_rules = [replace(FLOW, blind_copy_to=(EVIL,))]
    allowed = replace(
        TERMS, options=replace(GUARD.options, allowed_domains=frozenset({"evil.example"}))
    )
    finding = await only(fake, terms=allowed)
    assert (finding.verdict, finding.severity) == (ForwardingVerdict.KEEP, Severity.INFO)


async def test_mail_flow_rules_that_could_not_be_listed_are_not_absent() -> None:
    fake = tenant()
    fake.fail_read(TRANSPORT_RULES)
    assert not (await look(fake)).covers((TRANSPORT_RULES,), "t1")
    fake.clear_faults()
    fake.interrupted_sources.add(TRANSPORT_RULES)
    reading = await look(fake)
    assert not reading.covers((TRANSPORT_RULES,), "t1")
    assert reading.covers((MAILBOXES, INBOX_RULES), "m1")


# ----------------------------------------------------------------------------------------------
# Large and broken listings
# ----------------------------------------------------------------------------------------------


async def test_five_hundred_forwards_to_one_contact_cost_one_look_up() -> None:
    boxes = [replace(ANN, id=f"m{n}", guid=f"g{n}", forwarding_address="Bob") for n in range(500)]
    fake = tenant(*boxes)
    fake.known_recipients = [replace(CONTACT, name="Bob")]
    found = await findings(fake)
    assert len({finding.compute_key(GUARD.name) for finding in found}) == 500
    assert [names for surface, names in fake.read_log if surface == RECIPIENTS] == [("Bob",)]


async def test_one_mailbox_that_could_not_be_read_does_not_stand_in_the_way_of_others() -> None:
    fake = tenant(
        ANN,
        replace(ANN, id="m2", guid="g2"),
        rules=(REDIRECT, replace(REDIRECT, mailbox_id="m2")),
    )
    fake.fail_read(INBOX_RULES, "m1")
    reading = await look(fake)
    assert [finding.object_id for finding in await findings(fake)] == ["m2"]
    assert not reading.covers((INBOX_RULES,), "m1")
    assert reading.covers((INBOX_RULES,), "m2")
    assert (reading.population, len(reading.unread_object_ids)) == (2, 1)


async def test_a_listing_that_broke_off_makes_the_reading_incomplete() -> None:
    fake = tenant(ANN, rules=(REDIRECT,))
    fake.interrupted_sources.add(MAILBOXES)
    assert not (await look(fake)).complete
