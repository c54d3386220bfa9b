"""What is said of what stands beside a case of a mailbox. Pure."""

from collections.abc import Iterator, Sequence

from core.model.findings import Fact, Finding, Severity
from core.tenant.mailboxes import MailboxSurroundings, SweepRule
from core.tenant.quoting import quote_text

MAX_SHOWN = 5
MAX_TEXT_LENGTH = 120


def add_beside(finding: Finding, beside: MailboxSurroundings | None) -> tuple[Fact, ...]:
    """The facts of a finding, with those of what stands beside it where it weighs enough."""
    if beside is None or finding.severity < Severity.MEDIUM:
        return finding.facts
    return (*finding.facts, *list_beside_facts(beside))


def list_beside_facts(beside: MailboxSurroundings) -> Iterator[Fact]:
    """What else there is in the mailbox."""
    for rule in beside.sweep_rules[:MAX_SHOWN]:
        yield Fact("sweep rule", describe_sweep_rule(rule))
    yield from list_named("blocked senders", beside.blocked_senders)
    if beside.trusts_only_lists:
        yield Fact("", "all mail of senders who are not on its safe list goes to junk mail")
    if beside.automatic_reply:
        yield Fact("answers people outside", quote_text(beside.automatic_reply, MAX_TEXT_LENGTH))
    yield from list_named("phones", beside.phones)
    if beside.published_calendar:
        detail = quote_text(beside.published_calendar, MAX_TEXT_LENGTH)
        yield Fact("calendar", f"published to anybody ({detail})")
    yield from list_named("add-ins of its own", beside.own_add_ins)
    if beside.unread:
        yield Fact("could not be read beside it", ", ".join(beside.unread))


def list_named(label: str, names: Sequence[str]) -> Iterator[Fact]:
    """Some names as one fact, and how many more there are."""
    if not names:
        return
    shown = ", ".join(quote_text(one, MAX_TEXT_LENGTH) for one in names[:MAX_SHOWN])
    more = len(names) - MAX_SHOWN
    yield Fact(label, f"{shown} and {more:,} more" if more > 0 else shown)


def describe_sweep_rule(rule: SweepRule) -> str:
    """What a sweep rule does, and to whose mail."""
    name = quote_text(rule.name, MAX_TEXT_LENGTH)
    sender = quote_text(rule.sender, MAX_TEXT_LENGTH) or "everybody"
    where = quote_text(rule.destination, MAX_TEXT_LENGTH) or "another folder"
    after = f" after {rule.keep_days:,} days" if rule.keep_days else ""
    return f"{name}: moves mail of {sender} to {where}{after}"
