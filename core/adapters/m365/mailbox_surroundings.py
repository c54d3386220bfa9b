"""What stands in a mailbox beside its rules: what a person who looks into a case asks for next."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import unescape
from itertools import batched, chain

from core.adapters.exchange.client import ExchangeClient
from core.adapters.exchange.command import Command
from core.adapters.exchange.listings import list_each
from core.adapters.m365.folder_names import build_folder_command, parse_folder
from core.adapters.m365.mailboxes import ALL_RESULTS
from core.adapters.parsing import (
    ResponseRow,
    explain_row_error,
    parse_row_flag,
    parse_text,
    parse_value_list,
)
from core.adapters.read_errors import build_read_failure
from core.errors import MISTAKES, NotFound, TenantError, Unavailable
from core.property_values import parse_printed_int, show_text
from core.tenant.mailboxes import Mailbox, MailboxSurroundings, SweepRule
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import MAILBOX_SURROUNDINGS

TEXT_LIMIT, MARKUP_LIMIT = 300, 256 * 1024
"""Characters of a name, and of a reply with its markup: twice what Exchange takes (Microsoft Learn:
Set-MailboxAutoReplyConfiguration). What is cut would be unseen.
"""
HIDDEN_START = re.compile(r"(?i)<(style|script|head)\b|<!--")
HIDDEN_ENDS: Mapping[str, re.Pattern[str]] = {
    "": re.compile(r"-->"),
    **{name: re.compile(rf"(?i)</{name}\s*>") for name in ("style", "script", "head")},
}
TAG = re.compile(r"<[^<>]{0,2000}>")
# What stands apart from the text around it. Within a word any other tag leaves it a word.
BLOCK = re.compile(
    r"(?i)</?(?:address|article|aside|blockquote|body|br|center|dd|div|dl|dt|figure|footer|form|"
    r"h[1-6]|head|header|hr|html|img|li|main|nav|ol|p|pre|section|table|tbody|td|tfoot|th|thead|"
    r"title|tr|ul)\b[^<>]{0,2000}>"
)
# The host of a link, or the domain of an address.
TARGET = re.compile(
    r"(?i)(?:https?://|mailto:[^\s@\"'<>]{1,64}@|(?<=[\w.+-])@)([\w.-]{1,253}\.[\w-]{2,63})"
)
MAX_ENTRIES = 100
"""Of each kind that is only shown."""
MAX_JUDGED = 10_000
"""Of each kind that is judged, every one; with more a mailbox counts as unread."""
SWEEPS, JUNK = "Get-SweepRule", "Get-MailboxJunkEmailConfiguration"
REPLIES, PHONES = "Get-MailboxAutoReplyConfiguration", "Get-MobileDevice"
ADD_INS, CALENDARS = "Get-App", "Get-MailboxCalendarFolder"
CALENDAR_TYPE = "Calendar"
NO_CALENDAR = "Exchange named no calendar of the mailbox"
NAMED_BY: Mapping[str, str] = {
    SWEEPS: "Mailbox",
    JUNK: "Identity",
    REPLIES: "Identity",
    PHONES: "Mailbox",
    ADD_INS: "Mailbox",
}
"""The parameter by which each cmdlet is told the mailbox."""
RELIES_ON = ("exchange-mailbox-extras",)

type RowsOrError = list[ResponseRow] | TenantError


@dataclass(frozen=True, slots=True)
class Found:
    """The rows of one mailbox by cmdlet; a cmdlet that failed is absent."""

    rows: Mapping[str, Sequence[ResponseRow]]
    missing: tuple[str, ...]

    def take[T](
        self, cmdlet: str, parse: Callable[[ResponseRow], T | None], limit: int = MAX_ENTRIES
    ) -> tuple[T, ...]:
        """What the first rows of a cmdlet say, as far as it counts."""
        found = (parse(row) for row in self.rows.get(cmdlet, ())[:limit])
        return tuple(one for one in found if one is not None)

    def take_all[T](self, cmdlet: str, parse: Callable[[ResponseRow], T | None]) -> tuple[T, ...]:
        """What all rows of a cmdlet say. Raises ValueError for too many."""
        check_length(self.rows.get(cmdlet, ()), cmdlet)
        return self.take(cmdlet, parse, MAX_JUDGED)


def check_length(entries: Sequence[object], name: str) -> None:
    """Raise ValueError for more entries than are judged."""
    if len(entries) > MAX_JUDGED:
        raise ValueError(f"{name}: more than {MAX_JUDGED:,} entries")


async def read_mailbox_surroundings(
    exchange: ExchangeClient, owners: Sequence[Mailbox]
) -> Reading[MailboxSurroundings]:
    """What stands beside the rules of some mailboxes: seven commands each."""
    commands = [build_extra_command(owner, cmdlet) for owner in owners for cmdlet in NAMED_BY]
    commands += [build_folder_command(owner, CALENDAR_TYPE) for owner in owners]
    answers = await list_each(exchange, commands)
    size = len(NAMED_BY)
    extras = list(batched(answers[: size * len(owners)], size, strict=True))
    calendars = await read_calendars(exchange, owners, answers[size * len(owners) :])
    items: list[MailboxSurroundings] = []
    failures: dict[tuple[str, str], ReadFailure] = {}
    for owner, found, calendar in zip(owners, extras, calendars, strict=True):
        outcome = dict(zip((*NAMED_BY, CALENDARS), (*found, calendar), strict=True))
        errors = {name: one for name, one in outcome.items() if isinstance(one, TenantError)}
        for name, error in errors.items():
            # What passes leaves this mailbox unread; any other refusal is one of the cmdlet.
            is_passing = isinstance(error, Unavailable)
            failure = build_read_failure(
                MAILBOX_SURROUNDINGS,
                error,
                owner.id if is_passing else "",
                owner.address if is_passing else "",
                optional=True,
            )
            failures.setdefault((failure.object_id or name, failure.permission), failure)
        rows = {name: one for name, one in outcome.items() if not isinstance(one, TenantError)}
        try:
            items.append(parse_surroundings(owner, Found(rows, tuple(errors))))
        except MISTAKES as error:
            # An answer that makes no sense says nothing of the mailbox, and nothing is concluded.
            items.append(MailboxSurroundings(owner.id, unread=tuple(outcome)))
            failures[owner.id, ""] = build_read_failure(
                MAILBOX_SURROUNDINGS,
                explain_row_error(error),
                owner.id,
                owner.address,
                optional=True,
            )
    return Reading(
        items=tuple(items),
        failures=tuple(dict.fromkeys(failures.values())),
        sources=frozenset({MAILBOX_SURROUNDINGS}),
        population=len(owners),
    )


async def read_calendars(
    exchange: ExchangeClient, owners: Sequence[Mailbox], folders: Sequence[RowsOrError]
) -> list[RowsOrError]:
    """Whether each calendar is published; it is asked for by its own name."""
    paths: dict[str, str] = {}
    for owner, rows in zip(owners, folders, strict=True):
        if not isinstance(rows, TenantError):
            try:
                paths[owner.id] = parse_folder(rows, CALENDAR_TYPE).path
            except ValueError:
                continue
    commands = [
        Command(CALENDARS, {"Identity": f"{one.guid}:{paths[one.id]}"}, (), one.address)
        for one in owners
        if one.id in paths
    ]
    answers = dict(zip(paths, await list_each(exchange, commands), strict=True))
    return [
        answers.get(owner.id, rows if isinstance(rows, TenantError) else NotFound(NO_CALENDAR))
        for owner, rows in zip(owners, folders, strict=True)
    ]


def build_extra_command(owner: Mailbox, cmdlet: str) -> Command:
    """The command that lists one thing of a mailbox."""
    size = ALL_RESULTS if cmdlet in (SWEEPS, PHONES) else {}
    return Command(cmdlet, {NAMED_BY[cmdlet]: owner.guid, **size}, (), owner.address)


def parse_surroundings(owner: Mailbox, found: Found) -> MailboxSurroundings:
    """What the answers about one mailbox say."""
    junk = next(iter(found.rows.get(JUNK, ())), {})
    blocked = junk.get("BlockedSendersAndDomains")
    listed = blocked if isinstance(blocked, list) else parse_value_list(blocked)
    check_length(listed, JUNK)
    return MailboxSurroundings(
        mailbox_id=owner.id,
        sweep_rules=found.take_all(SWEEPS, parse_sweep_rule),
        blocked_senders=tuple(text for one in listed if (text := parse_text(one, TEXT_LIMIT))),
        trusts_only_lists=parse_row_flag(junk, "TrustedListsOnly"),
        automatic_reply="".join(found.take(REPLIES, parse_automatic_reply)),
        reply_domains=tuple(
            dict.fromkeys(chain.from_iterable(found.take(REPLIES, parse_reply_domains)))
        ),
        phones=found.take(PHONES, parse_phone),
        published_calendar="".join(found.take(CALENDARS, parse_published_calendar)),
        own_add_ins=found.take(ADD_INS, parse_own_add_in),
        unread=found.missing,
    )


def parse_sweep_rule(row: ResponseRow) -> SweepRule | None:
    """A sweep rule that is on."""
    if not parse_row_flag({"Enabled": True, **row}, "Enabled"):
        return None
    return SweepRule(
        name=parse_text(row.get("Name"), TEXT_LIMIT),
        sender=parse_text(row.get("Sender"), TEXT_LIMIT),
        destination=parse_text(row.get("DestinationFolder"), TEXT_LIMIT),
        keep_days=parse_printed_int(row.get("KeepForDays")),
    )


def get_reply_state(row: ResponseRow) -> str:
    """Whether people outside are answered: how, or "" where nobody is."""
    state = parse_text(row.get("AutoReplyState"), 64).casefold()
    audience = parse_text(row.get("ExternalAudience"), 64).casefold()
    return "" if state == "disabled" or audience == "none" else state


def parse_automatic_reply(row: ResponseRow) -> str | None:
    """What people outside are answered; None where nobody is."""
    if not (state := get_reply_state(row)):
        return None
    return strip_markup(parse_text(row.get("ExternalMessage"), MARKUP_LIMIT)) or state


def strip_markup(text: str) -> str:
    """What a reader sees of a message: Exchange stores replies as HTML."""
    plain = unescape(TAG.sub("", BLOCK.sub(" ", drop_hidden_parts(text))))
    return " ".join(plain.split())


def drop_hidden_parts(text: str) -> str:
    """A message without what no reader sees; what is not closed is seen. Each end is looked for
    once, so that a message of nothing but beginnings takes no longer than another.
    """
    parts, position = list[str](), 0
    unclosed = set[str]()
    for start in HIDDEN_START.finditer(text):
        kind = (start[1] or "").lower()
        if start.start() < position or kind in unclosed:
            continue
        end = HIDDEN_ENDS[kind].search(text, start.end())
        if end is None:
            unclosed.add(kind)
            continue
        parts += [text[position : start.start()], " "]
        position = end.end()
    return "".join((*parts, text[position:]))


def parse_reply_domains(row: ResponseRow) -> tuple[str, ...] | None:
    """The domains that people outside are sent to; None where nobody is answered."""
    if not get_reply_state(row):
        return None
    text = unescape(parse_text(row.get("ExternalMessage"), MARKUP_LIMIT))
    found = (one.casefold().rstrip(".") for one in TARGET.findall(text))
    return tuple(dict.fromkeys(found))


def parse_phone(row: ResponseRow) -> str | None:
    """A phone that synchronizes the mailbox, with when it first did."""
    names = (show_text(row, name)[:80] for name in ("FriendlyName", "DeviceModel", "DeviceOS"))
    shown = ", ".join(dict.fromkeys(name for name in names if name)) or "a phone without a name"
    first = show_text(row, "FirstSyncTime")[:10]
    return f"{shown}, since {first}" if first else shown


def parse_published_calendar(row: ResponseRow) -> str | None:
    """How much of a calendar anybody sees; None where it is not published."""
    if not parse_row_flag(row, "PublishEnabled"):
        return None
    return parse_text(row.get("DetailLevel"), 64) or "published"


def parse_own_add_in(row: ResponseRow) -> str | None:
    """An add-in that only this user has, and what it may do."""
    if show_text(row, "Scope").casefold() != "user":
        return None
    kind = "from a file" if show_text(row, "Type").casefold() == "private" else "of the store"
    name = show_text(row, "DisplayName")[:120] or show_text(row, "AppId")[:64]
    return f"{name} ({kind}, {show_text(row, 'Requirements')[:60] or 'rights not told'})"
