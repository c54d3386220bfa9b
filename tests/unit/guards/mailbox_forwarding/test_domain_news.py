"""A domain that becomes the organization's own is told before anything is called inside by it."""

from datetime import UTC, datetime

import pytest

from core.guards.mailbox_forwarding.domain_news import judge_domain_news
from core.guards.mailbox_forwarding.verdicts import ForwardingVerdict
from core.model.findings import Finding, Severity
from core.tenant.domain_memory import DomainChange, DomainNews

START = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)


def judge(change: DomainChange, name: str = "drop.example") -> Finding:
    (finding,) = judge_domain_news(DomainNews(name, START, change))
    return finding


@pytest.mark.parametrize("change", DomainChange)
def test_each_change_is_told_at_high_as_a_case_of_its_own(change: DomainChange) -> None:
    finding = judge(change)
    assert (finding.verdict, finding.severity) == (ForwardingVerdict.NEW_DOMAIN, Severity.HIGH)
    assert finding.is_one_off
    assert finding.confirmations_needed == (change is DomainChange.GONE)
    others = [judge(other).compute_key("g") for other in DomainChange if other is not change]
    assert finding.compute_key("g") not in others


def test_the_sentences_say_what_happened_and_the_commands_set_it_back() -> None:
    new, below = judge(DomainChange.NEW), judge(DomainChange.NEW, "*.drop.example")
    relayed = judge(DomainChange.RELAYED)
    assert new.summary == "drop.example became an accepted domain of the organization."
    assert below.summary == "What lies below drop.example became an accepted domain of the " + (
        "organization."
    )
    assert "relayed elsewhere" in relayed.summary
    typed = {one.summary: [step.command for step in one.steps] for one in (new, below, relayed)}
    assert (
        "Set-AcceptedDomain -Identity 'drop.example' -MatchSubDomains:$false"
        in (typed[below.summary])
    )
    assert (
        "Set-AcceptedDomain -Identity 'drop.example' -DomainType 'Authoritative'"
        in (typed[relayed.summary])
    )
    assert any("Get-MgDomainNameReference" in one for one in typed[new.summary])


def test_an_exemption_of_a_new_domain_does_not_cover_that_it_relays_later() -> None:
    assert judge(DomainChange.NEW).object_id == "domain:drop.example"
    assert judge(DomainChange.RELAYED).object_id == "relayed-domain:drop.example"
