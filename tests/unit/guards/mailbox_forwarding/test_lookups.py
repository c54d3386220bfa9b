"""What is looked up besides forwards: the tenant's own domains, and groups that decide."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from core.guards.mailbox_forwarding.guard import GUARD
from core.guards.mailbox_forwarding.lookups import (
    get_own_domains,
    list_condition_groups,
    list_domain_failures,
)
from core.guards.mailbox_forwarding.outbound import OutboundSettings
from core.model.guards import GuardPolicy, ObserveContext
from core.tenant.mail_flow import AcceptedDomain, OutboundPolicy, SenderScope, TransportRule
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import DOMAINS

NOW = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)
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
