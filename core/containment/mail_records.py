"""What audit records say an account did with mail, and what else it did. Pure.

Several readings of a search are put together: each may lack records, so of what both have, the
larger count stands, and it is a least one. Names are foreign text, bounded and escaped where they
are shown.

Microsoft Learn, Use MailItemsAccessed to investigate compromised accounts: Bind names messages; of
Sync any message of the folder may have been read; after IsThrottled a day is not on record.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.activity.hints import SHOWN_PARAMETERS
from core.tenant.activity import ActivityActor, ActivityRecord
from core.tenant.audit_queries import FoundRecord, MailAccess, MailPart
from core.tenant.quoting import quote_text

MAX_ROWS = 2_000
"""The most rows of a section, the latest; how many earlier ones there were at least is counted."""
MAX_PLACES = 20
MAX_SET = 12
"""Parameters of one record; those that lead somewhere come first."""
MAX_SHOWN_RECIPIENTS = 100
IDENTITIES: Mapping[str, tuple[str, ...]] = {
    "opened": ("mailbox", "message", "subject", "by"),
    "copied": ("mailbox", "folder", "by"),
    "attachments": ("mailbox", "message", "subject", "attachments", "by"),
    "sent": ("first", "mailbox", "message", "subject"),
    "unclear": ("mailbox", "message", "subject", "what", "by"),
    "not_recorded": ("mailbox",),
    "other_acts": ("first", "operation", "by", "set"),
}
SECTIONS = tuple(IDENTITIES)
"""Single messages; whole folders; attachments; what was sent; accesses of which the record does not
tell more; days of which records are missing; everything that is not about mail.
"""

type Row = dict[str, Any]
type Sections = dict[str, list[Row]]


def describe_hand(actor: ActivityActor) -> str:
    """Who acted, as a record tells it: an app by its id, never by the mailbox's owner."""
    name = actor.app_id or actor.id if actor.kind == "app" else actor.name or actor.id
    return quote_text(f"{actor.kind}: {name or 'not told'}", 300)


@dataclass(frozen=True, slots=True)
class MailSections:
    """What readings of a search tell."""

    rows: Sections
    """By section, the latest last."""
    left_out: Mapping[str, int]
    """How many earlier rows of a section there were at least, of those that have more than fit."""


def keep_latest(sections: Mapping[str, Sequence[Row]]) -> MailSections:
    """The latest rows of each section, and how many are left out."""
    return MailSections(
        {name: list(rows[-MAX_ROWS:]) for name, rows in sections.items()},
        {name: len(rows) - MAX_ROWS for name, rows in sections.items() if len(rows) > MAX_ROWS},
    )


def build_sections(found: Iterable[FoundRecord]) -> MailSections:
    """What one reading of a search tells."""
    sections: dict[str, dict[str, Row]] = {name: {} for name in SECTIONS}
    for one in sorted(found, key=lambda one: (one.record.at, one.record.id)):
        for name, row in list_rows(one):
            key = identify_row(name, row)
            known = sections[name].get(key)
            sections[name][key] = add_row(known, row) if known else row
    return keep_latest({name: list(rows.values()) for name, rows in sections.items()})


def list_rows(found: FoundRecord) -> Iterator[tuple[str, Row]]:
    """The rows of one record, each with its section."""
    record, mail = found.record, found.mail
    if mail is None:
        row = {**start_row(record), "operation": quote_text(record.operation, 120)}
        told = sorted(record.parameters.items(), key=lambda one: one[0] not in SHOWN_PARAMETERS)
        row["set"] = {
            quote_text(name, 80): quote_text(value, 300) for name, value in told[:MAX_SET]
        }
        yield "other_acts", row
        return
    about = quote_text(mail.mailbox, 320)
    if mail.is_throttled:
        yield "not_recorded", {**start_row(record), "mailbox": about}
    match mail.access:
        case MailAccess.SENT:
            yield "sent", build_sent_row(record, mail, about)
        case MailAccess.SYNC:
            for folder in mail.folders or ("",):
                shown = quote_text(folder, 300) or "(not told)"
                yield "copied", {**start_row(record), "mailbox": about, "folder": shown}
        case _:
            yield from list_item_rows(record, mail, about)


def list_item_rows(record: ActivityRecord, mail: MailPart, about: str) -> Iterator[tuple[str, Row]]:
    """The rows of a record that names messages or attachments, or should."""
    section = {MailAccess.BIND: "opened", MailAccess.ATTACHMENT: "attachments"}.get(
        mail.access, "unclear"
    )
    for item in mail.items:
        row = {
            **start_row(record),
            "mailbox": about,
            "message": quote_text(item.message_id, 320),
            "folder": quote_text(item.folder, 300),
            "subject": quote_text(item.subject, 300),
            "attachments": [quote_text(name, 200) for name in item.attachments],
        }
        yield section, row
    if not mail.items or mail.left_out:
        unnamed = {"mailbox": about, "what": section, "not_named": mail.left_out or 1}
        yield "unclear", {**start_row(record), **unnamed}


def build_sent_row(record: ActivityRecord, mail: MailPart, about: str) -> Row:
    """A message that was sent."""
    item = mail.items[0] if mail.items else None
    shown = mail.recipients[:MAX_SHOWN_RECIPIENTS]
    return {
        **start_row(record),
        "mailbox": about,
        "operation": quote_text(record.operation, 60),
        "message": quote_text(item.message_id, 320) if item else "",
        "subject": quote_text(item.subject, 300) if item else "",
        "recipients": [quote_text(one, 320) for one in shown],
        "more_recipients": len(mail.recipients) - len(shown) + mail.left_out,
    }


def start_row(record: ActivityRecord) -> Row:
    """What every row has: when, by whom, from where, in which sessions, how often at least."""
    return {
        "first": record.at.isoformat(),
        "last": record.at.isoformat(),
        "records": 1,
        "by": describe_hand(record.actor),
        "addresses": [record.address] if record.address else [],
        "clients": [quote_text(record.client, 200)] if record.client else [],
        "sessions": [record.session] if record.session else [],
    }


def add_row(known: Row, row: Row) -> Row:
    """A row with one more record of the same reading."""
    return {**join_rows(known, row), "records": known["records"] + row["records"]}


def join_rows(one: Row, other: Row) -> Row:
    """Two rows about the same; of the counts the larger one."""
    joined = {**one, **other}
    joined["first"] = min(one["first"], other["first"])
    joined["last"] = max(one["last"], other["last"])
    joined["records"] = max(one["records"], other["records"])
    for name in ("addresses", "clients", "sessions"):
        joined[name] = sorted({*one[name], *other[name]})[:MAX_PLACES]
    return joined


def identify_row(section: str, row: Mapping[str, Any]) -> str:
    """What makes two rows one, in one reading or in two; what is kept has its names in order."""
    day = row["first"][:10] if section == "not_recorded" else ""
    return json.dumps([day, *(row.get(name) for name in IDENTITIES[section])], sort_keys=True)


def merge_sections(known: Mapping[str, list[Row]], new: MailSections) -> MailSections:
    """What the readings before and a new one tell together."""
    merged: Sections = {}
    for name in SECTIONS:
        rows: dict[str, Row] = {}
        for row in (*known.get(name, ()), *new.rows.get(name, ())):
            key = identify_row(name, row)
            rows[key] = join_rows(rows[key], row) if key in rows else row
        merged[name] = sorted(rows.values(), key=lambda row: (row["first"], repr(row)))
    kept = keep_latest(merged)
    left_out = {
        name: kept.left_out.get(name, 0) + new.left_out.get(name, 0)
        for name in SECTIONS
        if name in kept.left_out or name in new.left_out
    }
    return MailSections(kept.rows, left_out)


def list_record_sessions(sections: Mapping[str, list[Row]]) -> list[Row]:
    """What each session that the records name did, the latest first."""
    found: dict[str, Row] = {}
    for name in SECTIONS:
        for row in sections.get(name, ()):
            for session in row["sessions"]:
                known = found.setdefault(
                    session, {"session": session, "first": row["first"], "last": row["last"]}
                )
                known["first"] = min(known["first"], row["first"])
                known["last"] = max(known["last"], row["last"])
                known["addresses"] = sorted({*known.get("addresses", ()), *row["addresses"]})
                known.setdefault("did", {})
                known["did"][name] = known["did"].get(name, 0) + row["records"]
    ordered = sorted(found.values(), key=lambda one: str(one["last"]), reverse=True)
    return [{**one, "addresses": one["addresses"][:MAX_PLACES]} for one in ordered]


def count_mail(sections: Mapping[str, list[Row]]) -> dict[str, int]:
    """How much the records name."""
    return {name: len(sections.get(name, ())) for name in SECTIONS}


def explain_silence(sections: Mapping[str, list[Row]]) -> str:
    """What it may mean that no record of read mail was found; empty if one was."""
    if any(sections.get(name) for name in ("opened", "copied", "attachments", "unclear")):
        return ""
    return (
        "no record says that mail was read: it was not, or the mailbox does not record it "
        "(MailItemsAccessed among its audited actions, and its licence), or records come late"
    )
