"""What stands in a mailbox beside its rules and is told by itself, and which mailboxes are read.

A sweep rule or a list of blocked senders keeps mail from its reader where no view of rules shows
it; an automatic reply answers customers with another account number; a published calendar is read
by anybody. Reading them takes seven commands a mailbox, so each has its own time in the week, or in
the day of a small tenant; a record of a change, and an open case, bring it forward. Pure.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zlib import crc32

from core.guards.mailbox_forwarding.remedies import build_trace_remedy, get_held_account
from core.guards.mailbox_forwarding.senders import weigh_senders
from core.guards.mailbox_forwarding.verdicts import ForwardingVerdict
from core.guards.mailbox_forwarding.words import has_telling_word
from core.keys import hash_parts
from core.microsoft365.addresses import OwnDomains
from core.model.findings import Fact, Finding, Severity
from core.model.guards import ObserveContext
from core.model.reach import Reach
from core.tenant.domain_names import to_a_label
from core.tenant.known_traits import KnownTraits, build_traits_key, note_traits
from core.tenant.mailbox_index import select_between_checks
from core.tenant.mailboxes import Mailbox, MailboxSurroundings, SweepRule, format_mailbox_name
from core.tenant.quoting import quote_text
from core.tenant.readings import Reading
from core.tenant.sources import MAILBOX_SURROUNDINGS, MAILBOXES

MAX_TEXT_LENGTH, MAX_SHOWN = 120, 6
SLOT = timedelta(minutes=15)
WEEK, DAY = timedelta(days=7), timedelta(days=1)
SMALL_TENANT = 500
"""Of fewer mailboxes each is read once a day."""
MAX_BETWEEN = 10
"""Mailboxes of a range that are read again since they have an open case."""
MISSED_KIND, MISSED = "surroundings-missed", "missed"
"""What is remembered of a mailbox that could not be read, so that it does not wait a week."""
SOURCES = (MAILBOX_SURROUNDINGS, MAILBOXES)
# How much of a calendar anybody sees (Microsoft Learn: Set-MailboxCalendarFolder, DetailLevel).
CALENDAR_WEIGHTS = {
    "availabilityonly": Severity.INFO,
    "limiteddetails": Severity.LOW,
    "fulldetails": Severity.MEDIUM,
    "editor": Severity.HIGH,
}


@dataclass(frozen=True, slots=True)
class MailboxTraces:
    """What was found in one mailbox."""

    mailbox: Mailbox
    found: MailboxSurroundings
    own_domains: OwnDomains

    def is_own(self, domain: str) -> bool:
        """Whether a domain is one of the tenant's own."""
        return self.own_domains.contains_domain(to_a_label(domain))


def select_due(
    mailboxes: Sequence[Mailbox], context: ObserveContext, *, everything: bool
) -> list[Mailbox]:
    """The mailboxes to read now: those whose time came since the last scan, those that could not be
    read when it was theirs, and open cases.

    One of the first mailboxes is always read, that whose time is next: so a permission that is
    missing is known in every look, and not only now and then.
    """
    if everything:
        return list(mailboxes)
    period = DAY if 0 < context.least_trusted_count < SMALL_TENANT else WEEK
    slots = list_slots(context.last_scan, context.policy.now, period)
    again = select_between_checks(mailboxes, context.open_case_ids)[:MAX_BETWEEN]
    ids = {one.id for one in (*again, *select_missed(mailboxes, context))}
    size, seed = period // SLOT, context.seed
    due = [one for one in mailboxes if one.id in ids or place(one.id, size, seed) in slots]
    if due or not mailboxes or not context.is_first_range:
        return due
    now = get_slot(context.policy.now)
    return [min(mailboxes, key=lambda one: ((place(one.id, size, seed) - now) % size, one.id))]


def select_missed(mailboxes: Sequence[Mailbox], context: ObserveContext) -> list[Mailbox]:
    """The mailboxes that could not be read at the last look at them."""
    missed = {
        row.object_id
        for row in context.known_traits.values()
        if row.kind == MISSED_KIND and row.traits
    }
    return [one for one in mailboxes if one.id in missed][:MAX_BETWEEN]


def note_missed(
    due: Sequence[Mailbox], read: Reading[MailboxSurroundings], context: ObserveContext
) -> tuple[KnownTraits, ...]:
    """Which mailboxes have to be read again, for what could not be read of them in passing."""
    missed = {failure.object_id for failure in read.failures}
    known, now = context.known_traits, context.policy.now
    return tuple(
        note_traits(known, one.id, MISSED_KIND, (MISSED,), now) for one in due if one.id in missed
    )


def list_caught_up(
    due: Sequence[Mailbox], read: Reading[MailboxSurroundings], context: ObserveContext
) -> tuple[KnownTraits, ...]:
    """What was remembered of mailboxes that had to be read again, and were."""
    missed = {failure.object_id for failure in read.failures}
    keys = [build_traits_key(one.id, MISSED_KIND) for one in due if one.id not in missed]
    return tuple(row for key in keys if (row := context.known_traits.get(key)))


def place(mailbox_id: str, size: int, seed: str) -> int:
    """The number of a mailbox's slot in the period, which nobody can tell without the seed."""
    return crc32(mailbox_id.encode("utf-8", "replace"), crc32(seed.encode())) % size


def get_slot(at: datetime) -> int:
    """The number of the slot that a time lies in."""
    return int(at.astimezone(UTC).timestamp() // SLOT.total_seconds())


def list_slots(since: datetime | None, now: datetime, period: timedelta) -> Collection[int]:
    """The slots that began since the last scan; those of a whole period at most."""
    size, current = period // SLOT, get_slot(now)
    first = current
    if since is not None:
        first = get_slot(since) + 1
    first = max(first, current - size + 1)
    return {slot % size for slot in range(first, current + 1)}


def is_telling_mailbox(found: MailboxSurroundings) -> bool:
    """Whether anything in a mailbox may be worth a word."""
    return bool(
        found.sweep_rules
        or found.blocked_senders
        or found.trusts_only_lists
        or found.automatic_reply
        or found.published_calendar
    )


def judge_traces(item: MailboxTraces) -> Iterator[Finding]:
    """What is told of one mailbox."""
    yield from judge_sweep_rules(item)
    yield from judge_junk_list(item)
    yield from judge_reply(item)
    yield from judge_calendar(item)


def judge_sweep_rules(item: MailboxTraces) -> Iterator[Finding]:
    """Rules that clear away mail of colleagues, or of whoever would warn the owner.

    Newsletters are what sweep rules are made for.
    """
    told: list[tuple[SweepRule, Severity]] = []
    for rule in item.found.sweep_rules:
        senders = weigh_senders([rule.sender] if rule.sender else [], item.is_own)
        if senders.warning:
            told.append((rule, Severity.HIGH))
        elif senders.own or not rule.sender:
            told.append((rule, Severity.MEDIUM))
    if not told:
        return
    name = format_mailbox_name(item.mailbox)
    rule = max(told, key=lambda one: one[1])[0]
    whose = quote_text(rule.sender, MAX_TEXT_LENGTH) or "everybody"
    more = f", and {len(told) - 1:,} more do the like" if len(told) > 1 else ""
    yield build_finding(
        item,
        "sweep-rule",
        ForwardingVerdict.HIDES_MAIL,
        max(severity for _, severity in told),
        f"A sweep rule of {name} clears away mail of {whose}{more}.",
        tuple(
            Fact(
                quote_text(one.name, MAX_TEXT_LENGTH) or "a rule without a name",
                f"mail of {quote_text(one.sender, MAX_TEXT_LENGTH) or 'everybody'} goes to "
                f"{quote_text(one.destination, MAX_TEXT_LENGTH) or 'another folder'}",
            )
            for one, _ in told[:MAX_SHOWN]
        ),
        f"Ask {name} whether they made it. Unless they did, take the account for stolen, and the "
        "rule out: Outlook on the web > Settings > Mail > Sweep.",
        sorted(f"{one.sender} {one.destination}" for one, _ in told),
    )


def judge_junk_list(item: MailboxTraces) -> Iterator[Finding]:
    """A list of blocked senders on which colleagues or those who warn stand."""
    senders = weigh_senders(item.found.blocked_senders, item.is_own)
    kept = [*senders.warning, *senders.own]
    name = format_mailbox_name(item.mailbox)
    if kept:
        shown = ", ".join(quote_text(one, MAX_TEXT_LENGTH) for one in kept[:MAX_SHOWN])
        yield build_finding(
            item,
            "junk-list",
            ForwardingVerdict.HIDES_MAIL,
            Severity.MEDIUM,
            f"{name} puts mail of {shown} into junk mail.",
            (Fact("blocked senders", f"{len(item.found.blocked_senders):,}"),),
            f"Ask {name} whether they blocked them. Unless they did, look at the rules and "
            "sign-ins of the account, and take them off the list: Outlook > Junk Email Options.",
            sorted(kept),
        )
    elif item.found.trusts_only_lists:
        yield build_finding(
            item,
            "junk-list",
            ForwardingVerdict.HIDES_MAIL,
            Severity.LOW,
            f"{name} puts all mail into junk mail but that of senders on its list.",
            (),
            f"Ask {name} whether they want it so.",
            ["lists only"],
        )


def judge_reply(item: MailboxTraces) -> Iterator[Finding]:
    """An automatic reply that speaks of money or accounts and leads elsewhere."""
    text = item.found.automatic_reply
    elsewhere = [one for one in item.found.reply_domains if not item.is_own(one)]
    if not elsewhere or not has_telling_word(text):
        return
    name = format_mailbox_name(item.mailbox)
    shown = ", ".join(quote_text(one, MAX_TEXT_LENGTH) for one in elsewhere[:MAX_SHOWN])
    yield build_finding(
        item,
        "automatic-reply",
        ForwardingVerdict.BAIT,
        Severity.MEDIUM,
        f"Whoever writes to {name} from outside is answered about money or accounts, and sent to "
        f"{shown}.",
        (Fact("answers", quote_text(text, 2 * MAX_TEXT_LENGTH)),),
        f"Ask {name} whether they wrote it. Unless they did, take the account for stolen, switch "
        "the reply off, and warn those who wrote meanwhile.",
        sorted(elsewhere),
    )


def judge_calendar(item: MailboxTraces) -> Iterator[Finding]:
    """A calendar that anybody may see, by how much of it."""
    detail = item.found.published_calendar
    severity = CALENDAR_WEIGHTS.get(detail.casefold(), Severity.MEDIUM)
    if not detail or severity is Severity.INFO:
        return
    name = format_mailbox_name(item.mailbox)
    yield build_finding(
        item,
        "published-calendar",
        ForwardingVerdict.PUBLISHED,
        severity,
        f"Anybody who has the address sees the calendar of {name} "
        f"({quote_text(detail, MAX_TEXT_LENGTH)}).",
        (),
        f"Ask {name} whether they published it. Unless they did, have them stop it: Outlook on the "
        "web > Settings > Calendar > Shared calendars.",
        [detail.casefold()],
    )


def build_finding(
    item: MailboxTraces,
    kind: str,
    verdict: ForwardingVerdict,
    severity: Severity,
    summary: str,
    facts: tuple[Fact, ...],
    advice: str,
    steps: Sequence[str],
) -> Finding:
    """One thing of a mailbox, recognised by what it does."""
    return Finding(
        kind=kind,
        object_id=item.mailbox.id,
        subject=format_mailbox_name(item.mailbox),
        severity=severity,
        verdict=verdict,
        summary=summary,
        facts=facts,
        sources=SOURCES,
        advice=advice,
        steps=build_trace_remedy(item.mailbox, kind, advice),
        held_account=get_held_account(item.mailbox),
        reaches=(Reach.of(hash_parts(kind, step)[:16] for step in steps),),
    )
