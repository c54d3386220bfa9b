"""Each contested fact about writes, turned round: what becomes of the changes over the wire."""

from collections.abc import Mapping
from typing import Any

import pytest

from core.errors import Rejected, Unavailable
from core.tenant.changes import (
    BlockSignIn,
    Change,
    EnableMailboxAudit,
    EnableUnifiedAuditLog,
    SetConfiguration,
)
from tests.support.http_recorder import (
    PERSON,
    PERSON_GUID,
    ROOM,
    ROOM_GUID,
    build_mailbox_row,
    build_scene,
    connect_sandbox,
)
from tests.support.tenants import EVERY_CHANGE, MISCONFIGURED_SCENE

POLICY_GUID = "55555555-0000-4000-8000-000000000001"
SHARING_POLICY = {
    "Guid": POLICY_GUID,
    "Identity": "Default Sharing Policy",
    "Name": "Default Sharing Policy",
    "Default": True,
    "Enabled": True,
    "Domains": ["*:CalendarSharingFreeBusySimple", "Anonymous:CalendarSharingFreeBusyReviewer"],
}
CLEAR_DOMAINS = SetConfiguration("sharing-policy", POLICY_GUID, "Domains", ())
BLOCK = BlockSignIn(ROOM, ROOM_GUID, ("RoomMailbox",))


def build_misconfigured(**sides: Any) -> dict[str, Any]:
    return build_scene(
        graph=dict(MISCONFIGURED_SCENE["graph"]),
        exchange={**MISCONFIGURED_SCENE["exchange"], "Get-SharingPolicy": [SHARING_POLICY]},
        reality=sides,
    )


DONE_ALL_THE_SAME: tuple[Mapping[str, Any], ...] = (
    {"exchange-write-anchor": "any"},
    {"exchange-audit-log-anchor": "any"},
    {"exchange-anchor-form": "principal-name"},
    {"exchange-anchor-form": "strict"},
    {"exchange-add-present": "harmless"},
    {"exchange-empty-list": "cleared"},
    {"exchange-read-back": {"side": "late", "reads": 2}},
    {"write-graph-read-back": {"side": "late", "reads": 2}},
    {"exchange-transient-types": {"side": "passing", "every": 4}},
    {"exchange-write-answer": "fails"},
    {"exchange-wire-forms": "all"},
    {"exchange-mislabelled-bodies": "gzip"},
)


@pytest.mark.parametrize("sides", DONE_ALL_THE_SAME, ids=str)
async def test_every_change_is_made_and_seen_to_be_made(sides: Mapping[str, Any]) -> None:
    async with connect_sandbox(build_misconfigured(**sides)) as to:
        for change in (*EVERY_CHANGE, CLEAR_DOMAINS):
            to.sandbox.writes.clear()
            made = await to.tenant.writer.apply(change)
            assert not made.unchanged, change
            assert made.before, change
            assert to.sandbox.writes, change


async def test_a_change_that_never_shows_is_not_confirmed_and_not_made_twice() -> None:
    changes: tuple[tuple[str, Change], ...] = (
        ("exchange-read-back", EnableMailboxAudit(PERSON_GUID)),
        ("write-graph-read-back", BLOCK),
    )
    for fact, change in changes:
        sides = {fact: {"side": "late", "seconds": 600}}
        async with connect_sandbox(build_misconfigured(**sides)) as to:
            with pytest.raises(Unavailable) as caught:
                await to.tenant.writer.apply(change)
            assert caught.value.before
            targets = [(one["method"], one["target"]) for one in to.sandbox.writes]
            assert len(targets) == len(set(targets))


async def test_the_unified_log_that_still_reads_false_is_accepted_and_not_failed() -> None:
    sides = {"exchange-audit-log-lag": {"side": "late", "seconds": 3_600}}
    async with connect_sandbox(build_misconfigured(**sides)) as to:
        made = await to.tenant.writer.apply(EnableUnifiedAuditLog())
        assert not made.unchanged
        assert "until it shows" in made.note
        assert len(to.sandbox.writes) == 1


async def test_audit_settings_that_are_mastered_on_premises_are_refused_once_and_not_written() -> (
    None
):
    row = build_mailbox_row(PERSON, PERSON_GUID, "ann", AuditEnabled=False, IsDirSynced=True)
    scene = build_scene(
        exchange={"Get-Mailbox": [row]}, reality={"exchange-synced-audit": "refused"}
    )
    async with connect_sandbox(scene) as to:
        with pytest.raises(Rejected, match="on-premises"):
            await to.tenant.writer.apply(EnableMailboxAudit(PERSON_GUID))
        assert to.sandbox.writes == []


@pytest.mark.parametrize("side", ["kept", "cleared"])
async def test_a_list_is_emptied_whatever_an_empty_one_does(side: str) -> None:
    async with connect_sandbox(build_misconfigured(**{"exchange-empty-list": side})) as to:
        before = (await to.exchange.invoke("Get-SharingPolicy", {}))[0]["Domains"]
        assert before
        made = await to.tenant.writer.apply(CLEAR_DOMAINS)
        assert made.before == {"Domains": before}
        assert (await to.exchange.invoke("Get-SharingPolicy", {}))[0]["Domains"] == []
        await to.tenant.writer.undo(CLEAR_DOMAINS, made.before)
        assert (await to.exchange.invoke("Get-SharingPolicy", {}))[0]["Domains"] == before
