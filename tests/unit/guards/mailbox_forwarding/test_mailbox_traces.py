"""What stands in a mailbox beside its rules, told by itself, each mailbox in its own time."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.adapters.m365.mailbox_surroundings import (
    REPLIES,
    Found,
    parse_surroundings,
)
from core.guards.mailbox_forwarding.guard import GUARD
from core.guards.mailbox_forwarding.mailbox_traces import (
    DAY,
    MAX_BETWEEN,
    SLOT,
    SMALL_TENANT,
    WEEK,
    MailboxTraces,
    is_telling_mailbox,
    judge_traces,
    list_caught_up,
    list_slots,
    note_missed,
    place,
    select_due,
    select_missed,
)
from core.microsoft365.addresses import OwnDomains
from core.model.findings import Severity
from core.model.guards import GuardPolicy, ObserveContext
from core.tenant.known_traits import note_traits
from core.tenant.mail_flow import AcceptedDomain
from core.tenant.mailboxes import Mailbox, MailboxSurroundings, SweepRule
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import DOMAINS, MAILBOX_SURROUNDINGS, MAILBOXES
from tests.support.fakes.tenant import FakeTenant
from tests.support.remedy_checks import check_remedies
from tests.support.sentences import check_sentences

NOW = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)
ANNA = Mailbox("m1", "g1", "anna@contoso.com", "Anna")
OWN = OwnDomains(frozenset({"contoso.com"}))
POLICY = GuardPolicy(NOW, GUARD.options)
EMPTY = MailboxSurroundings("m1")


def tell(found: MailboxSurroundings) -> list[tuple[str, str, Severity]]:
    """What is told of one mailbox."""
    told = list(judge_traces(MailboxTraces(ANNA, found, OWN)))
    check_remedies(told)
    return [(one.kind, str(one.verdict), one.severity) for one in told]


def sweep(sender: str, name: str = "tidy") -> SweepRule:
    return SweepRule(name, sender, "Deleted Items", 0)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, []),
        ({"sweep_rules": (sweep('"News" [SMTP:news@shop.example]'),)}, []),
        (
            {"sweep_rules": (sweep('"IT" [SMTP:helpdesk@contoso.com]'),)},
            [("sweep-rule", "hides-mail", Severity.HIGH)],
        ),
        (
            {"sweep_rules": (sweep("karin@contoso.com"), sweep("news@shop.example"))},
            [("sweep-rule", "hides-mail", Severity.MEDIUM)],
        ),
        ({"sweep_rules": (sweep(""),)}, [("sweep-rule", "hides-mail", Severity.MEDIUM)]),
        ({"blocked_senders": ("shop.example", "news@harbour.example")}, []),
        (
            {"blocked_senders": ("shop.example", "contoso.com")},
            [("junk-list", "hides-mail", Severity.MEDIUM)],
        ),
        (
            {"blocked_senders": ("alerts@accountprotection.microsoft.com",)},
            [("junk-list", "hides-mail", Severity.MEDIUM)],
        ),
        ({"trusts_only_lists": True}, [("junk-list", "hides-mail", Severity.LOW)]),
        ({"automatic_reply": "I am away until Monday.", "reply_domains": ("harbour.example",)}, []),
        ({"automatic_reply": "Our bank account changed.", "reply_domains": ("contoso.com",)}, []),
        ({"automatic_reply": "Our bank account changed."}, []),
        (
            {
                "automatic_reply": "Our bank account changed, send invoices there.",
                "reply_domains": ("contoso.com", "harbour.example"),
            },
            [("automatic-reply", "bait", Severity.MEDIUM)],
        ),
        (
            {
                "automatic_reply": "I am away until Monday. " * 500 + "Our bank is another one.",
                "reply_domains": ("drop.example",),
            },
            [("automatic-reply", "bait", Severity.MEDIUM)],
        ),
        ({"published_calendar": "AvailabilityOnly"}, []),
        (
            {"published_calendar": "LimitedDetails"},
            [("published-calendar", "published", Severity.LOW)],
        ),
        (
            {"published_calendar": "FullDetails"},
            [("published-calendar", "published", Severity.MEDIUM)],
        ),
        ({"phones": ("iPhone",), "own_add_ins": ("Helper",)}, []),
    ],
)
def test_what_is_told_of_a_mailbox(
    change: Mapping[str, Any], expected: list[tuple[str, str, Severity]]
) -> None:
    assert tell(replace(EMPTY, **change)) == expected


LONG = "n" * 300
BANK = "Our bank account changed."


def test_sentences_about_what_stands_in_a_mailbox() -> None:
    cases: Mapping[str, Mapping[str, Any]] = {
        "A sweep rule about a colleague": {"sweep_rules": (sweep("karin@contoso.com"),)},
        "A sweep rule about everybody, with little known": {
            "sweep_rules": (SweepRule("", "", ""),)
        },
        "Two sweep rules": {"sweep_rules": (sweep("karin@contoso.com"), sweep("leo@contoso.com"))},
        "Several sweep rules, the gravest of which is named": {
            "sweep_rules": (
                sweep("karin@contoso.com"),
                sweep("news@shop.example"),
                sweep("helpdesk@contoso.com"),
                sweep(""),
            )
        },
        "More sweep rules than are shown, with long names": {
            "sweep_rules": (
                SweepRule(LONG, f"{LONG}@contoso.com", LONG),
                *(sweep(f"u{number}@contoso.com") for number in range(7)),
            )
        },
        "Blocked senders": {
            "blocked_senders": ("shop.example", "contoso.com", "helpdesk@contoso.com")
        },
        "More blocked senders than are shown, with long names": {
            "blocked_senders": (
                f"{LONG}@contoso.com",
                *(f"u{number}@contoso.com" for number in range(7)),
            ),
            "trusts_only_lists": True,
        },
        "Only senders of a list are let in": {"trusts_only_lists": True},
        "An answer about money": {
            "automatic_reply": BANK,
            "reply_domains": ("contoso.com", "harbour.example"),
        },
        "A long answer that leads to more places than are shown": {
            "automatic_reply": BANK + LONG,
            "reply_domains": (LONG, *(f"d{number}.example" for number in range(7))),
        },
        "A calendar": {"published_calendar": "Editor"},
        "A calendar of which nobody knows what it shows": {"published_calendar": LONG},
    }
    check_sentences(
        "mailbox_forwarding_traces",
        {
            title: judge_traces(MailboxTraces(ANNA, replace(EMPTY, **found), OWN))
            for title, found in cases.items()
        },
    )


def test_names_of_the_tenant_are_quoted_and_bounded() -> None:
    hostile = "a\u202eb" + "x" * 900
    found = replace(
        EMPTY,
        sweep_rules=(sweep("", hostile), sweep("security@contoso.com", hostile)),
        blocked_senders=("itdesk@contoso.com" + hostile,),
        automatic_reply="invoice " + hostile,
        reply_domains=("harbour.example" + hostile,),
        published_calendar=hostile,
    )
    for one in judge_traces(MailboxTraces(ANNA, found, OWN)):
        text = one.summary + "".join(f"{fact.label}{fact.text}" for fact in one.facts)
        assert "\u202e" not in text
        assert len(text) < 1_600


def test_each_mailbox_has_its_time_once_in_a_period() -> None:
    boxes = [Mailbox(f"m{number}", f"g{number}", f"a{number}@x") for number in range(60)]
    for period, size in ((WEEK, SMALL_TENANT), (DAY, 60)):
        read: Counter[str] = Counter()
        at, before = NOW, NOW - SLOT
        for _ in range(period // SLOT):
            context = ObserveContext(
                GuardPolicy(at, GUARD.options), last_scan=before, least_trusted_count=size
            )
            read.update(one.id for one in select_due(boxes, context, everything=False))
            at, before = at + SLOT, at
        # Where nobody's time came, the next one is read before it: nobody is left out.
        assert read.keys() == {one.id for one in boxes}
        in_time = Counter({one.id: 1 for one in boxes})
        assert read - in_time + in_time == read


def test_one_is_always_read_that_whose_time_is_next() -> None:
    boxes = [Mailbox(f"m{number}", f"g{number}", "a@x") for number in range(5)]
    context = ObserveContext(POLICY, last_scan=NOW, seed="a")
    (first,) = select_due(boxes, context, everything=False)
    size, current = WEEK // SLOT, int(NOW.timestamp() // 900)
    assert all(
        (place(first.id, size, "a") - current) % size <= (place(one.id, size, "a") - current) % size
        for one in boxes
    )
    assert select_due([], context, everything=False) == []
    later = replace(context, is_first_range=False)
    assert select_due(boxes, later, everything=False) == [], "one of the tenant is enough"


@pytest.mark.parametrize(
    ("count", "period"),
    [(0, WEEK), (1, DAY), (SMALL_TENANT - 1, DAY), (SMALL_TENANT, WEEK)],
)
def test_in_a_small_tenant_a_mailbox_has_its_time_each_day(count: int, period: timedelta) -> None:
    boxes = [Mailbox(f"m{number}", f"g{number}", "a@x") for number in range(40)]
    context = ObserveContext(POLICY, last_scan=NOW - DAY, least_trusted_count=count, seed="a")
    due = select_due(boxes, context, everything=False)
    slots = list_slots(NOW - DAY, NOW, period)
    assert due == [one for one in boxes if place(one.id, period // SLOT, "a") in slots]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, False),
        ({"sweep_rules": (sweep("x"),)}, True),
        ({"blocked_senders": ("x",)}, True),
        ({"trusts_only_lists": True}, True),
        ({"automatic_reply": "x"}, True),
        ({"published_calendar": "x"}, True),
        ({"phones": ("x",), "own_add_ins": ("x",), "reply_domains": ("x",)}, False),
    ],
)
def test_what_may_be_worth_a_word(change: Mapping[str, Any], expected: bool) -> None:
    assert is_telling_mailbox(replace(EMPTY, **change)) is expected


def test_what_was_missed_while_nobody_looked_is_read_now() -> None:
    size = WEEK // SLOT
    assert list_slots(NOW - timedelta(hours=1), NOW, WEEK) == {
        (int(NOW.timestamp() // 900) - number) % size for number in range(4)
    }
    assert len(list_slots(NOW - 30 * DAY, NOW, WEEK)) == size
    assert len(list_slots(None, NOW, WEEK)) == 1
    # A clock that ran ahead brings nothing forward.
    assert list_slots(NOW + DAY, NOW, WEEK) == set()
    assert 0 <= place("m1", size, "a") < size


def test_nobody_can_tell_the_time_of_a_mailbox_who_does_not_know_the_seed() -> None:
    places = {place("m1", WEEK // SLOT, f"{number:032x}") for number in range(200)}
    assert len(places) > 100


def test_open_cases_are_read_again_and_not_too_many() -> None:
    boxes = [Mailbox(f"m{number}", f"g{number}", "a@x") for number in range(60)]
    ids = frozenset(one.id for one in boxes)
    context = ObserveContext(POLICY, last_scan=NOW, open_case_ids=ids)
    assert len(select_due(boxes, context, everything=False)) == MAX_BETWEEN
    assert select_due(boxes, context, everything=True) == boxes


def test_a_mailbox_that_could_not_be_read_is_read_again_until_it_was() -> None:
    boxes = [Mailbox(f"m{number}", f"g{number}", "a@x") for number in range(60)]
    context = ObserveContext(POLICY, last_scan=NOW - SLOT, least_trusted_count=SMALL_TENANT)
    due = select_due(boxes, context, everything=False)
    missed = [one for one in boxes if one not in due][:2]
    failures = tuple(ReadFailure(MAILBOX_SURROUNDINGS, "HTTP 503", one.id) for one in missed)
    read = Reading[MailboxSurroundings](failures=failures)
    noted = {one.key: one for one in note_missed([*due, *missed], read, context)}
    assert len(noted) == len(missed)
    again = replace(context, known_traits=noted)
    assert set(missed) <= set(select_due(boxes, again, everything=False))
    assert [one.id for one in select_missed(boxes, again)] == [one.id for one in missed]
    other = note_traits({}, boxes[0].id, "something else", ["x"], NOW)
    assert not select_missed(boxes, replace(context, known_traits={other.key: other}))
    # Once it was read it waits for its time like any other.
    assert list_caught_up([*due, *missed], read, again) == ()
    assert note_missed([*due, *missed], Reading(), again) == ()
    assert list_caught_up([*due, *missed], Reading(), again) == tuple(noted.values())


async def look(fake: FakeTenant, *, unread: str = "") -> Reading[Any]:
    """All of one mailbox, as after a record of a change."""
    if unread:
        fake.fail_read(unread, "", "HTTP 503")
    assert GUARD.look_at is not None
    readings = [one async for one in GUARD.look_at(fake, ObserveContext(POLICY), [ANNA])]
    return readings[-1]


def tenant(*found: MailboxSurroundings) -> FakeTenant:
    return FakeTenant(
        boxes=[ANNA], domains=[AcceptedDomain("contoso.com")], surroundings=list(found)
    )


SWEPT = replace(EMPTY, sweep_rules=(sweep("itdesk@contoso.com"),))


async def test_a_record_of_a_change_has_its_mailbox_read_as_a_whole() -> None:
    reading = await look(tenant(SWEPT))
    (item,) = [one for one in reading.items if isinstance(one, MailboxTraces)]
    (found,) = GUARD.judge(item, POLICY)
    assert (found.kind, found.object_id) == ("sweep-rule", "m1")
    assert reading.covers((MAILBOX_SURROUNDINGS, MAILBOXES), "m1")


@pytest.mark.parametrize(
    ("found", "unread"),
    [
        (SWEPT, DOMAINS),
        (SWEPT, MAILBOX_SURROUNDINGS),
        (replace(SWEPT, unread=("Get-SweepRule",)), ""),
    ],
)
async def test_what_was_not_read_as_a_whole_ends_no_case(
    found: MailboxSurroundings, unread: str
) -> None:
    reading = await look(tenant(found), unread=unread)
    assert not [one for one in reading.items if isinstance(one, MailboxTraces)]
    assert not reading.covers((MAILBOX_SURROUNDINGS, MAILBOXES), "m1")


@pytest.mark.parametrize(
    ("message", "text", "domains"),
    [
        (
            "<html><head><style>p{color:red}</style></head><body><p>New&nbsp;bank: "
            '<a href="https://pay.harbour.example/x">here</a> or mail acc@drop.example.</p></body>',
            "New bank: here or mail acc@drop.example.",
            ("pay.harbour.example", "drop.example"),
        ),
        ("Away. mailto:x@c.example", "Away. mailto:x@c.example", ("c.example",)),
        ("Back on 1.12.", "Back on 1.12.", ()),
    ],
)
def test_a_reply_is_read_as_people_see_it(
    message: str, text: str, domains: tuple[str, ...]
) -> None:
    row = {"AutoReplyState": "Enabled", "ExternalAudience": "All", "ExternalMessage": message}
    found = parse_surroundings(ANNA, Found({REPLIES: [row]}, ()))
    assert (found.automatic_reply, found.reply_domains) == (text, domains)
    off = parse_surroundings(ANNA, Found({REPLIES: [row | {"AutoReplyState": "Disabled"}]}, ()))
    assert (off.automatic_reply, off.reply_domains) == ("", ())
