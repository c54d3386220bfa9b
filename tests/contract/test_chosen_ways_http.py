"""A tenant whose facts are turned round: the probe finds the other way, and the adapters go it."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest

from core.adapters.exchange.command import Command
from core.microsoft365.assumptions.register import ASSUMPTIONS
from core.tenant.audit_queries import AuditQuestion
from core.tenant.sources import MAILBOXES, TRANSPORT_RULES
from tests.support.http_recorder import (
    PERSON,
    PERSON_GUID,
    ROOM_GUID,
    Connection,
    build_mailbox_row,
    build_scene,
    build_users,
    connect_sandbox,
    expect_rows,
    person,
)
from tests.support.observe import collect_pages
from tests.support.tenants import build_granted_apps

SINCE = datetime(2026, 11, 1, tzinfo=UTC)
STEERED = {one.id for one in ASSUMPTIONS if one.ways}


def list_statuses(to: Connection) -> list[str]:
    """The statuses of all requests but those for tokens."""
    return [f"{one.status}" for one in to.sandbox.requests if one.service in ("graph", "exchange")]


async def write_mailbox(to: Connection) -> list[str]:
    changed = {"Identity": PERSON_GUID, "AuditEnabled": False}
    await to.exchange.invoke("Set-Mailbox", changed, anchor="ann@contoso.example")
    return list_statuses(to)


async def read_two_mailboxes(to: Connection) -> list[str]:
    commands = [Command("Get-Mailbox", {"Identity": one}) for one in (PERSON_GUID, ROOM_GUID)]
    for outcome in await to.exchange.invoke_batch(commands):
        assert len(expect_rows(outcome)) == 1
    asked = [one for one in to.sandbox.requests if one.service.startswith("exchange")]
    return sorted(f"{one.service} {one.status}" for one in asked)


async def list_grants(to: Connection) -> list[str]:
    found = await collect_pages(to.tenant.apps.list_delegated_grants())
    assert (len(found.items), found.failures) == (1_500, ())
    lines = [f"{one.path} {one.status}" for one in to.sandbox.requests]
    return [one for one in lines if one.startswith("/v1.0/oauth2PermissionGrants ")]


async def list_registrations(to: Connection) -> list[str]:
    assert not (await collect_pages(to.tenant.accounts.list_mfa_registrations())).failures
    return list_statuses(to)


async def read_recycle_bins(to: Connection) -> list[str]:
    assert not (await to.tenant.deletions.read_deleted_objects(SINCE)).failures
    return list_statuses(to)


async def read_sign_ins(to: Connection) -> list[str]:
    found = await to.tenant.accounts.read_last_sign_ins([person(0), person(1)])
    assert (len(found.items), found.failures) == (2, ())
    return list_statuses(to)


async def read_nobody(to: Connection) -> list[str]:
    found = await to.tenant.mailboxes.read_mailboxes([NOBODY])
    assert found.items == ()
    return [f"{one.source} {one.object_id}" for one in found.failures]


async def read_no_setting(to: Connection) -> list[str]:
    """What is unread of a remote domain and a mail-flow rule that nobody knows."""
    domains = await to.tenant.configuration.read_objects("remote-domain", [NOBODY])
    rules = await to.tenant.mail_flow.read_transport_rules_of([NOBODY])
    assert (domains.items, rules.items) == ((), ())
    return [f"{one.source} {one.object_id}" for one in (*domains.failures, *rules.failures)]


async def read_organization(to: Connection) -> list[str]:
    found = await to.tenant.auditing.read_organization_audit()
    assert not found.failures
    return [
        f"{one.unlogged_count} {' '.join(one.unlogged_examples)}".strip() for one in found.items
    ]


async def begin_search(to: Connection) -> list[str]:
    question = AuditQuestion(SINCE, SINCE + timedelta(days=1), ("Set-Mailbox",))
    await to.tenant.audit_queries.start_query("a case", question)
    return list_statuses(to)


ANN = build_mailbox_row(PERSON, PERSON_GUID, "ann", UserPrincipalName="ann@contoso.example")
NOBODY = "99999999-0000-4000-8000-000000000009"
DOMAIN_GUID = "88888888-0000-4000-8000-000000000008"
GRANTS_LINE = "/v1.0/oauth2PermissionGrants {}"


class TurnedRound(NamedTuple):
    """A fact that does not hold, and the requests that one task takes before and after a probe."""

    assumption: str
    way: str
    scene: dict[str, Any]
    act: Callable[[Connection], Awaitable[list[str]]]
    before: Sequence[str]
    after: Sequence[str]


TURNED_ROUND = (
    TurnedRound(
        "exchange-anchor-form",
        "upn",
        build_scene(exchange={"Get-Mailbox": [ANN]}, reality={"exchange-anchor-form": "strict"}),
        write_mailbox,
        ["400", "400", "200"],
        ["200"],
    ),
    TurnedRound(
        "exchange-batch-routing",
        "single",
        build_scene(reality={"exchange-batch-routing": "refused"}),
        read_two_mailboxes,
        # A read without an anchor of its mailbox runs anywhere, but not inside a batch.
        ["exchange 200"] * 3 + ["exchange/inner 400"] * 2,
        ["exchange 200"] * 2,
    ),
    TurnedRound(
        "exchange-audit-enabled",
        "filtered",
        build_scene(
            exchange={"Get-Mailbox": [{**ANN, "AuditEnabled": False}]},
            reality={"exchange-audit-enabled": "always-true"},
        ),
        read_organization,
        ["0"],
        ["1 ann@contoso.example"],
    ),
    TurnedRound(
        "exchange-single-objects",
        "doubted",
        build_scene(exchange={"Get-Mailbox": [ANN]}, reality={"exchange-single-objects": "guid"}),
        read_nobody,
        [],
        [f"{MAILBOXES} {NOBODY}"],
    ),
    TurnedRound(
        "exchange-single-settings",
        "doubted",
        build_scene(
            exchange={
                "Get-RemoteDomain": [
                    {
                        "Guid": "88888888-0000-4000-8000-000000000008",
                        "Identity": "Default",
                        "Name": "x",
                    }
                ]
            },
            reality={"exchange-single-settings": "name"},
        ),
        read_no_setting,
        [],
        [f"configuration-remote-domain {NOBODY}", f"{TRANSPORT_RULES} {NOBODY}"],
    ),
    TurnedRound(
        "graph-grants-count",
        "per-client",
        build_granted_apps(3, **{"graph-grants-count": "lossy"}),
        list_grants,
        [GRANTS_LINE.format(200)] * 2,
        [GRANTS_LINE.format(200)],
    ),
    TurnedRound(
        "graph-grants-count",
        "per-client",
        build_granted_apps(3, **{"graph-grants-count": "uncounted"}),
        list_grants,
        [GRANTS_LINE.format(status) for status in (400, 200, 200)],
        [GRANTS_LINE.format(400)],
    ),
    TurnedRound(
        "graph-registration-page",
        "plain",
        build_scene(reality={"graph-registration-page": "refused"}),
        list_registrations,
        ["400", "200"],
        ["200"],
    ),
    TurnedRound(
        "graph-deleted-select",
        "plain",
        build_scene(reality={"graph-deleted-select": "refused"}),
        read_recycle_bins,
        ["400", "200"] * 2,
        ["200"] * 2,
    ),
    TurnedRound(
        "graph-users-id-filter",
        "listed",
        build_users(3, reality={"graph-users-id-filter": "refused"}),
        read_sign_ins,
        ["400", "200"],
        ["200"],
    ),
    TurnedRound(
        "graph-audit-query-version",
        "v1.0",
        build_scene(reality={"graph-audit-query-version": "v1-only"}),
        begin_search,
        ["404"],
        ["201"],
    ),
)


@pytest.mark.parametrize("fact", TURNED_ROUND, ids=lambda one: one.assumption)
async def test_a_fact_that_is_turned_round_is_found_and_another_way_is_gone(
    fact: TurnedRound,
) -> None:
    async with connect_sandbox(fact.scene) as to:
        assert await fact.act(to) == fact.before
        outcome = await to.tenant.prober.probe_assumptions(100, 120)
        (answer,) = [one for one in outcome.answers if one.assumption == fact.assumption]
        assert (answer.status, answer.way) == ("does-not-hold", fact.way)
        to.tenant.prober.adopt_ways({one.assumption: one.way for one in outcome.answers})
        to.sandbox.requests.clear()
        assert await fact.act(to) == fact.after


def test_every_assumption_with_ways_is_turned_round_here_or_steers_the_listings() -> None:
    assert {one.assumption for one in TURNED_ROUND} == STEERED - {
        "exchange-paging",
        "exchange-name-order",
    }
