"""What is looked up besides forwards: the tenant's own domains, and groups that decide."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from core.guards.mailbox_forwarding.guard import GUARD
from core.guards.mailbox_forwarding.lookups import (
    get_own_domains,
    list_condition_groups,
    list_domain_failures,
    list_lookup_names,
)
from core.guards.mailbox_forwarding.outbound import OutboundSettings
from core.microsoft365.addresses import OwnDomains
from core.model.guards import GuardPolicy, ObserveContext
from core.tenant.domain_changes import compare_domains
from core.tenant.domain_memory import note_questions
from core.tenant.known_traits import KnownTraits
from core.tenant.mail_flow import (
    AcceptedDomain,
    InboxRule,
    OutboundPolicy,
    SenderScope,
    TransportRule,
)
from core.tenant.mailboxes import Mailbox
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import DOMAINS

NOW = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
CONTOSO = AcceptedDomain("contoso.com")
MISS = ReadFailure(DOMAINS, "HTTP 503")


@pytest.mark.parametrize(
    ("domains", "found"),
    [
        (Reading(items=(CONTOSO,)), True),
        (Reading(items=(CONTOSO,), failures=(replace(MISS, optional=True),)), True),
        (Reading(items=(CONTOSO,), failures=(MISS,)), False),
        (Reading(items=(CONTOSO,), complete=False), False),
        (Reading[AcceptedDomain](), False),
    ],
)
def test_without_all_domains_nothing_is_called_outside(
    domains: Reading[AcceptedDomain], found: bool
) -> None:
    context = ObserveContext(GuardPolicy(NOW, GUARD.options))
    assert (get_own_domains(domains, context) is not None) is found


def test_an_answer_without_a_domain_is_no_answer() -> None:
    (told,) = list_domain_failures(Reading[AcceptedDomain]())
    assert (told.source, told.reason) == (DOMAINS, "no accepted domain was named")
    assert list_domain_failures(Reading(items=(CONTOSO,))) == ()
    assert list_domain_failures(Reading[AcceptedDomain](failures=(MISS,))) == ()


def test_only_groups_that_decide_whether_mail_leaves_are_looked_up() -> None:
    stops = TransportRule(
        "t1",
        "Stop",
        actions={"DeleteMessage": ("True",)},
        conditions={"MessageTypeMatches": ("AutoForward",), "FromMemberOf": ("Sales", "")},
        exceptions={"FromMemberOf": ("Board",)},
    )
    marks = replace(stops, id="t2", actions={"PrependSubject": ("x",)}, exceptions={})
    marks = replace(marks, conditions={"FromMemberOf": ("Nobody",)})
    policy = OutboundPolicy("P", "On", scope=SenderScope(groups=("Team",)))
    policy = replace(policy, exceptions=SenderScope(groups=("Guests",)))
    settings = OutboundSettings((policy,), (), (stops, marks))
    names = {name.casefold() for name in list_condition_groups(settings)}
    assert names == {"sales", "board", "team", "guests"}


OWN = OwnDomains(frozenset({"contoso.com"}))


def test_whoever_is_not_plainly_outside_is_asked_about() -> None:
    boxes = [
        Mailbox("m1", "g1", "ann@contoso.com", forwarding_address=" Bob "),
        Mailbox("m2", "g2", "cy@contoso.com", forwarding_smtp_address="smtp:Dan@contoso.com"),
        Mailbox("m3", "g3", "eve@contoso.com", forwarding_smtp_address="smtp:x@evil.example"),
    ]
    rules = [
        InboxRule("r1", "m1", "One", "graph", forward_to=("Fay", "y@evil.example")),
        InboxRule("r2", "m1", "Two", "graph", redirect_to=("gil@contoso.com",)),
    ]
    flow = [TransportRule("t1", "Copies", copy_to=("Hal",), moderators=("z@evil.example",))]
    assert list_lookup_names(boxes, rules, flow, OWN) == {
        *("Bob", "dan@contoso.com", "Fay", "gil@contoso.com", "Hal")
    }
    assert list_lookup_names([], [], [], OWN) == set()


def test_a_domain_that_is_new_counts_once_somebody_answered_for_it() -> None:
    new = AcceptedDomain("contoso.example")
    policy = GuardPolicy(NOW, GUARD.options)
    first, _ = compare_domains([CONTOSO], {}, NOW)
    known = {row.key: row for row in first}
    noted, news = compare_domains([CONTOSO, new], known, NOW + QUARTER)
    assert [one.name for one in news] == ["contoso.example"]
    known |= {row.key: row for row in noted}
    read = Reading((CONTOSO, new))
    policy = replace(policy, now=NOW + 2 * QUARTER)
    for open_ids, is_own in ((("domain:contoso.example",), False), ((), True)):
        context = ObserveContext(policy, open_case_ids=frozenset(open_ids), known_traits=known)
        own = get_own_domains(read, context)
        assert own is not None
        assert own.contains_domain("contoso.com")
        assert own.contains_domain("contoso.example") is is_own


def test_who_does_not_know_every_case_knows_which_domains_are_in_question() -> None:
    new, policy = AcceptedDomain("contoso.example"), GuardPolicy(NOW, GUARD.options)
    known: dict[str, KnownTraits] = {}
    found = []
    for count, asked_names in enumerate(((), (), ("contoso.example",), ())):
        at = NOW + count * QUARTER
        domains = [CONTOSO, new] if count else [CONTOSO]
        rows, _ = compare_domains(domains, known, at)
        asked = note_questions(rows, known, at, asked_names.__contains__)
        known |= {row.key: row for row in [*rows, *asked]}
        part = ObserveContext(
            replace(policy, now=at + QUARTER / 2), knows_every_case=False, known_traits=known
        )
        own = get_own_domains(Reading((CONTOSO, new)), part)
        assert own is not None
        assert own.contains_domain("contoso.com")
        found.append(own.contains_domain("contoso.example"))
    # Not listed yet; new; still asked about; answered.
    assert found == [False, False, False, True]
