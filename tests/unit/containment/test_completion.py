"""What is kept of an account is completed when the audit log answers, edition by edition."""

import hashlib
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from core.containment.bundles import seal_bundle, shorten
from core.model.containment import AccountBundle
from core.model.requests import RequestKind, RequestState
from core.ports import CONTAINMENT_PARTITION
from core.tenant.activity import ActivityActor, ActivityRecord, ActorKind
from core.tenant.audit_queries import MailAccess, MailItem, MailPart, QueryState
from core.tenant.sources import AUDIT_QUERIES
from tests.support.acts import build_record
from tests.support.containment_stage import GUID, MIA, SWITCHES, Stage
from tests.support.deaths import go_on, live_through
from tests.support.fakes.clock import START

MINUTES, TICK = timedelta(minutes=1), timedelta(minutes=5)
UPN = "mia@example.com"
PERSON = ActivityActor(ActorKind.PERSON, UPN)
APP = ActivityActor(ActorKind.APP, "", "", "7a7a7a7a-0000-4000-8000-000000000001")


@dataclass
class Records:
    """Puts records of mail into the log of a stage."""

    stage: Stage

    def add(
        self, access: MailAccess, *messages: str, operation: str = "mailitemsaccessed", **more: Any
    ) -> ActivityRecord:
        """A record that names some messages."""
        tenant = self.stage.tenant
        part: dict[str, Any] = {"mailbox": UPN, "folders": ("\\Inbox",)}
        part |= {name: more.pop(name) for name in ("recipients", "is_throttled") if name in more}
        record = build_record(
            operation,
            GUID,
            record_id=f"m{len(tenant.activity_records)}",
            at=START - 10 * MINUTES,
            **{"actor": PERSON, **more},
        )
        tenant.activity_records.append(record)
        items = tuple(MailItem(f"<{one}@example.com>", "\\Inbox", one) for one in messages)
        tenant.mail_parts[record.id] = MailPart(access, items=items, **part)
        return record


@pytest.fixture
def stage() -> Stage:
    """A tenant whose audit log may be searched."""
    return Stage(searches=True)


async def tick(stage: Stage, minutes: float = 5) -> None:
    """A later tick."""
    stage.clock.advance(minutes=minutes)
    await stage.process()


async def load(stage: Stage, bundle_id: str, edition: int = 0) -> AccountBundle:
    """What was kept."""
    found = await stage.ledger.load_bundle(bundle_id, edition)
    assert found
    return found


async def open_document(stage: Stage, bundle_id: str) -> dict[str, Any]:
    """The latest edition, whose digest is right."""
    kept = await load(stage, bundle_id)
    assert hashlib.sha256(kept.body.encode()).hexdigest() == kept.digest
    document: dict[str, Any] = json.loads(kept.body)
    assert (document["edition"], document["state"]) == (kept.edition, kept.state)
    return document


async def test_what_was_read_comes_later_and_tells_messages_from_folders(stage: Stage) -> None:
    log = Records(stage)
    log.add(MailAccess.BIND, "salary", "offer")
    log.add(MailAccess.BIND, "salary", address="203.0.113.7", session="s2")
    log.add(MailAccess.SYNC, is_throttled=True)
    log.add(MailAccess.ATTACHMENT, "plan", operation="attachmentaccess")
    log.add(MailAccess.SENT, "invoice", operation="send", recipients=("a@x.example", "b@y.example"))
    asked = await stage.ask(RequestKind.IMPACT)
    await stage.process()
    first = await load(stage, asked)
    assert (first.edition, first.is_complete) == (1, False)
    assert "still to be asked" in first.state
    assert "still to be asked" in (await stage.get_request(asked)).note
    (query,) = stage.tenant.queries
    assert (query.question.people, "MailItemsAccessed" in query.question.operations) == (
        (UPN,),
        True,
    )
    await tick(stage)
    records = (await open_document(stage, asked))["records"]
    opened = {row["message"]: row for row in records["opened"]}
    assert opened.keys() == {"<salary@example.com>", "<offer@example.com>"}
    twice = opened["<salary@example.com>"]
    assert (twice["records"], twice["addresses"], twice["sessions"]) == (
        2,
        ["198.51.100.9", "203.0.113.7"],
        ["s1", "s2"],
    )
    assert [row["folder"] for row in records["copied"]] == ["\\Inbox"]
    assert len(records["not_recorded"]) == 1
    assert [row["subject"] for row in records["attachments"]] == ["plan"]
    assert records["sent"][0]["recipients"] == ["a@x.example", "b@y.example"]
    assert "may have been read" in records["how_to_read"]
    assert [one["session"] for one in records["sessions"]] == ["s1", "s2"]
    assert "silence" not in records


async def test_each_edition_stays_and_names_the_digests_of_the_others(stage: Stage) -> None:
    late = Records(stage).add(MailAccess.BIND, "late")
    stage.tenant.overlooked = {late.id}
    asked = await stage.ask(RequestKind.EVIDENCE)
    await stage.process()
    for _ in range(4):
        await tick(stage)
    editions = [await load(stage, asked, number) for number in (1, 2, 3)]
    assert (await load(stage, asked)).edition == 3
    chain = json.loads(editions[2].body)["editions"]
    assert [one["sha256"] for one in chain] == [one.digest for one in editions[:2]]
    counts = [json.loads(one.body)["records"].get("counts", {}) for one in editions]
    assert [one.get("opened") for one in counts] == [None, 0, 1]
    assert "no record says that mail was read" in json.loads(editions[1].body)["records"]["silence"]
    # Records come late: it is asked anew after two days, and then it is complete.
    assert not editions[2].is_complete
    assert "it is asked anew at" in editions[2].state
    later = Records(stage).add(MailAccess.BIND, "later")
    stage.clock.current = START + timedelta(hours=49)
    for _ in range(3):
        await tick(stage)
    last = await load(stage, asked)
    assert (last.edition, last.is_complete) == (5, True)
    assert json.loads(last.body)["records"]["counts"]["opened"] == 2
    assert stage.tenant.queries[1].question.until > later.at
    for _ in range(2):
        await tick(stage, minutes=24 * 60)
    assert (await load(stage, asked)).edition == 5
    assert len(stage.tenant.queries) == 2


async def test_an_apps_act_names_the_app_and_not_the_owner(stage: Stage) -> None:
    Records(stage).add(MailAccess.BIND, "x", actor=ActivityActor(APP.kind, UPN, "", APP.app_id))
    asked = await stage.ask(RequestKind.IMPACT)
    await stage.process()
    await tick(stage)
    (row,) = (await open_document(stage, asked))["records"]["opened"]
    assert row["by"] == f"app: {APP.app_id}"


async def test_what_the_account_did_besides_mail_is_in_its_evidence(stage: Stage) -> None:
    record = build_record(
        "new-inboxrule", GUID, at=START - MINUTES, actor=PERSON, parameters={"Name": "."}
    )
    stage.tenant.activity_records.append(record)
    asked = await stage.ask(RequestKind.EVIDENCE)
    await stage.process()
    assert stage.tenant.queries[0].question.operations == ()
    await tick(stage)
    (act,) = (await open_document(stage, asked))["records"]["other_acts"]
    assert (act["operation"], act["set"], act["addresses"]) == (
        "new-inboxrule",
        {"Name": "."},
        ["198.51.100.9"],
    )


async def test_without_searches_it_is_complete_and_says_what_is_not_known() -> None:
    stage = Stage()
    asked = await stage.ask(RequestKind.IMPACT)
    await stage.process()
    await tick(stage)
    document = await open_document(stage, asked)
    assert (document["edition"], document["complete"]) == (1, True)
    assert "AUDIT_QUERIES is off" in document["state"]
    assert "Search-UnifiedAuditLog" in document["records"]["command"]
    assert stage.tenant.queries == []


async def test_no_answer_and_a_refusal_are_editions_that_say_so(stage: Stage) -> None:
    stage.tenant.query_state = QueryState.RUNNING
    silent = await stage.ask(RequestKind.IMPACT)
    await stage.process()
    for _ in range(8):
        await tick(stage, minutes=60)
    document = await open_document(stage, silent)
    assert "no answer by" in document["state"]
    assert (document["edition"], document["complete"]) == (2, False)
    stage.tenant.fail_read(AUDIT_QUERIES, reason="HTTP 403", permission="AuditLogsQuery")
    refused = await stage.ask(RequestKind.EVIDENCE)
    await stage.process()
    document = await open_document(stage, refused)
    assert "HTTP 403 (needs AuditLogsQuery)" in document["state"]
    assert document["edition"] == 2


async def test_switched_off_meanwhile_it_says_so_and_asks_no_more(stage: Stage) -> None:
    stage.tenant.query_state = QueryState.RUNNING
    asked = await stage.ask(RequestKind.IMPACT)
    await stage.process()
    stage.searches = False
    await tick(stage)
    document = await open_document(stage, asked)
    assert "AUDIT_QUERIES is off" in document["state"]
    assert document["complete"]
    before = len(stage.tenant.queries)
    await tick(stage, minutes=60 * 50)
    assert len(stage.tenant.queries) == before


async def test_few_are_asked_at_a_time_and_none_is_forgotten(stage: Stage) -> None:
    stage.tenant.query_state = QueryState.RUNNING
    asked = []
    for number in range(5):
        since = START - timedelta(days=number + 1)
        asked.append(await stage.ask(RequestKind.IMPACT, since=since))
    await stage.process()
    assert len(stage.tenant.queries) == 3
    stage.tenant.query_state = QueryState.SUCCEEDED
    for _ in range(8):
        await tick(stage)
    assert [(await load(stage, one)).edition for one in asked] == [3] * 5


async def test_a_block_never_waits_for_a_search(stage: Stage) -> None:
    stage.tenant.fail_read(AUDIT_QUERIES, reason="HTTP 503")
    request = await stage.contain()
    assert request.note.startswith("5 of 5 steps are made")
    assert "after 0 s" in request.note
    contained = await stage.get_latest()
    assert (await load(stage, contained.id, 1)).digest == contained.bundle_digest
    stage.tenant.clear_faults()
    for _ in range(3):
        await tick(stage)
    assert (await load(stage, contained.id)).edition == 3


def test_what_does_not_fit_is_left_out_list_by_list_and_counted() -> None:
    rows = [{"message": "x" * 300, "number": number} for number in range(3_000)]
    document = {
        "kind": "impact",
        "records": {"state": "s", "command": "", "opened": rows},
        "details": {},
        "left_out": {},
    }
    kept = seal_bundle("b", "a", document, START)
    found = json.loads(kept.body)
    assert len(kept.body) <= 300_000
    assert found["left_out"]["opened"] + len(found["records"]["opened"]) == 3_000
    assert not shorten({"left_out": {}, "records": {}, "details": {}})


# Kills -------------------------------------------------------------------------------------------


async def ask_for_impact(stage: Stage) -> None:
    await stage.ask(RequestKind.IMPACT)


async def ask_for_plan(stage: Stage) -> None:
    await stage.ask(steps=("block-sign-in", "protocols"))


async def order_plan(stage: Stage) -> None:
    await stage.ask(plan=(await stage.get_latest()).plan_hash)


async def take_back(stage: Stage) -> None:
    await stage.ask(RequestKind.UNCONTAIN)


async def wait_for_days(stage: Stage) -> None:
    stage.clock.current = START + timedelta(hours=60)


# Evidence, a containment and its end. Whoever is killed in one of the lives comes back with the
# next step.
STEPS = (
    *(ask_for_impact, tick, tick, ask_for_plan, tick, tick),
    *(order_plan, tick, tick, tick, tick, take_back, tick, tick),
    *(wait_for_days, *(tick, tick) * 5),
)
LIVES = frozenset({1, 4, 7, 9, 12, 15, 17, 19, 21, 23})


async def test_killed_at_every_operation_every_edition_comes_and_the_account_is_as_it_was() -> None:
    peaceful = Stage(searches=True)
    log = Records(peaceful)
    peaceful.tenant.overlooked = {log.add(MailAccess.BIND, "one").id}
    log.add(MailAccess.SYNC)
    deaths = await live_through(peaceful, STEPS, LIVES)
    assert len(deaths) > 40
    await check_outcome(peaceful, "nobody was killed")
    for death in deaths:
        await check_outcome(await go_on(death, STEPS), death.name)


async def check_outcome(stage: Stage, name: str) -> None:
    """Everything was kept whole, told, and brought back."""
    impact, plan, *_ = stage.asked
    for one in (impact, plan):
        last = await load(stage, one)
        assert (last.edition, last.is_complete) == (5, True), name
        document = json.loads(last.body)
        digests = [(await load(stage, one, edition)).digest for edition in range(1, 5)]
        assert [row["sha256"] for row in document["editions"]] == digests, name
        assert document["records"]["counts"]["copied"] == 1, name
        assert document["records"]["counts"]["opened"] == 1, name
    contained = await stage.get_latest()
    assert (await load(stage, contained.id, 1)).digest == contained.bundle_digest, name
    assert stage.is_enabled is True, name
    assert stage.tenant.client_switches[GUID] == SWITCHES, name
    since = START - timedelta(days=1)
    requests = await stage.ledger.list_requests(CONTAINMENT_PARTITION, since)
    assert {one.state for one in requests} == {RequestState.DONE}, name
    assert {one.subject for one in requests} == {MIA}, name
