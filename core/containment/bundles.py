"""What is kept of an account: one JSON text with its digest, completed when records come. Pure.

    edition 1 ─► the audit log is asked ─► read ─► edition 2 ─► read once more ─► edition 3
                                                 two days later asked anew ─► editions 4, 5

Each edition stays as it was and names the digests of those before it. How complete it is stands in
it in words.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from core.activity.searches import end_search
from core.containment.evidence import MAIL_OPERATIONS
from core.containment.mail_records import (
    SECTIONS,
    build_sections,
    count_mail,
    explain_silence,
    list_record_sessions,
    merge_sections,
)
from core.model.audit_queries import AuditSearch, SearchState
from core.model.containment import MAX_STEP_TEXT, AccountBundle
from core.tenant.audit_queries import AuditQuestion, FoundRecord
from core.tenant.containing import TargetAccount
from core.time_format import format_time

MAX_BUNDLE_BYTES = 300_000
ASKED_AGAIN_AFTER = timedelta(hours=48)
"""95 % of the records are there in a day, 99.8 % in two (coe-starter-kit#9190)."""
ROUNDS = 2
HOW_TO_READ = (
    "counts of records are least ones; opened names single messages; of a copied folder any message"
    " may have been read; not_recorded are days of which the service stopped recording; who opened "
    "what was sent is not guessed; what others did in this mailbox under their own names was not "
    "searched"
)


def build_account_search(
    bundle_id: str, account: TargetAccount, kind: str, since: datetime, now: datetime
) -> AuditSearch:
    """The search for an account's records: all that it did, or what it did with mail."""
    operations = MAIL_OPERATIONS if kind == "impact" else ()
    question = AuditQuestion(since, now, operations, (account.upn,))
    return AuditSearch(bundle_id, account.id, question, now)


def plan_next_round(search: AuditSearch) -> AuditSearch:
    """A search that ended, with when it is asked anew; it is once."""
    if search.is_open or search.round >= ROUNDS or search.again_at:
        return search
    return replace(search, again_at=(search.ended_at or search.asked_at) + ASKED_AGAIN_AFTER)


def start_next_round(search: AuditSearch, now: datetime) -> AuditSearch:
    """The search as it is recorded before it is asked anew, for all until now."""
    return replace(
        search,
        question=replace(search.question, until=now),
        asked_at=now,
        state=SearchState.ASKING,
        query_id="",
        attempts=0,
        collected=0,
        read_at=None,
        ended_at=None,
        note="",
        round=search.round + 1,
        again_at=None,
    )


def give_up(search: AuditSearch, why: str, now: datetime) -> AuditSearch:
    """A search that nobody will ask for, now or later."""
    return replace(end_search(search, SearchState.FAILED, why, now), round=ROUNDS, again_at=None)


def describe_account_search(search: AuditSearch) -> str:
    """How complete the audit records of an account are, in words."""
    asked = f"asked at {format_time(search.asked_at)}"
    again = f"; it is asked anew at {format_time(search.again_at)}" if search.again_at else ""
    match search.state:
        case SearchState.ASKING:
            why = f": {search.note}" if search.note else ""
            return f"the audit log is still to be asked{why}"
        case SearchState.RUNNING if not search.collected:
            return f"the audit log was {asked} and has not answered yet"
        case SearchState.RUNNING:
            return f"the audit log was {asked} and answered; it is read once more"
        case SearchState.SILENT:
            until = format_time(search.ended_at or search.asked_at)
            return f"the audit log was {asked}, no answer by {until}{again}"
        case SearchState.FAILED:
            return f"the audit log was {asked}: {search.note}{again}"
        case SearchState.ANSWERED:
            parts = [f"the audit log was {asked} and answered"]
            parts += [f"not all was read: {search.note}"] if search.note else []
            parts += ["it found more than it keeps"] if search.is_cut else []
            return "; ".join(parts) + again


def is_complete(search: AuditSearch | None) -> bool:
    """Whether no other edition is to come."""
    return search is None or not (search.is_open or search.again_at)


def add_records(
    document: Mapping[str, Any], search: AuditSearch, found: Iterable[FoundRecord]
) -> dict[str, Any]:
    """The document with what one more reading of its search found, and how complete it is."""
    known: dict[str, Any] = document["records"]
    merged = merge_sections(known, build_sections(found))
    sections = merged.rows
    records: dict[str, Any] = {
        "state": describe_account_search(search),
        "command": known["command"],
        "counts": count_mail(sections),
        "how_to_read": HOW_TO_READ,
        **sections,
        "sessions": list_record_sessions(sections),
    }
    if search.collected and (silence := explain_silence(sections)):
        records["silence"] = silence
    # What an earlier edition had no room for was read again.
    other = {name: n for name, n in document["left_out"].items() if name not in SECTIONS}
    return {**document, "records": records, "left_out": {**other, **merged.left_out}}


def describe_asked(document: dict[str, Any], search: AuditSearch | None) -> dict[str, Any]:
    """A first document, which says what becomes of the search for its records."""
    if search is None:
        return document
    return {
        **document,
        "records": {**document["records"], "state": describe_account_search(search)},
    }


def complete_bundle(
    bundle: AccountBundle, search: AuditSearch, found: Iterable[FoundRecord], now: datetime
) -> AccountBundle:
    """The next edition of what was kept, with what a reading of its search found."""
    document = add_records(json.loads(bundle.body), search, found)
    return seal_bundle(bundle.id, bundle.account_id, document, now, bundle, search)


def seal_bundle(
    bundle_id: str,
    account_id: str,
    document: dict[str, Any],
    at: datetime,
    before: AccountBundle | None = None,
    search: AuditSearch | None = None,
) -> AccountBundle:
    """The document as one text of bounded size, with its digest. What is left out is counted.

    It names the digests of the editions `before` it, so that none of them can be exchanged.
    """
    edition = before.edition + 1 if before else 1
    earlier: list[Any] = list(json.loads(before.body)["editions"]) if before else []
    if before:
        earlier.append(
            {"edition": before.edition, "made": before.at.isoformat(), "sha256": before.digest}
        )
    state = str(document["records"]["state"])
    whole = {
        **document,
        "edition": edition,
        "editions": earlier,
        "made": at.isoformat(),
        "complete": is_complete(search),
        "state": state,
    }
    text = encode_bundle(whole)
    while len(text.encode()) > MAX_BUNDLE_BYTES and shorten(whole):
        text = encode_bundle(whole)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return AccountBundle(
        bundle_id,
        account_id,
        at,
        str(document["kind"]),
        digest,
        text,
        edition,
        is_complete(search),
        state[:MAX_STEP_TEXT],
    )


def encode_bundle(document: Mapping[str, Any]) -> str:
    """The document as JSON in one form."""
    return json.dumps(document, ensure_ascii=True, sort_keys=True)


def shorten(document: dict[str, Any]) -> bool:
    """Leave out half of the longest list, its latter half; False if there is none to shorten."""
    places: list[dict[str, Any]] = [document]
    for part in ("details", "records"):
        document[part] = dict(document.get(part, {}))
        places.append(document[part])
    lists = [
        (len(rows), name, number)
        for number, place in enumerate(places)
        for name, rows in place.items()
        if isinstance(rows, list) and name != "editions"
    ]
    count, name, number = max(lists, default=(0, "", 0))
    if count < 2:
        return False
    places[number][name] = places[number][name][: count // 2]
    left_out = document["left_out"]
    left_out[name] = left_out.get(name, 0) + count - count // 2
    return True
