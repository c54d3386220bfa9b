"""The switch of the contested facts: sides, options, profiles and the forms of values."""

import re
from typing import Any

import aiohttp
import pytest

from core.microsoft365.assumptions.assumption import Standing
from core.microsoft365.assumptions.register import ASSUMPTIONS_BY_ID
from sandbox.reality.platform_facts import PLAYED_WITHOUT_A_SWITCH
from sandbox.reality.profile import CONTRARY, FACTS, Reality
from sandbox.scene_runner import set_reality
from tests.sandbox.conftest import StartTenant
from tests.sandbox.tenant_client import MIA_GUID, build_command_body


def test_each_fact_plays_its_default_unless_the_scene_says_otherwise() -> None:
    reality = Reality({"exchange-wire-forms": "odd-case"})
    for fact in FACTS.values():
        expected = "odd-case" if fact.id == "exchange-wire-forms" else fact.default
        assert reality.get_side(fact.id) == expected


def test_each_fact_is_an_assumption_of_the_register() -> None:
    assert FACTS.keys() <= ASSUMPTIONS_BY_ID.keys()


def test_each_contested_assumption_is_played_by_a_switch_or_by_something_that_is_named() -> None:
    contested = {one.id for one in ASSUMPTIONS_BY_ID.values() if one.standing is Standing.CONTESTED}
    assert contested - FACTS.keys() == PLAYED_WITHOUT_A_SWITCH.keys()


@pytest.mark.parametrize("definition", [CONTRARY, {"profile": CONTRARY}])
def test_the_contrary_profile_plays_every_worst_side(definition: object) -> None:
    reality = Reality(definition)
    for fact in FACTS.values():
        assert reality.plays(fact.id, fact.worst or fact.default)
        assert fact.worst != fact.default
        assert len(fact.sides) > 1
        assert fact.worst_options.keys() <= fact.options.keys()


def test_a_single_fact_stands_beside_the_profile() -> None:
    reality = Reality({"profile": CONTRARY, "exchange-read-back": {"side": "late", "reads": 3}})
    assert reality.get_option("exchange-read-back", "reads", 1) == 3
    assert reality.plays("exchange-wire-forms", "all")


@pytest.mark.parametrize(
    "definition",
    [
        {"exchange-moods": "good"},
        {"exchange-wire-forms": "shouting"},
        {"exchange-wire-forms": {"side": "bare", "loud": True}},
        {"profile": "kind"},
        "kind",
        ["contrary"],
        {"exchange-wire-forms": 3},
    ],
)
def test_a_definition_that_could_not_take_effect_is_refused(definition: object) -> None:
    with pytest.raises(ValueError, match=r"fact|side|option|profile"):
        Reality(definition)


def test_the_command_line_is_laid_over_the_scene() -> None:
    scene: dict[str, Any] = {"reality": {"exchange-wire-forms": "odd-case"}}
    chosen = set_reality(scene, "contrary", {"exchange-read-back": "at-once"})
    assert chosen["reality"] == {
        "exchange-wire-forms": "odd-case",
        "exchange-read-back": "at-once",
        "profile": "contrary",
    }
    assert set_reality({}, "", {}) == {}
    with pytest.raises(ValueError, match="no contested fact"):
        set_reality({}, "", {"exchange-moods": "good"})


async def test_values_are_printed_as_the_sides_say(start: StartTenant) -> None:
    row: dict[str, Any] = {
        "Guid": MIA_GUID,
        "PrimarySmtpAddress": "mia@contoso.example",
        "RecipientTypeDetails": "UserMailbox",
        "EmailAddresses": ["SMTP:mia@contoso.example"],
        "AuditOwner": ["Update", "MoveToDeletedItems"],
        "AuditDelegate": [],
        "AuditEnabled": True,
        "ItemCount": 12345,
        "DisplayName": "Mia",
    }
    plain = {name: row[name] for name in row}
    odd = {
        "Guid": MIA_GUID.upper(),
        "PrimarySmtpAddress": "mia@contoso.example",
        "RecipientTypeDetails": "USERMAILBOX",
        "EmailAddresses": "SMTP:Mia@Contoso.Example",
        "AuditOwner": ["Update", "MoveToDeletedItems"],
        "AuditDelegate": None,
        "AuditEnabled": "True",
        "ItemCount": "12,345",
        "DisplayName": "Mia",
    }
    for reality, expected in ((None, plain), (CONTRARY, odd)):
        async with start(exchange={"Get-Mailbox": [row]}, reality=reality) as client:
            reply = await client.run_cmdlet("Get-Mailbox", Identity=MIA_GUID)
            assert {name: reply.body["value"][0][name] for name in row} == expected


async def test_a_write_shows_late(start: StartTenant) -> None:
    row = {"Guid": MIA_GUID, "Identity": "mia", "AuditEnabled": False}
    late = {"exchange-read-back": {"side": "late", "reads": 2}}
    async with start(exchange={"Get-Mailbox": [row]}, reality=late) as client:
        await client.run_cmdlet("Set-Mailbox", Identity="mia", AuditEnabled=True)
        shown = [
            (await client.run_cmdlet("Get-Mailbox", Identity="mia")).body["value"][0][
                "AuditEnabled"
            ]
            for _ in range(3)
        ]
        assert shown == [False, False, True]


async def test_a_running_tenant_changes_its_mind(start: StartTenant) -> None:
    row = {"Guid": MIA_GUID, "Identity": "mia", "AuditEnabled": False}
    async with start(exchange={"Get-Mailbox": [row]}) as client:
        await client.request("POST", "/sandbox/scene", {"reality": {"exchange-wire-forms": "text"}})
        reply = await client.run_cmdlet("Get-Mailbox", Identity="mia")
        assert reply.body["value"][0]["AuditEnabled"] == "False"
        refused = await client.request("POST", "/sandbox/scene", {"reality": {"no-fact": "x"}})
        assert refused.status == 400


async def test_the_sides_refuse_commands_as_reported(start: StartTenant) -> None:
    mailbox = {"Guid": MIA_GUID, "Identity": "mia", "Name": "mia", "IsDirSynced": True}
    refusals: tuple[tuple[dict[str, Any], str, dict[str, Any], int, str], ...] = (
        ({"exchange-role-group": "refused"}, "Get-Mailbox", {}, 403, "isn't supported in this"),
        (
            {"exchange-role-group": {"side": "refused", "status": 400}},
            *("Get-Mailbox", {}, 400, "isn't supported in this scenario"),
        ),
        (
            {"exchange-inbox-rule-role": "refused"},
            *("Get-InboxRule", {"Mailbox": "mia"}, 403, "ErrorAccessDenied"),
        ),
        (
            {"exchange-synced-audit": "refused"},
            *("Set-Mailbox", {"Identity": "mia", "AuditEnabled": True}, 400, "on-premises"),
        ),
        (
            {"exchange-recipient-kinds": "refused"},
            *("Get-Mailbox", {"RecipientTypeDetails": "FutureMailbox"}, 400, "Cannot convert"),
        ),
        (
            {"exchange-transient-types": {"side": "passing", "every": 1}},
            *("Get-Mailbox", {}, 400, "ServerBusy|Transient|Backend"),
        ),
    )
    for reality, cmdlet, parameters, status, message in refusals:
        async with start(exchange={"Get-Mailbox": [mailbox]}, reality=reality) as client:
            reply = await client.run_cmdlet(cmdlet, **parameters)
            assert (reply.status, bool(re.search(message, reply.content.decode()))) == (
                *(status, True),
            )
            assert client.sandbox.writes == []


async def test_a_success_may_carry_errors_and_half_of_the_rows(start: StartTenant) -> None:
    rows = [{"Guid": MIA_GUID, "Name": "a"}, {"Name": "b"}]
    some = {"exchange-errors-in-success": {"side": "some", "cmdlets": ["Get-Mailbox"]}}
    async with start(exchange={"Get-Mailbox": rows}, reality=some) as client:
        reply = await client.run_cmdlet("Get-Mailbox")
        assert (len(reply.body["value"]), len(reply.body["@adminapi.errors"])) == (1, 1)
        other = await client.run_cmdlet("Get-RemoteDomain")
        assert "@adminapi.errors" not in other.body


async def test_rights_are_joined_and_an_error_is_mislabelled(start: StartTenant) -> None:
    mailbox = {"Guid": MIA_GUID, "Identity": "mia", "Name": "mia"}
    sides = {"exchange-permission-rights": "joined", "exchange-mislabelled-bodies": "gzip"}
    async with start(exchange={"Get-Mailbox": [mailbox]}, reality=sides) as client:
        reply = await client.run_cmdlet("Get-MailboxPermission", Identity="mia")
        assert reply.body["value"][0]["AccessRights"] == ["FullAccess, ReadPermission"]
        with pytest.raises(aiohttp.ClientPayloadError, match="gzip"):
            await client.run_cmdlet("Get-MailboxPermission", Identity="nobody")


async def test_a_missing_cmdlet_is_refused_in_either_form(start: StartTenant) -> None:
    for side, status in (("nul", 403), ("message", 400)):
        async with start(reality={"exchange-empty-403": side}) as client:
            reply = await client.run_cmdlet("Get-Nothing")
            assert reply.status == status
            assert (reply.content.strip(b"\0") == b"") is (side == "nul")


async def test_writes_reach_their_server_or_not(start: StartTenant) -> None:
    mailbox = {"Guid": MIA_GUID, "Identity": "mia", "AuditEnabled": False}
    for facts, status in (
        ({}, 400),
        ({"exchange-write-anchor": "any", "exchange-audit-log-anchor": "any"}, 200),
    ):
        async with start(exchange={"Get-Mailbox": [mailbox]}, reality=facts) as client:
            audit = await client.request(
                *("POST", client.build_admin_url()),
                build_command_body("Set-Mailbox", Identity="mia", AuditEnabled=True),
            )
            log = await client.request(
                *("POST", client.build_admin_url()),
                build_command_body("Set-AdminAuditLogConfig", UnifiedAuditLogIngestionEnabled=True),
            )
            assert (audit.status, log.status) == (status, status)


async def test_the_unified_log_shows_later_than_other_writes(start: StartTenant) -> None:
    sides = {
        "exchange-audit-log-lag": {"side": "late", "reads": 2},
        "exchange-audit-log-anchor": "any",
    }
    off = {"Get-AdminAuditLogConfig": [{"UnifiedAuditLogIngestionEnabled": False}]}
    async with start(exchange=off, reality=sides) as client:
        await client.run_cmdlet(
            "Set-AdminAuditLogConfig",
            UnifiedAuditLogIngestionEnabled=True,
        )
        shown = [
            (await client.read_rows("Get-AdminAuditLogConfig"))[0][
                "UnifiedAuditLogIngestionEnabled"
            ]
            for _ in range(3)
        ]
        assert shown == [False, False, True]


async def test_the_answer_of_a_write_that_was_carried_out_may_fail(start: StartTenant) -> None:
    for side, status in (("fails", 400), ("answers", 200)):
        async with start(reality={"exchange-write-answer": side}) as client:
            reply = await client.run_cmdlet("Set-OrganizationConfig", AuditDisabled=True)
            assert reply.status == status
            (row,) = await client.read_rows("Get-OrganizationConfig")
            assert row["AuditDisabled"] is True
