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
from pathlib import Path
from typing import Any, get_args

from azure.data.tables import TableEntity
from jsonschema import Draft6Validator

from core.adapters.table_storage.codec import Record, read, written
from core.adapters.table_storage.entities import document_of, record_key
from core.adapters.table_storage.ledger import Sorted
from core.api.authentication import Caller, Denied, principal
from core.api.request import BadRequest, Call
from core.api.routes import ROUTES, body_of, moment, query_of
from core.engine.decide import wished
from core.engine.shards import Order
from core.errors import SettingsError
from core.evidence.daily_coverage import Days
from core.guards.tenant_baseline.rule_file import SHIPPED, read_rows
from core.jobs.run_requests import Ticket
from core.keys import place
from core.model.cases import Case, Exemption
from core.model.changes import ChangeRecord, ChangeState
from core.model.requests import Action
from core.model.state import GuardState, Memory, Shard
from core.notifications.adaptive_card import LIMIT
from core.notifications.digest_card import digest
from core.notifications.run_cards import cards
from core.sanitize import DECEIVING
from core.status.change_texts import kinds_of
from core.status.document import document as status_document
from core.status.guard_status import Standing
from core.status.overview import status
from core.status.run_history import runs_of
from tests.resilience.generators.volumes import Soil, attempt, dumped, names_in, sound
from tests.support.adaptive_cards import ADDRESS, BLOCK, action, case, content, report, texts
from tests.support.builders import THREE
from tests.support.fakes.world import START

SCHEMA = Draft6Validator(
    json.loads(
        (Path(__file__).parent.parent.parent / "data" / "adaptive-card-1.4.0.json").read_text(
            "utf-8"
        )
    )
)
BASELINE_NAMES = names_in("baseline_table.py")

# What people see --------------------------------------------------------------------------------

FOREIGN = ("subject", "summary", "advice", "note", "kind")
LINK = re.compile(r"\]\(([^()\s]*)\)")
ACTING = set("<>`_~#|{}")


def texts_for(soil: Soil, names: Iterable[str]) -> dict[str, Any]:
    """Texts for some of these names."""
    return {name: soil.text() for name in names if soil.byte() % 2}


def shown(data: bytes) -> None:
    """A card of any texts: valid, small, and nothing foreign in it acts."""
    soil = Soil(data)
    news = []
    for number in range(1 + soil.byte() % 3):
        one = case(
            number,
            facts=tuple(soil.text() for _ in range(soil.byte() % 12)),
            wanted=soil.one_of(((), (BLOCK,), (soil.text(),))),
            object_id=soil.text(),
        )
        news.append(replace(one, **texts_for(soil, FOREIGN)))
    deeds = tuple(
        action(number, **texts_for(soil, ("who", "why", "subject", "note")))
        for number in range(soil.byte() % 3)
    )
    run = report(*news, actions=deeds, adopted=bool(soil.byte() % 2), title=soil.text() or "x")
    told: list[Case] = []
    for message in cards(run, ADDRESS):
        told += message.cases
        assert len(json.dumps(message.payload).encode()) <= LIMIT
        card = content(message.payload)
        SCHEMA.validate({name: value for name, value in card.items() if name != "msteams"})
        for text in [*texts(card), str(card["fallbackText"])]:
            harmless(text)
        for button in card.get("actions", []):
            assert button["url"].startswith(ADDRESS)
    assert {one.key for one in told} == {one.key for one in news}


def harmless(text: str) -> None:
    """Assert that a text of a card holds no markup but ours, and no sign that deceives."""
    assert not any(unicodedata.category(sign) in DECEIVING for sign in text)
    bare = re.sub(r"\\.", "\u00b7", text)
    for address in LINK.findall(bare):
        assert address.startswith(ADDRESS)
    bare = LINK.sub("]", bare)
    assert "](" not in bare
    assert "://" not in bare
    assert not ACTING & set(bare.replace("exempt_until", ""))
    assert bare.count("*") % 4 == 0


# Our own memory ---------------------------------------------------------------------------------

KINDS: tuple[type[Record], ...] = get_args(Record.__value__)
VALID: Mapping[type[Any], Record] = {
    Case: case(),
    ChangeRecord: ChangeRecord(
        "c1", "k", "s", "ClearAuditBypass", {"account_guid": "g"}, ChangeState.INTENDED, START, "r"
    ),
    Exemption: Exemption("x", "me", "why", START),
    Action: action(),
    GuardState: GuardState(frozenset({"a"}), 7, {"deep": START}),
    Shard: Shard("r1", "", "8", 500, START),
}


def records(data: bytes) -> None:
    """A row of the state table: the record it was, or left alone; nothing that shows it fails."""
    soil = Soil(data)
    kind = soil.one_of(KINDS)
    valid: dict[str, object] = json.loads(written(VALID[kind]))
    body: Any = json.dumps(soil.spoilt(valid))
    if soil.byte() % 8 == 0:
        body = soil.value()
    entity = TableEntity(PartitionKey="toy", RowKey=row_key(kind, valid, soil), v=1, body=body)
    sorted_out = Sorted()
    sorted_out.take("toy", entity)
    kept = (sorted_out.cases, sorted_out.changes, sorted_out.exemptions, sorted_out.actions)
    assert sum(map(len, kept)) + len(sorted_out.poisoned) == 1
    document_of(entity)
    record = attempt(lambda: read(kind, body), ValueError)
    if isinstance(record, ValueError):
        return
    assert read(kind, written(record)) == record
    looked_at(sorted_out.memory(), soil)


def row_key(kind: type[Any], valid: Mapping[str, Any], soil: Soil) -> str:
    """The key of a row, mostly the right one."""
    if soil.byte() % 4 == 0:
        return "|".join((soil.one_of(("case", "change", "exempt", "action", "run")), soil.text()))
    record = VALID[kind]
    if isinstance(record, Case | ChangeRecord | Exemption | Action):
        return record_key(record)
    return "lease"


def looked_at(memory: Memory, soil: Soil) -> None:
    """Assert that whoever looks at all of a memory gets an answer."""
    for one in memory.cases.values():
        wished(one)
        kinds_of(one)
    documents = [soil.row(2) for _ in range(soil.byte() % 3)]
    runs_of(documents, START)
    duty = THREE[0]
    now = status([Standing(duty, memory, documents)], START)
    json.dumps(status_document(now))
    assert len(json.dumps(digest(now, ADDRESS)).encode()) <= LIMIT
    days = Days(START, START)
    for told in documents:
        days.take(told)


# What people and queues send --------------------------------------------------------------------


def baselines(data: bytes) -> None:
    """A baseline file: rows, or every mistake in it by name."""
    soil = Soil(data, BASELINE_NAMES)
    text = json.dumps({"rows": [soil.row()], "change": soil.row(), "off": soil.row()})
    if soil.byte() % 4 == 0:
        text = soil.rest().decode("utf-8", "replace")
    found = attempt(
        lambda: read_rows(text, SHIPPED, "BASELINE_FILE", date(2026, 11, 20)), SettingsError
    )
    if isinstance(found, SettingsError):
        assert "BASELINE_FILE" in str(found)
    else:
        assert len(found) >= len(SHIPPED)


def requests(data: bytes) -> None:
    """The body, the query and the sign-in of a request: typed values, or why not."""
    soil = Soil(data, ("who", "why", "mode", "plan", "subject", "until", "claims", "typ", "val"))
    route = soil.one_of(ROUTES)
    claims = soil.spoilt({"claims": [soil.spoilt({"typ": "roles", "val": "Exoguard.Reader"})]})
    for text in (soil.text(), base64.b64encode(dumped(claims)).decode()):
        who = attempt(partial(principal, text), Denied)
        if isinstance(who, Denied):
            assert 400 <= who.status < 500
        else:
            sound(who)
    wish = dumped(soil.spoilt({"who": "Ada", "why": "because"}))
    body = wish if soil.byte() % 2 else soil.rest()
    call = Call({}, {soil.text(): soil.text()}, {"content-type": "application/json"}, body)
    for typed in (
        attempt(lambda: body_of(route, call, Caller("x", "Ada")), BadRequest),
        attempt(lambda: query_of(route, call), BadRequest),
    ):
        if isinstance(typed, BadRequest):
            assert 400 <= typed.status < 500
            continue
        assert typed.keys() <= {entry.name for entry in route.fields}
        assert all(len(value) <= 500 for value in typed.values())
    when = attempt(lambda: moment(soil.text()), BadRequest)
    assert isinstance(when, BadRequest) or when.tzinfo


def messages(data: bytes) -> None:
    """A message of a queue: an order or a ticket, or refused."""
    soil = Soil(data)
    ticket: dict[str, object] = {"guard": "g", "run": "r", "at": START.isoformat()}
    ticket |= {"looks": True, "mode": None}
    roll = dumped(soil.value()) if soil.byte() % 2 else dumped(['00000000["a","b","c","d",1]'])
    packed = base64.b64encode(zlib.compress(roll)).decode()
    order: dict[str, object] = {"guard": "g", "round": "r", "shard": 0, "mode": "alert"}
    order |= {"low": "", "high": "8", "due": [], "mailboxes": packed}
    for text in (
        dumped(soil.spoilt(ticket)).decode(),
        dumped(soil.spoilt(order)).decode(),
        soil.text(),
        soil.rest().decode("utf-8", "replace"),
    ):
        ticket_found = attempt(partial(Ticket.unpacked, text), ValueError)
        if not isinstance(ticket_found, ValueError):
            assert Ticket.unpacked(ticket_found.packed()) == ticket_found
        found = attempt(partial(Order.unpacked, text), ValueError)
        if isinstance(found, ValueError):
            continue
        assert Order.unpacked(found.packed()) == found
        for mailbox in found.mailboxes:
            place(mailbox.id)
