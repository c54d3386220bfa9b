"""Each contested fact about reads, turned round: what the adapters then tell over the wire.

Most sides change nothing that is told. The others leave something unread, by name: none of them
ever makes a tenant smaller.
"""

import asyncio
import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import pytest

from core.adapters.api_errors import EXCHANGE_ROLE
from core.adapters.exchange.command import Command
from core.adapters.exchange.limits import (
    INITIAL_LIMIT,
    build_exchange_service,
)
from core.adapters.exchange.listings import list_rows
from core.adapters.graph.reports import REPORT_WINDOW_SECONDS
from core.errors import Rejected, Unavailable
from core.tenant.audit_queries import AuditQuestion
from core.tenant.mail_flow import Recipient
from core.tenant.mailboxes import Mailbox
from core.tenant.readings import Reading
from core.tenant.sources import (
    FULL_ACCESS,
    HIDDEN_RULES,
    MAILBOX_FORWARDS,
    MAILBOX_SIZES,
    MAILBOXES,
    MODULE_USERS,
    PROTOCOL_USE,
    ROLE_HOLDERS,
    RULE_FOLDERS,
    SIGN_IN_LOG,
)
from tests.support.http_recorder import (
    PERSON,
    PERSON_GUID,
    ROOM,
    ROOM_GUID,
    Connection,
    build_mailbox_row,
    build_rule_row,
    build_scene,
    build_user_row,
    connect_sandbox,
)
from tests.support.observe import collect_pages

SINCE = datetime(2026, 11, 1, tzinfo=UTC)
OWNERS = (
    Mailbox(PERSON, PERSON_GUID, "ann@contoso.example"),
    Mailbox(ROOM, ROOM_GUID, "room@contoso.example", kind="RoomMailbox"),
)
ANN_NAME = "/o=ExchangeLabs/ou=Exchange Administrative Group/cn=Recipients/cn=ann"
GONE_NAME = "/o=ExchangeLabs/ou=Exchange Administrative Group/cn=Recipients/cn=gone"
BOB = "bob@contoso.example"
FOLDER = "AAMkFolder1"


def at(day: int) -> str:
    return f"2026-11-{day:02}T08:00:00Z"


def build_sign_in(who: str, client: str, kind: str, day: int) -> dict[str, Any]:
    return {
        "id": f"{who}-{client}-{kind}-{day}",
        "userId": who,
        "userPrincipalName": "ann@contoso.example",
        "createdDateTime": at(day),
        "clientAppUsed": client,
        "signInEventTypes": [kind],
        "ipAddress": "198.51.100.7",
        "status": {"errorCode": 0},
    }


def build_full_scene(**sides: Any) -> dict[str, Any]:
    """A tenant that has something for every reader."""
    app = {"app": {"appId": "a1", "servicePrincipalId": "p1", "displayName": "Cleaner"}}
    target = {"id": "dddddddd-0000-4000-8000-000000000001", "displayName": "Old"}
    return build_scene(
        graph={
            "users": [
                build_user_row(
                    PERSON,
                    "ann",
                    createdDateTime=at(1),
                    lastPasswordChangeDateTime=at(2),
                    signInActivity={"lastSuccessfulSignInDateTime": at(20)},
                ),
                build_user_row(
                    ROOM, "room", createdDateTime=at(1), lastPasswordChangeDateTime=at(1)
                ),
            ],
            "messageRules": {
                PERSON: [
                    build_rule_row("R1"),
                    build_rule_row("R2", actions={"moveToFolder": FOLDER}),
                ]
            },
            "mailFolders": {PERSON: [{"id": FOLDER, "displayName": "Old Mail"}]},
            "signIns": [
                build_sign_in(PERSON, "Authenticated SMTP", "nonInteractiveUser", 12),
                build_sign_in(PERSON, "Browser", "interactiveUser", 13),
            ],
            "directoryAudits": [
                {
                    "id": "1",
                    "activityDateTime": at(10),
                    "activityDisplayName": "Delete user",
                    "result": "success",
                    "initiatedBy": app,
                    "targetResources": [target],
                }
            ],
            "deletedItems": [
                {
                    "@odata.type": "#microsoft.graph.user",
                    **target,
                    "userPrincipalName": "old@contoso.example",
                    "deletedDateTime": at(10),
                }
            ],
        },
        exchange={
            "Get-Mailbox": [
                build_mailbox_row(
                    PERSON,
                    PERSON_GUID,
                    "ann",
                    LegacyExchangeDN=ANN_NAME,
                    UserPrincipalName="ann@contoso.example",
                    ForwardingSmtpAddress="smtp:x@evil.example",
                    GrantSendOnBehalfTo=["room"],
                    RecipientTypeDetails="SharedMailbox",
                    AuditOwner=["Update", "MoveToDeletedItems"],
                ),
                build_mailbox_row(
                    ROOM,
                    ROOM_GUID,
                    "room",
                    RecipientTypeDetails="RoomMailbox",
                    UserPrincipalName="room@contoso.example",
                    AuditEnabled=False,
                ),
            ],
            "Get-MailboxPermission": [
                {
                    "Identity": "ann",
                    "User": BOB,
                    "AccessRights": ["FullAccess", "ReadPermission"],
                    "IsInherited": False,
                    "Deny": False,
                }
            ],
            "Get-RecipientPermission": [
                {
                    "Identity": "ann",
                    "Trustee": BOB,
                    "AccessRights": ["SendAs"],
                    "AccessControlType": "Allow",
                    "IsInherited": False,
                }
            ],
            "Get-MailboxAuditBypassAssociation": [
                {"Guid": PERSON_GUID, "Name": "ann", "AuditBypassEnabled": True}
            ],
            "Get-MailboxStatistics": [
                {"Identity": "ann", "TotalItemSize": "12.5 GB (13,421,772,800 bytes)"}
            ],
            "Get-InboxRule": {
                PERSON_GUID: [
                    {
                        "Name": "hidden",
                        "RuleIdentity": 17591234567890123456,
                        "Enabled": True,
                        "ForwardTo": ['"x" [SMTP:x@evil.example]'],
                    }
                ]
            },
            "Get-AcceptedDomain": [
                {"DomainName": "contoso.example", "DomainType": "Authoritative", "Default": True}
                | {"MatchSubDomains": True}
            ],
        },
        reality=sides,
    )


def sort_items(reading: Reading[Any]) -> tuple[Any, ...]:
    """The items in any order, with their failures; an address means the same in any case."""
    return (tuple(sorted(str(item).casefold() for item in reading.items)), reading.failures)


async def read_everything(to: Connection) -> dict[str, Any]:
    """Everything that the readers tell of the tenant, with what they could not read."""
    tenant = to.tenant
    every = {owner.id for owner in OWNERS}
    rules = await tenant.inbox_rules.read_inbox_rules(OWNERS, harmless_of=every)
    listings = {
        "mailboxes": tenant.mailboxes.list_mailboxes(),
        "kinds": tenant.mailboxes.list_mailboxes(("RoomMailbox", "DiscoveryMailbox")),
        "shared": tenant.shared_mailboxes.list_shared_mailboxes(),
        "protocols": tenant.protocols.list_mailbox_protocols(),
        "send as": tenant.delegation.list_send_as(),
        "send on behalf": tenant.delegation.list_send_on_behalf(),
        "audits": tenant.auditing.list_mailbox_audits(),
        "registrations": tenant.accounts.list_mfa_registrations(),
        "apps": tenant.apps.list_apps(),
        "module users": tenant.roles.list_module_users(),
    }
    readings: dict[str, Reading[Any]] = {
        name: await collect_pages(listing) for name, listing in listings.items()
    }
    readings |= {
        "rules": rules,
        "hidden rules": await tenant.inbox_rules.read_hidden_rules(OWNERS),
        "folders": await tenant.inbox_rules.read_rule_folders(rules.items),
        "forwards": await tenant.mailboxes.read_forwarding_mailboxes(),
        "sizes": await tenant.shared_mailboxes.read_mailbox_sizes(OWNERS),
        "full access": await tenant.delegation.read_full_access(OWNERS),
        "recipients": await tenant.mail_flow.read_recipients(["ann@contoso.example", ANN_NAME]),
        "domains": await tenant.mail_flow.read_accepted_domains(),
        "organization": await tenant.auditing.read_organization_audit(),
        "bypasses": await tenant.auditing.read_audit_bypasses(),
        "accounts": await tenant.accounts.read_accounts(OWNERS),
        "sign-ins": await tenant.accounts.read_last_sign_ins([PERSON, ROOM]),
        "sign-in log": await tenant.accounts.read_successful_sign_ins([PERSON, ROOM], SINCE),
        "protocol use": await tenant.protocols.read_protocol_use(SINCE),
        "role holders": await tenant.roles.read_role_holders(),
        "deletions": await tenant.deletions.read_deletions(SINCE),
        "bin": await tenant.deletions.read_deleted_objects(SINCE),
    }
    return {name: sort_items(reading) for name, reading in readings.items()}


@cache
def get_cache() -> dict[str, Any]:
    return {}


async def read_as_measured() -> Mapping[str, Any]:
    """What the readers tell of the tenant as it was measured; read once."""
    known = get_cache()
    if not known:
        async with connect_sandbox(build_full_scene()) as to:
            known.update(await read_everything(to))
    return known


async def test_the_tenant_as_it_was_measured_has_something_for_every_reader() -> None:
    told = await read_as_measured()
    assert {name for name, (items, _) in told.items() if not items} == set()
    assert {name for name, (_, failures) in told.items() if failures} == set()


SAME: tuple[Mapping[str, Any], ...] = (
    {"exchange-wire-forms": "text"},
    {"exchange-wire-forms": "grouped"},
    {"exchange-wire-forms": "bare"},
    {"exchange-wire-forms": "odd-case"},
    {"exchange-wire-forms": "all"},
    {"exchange-anchor-form": "principal-name"},
    {"exchange-anchor-form": "strict"},
    {"exchange-transient-types": {"side": "passing", "every": 3}},
    {"exchange-permission-rights": "joined"},
    {"exchange-recipient-kinds": "refused"},
    {"exchange-recipient-names": "with-legacy-dn"},
    {"exchange-concurrency": {"side": "limited", "most": 1}},
    {"exchange-batch-routing": "refused"},
    {"exchange-mislabelled-bodies": "gzip"},
    {"graph-audit-app-id": "told"},
    {"graph-deleted-select": "refused"},
    {"graph-eligibility-role": "includes"},
    {"graph-users-id-filter": "refused"},
    {"graph-report-backoff": {"side": "silent", "times": 2}},
)


@pytest.mark.parametrize("sides", SAME, ids=str)
async def test_a_side_that_only_changes_the_form_changes_nothing_that_is_told(
    sides: Mapping[str, Any],
) -> None:
    expected = await read_as_measured()
    async with connect_sandbox(build_full_scene(**sides)) as to:
        told = await read_everything(to)
    assert {name for name in told if told[name] != expected[name]} == set()


PAGING_SIDES = ("refused", "back-end", "get", "no-link", "no-rows")


@pytest.mark.parametrize("paging", PAGING_SIDES)
async def test_what_is_read_of_one_mailbox_finds_its_server_in_each_way_of_listing(
    paging: str,
) -> None:
    sides = {"exchange-anchor-form": "strict", "exchange-paging": paging}
    expected = await read_as_measured()
    async with connect_sandbox(build_full_scene(**sides)) as to:
        to.exchange.page_size = 1
        found = await to.tenant.delegation.read_full_access(OWNERS)
        assert sort_items(found) == expected["full access"]


@pytest.mark.parametrize("seed", range(8))
async def test_sides_together_change_nothing_that_is_told_either(seed: int) -> None:
    """Some of those sides at once, with pages of one row that go on in another way or in none."""
    chance = random.Random(seed)
    sides: dict[str, Any] = {"exchange-paging": chance.choice(PAGING_SIDES)}
    for one in chance.sample(SAME, chance.choice((2, 3, 4))):
        sides |= one
    expected = await read_as_measured()
    async with connect_sandbox(build_full_scene(**sides)) as to:
        to.exchange.page_size = 1
        if chance.random() < 0.5:
            outcome = await to.tenant.prober.probe_assumptions(100, 120)
            to.tenant.prober.adopt_ways({one.assumption: one.way for one in outcome.answers})
        told = await read_everything(to)
    assert {name for name in told if told[name] != expected[name]} == set(), sides


# What is left unread --------------------------------------------------------------------------


async def test_federations_that_the_permission_does_not_read_are_unread_and_not_none() -> None:
    sides = {"graph-outside-federation": "denied"}
    async with connect_sandbox(build_full_scene(**sides)) as to:
        found = await to.tenant.configuration.read_configuration("outside-federation")
        assert found.items == ()
        assert [miss.permission for miss in found.failures] == ["IdentityProvider.Read.All"]


async def test_a_search_of_the_audit_log_that_is_refused_now_is_begun_later() -> None:
    sides = {"graph-audit-query-limit": {"side": "refused", "times": 5}}
    question = AuditQuestion(SINCE, SINCE + timedelta(days=1), ("Set-Mailbox",))
    async with connect_sandbox(build_full_scene(**sides), attempts=5) as to:
        refused = await to.tenant.audit_queries.start_query("Exoguard", question)
        assert (refused.items, refused.complete) == ((), False)
        assert "429" in refused.failures[0].reason
        for _ in range(5):
            begun = await to.tenant.audit_queries.start_query("Exoguard", question)
            if begun.items:
                break
        assert (len(begun.items), begun.failures) == (1, ())


@pytest.mark.parametrize("status", [403, 400])
async def test_a_role_that_exchange_does_not_take_from_apps_is_named_at_any_status(
    status: int,
) -> None:
    sides = {"exchange-role-group": {"side": "refused", "status": status}}
    async with connect_sandbox(build_full_scene(**sides)) as to:
        found = await collect_pages(to.tenant.mailboxes.list_mailboxes())
        assert [miss.permission for miss in found.failures] == [EXCHANGE_ROLE]
        assert "isn't supported in this scenario" in found.failures[0].reason


async def test_hidden_rules_that_may_not_be_read_are_unread_and_visible_ones_told() -> None:
    sides = {"exchange-inbox-rule-role": "refused"}
    async with connect_sandbox(build_full_scene(**sides)) as to:
        hidden = await to.tenant.inbox_rules.read_hidden_rules(OWNERS)
        assert hidden.items == ()
        assert [miss.source for miss in hidden.failures] == [HIDDEN_RULES]
        assert "Get-InboxRule" in hidden.failures[0].permission
        visible = await to.tenant.inbox_rules.read_inbox_rules(OWNERS)
        assert (len(visible.items), visible.failures) == (2, ())


async def test_an_answer_with_errors_is_not_half_of_a_tenant() -> None:
    sides = {"exchange-errors-in-success": {"side": "some", "cmdlets": ["Get-Mailbox"]}}
    async with connect_sandbox(build_full_scene(**sides)) as to:
        found = await collect_pages(to.tenant.mailboxes.list_mailboxes())
        assert found.items == ()
        assert [(miss.source, miss.object_id) for miss in found.failures] == [(MAILBOXES, "")]
        assert "an answer with errors" in found.failures[0].reason


@pytest.mark.parametrize("side", ["nul", "message"])
async def test_a_cmdlet_that_the_role_lacks_is_named_in_either_form(side: str) -> None:
    scene = build_full_scene(**{"exchange-empty-403": side})
    scene["grants"] = {"graph": "*", "exchange": ["Get-Mailbox"]}
    async with connect_sandbox(scene) as to:
        found = await to.tenant.delegation.read_full_access(OWNERS)
        assert [(miss.source, miss.permission) for miss in found.failures] == [
            (FULL_ACCESS, "Exchange role with Get-MailboxPermission")
        ]


@pytest.mark.parametrize("side", ["warning", "refused", "zero"])
async def test_the_size_of_a_mailbox_that_was_never_used_is_unread_by_name(side: str) -> None:
    scene = build_full_scene(**{"exchange-statistics": side})
    scene["exchange"]["Get-MailboxStatistics"].append({"Identity": "room", "@sandbox.unused": True})
    async with connect_sandbox(scene) as to:
        found = await to.tenant.shared_mailboxes.read_mailbox_sizes(OWNERS)
        assert [one.id for one in found.items] == [PERSON]
        assert [(miss.source, miss.object_id) for miss in found.failures] == [(MAILBOX_SIZES, ROOM)]


@pytest.mark.parametrize(("side", "wide"), [("printed", True), ("unprinted", False)])
async def test_subdomains_count_where_exchange_says_so(side: str, wide: bool) -> None:
    async with connect_sandbox(build_full_scene(**{"exchange-match-subdomains": side})) as to:
        found = await to.tenant.mail_flow.read_accepted_domains()
        (domain,) = [one for one in found.items if one.name == "contoso.example"]
        assert domain.includes_subdomains is wide


@pytest.mark.parametrize("side", ["refused", "empty"])
async def test_users_of_powershell_that_cannot_be_filtered_are_unread(side: str) -> None:
    async with connect_sandbox(build_full_scene(**{"exchange-powershell-filter": side})) as to:
        found = await collect_pages(to.tenant.roles.list_module_users())
        assert found.items == ()
        assert [(miss.source, miss.object_id) for miss in found.failures] == [(MODULE_USERS, "")]
        asked = [one for one in to.sandbox.requests if one.service == "exchange"]
        assert asked


async def test_users_of_powershell_are_filtered_by_the_word_that_the_module_sends() -> None:
    """The official module turns $true into 'True' before it sends a filter."""
    async with connect_sandbox(build_full_scene()) as to:
        users = await collect_pages(to.tenant.roles.list_module_users())
        assert users.items
        assert not users.failures
        for text, count in (("'True'", len(users.items)), ("'False'", 0)):
            rows = await to.exchange.invoke(
                "Get-User",
                {"Filter": f"RemotePowerShellEnabled -eq {text}", "ResultSize": "Unlimited"},
            )
            assert len(rows) == count


async def test_forwards_that_cannot_be_filtered_are_unread_and_not_none() -> None:
    async with connect_sandbox(build_full_scene(**{"exchange-forward-filter": "refused"})) as to:
        found = await to.tenant.mailboxes.read_forwarding_mailboxes()
        assert found.items == ()
        assert [miss.source for miss in found.failures] == [MAILBOX_FORWARDS]


REFUSED_LISTINGS = {
    "exchange-paging": "refused",
    "exchange-one-answer": {"side": "cut", "size": 1},
    "exchange-entity-endpoints": "refused",
}


async def test_a_listing_that_no_way_completes_is_unread_and_not_smaller() -> None:
    scene = build_full_scene(**REFUSED_LISTINGS, **{"exchange-slice-filters": "refused"})
    for row in scene["exchange"]["Get-Mailbox"]:
        row["RecipientTypeDetails"] = "SharedMailbox"
    async with connect_sandbox(scene) as to:
        to.exchange.page_size = 1
        found = await collect_pages(to.tenant.mailboxes.list_mailboxes())
        assert [(miss.source, miss.object_id) for miss in found.failures] == [(MAILBOXES, "")]


@pytest.mark.parametrize(("side", "is_told"), [("own", True), ("ignored", False)])
async def test_rights_that_are_read_one_by_one_are_those_of_the_one(
    side: str, is_told: bool
) -> None:
    sides = {**REFUSED_LISTINGS, "exchange-each-identity": side}
    async with connect_sandbox(build_full_scene(**sides)) as to:
        to.exchange.page_size = 1
        command = Command("Get-MailboxAuditBypassAssociation", {"ResultSize": "Unlimited"})
        if is_told:
            rows = await list_rows(to.exchange, command)
            assert {row["Guid"] for row in rows if row["AuditBypassEnabled"]} == {PERSON_GUID}
        else:
            with pytest.raises(Unavailable):
                await list_rows(to.exchange, command)


@pytest.mark.parametrize("side", ["not-found", "everyone"])
async def test_a_legacy_name_that_nobody_has_is_nobody(side: str) -> None:
    scene = build_full_scene(**{"exchange-legacy-control": side})
    async with connect_sandbox(scene) as to:
        found = await to.tenant.mail_flow.read_recipients([ANN_NAME, GONE_NAME])
        known: dict[str, Recipient] = {one.name: one for one in found.items}
        assert known[ANN_NAME].found
        unread = {miss.object_id for miss in found.failures}
        assert GONE_NAME in unread or not known[GONE_NAME].found


@pytest.mark.parametrize(("side", "count"), [("own", 2), ("regional", 2), ("foreign", 0)])
async def test_a_next_page_is_asked_of_exchange_alone(side: str, count: int) -> None:
    """A token never goes to another host; regions of the DoD and port 446 are Exchange's own."""
    async with connect_sandbox(build_full_scene(**{"exchange-regional-hosts": side})) as to:
        to.exchange.page_size = 1
        command = Command("Get-Mailbox", {"ResultSize": "Unlimited"}, ("Guid",))
        if count:
            rows = [row async for page, _ in to.exchange.read_pages(command) for row in page]
            assert len(rows) == count
        else:
            with pytest.raises(Unavailable, match="outside of its own address"):
                [page async for page in to.exchange.read_pages(command)]


# Waiting ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "waits"), [("told", [3.0] * 5), ("silent", [2.0, 4.0, 8.0, 16.0, 30.0])]
)
async def test_a_throttled_exchange_is_left_alone_as_long_as_it_says_or_longer_each_time(
    side: str, waits: list[float]
) -> None:
    limit = {"kind": "limit", "service": "exchange", "match": "Get-Mailbox", "atOnce": 0}
    scene = build_full_scene(**{"exchange-retry-after": side})
    scene["faults"] = [{**limit, "retryAfter": 3, "times": len(waits)}]
    async with connect_sandbox(scene) as to:
        to.exchange.service = build_exchange_service(
            clock=to.clock, sleep=to.clock.sleep, jitter=lambda: 0.0
        )
        found = await collect_pages(to.tenant.mailboxes.list_mailboxes())
        assert (len(found.items), found.failures) == (2, ())
        assert to.clock.waits == waits


async def test_a_tenant_that_runs_two_commands_at_once_is_read_whole_and_never_refuses() -> None:
    """Exchange is asked for two commands at first; what it refuses lowers that."""
    sides = {"exchange-concurrency": {"side": "limited", "most": INITIAL_LIMIT}}
    async with connect_sandbox(build_full_scene(**sides)) as to:
        service = to.exchange.service = build_exchange_service(
            clock=to.clock, sleep=to.clock.sleep, jitter=lambda: 0.0
        )
        assert service.limit == INITIAL_LIMIT
        commands = [Command("Get-Mailbox", {"Identity": one}) for one in (PERSON_GUID, ROOM_GUID)]
        answers = await asyncio.gather(
            *(to.exchange.invoke(one.cmdlet, one.parameters) for one in commands * 2)
        )
        assert [len(rows) for rows in answers] == [1] * 4
        assert 429 not in {one.status for one in to.sandbox.requests}


async def test_exchange_has_as_long_for_a_cmdlet_as_its_own_module_gives_it() -> None:
    async with connect_sandbox(build_scene()) as to:
        assert to.exchange.http_client.read_timeout == 16 * 60


async def test_reports_that_are_throttled_in_silence_wait_out_their_window() -> None:
    sides = {"graph-report-backoff": {"side": "silent", "times": 1}}
    async with connect_sandbox(build_full_scene(**sides)) as to:
        assert not (await to.tenant.protocols.read_protocol_use(SINCE)).failures
        assert sum(to.clock.waits) >= REPORT_WINDOW_SECONDS


# Graph's logs ----------------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["empty-token", "times-out"])
async def test_a_sign_in_log_that_does_not_end_is_unread(side: str) -> None:
    scene = build_full_scene(**{"graph-sign-in-pages": side})
    scene["graph"]["signIns"] = [
        build_sign_in(PERSON, client, "nonInteractiveUser", day)
        for client in ("Authenticated SMTP", "Browser")
        for day in range(1, 28)
    ] * 20
    async with connect_sandbox(scene) as to:
        use = await to.tenant.protocols.read_protocol_use(SINCE)
        assert [(miss.source, miss.permission) for miss in use.failures] == [(PROTOCOL_USE, "")]
        found = await to.tenant.accounts.read_successful_sign_ins([PERSON, ROOM], SINCE)
        if side == "times-out":
            assert found.items == ()
            assert {miss.source for miss in found.failures} == {SIGN_IN_LOG}


@pytest.mark.parametrize("side", ["non-interactive", "interactive"])
async def test_smtp_auth_is_found_under_either_kind_of_sign_in(side: str) -> None:
    scene = build_full_scene(**{"graph-sign-in-log": side})
    for row in scene["graph"]["signIns"]:
        # The side decides under which kind it is logged.
        del row["signInEventTypes"]
    async with connect_sandbox(scene) as to:
        use = await to.tenant.protocols.read_protocol_use(SINCE)
        assert [(one.account_id, one.protocol) for one in use.items] == [(PERSON, "smtp")]
        assert use.failures == ()


async def test_a_success_that_entra_does_not_keep_is_none_on_record_beside_an_attempt() -> None:
    scene = build_full_scene(**{"graph-sign-in-null": "null"})
    activity = {"lastSuccessfulSignInDateTime": at(20), "lastSignInDateTime": at(21)}
    scene["graph"]["users"][0]["signInActivity"] = activity
    async with connect_sandbox(scene) as to:
        found = await to.tenant.accounts.read_last_sign_ins([PERSON])
        (one,) = found.items
        assert one.last_success is None
        assert one.last_attempt == datetime(2026, 11, 21, 8, tzinfo=UTC)


@pytest.mark.parametrize(("side", "is_told"), [("told", True), ("null", False)])
async def test_a_password_without_a_date_is_not_one_that_nobody_set(
    side: str, is_told: bool
) -> None:
    async with connect_sandbox(build_full_scene(**{"graph-password-date": side})) as to:
        accounts = (await to.tenant.accounts.read_accounts(OWNERS)).items
        assert [one.password_changed_at is not None for one in accounts] == [is_told] * 2


async def test_folders_that_may_not_be_read_are_unread_and_their_rules_told() -> None:
    async with connect_sandbox(build_full_scene(**{"graph-mail-folders": "denied"})) as to:
        rules = await to.tenant.inbox_rules.read_inbox_rules(OWNERS)
        folders = await to.tenant.inbox_rules.read_rule_folders(rules.items)
        assert len(rules.items) == 2
        assert [miss.source for miss in folders.failures] == [RULE_FOLDERS]
        assert not [one for one in folders.items if one.id == FOLDER]


@pytest.mark.parametrize("side", ["message", "code", "bare"])
async def test_the_reason_of_pim_is_read_in_each_of_its_forms(side: str) -> None:
    scene = build_full_scene(**{"graph-error-code": side})
    scene["grants"] = {"graph": ["GroupMember.Read.All"], "exchange": "*"}
    async with connect_sandbox(scene) as to:
        found = await to.tenant.roles.read_role_holders()
        missing = {miss.permission for miss in found.failures}
        assert missing == {"RoleManagement.Read.Directory"}
        assert {miss.source for miss in found.failures} == {ROLE_HOLDERS}


@pytest.mark.parametrize(("side", "is_read"), [("includes", True), ("excludes", False)])
async def test_who_may_take_a_role_is_read_or_named_as_unread(side: str, is_read: bool) -> None:
    scene = build_full_scene(**{"graph-eligibility-role": side})
    scene["grants"] = {
        "graph": ["RoleManagement.Read.All", "GroupMember.Read.All"],
        "exchange": "*",
    }
    async with connect_sandbox(scene) as to:
        found = await to.tenant.roles.read_role_holders()
        assert (found.failures == ()) is is_read


@pytest.mark.parametrize("side", ["taken", "refused"])
async def test_the_recycle_bin_is_read_in_pages_as_large_as_it_takes(side: str) -> None:
    async with connect_sandbox(build_full_scene(**{"graph-deleted-select": side})) as to:
        found = await to.tenant.deletions.read_deleted_objects(SINCE)
        assert ([one.kind for one in found.items], found.failures) == (["user"], ())
        asked = [one for one in to.sandbox.requests if "deletedItems" in one.path]
        assert [one.status for one in asked] == ([200] * 2 if side == "taken" else [400, 200] * 2)


async def test_a_mailbox_in_another_form_of_refusal_is_still_that_refusal() -> None:
    """Bodies of errors that are labelled gzip and are not are read as they are."""
    sides = {"exchange-mislabelled-bodies": "gzip"}
    async with connect_sandbox(build_full_scene(**sides)) as to:
        found = await to.tenant.mail_flow.read_recipients(["nobody@contoso.example"])
        assert [(one.found, found.failures) for one in found.items] == [(False, ())]
        with pytest.raises(Rejected, match="mandatory"):
            await to.exchange.invoke("Get-MailboxPermission", {})
