"""The Tenant port over the wire: what only the real adapters have to cope with."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from core.errors import Rejected, Unavailable
from core.tenant.changes import EnableMailboxAudit, EnableUnifiedAuditLog
from core.tenant.mail_flow import AcceptedDomain, Recipient
from core.tenant.readings import Reading
from core.tenant.sources import (
    ACCOUNTS,
    AUDIT_BYPASS,
    HIDDEN_RULES,
    INBOX_RULES,
    MAILBOX_AUDIT,
    MAILBOXES,
    RECIPIENTS,
)
from tests.support.http_recorder import (
    PERSON,
    PERSON_GUID,
    ROOM,
    build_rule_row,
    build_scene,
    build_user_row,
    connect_sandbox,
)
from tests.support.observe import collect_pages
from tests.support.tenants import BLOCK_CHANGE, MISCONFIGURED_SCENE, OWNERS


async def test_an_app_without_any_exchange_role_is_told_what_it_needs() -> None:
    async with connect_sandbox(build_scene(grants={"exchange": []})) as to:
        for found, surface in (
            (await collect_pages(to.tenant.mailboxes.list_mailboxes()), MAILBOXES),
            (await collect_pages(to.tenant.auditing.list_mailbox_audits()), MAILBOX_AUDIT),
        ):
            miss = found.find_source_failure(surface)
            assert miss is not None
            assert "Exchange.ManageAsApp" in miss.permission


@pytest.mark.parametrize(
    ("surface", "permission"),
    [
        (ACCOUNTS, "User.Read.All"),
        (INBOX_RULES, "MailboxSettings.Read"),
        (HIDDEN_RULES, "Exchange role with Get-InboxRule"),
        (RECIPIENTS, "Exchange role with Get-Recipient"),
        (AUDIT_BYPASS, "Exchange role with Get-MailboxAuditBypassAssociation"),
    ],
)
async def test_a_missing_permission_is_named_as_the_documentation_does(
    surface: str, permission: str
) -> None:
    grants = {"graph": ["Domain.Read.All"], "exchange": ["Get-Mailbox"]}
    async with connect_sandbox(build_scene(grants=grants)) as to:
        reads: dict[str, Callable[[], Awaitable[Reading[Any]]]] = {
            ACCOUNTS: lambda: to.tenant.accounts.read_accounts(OWNERS),
            INBOX_RULES: lambda: to.tenant.inbox_rules.read_inbox_rules(OWNERS),
            HIDDEN_RULES: lambda: to.tenant.inbox_rules.read_hidden_rules(OWNERS),
            RECIPIENTS: lambda: to.tenant.mail_flow.read_recipients(["ann", "room"]),
            AUDIT_BYPASS: to.tenant.auditing.read_audit_bypasses,
        }
        miss = (await reads[surface]()).find_source_failure(surface)
        assert miss is not None
        assert miss.permission == permission


async def test_what_is_the_same_for_the_whole_tenant_is_read_once_a_run() -> None:
    async with connect_sandbox(build_scene()) as to:
        first, second = await asyncio.gather(
            to.tenant.mail_flow.read_accepted_domains(), to.tenant.mail_flow.read_accepted_domains()
        )
        policies = (
            await to.tenant.mail_flow.read_outbound_policies(),
            await to.tenant.mail_flow.read_remote_domains(),
        )
        asked = sum(to.sandbox.counts.values())
        assert first is second is await to.tenant.mail_flow.read_accepted_domains()
        assert (
            await to.tenant.mail_flow.read_outbound_policies(),
            await to.tenant.mail_flow.read_remote_domains(),
        ) == policies
        assert sum(to.sandbox.counts.values()) == asked


async def test_a_recipient_is_looked_up_once_a_run() -> None:
    async with connect_sandbox(build_scene()) as to:
        first = await to.tenant.mail_flow.read_recipients(["ann@contoso.example", "nobody"])
        asked = to.sandbox.counts["exchange"]
        again = await to.tenant.mail_flow.read_recipients(["nobody", "ann@contoso.example"])
        assert set(again.items) == set(first.items)
        assert again.population == 2
        assert to.sandbox.counts["exchange"] == asked


async def test_names_that_could_mean_everyone_are_not_sent() -> None:
    async with connect_sandbox(build_scene()) as to:
        names = ["*", "", " ", "x" * 5000, "a\x00b"]
        found = await to.tenant.mail_flow.read_recipients(names)
        assert found.items == tuple(Recipient(name, found=False) for name in names)
        assert to.sandbox.requests == []


async def test_a_rule_that_makes_no_sense_leaves_its_mailbox_unread_and_the_others_seen() -> None:
    rules = [
        build_rule_row("R1"),
        build_rule_row("R2", actions={"redirectTo": [{"emailAddress": 7}]}),
    ]
    graph = {"messageRules": {PERSON: rules, ROOM: [build_rule_row("R3")]}}
    async with connect_sandbox(build_scene(graph=graph)) as to:
        found = await to.tenant.inbox_rules.read_inbox_rules(OWNERS)
        assert [one.id for one in found.items] == ["R1", "R3"]
        assert [miss.object_id for miss in found.failures] == [PERSON]


async def test_the_folder_of_news_feeds_is_known_by_its_name_alone() -> None:
    folders = [{"id": "F1", "displayName": "RSS-Feeds"}, {"id": "F2", "displayName": "Projects"}]
    rules = [
        build_rule_row(f"R{one['id']}", actions={"moveToFolder": one["id"]}) for one in folders
    ]
    graph = {"messageRules": {PERSON: rules}, "mailFolders": {PERSON: folders}}
    async with connect_sandbox(build_scene(graph=graph)) as to:
        found = await to.tenant.inbox_rules.read_rule_folders(
            (await to.tenant.inbox_rules.read_inbox_rules(OWNERS)).items
        )
        assert [(one.name, one.well_known) for one in found.items] == [
            ("RSS-Feeds", ""),
            ("Projects", ""),
        ]


async def test_a_folder_says_what_it_lies_in_and_one_that_is_gone_says_so() -> None:
    folders = [
        {"id": "F0", "displayName": "Top of Information Store", "wellKnownName": "msgfolderroot"},
        {"id": "F1", "displayName": "RSS-Feeds", "parentFolderId": "F0"},
        {"id": "F2", "displayName": "2024", "parentFolderId": "F1"},
        {"id": "F3", "displayName": "May", "parentFolderId": "F2", "isHidden": True},
        {"id": "F4", "displayName": "Orphan", "parentFolderId": "F9"},
        {"id": "F5", "displayName": "Loop", "parentFolderId": "F5"},
    ]
    rules = [
        build_rule_row(f"R{target}", actions={"moveToFolder": target})
        for target in ("F3", "F4", "F5", "F8")
    ]
    graph = {"messageRules": {PERSON: rules}, "mailFolders": {PERSON: folders}}
    async with connect_sandbox(build_scene(graph=graph)) as to:
        found = await to.tenant.inbox_rules.read_rule_folders(
            (await to.tenant.inbox_rules.read_inbox_rules(OWNERS)).items
        )
        may, orphan, loop, gone = found.items
        assert (may.is_hidden, may.parent and may.parent.is_hidden) == (True, False)
        chain = [may]
        while chain[-1].parent:
            chain.append(chain[-1].parent)
        assert [one.name for one in chain] == [
            "May",
            "2024",
            "RSS-Feeds",
            "Top of Information Store",
        ]
        assert chain[-1].well_known == "msgfolderroot"
        assert (orphan.parent, loop.parent) == (None, None)
        assert (gone.id, gone.is_found) == ("F8", False)
        assert found.failures == ()


async def test_domains_of_both_sources_are_one_list() -> None:
    domains = [{"id": "Contoso.example", "isVerified": True}]
    accepted = [{"DomainName": "contoso.example.", "MatchSubDomains": "True"}]
    graph = {"domains": domains}
    async with connect_sandbox(
        build_scene(graph=graph, exchange={"Get-AcceptedDomain": accepted})
    ) as to:
        found = await to.tenant.mail_flow.read_accepted_domains()
        # Exchange did not say of which type it is, so an unknown address in it may be elsewhere.
        assert found.items == (
            AcceptedDomain(
                "contoso.example",
                includes_subdomains=True,
                authoritative=False,
                is_type_told=False,
            ),
        )


# Writes that take their time --------------------------------------------------------------------


async def test_reads_that_lag_behind_are_waited_for() -> None:
    async with connect_sandbox(build_scene(faults=[{"kind": "staleReads", "times": 3}])) as to:
        assert (await to.tenant.writer.apply(BLOCK_CHANGE)).before == {"accountEnabled": True}
        assert len(to.clock.waits) == 3
    async with connect_sandbox(build_scene(faults=[{"kind": "staleReads", "times": 99}])) as to:
        with pytest.raises(Unavailable, match="does not show yet"):
            await to.tenant.writer.apply(BLOCK_CHANGE)


async def test_the_unified_log_may_take_its_time_to_show() -> None:
    faults = [{"kind": "staleReads", "times": 99}]
    async with connect_sandbox(build_scene(**MISCONFIGURED_SCENE, faults=faults)) as to:
        assert "hour" in (await to.tenant.writer.apply(EnableUnifiedAuditLog())).note


async def test_a_throttled_write_is_sent_again() -> None:
    faults = [{"service": "exchange", "match": "^Set-", "status": 429, "times": 2}]
    async with connect_sandbox(build_scene(**MISCONFIGURED_SCENE, faults=faults)) as to:
        assert not (await to.tenant.writer.apply(EnableMailboxAudit(PERSON_GUID))).unchanged
        assert len(to.sandbox.writes) == 1


async def test_only_what_is_to_change_is_sent() -> None:
    async with connect_sandbox(build_scene()) as to:
        await to.tenant.writer.apply(BLOCK_CHANGE)
        patch, revoke = to.sandbox.writes
        assert (patch["target"], patch["body"]) == (f"/users/{ROOM}", {"accountEnabled": False})
        assert revoke["target"] == f"/users/{ROOM}/revokeSignInSessions"


async def test_a_403_for_one_account_is_its_role_and_not_a_missing_permission() -> None:
    people = {"users": [build_user_row(ROOM, "room", **{"@sandbox.protected": True})]}
    async with connect_sandbox(build_scene(graph=people)) as to:
        with pytest.raises(Rejected):
            await to.tenant.writer.apply(BLOCK_CHANGE)
        assert 403 in {request.status for request in to.sandbox.requests}
