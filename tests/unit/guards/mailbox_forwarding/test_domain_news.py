"""A domain that becomes the organization's own is told before anything is called inside by it."""

from datetime import UTC, datetime

from core.guards.mailbox_forwarding.domain_news import judge_domain_news
from core.guards.mailbox_forwarding.verdicts import ForwardingVerdict
from core.model.findings import Severity
from core.tenant.domain_memory import DomainNews

START = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)


def test_both_are_told_at_high_and_one_that_is_gone_only_when_it_stays_gone() -> None:
    (new,) = judge_domain_news(DomainNews("drop.example", START))
    (gone,) = judge_domain_news(DomainNews("drop.example", START, is_gone=True))
    for finding in (new, gone):
        assert (finding.verdict, finding.severity) == (ForwardingVerdict.NEW_DOMAIN, Severity.HIGH)
        assert finding.object_id == "domain:drop.example"
        assert finding.is_one_off
    assert new.summary == "drop.example became an accepted domain of the organization."
    assert (new.confirmations_needed, gone.confirmations_needed) == (0, 1)
    assert new.compute_key("g") != gone.compute_key("g")
