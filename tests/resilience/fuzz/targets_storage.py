"""What we write and what is sent to us, as targets: cards, rows, baselines, requests, messages."""

import base64
import json
import re
import unicodedata
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from functools import partial
from typing import Any, get_args

from azure.data.tables import TableEntity

from core.adapters.table_storage.codec import (
    StoredRecord,
    decode_stored_record,
    encode_stored_record,
)
from core.adapters.table_storage.entities import build_record_key, decode_run_document
from core.adapters.table_storage.records import RecordCollector, decode_row
from core.api.authentication import AccessDenied, Caller, parse_client_principal
from core.api.request import BadRequest, HttpRequest
from core.api.routes import ROUTES
from core.api.server import parse_request_body, parse_request_query
from core.api.write_handlers import parse_until_parameter
from core.engine.shard_message import ShardMessage
from core.errors import SettingsError
from core.evidence.daily_coverage import CoveragePeriod
from core.guards.tenant_baseline.rule_file import SHIPPED_ROWS, read_baseline_rows
from core.jobs.run_requests import RunMessage
from core.json_document import to_json
from core.keys import compute_hash_prefix, format_act_hour
from core.model.activity import (
    Act,
    ActivityCursor,
    ActTarget,
    PendingLook,
    RefusedContent,
)
from core.model.audit_queries import AuditSearch, CauseWish, WishedCase
from core.model.cases import Case, Exemption, parse_planned_changes
from core.model.changes import ChangeRecord, ChangeState
from core.model.containment import AccountBundle, Containment, ContainmentStep
from core.model.findings import Fact
from core.model.outbox import ChannelHealth, OutboxRow
from core.model.requests import OperatorRequest
from core.model.state import (
    GuardSnapshot,
    GuardState,
    InboxGroup,
    KnownInbox,
    ProbeReport,
    Shard,
    StateMark,
    Way,
)
from core.model.tally import Tally
from core.notifications.adaptive_card import MAX_MESSAGE_BYTES
from core.notifications.digest_card import build_digest_card
from core.notifications.run_cards import build_cards
from core.sanitize import DECEPTIVE_CATEGORIES
from core.status.change_texts import list_planned_kinds
from core.status.document import build_status_document
from core.status.guard_status import GuardData
from core.status.overview import build_status
from core.status.run_history import parse_runs
from core.tenant.activity import ActivityActor, ActivityLog, ActorKind
from core.tenant.audit_queries import AuditQuestion
from core.tenant.known_traits import KnownTraits
from core.tenant.probing import AnswerStatus, ProbeAnswer
from tests.resilience.generators.volumes import (
    FuzzDataProvider,
    assert_bounded,
    call_expecting,
    dump_json,
    find_property_names,
)
from tests.support.adaptive_cards import (
    BLOCK_CHANGE_JSON,
    PUBLIC_URL,
    build_report,
    build_request,
    build_rule_case,
    collect_texts,
    get_card_content,
    validate_card,
)
from tests.support.builders import THREE_CONFIGS
from tests.support.fakes.clock import START
from tests.support.notices import build_row

BASELINE_NAMES = find_property_names("baseline_table.py")

# What people see --------------------------------------------------------------------------------

UNTRUSTED_FIELDS = ("subject", "summary", "advice", "note", "kind")
LINK_PATTERN = re.compile(r"\]\(([^()\s]*)\)")
MARKUP_CHARACTERS = set("<>`_~#|{}")


def take_texts(chance: FuzzDataProvider, names: Iterable[str]) -> dict[str, Any]:
    """Texts for some of these names."""
    return {name: chance.take_text() for name in names if chance.take_byte() % 2}


def fuzz_cards(data: bytes) -> None:
    """A card of any texts: valid, small, and nothing foreign in it acts."""
    chance = FuzzDataProvider(data)
    news = []
    for number in range(1 + chance.take_byte() % 3):
        one = build_rule_case(
            number,
            facts=tuple(
                Fact(chance.take_text(), chance.take_text()) for _ in range(chance.take_byte() % 12)
            ),
            planned_changes=chance.choose(((), (BLOCK_CHANGE_JSON,), (chance.take_text(),))),
            object_id=chance.take_text(),
        )
        news.append(replace(one, **take_texts(chance, UNTRUSTED_FIELDS)))
    deeds = tuple(
        build_request(number, **take_texts(chance, ("who", "why", "subject", "note")))
        for number in range(chance.take_byte() % 3)
    )
    run = build_report(
        *news,
        operator_requests=deeds,
        baselined=bool(chance.take_byte() % 2),
        title=chance.take_text() or "x",
    )
    told: list[Case] = []
    for message in build_cards(run, PUBLIC_URL):
        told += message.cases
        assert len(json.dumps(message.payload).encode()) <= MAX_MESSAGE_BYTES
        card = get_card_content(message.payload)
        validate_card(message.payload)
        for text in [*collect_texts(card), str(card["fallbackText"])]:
            assert_no_markup(text)
        for button in card.get("actions", []):
            assert button["url"].startswith(PUBLIC_URL)
    assert {one.key for one in told} == {one.key for one in news}


def assert_no_markup(text: str) -> None:
    """Assert that a text of a card holds no markup but ours, and no sign that deceives."""
    assert not any(unicodedata.category(sign) in DECEPTIVE_CATEGORIES for sign in text)
    bare = re.sub(r"\\.", "\u00b7", text)
    for address in LINK_PATTERN.findall(bare):
        assert address.startswith(PUBLIC_URL)
    bare = LINK_PATTERN.sub("]", bare)
    assert "](" not in bare
    assert "://" not in bare
    assert not MARKUP_CHARACTERS & set(bare.replace("exempt_until", ""))
    assert bare.count("*") % 4 == 0


# Our own memory ---------------------------------------------------------------------------------

RECORD_TYPES: tuple[type[StoredRecord], ...] = get_args(StoredRecord.__value__)
VALID_RECORDS: Mapping[type[Any], StoredRecord] = {
    Case: build_rule_case(),
    ChangeRecord: ChangeRecord(
        "c1", "k", "s", "ClearAuditBypass", {"account_guid": "g"}, ChangeState.INTENDED, START, "r"
    ),
    Exemption: Exemption("x", "me", "why", START),
    OperatorRequest: build_request(),
    KnownTraits: KnownTraits("k1", "o", "method", START, START, {"fido2": START}),
    GuardState: GuardState(frozenset({"a"}), 7, {"deep": START}),
    Shard: Shard("r1", "", "8", 500, START),
    Way: Way("Get-Mailbox", "whole", START),
    InboxGroup: InboxGroup("7f", {f"{0x7F:016x}": KnownInbox("f1", "\\Inbox", 738_000)}),
    ProbeReport: ProbeReport(START, (ProbeAnswer("exchange-paging", AnswerStatus.HOLDS),), 7),
    StateMark: StateMark(7, START),
    Tally: Tally({"2026-11-21": {"high": 2}}, {"2026-11-22": {"high": 1}}, {"2026-11-22": 3}),
    Act: Act(
        f"{format_act_hour(START)}0a1b",
        START,
        START,
        ActivityLog.EXCHANGE,
        "Set-Mailbox",
        ActivityActor(ActorKind.PERSON, "ada@example.com", "u1"),
        (ActTarget("toy", "m1", ("box",), ("forward",)),),
        session="s1",
    ),
    ActivityCursor: ActivityCursor(
        ActivityLog.EXCHANGE,
        START,
        START,
        START,
        read_contents=("0a1b",),
        refused=(RefusedContent("c1", START, START),),
        lags={"2026-11-21": (3, 0, 1)},
    ),
    PendingLook: PendingLook("toy", START, ("m1",)),
    CauseWish: CauseWish("toy", START, (WishedCase("k1", "forward", START),)),
    AuditSearch: AuditSearch(
        "s1", "toy", AuditQuestion(START, START, ("Set-Mailbox",)), START, ("k1",), query_id="q1"
    ),
    OutboxRow: build_row(),
    ChannelHealth: ChannelHealth("mail", "0a1b", START, START, error="HTTP 503"),
    Containment: Containment(
        "30708439043000-5e3aa1c7",
        "11111111-0000-4000-8000-000000000001",
        "mia@example.com",
        "Ann",
        "she clicked",
        START,
        steps=(
            ContainmentStep("block-sign-in", "block", prior={"accountEnabled": True}, at=START),
        ),
        plan_hash="0" * 32,
    ),
    AccountBundle: AccountBundle("b1", "a1", START, "evidence", "f" * 64, '{"\u00e9": 1}'),
}
# Rows of other partitions, which no run loads together with its cases.
SEPARATE_RECORDS = (
    Way,
    InboxGroup,
    ProbeReport,
    StateMark,
    Act,
    ActivityCursor,
    PendingLook,
    CauseWish,
    AuditSearch,
    ChannelHealth,
    Containment,
    AccountBundle,
)


def fuzz_records(data: bytes) -> None:
    """A row of the state table: the record it was, or left alone; nothing that shows it fails."""
    chance = FuzzDataProvider(data)
    kind = chance.choose(RECORD_TYPES)
    valid: dict[str, object] = json.loads(encode_stored_record(VALID_RECORDS[kind]))
    body: Any = json.dumps(chance.corrupt_row(valid))
    if chance.take_byte() % 8 == 0:
        body = chance.take_value()
    if kind in SEPARATE_RECORDS:
        found = call_expecting(lambda: decode_stored_record(kind, body), ValueError)
        if not isinstance(found, ValueError):
            assert decode_stored_record(kind, encode_stored_record(found)) == found
        return
    entity = TableEntity(
        PartitionKey="toy", RowKey=choose_row_key(kind, valid, chance), v=1, body=body
    )
    sorted_out = RecordCollector()
    sorted_out.add_row(decode_row("toy", entity))
    kept = (
        sorted_out.cases,
        sorted_out.changes,
        sorted_out.exemptions,
        sorted_out.operator_requests,
        sorted_out.known_traits,
        sorted_out.outbox,
    )
    kept_count = sum(len(records) for records in kept) + (sorted_out.tally is not None)
    assert kept_count + len(sorted_out.unreadable_row_keys) == 1
    decode_run_document(entity)
    record = call_expecting(lambda: decode_stored_record(kind, body), ValueError)
    if isinstance(record, ValueError):
        return
    assert decode_stored_record(kind, encode_stored_record(record)) == record
    assert_renderable(sorted_out.build_snapshot(), chance)


def choose_row_key(kind: type[Any], valid: Mapping[str, Any], chance: FuzzDataProvider) -> str:
    """The key of a row, mostly the right one."""
    if chance.take_byte() % 4 == 0:
        return "|".join(
            (
                chance.choose(("case", "change", "exempt", "request", "known", "run", "days")),
                chance.take_text(),
            )
        )
    record = VALID_RECORDS[kind]
    if isinstance(
        record,
        Case | ChangeRecord | Exemption | OperatorRequest | KnownTraits | Tally | OutboxRow,
    ):
        return build_record_key(record)
    return "lease"


def assert_renderable(snapshot: GuardSnapshot, chance: FuzzDataProvider) -> None:
    """Assert that whoever looks at all of a memory gets an answer."""
    for one in snapshot.cases.values():
        parse_planned_changes(one)
        list_planned_kinds(one)
    documents = [chance.take_row(2) for _ in range(chance.take_byte() % 3)]
    parse_runs(documents, START)
    duty = THREE_CONFIGS[0]
    now = build_status([GuardData(duty, snapshot, documents)], START)
    json.dumps(to_json(build_status_document(now)))
    assert len(json.dumps(build_digest_card(now, PUBLIC_URL)).encode()) <= MAX_MESSAGE_BYTES
    days = CoveragePeriod(START, START)
    for told in documents:
        days.add_document(told)


# What people and queues send --------------------------------------------------------------------


def fuzz_baselines(data: bytes) -> None:
    """A baseline file: rows, or every mistake in it by name."""
    chance = FuzzDataProvider(data, BASELINE_NAMES)
    text = json.dumps(
        {"rows": [chance.take_row()], "change": chance.take_row(), "off": chance.take_row()}
    )
    if chance.take_byte() % 4 == 0:
        text = chance.take_rest().decode("utf-8", "replace")
    found = call_expecting(
        lambda: read_baseline_rows(text, SHIPPED_ROWS, "BASELINE_FILE", date(2026, 11, 20)),
        SettingsError,
    )
    if isinstance(found, SettingsError):
        assert "BASELINE_FILE" in str(found)
    else:
        assert len(found) >= len(SHIPPED_ROWS)


def fuzz_requests(data: bytes) -> None:
    """The body, the query and the sign-in of a request: typed values, or why not."""
    chance = FuzzDataProvider(
        data, ("who", "why", "mode", "plan", "subject", "until", "claims", "typ", "val")
    )
    route = chance.choose(ROUTES)
    claims = chance.corrupt_row(
        {"claims": [chance.corrupt_row({"typ": "roles", "val": "Exoguard.Reader"})]}
    )
    for text in (chance.take_text(), base64.b64encode(dump_json(claims)).decode()):
        who = call_expecting(partial(parse_client_principal, text), AccessDenied)
        if isinstance(who, AccessDenied):
            assert 400 <= who.status < 500
        else:
            assert_bounded(who)
    wish = dump_json(chance.corrupt_row({"who": "Ada", "why": "because"}))
    body = wish if chance.take_byte() % 2 else chance.take_rest()
    call = HttpRequest(
        {}, {chance.take_text(): chance.take_text()}, {"content-type": "application/json"}, body
    )
    for typed in (
        call_expecting(lambda: parse_request_body(route, call, Caller("x", "Ada")), BadRequest),
        call_expecting(lambda: parse_request_query(route, call), BadRequest),
    ):
        if isinstance(typed, BadRequest):
            assert 400 <= typed.status < 500
            continue
        assert typed.keys() <= {entry.name for entry in route.parameters}
        assert all(len(value) <= 500 for value in typed.values())
    when = call_expecting(lambda: parse_until_parameter(chance.take_text()), BadRequest)
    assert isinstance(when, BadRequest) or when.tzinfo


def fuzz_messages(data: bytes) -> None:
    """A message of a queue: an order or a ticket, or refused."""
    chance = FuzzDataProvider(data)
    ticket: dict[str, object] = {"guard": "g", "run": "r", "at": START.isoformat()}
    ticket |= {"runs_guard": True}
    roll = (
        dump_json(chance.take_value())
        if chance.take_byte() % 2
        else dump_json(['00000000["a","b","c","d",1]'])
    )
    packed = base64.b64encode(zlib.compress(roll)).decode()
    order: dict[str, object] = {"guard": "g", "round": "r", "shard": 0, "mode": "alert", "seal": ""}
    order |= {"low": "", "high": "8", "due": [], "mailboxes": packed}
    for text in (
        dump_json(chance.corrupt_row(ticket)).decode(),
        dump_json(chance.corrupt_row(order)).decode(),
        chance.take_text(),
        chance.take_rest().decode("utf-8", "replace"),
    ):
        ticket_found = call_expecting(partial(RunMessage.from_json, text), ValueError)
        if not isinstance(ticket_found, ValueError):
            assert RunMessage.from_json(ticket_found.to_json()) == ticket_found
        found = call_expecting(partial(ShardMessage.from_json, text), ValueError)
        if isinstance(found, ValueError):
            continue
        assert ShardMessage.from_json(found.to_json()) == found
        for mailbox in found.mailboxes:
            compute_hash_prefix(mailbox.id)
