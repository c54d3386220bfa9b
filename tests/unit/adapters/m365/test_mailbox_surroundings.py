"""What is read beside the rules of a mailbox: what was not read, and what a reply looks like."""

import re
import time

import pytest

from core.adapters.m365.mailbox_surroundings import (
    JUNK,
    MARKUP_LIMIT,
    MAX_JUDGED,
    NAMED_BY,
    REPLIES,
    SWEEPS,
    Found,
    drop_hidden_parts,
    parse_surroundings,
    read_mailbox_surroundings,
    strip_markup,
)
from core.adapters.parsing import ResponseRow
from core.errors import Forbidden, NotFound, TenantError, Unavailable
from core.tenant.mailboxes import Mailbox
from tests.support.fakes.exchange import ScriptedExchange

PLAIN = re.compile(r"(?is)<(style|script|head)\b.*?</\1\s*>|<!--.*?-->")


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("<p>Please <b>pay</b></p>", "Please pay"),
        ("<style>p { color: red }</style>Hello", "Hello"),
        ("<STYLE a=b>x</style >Hello<!-- hidden --> you", "Hello you"),
        ("<head><style>x</style></head>Hello", "Hello"),
        ("a <!-- not closed", "a <!-- not closed"),
        ("<style>not closed, so it is seen", "not closed, so it is seen"),
        ("<header>Hello</header>", "Hello"),
        ("<!-- <style> -->Hello</style>", "Hello"),
        ("in<b></b>vo<span class=x>ice</span><br>paid<td>now</td>", "invoice paid now"),
    ],
)
def test_what_no_reader_sees_is_left_out(text: str, seen: str) -> None:
    assert strip_markup(text) == seen
    assert drop_hidden_parts(text) == PLAIN.sub(" ", text)


@pytest.mark.parametrize("start", ["<!--", "<style", "<script>", "<head "])
def test_a_reply_of_nothing_but_beginnings_takes_no_longer_than_another(start: str) -> None:
    text = (start * MARKUP_LIMIT)[:MARKUP_LIMIT]
    begun = time.process_time()
    for _ in range(10):
        strip_markup(text)
    assert time.process_time() - begun < 1


@pytest.mark.parametrize(
    ("error", "failed", "permission"),
    [
        (Unavailable("HTTP 503"), "m2", ""),
        (Forbidden("no role", "Get-SweepRule"), "", "Get-SweepRule"),
        (NotFound("no calendar"), "", ""),
    ],
    ids=["passing", "refused", "not there"],
)
async def test_what_passes_leaves_its_mailbox_unread_and_a_refusal_the_cmdlet(
    error: TenantError, failed: str, permission: str
) -> None:
    owners = [Mailbox(f"m{number}", f"g{number}", f"m{number}@x.example") for number in (1, 2)]
    answers: list[list[ResponseRow] | TenantError] = [[] for _ in range(2 * len(NAMED_BY))]
    answers[len(NAMED_BY)] = error
    folders: list[list[ResponseRow] | TenantError] = [NotFound("no calendar")] * 2
    read = await read_mailbox_surroundings(ScriptedExchange(batches=[*answers, *folders]), owners)
    (first, *others) = [
        one for one in read.failures if "calendar" not in one.reason
    ] or read.failures
    assert (first.object_id, first.permission, first.optional) == (failed, permission, True)
    assert not others
    assert [bool(one.unread) for one in read.items] == [True, True]


def test_what_is_judged_is_taken_to_its_end_and_too_much_of_it_is_unread() -> None:
    senders = [f"news{number}@shop.example" for number in range(1_500)] + ["boss@contoso.com"]
    sweeps: list[ResponseRow] = [{"Name": f"s{number}", "Sender": "x"} for number in range(200)]
    chatter = "<p>" + "I am away. " * 8_000 + "</p>"
    reply: ResponseRow = {
        "AutoReplyState": "Enabled",
        "ExternalMessage": f"<style>{'x' * 20_000}</style>{chatter}<p>Our bank: a@drop.example</p>",
    }
    rows: dict[str, list[ResponseRow]] = {
        JUNK: [{"BlockedSendersAndDomains": senders}],
        SWEEPS: sweeps,
        REPLIES: [reply],
    }
    owner = Mailbox("m1", "g1", "m1@x.example")
    found = parse_surroundings(owner, Found(rows, ()))
    assert found.blocked_senders[-1] == "boss@contoso.com"
    assert len(found.sweep_rules) == 200
    assert found.automatic_reply.endswith("Our bank: a@drop.example")
    assert found.reply_domains == ("drop.example",)
    for name, many in (
        (JUNK, [{"BlockedSendersAndDomains": ["x"] * (MAX_JUDGED + 1)}]),
        (SWEEPS, sweeps * (MAX_JUDGED // 200 + 1)),
    ):
        with pytest.raises(ValueError, match="more than"):
            parse_surroundings(owner, Found({name: many}, ()))
