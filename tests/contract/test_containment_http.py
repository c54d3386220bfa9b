"""Containing an account on the real adapters: a tenant under attack, over HTTP."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from core.adapters.m365.containment.parse import parse_audit, parse_target
from core.errors import NotFound, Rejected, Superseded
from core.keys import format_act_hour
from core.model.activity import Act
from core.model.containment import ContainmentState, StepState
from core.model.requests import RequestKind, RequestState
from core.ports import ACTIVITY_PARTITION
from core.tenant.changes import (
    BlockAccount,
    DisableClientProtocols,
    DisableDevice,
    DisableHiddenRule,
    RevokeSessions,
)
from core.tenant.containing import DetailKind, TargetAccount
from tests.support.acts import build_act
from tests.support.audit_records import THIEF_APP, build_audit_row, build_mail_record
from tests.support.containment_http import NOW, Stage, ago
from tests.support.http_recorder import (
    PERSON,
    PERSON_GUID,
    ROOM,
    build_mailbox_row,
    build_rule_row,
    build_scene,
    build_user_row,
    connect_sandbox,
)

SINCE = NOW - timedelta(days=30)
METHODS = "#microsoft.graph."


def build_attack(**person: Any) -> dict[str, Any]:
    """Ann's account was taken: a forward, two rules, a second factor, a phone, mail to others."""
    sent = [
        ("ben@contoso.example", "invoice", 1),
        ("cleo@elsewhere.example", "invoice", 2),
        ("cleo@elsewhere.example", "reminder", 3),
    ]
    return build_scene(
        graph={
            "users": [
                build_user_row(
                    PERSON, "ann", signInSessionsValidFromDateTime=ago(days=90), **person
                ),
                build_user_row(ROOM, "room"),
            ],
            "messageRules": {
                PERSON: [build_rule_row("evil"), build_rule_row("old", isEnabled=False)]
            },
            "authenticationMethods": [
                {
                    "@sandbox.user": PERSON,
                    "@odata.type": f"{METHODS}softwareOathAuthenticationMethod",
                    "id": "5f9c1b0e-0000-4000-8000-000000000001",
                    "createdDateTime": ago(hours=2),
                },
                {
                    "@sandbox.user": PERSON,
                    "@odata.type": f"{METHODS}phoneAuthenticationMethod",
                    "id": "3179e48a-750b-4051-897c-87b9720928f7",
                    "phoneNumber": "+1 5550100",
                },
            ],
            "registeredDevices": [
                {
                    "@sandbox.user": PERSON,
                    "id": "77777777-0000-4000-8000-000000000001",
                    "displayName": "DESKTOP-EVIL",
                    "operatingSystem": "Windows",
                    "registrationDateTime": ago(hours=1),
                }
            ],
            "oauth2PermissionGrants": [
                {
                    "id": "grant-1",
                    "clientId": "88888888-0000-4000-8000-000000000001",
                    "resourceId": "88888888-0000-4000-8000-000000000002",
                    "principalId": PERSON,
                    "consentType": "Principal",
                    "scope": "Mail.Read",
                }
            ],
            "signIns": [
                {
                    "id": "s1",
                    "userId": PERSON,
                    "createdDateTime": ago(hours=3),
                    "appDisplayName": "Outlook",
                    "ipAddress": "203.0.113.9",
                    "correlationId": "c1",
                    "sessionId": "s-1",
                    "status": {"errorCode": 0},
                },
                {
                    "id": "s2",
                    "userId": PERSON,
                    "createdDateTime": ago(hours=2),
                    "appDisplayName": "Teams",
                    "correlationId": "c2",
                    "status": {"errorCode": 0},
                },
                {
                    "id": "s3",
                    "userId": PERSON,
                    "createdDateTime": ago(hours=1),
                    "appDisplayName": "Microsoft Office",
                    "ipAddress": "198.51.100.77",
                    "sessionId": "S-1",
                    "signInEventTypes": ["nonInteractiveUser"],
                    "status": {"errorCode": 0},
                },
            ],
            "applications": [
                {
                    "id": "99999999-0000-4000-8000-000000000001",
                    "appId": "99999999-0000-4000-8000-000000000002",
                    "displayName": "Mail helper",
                    "createdDateTime": ago(hours=1),
                    "owners": [PERSON],
                }
            ],
            "appRoleAssignments": [
                {
                    "id": "assignment-1",
                    "principalId": PERSON,
                    "resourceId": "88888888-0000-4000-8000-000000000003",
                    "resourceDisplayName": "eM Client",
                    "appRoleId": "00000000-0000-0000-0000-000000000000",
                    "createdDateTime": ago(hours=2),
                }
            ],
        },
        exchange={
            "Get-Mailbox": [
                build_mailbox_row(
                    PERSON,
                    PERSON_GUID,
                    "ann",
                    ForwardingSmtpAddress="smtp:x@evil.example",
                    GrantSendOnBehalfTo=["Eve"],
                )
            ],
            "Get-AcceptedDomain": [{"DomainName": "contoso.example", "Name": "contoso.example"}],
            "Get-MobileDevice": {
                PERSON_GUID: [
                    {
                        "Guid": "66666666-0000-4000-8000-000000000001",
                        "DeviceId": "EVILPHONE",
                        "DeviceModel": "Pixel",
                        "DeviceType": "Android",
                        "FirstSyncTime": ago(hours=1),
                    }
                ]
            },
            "Get-MessageTraceV2": [
                {
                    "MessageTraceId": f"m{number}",
                    "SenderAddress": "ann@contoso.example",
                    "RecipientAddress": to,
                    "Subject": subject,
                    "Received": ago(hours=number),
                    "Status": "Delivered",
                }
                for to, subject, number in sent
            ],
        },
    )


@asynccontextmanager
async def open_stage(scene: dict[str, Any] | None = None) -> AsyncIterator[Stage]:
    """A stage on a tenant under attack."""
    async with connect_sandbox(scene or build_attack()) as connection:
        yield Stage(connection)


async def test_an_account_is_contained_and_brought_back_as_it_was() -> None:
    async with open_stage() as stage:
        planned = await stage.ask(
            steps=("block-sign-in", "end-sessions", "forwards", "rules", "protocols")
        )
        assert planned.state is RequestState.DONE
        plan = await stage.get_latest()
        assert plan.unread == ()
        assert stage.connection.sandbox.tenant.writes == []
        names = [step.name for step in plan.steps]
        assert names[:5] == ["block-sign-in", "end-sessions", "forward", "rule-1", "protocols"]
        commands = {step.name: step.command for step in plan.steps}
        assert "Remove-MgUserAuthenticationSoftwareOathMethod" in commands["method-1"]
        assert "Update-MgDevice" in commands["device-1"]
        assert "EVILPHONE" in commands["phone-1"]
        assert "Remove-MgOauth2PermissionGrant" in commands["grant-1"]
        done = await stage.ask(plan=plan.plan_hash)
        assert done.note.startswith("5 of 5 steps are made")
        assert not stage.user["accountEnabled"]
        assert stage.user["signInSessionsValidFromDateTime"] > ago(days=1)
        assert not stage.box["ForwardingSmtpAddress"]
        assert not any(stage.rules.values())
        kept = await stage.ledger.load_bundle(plan.id)
        assert kept
        assert kept.digest == (await stage.get_latest()).bundle_digest
        undone = await stage.ask(RequestKind.UNCONTAIN, steps=("rule-1", "forward"))
        assert undone.state is RequestState.DONE, undone.note
        assert stage.user["accountEnabled"] is True
        assert stage.box["ForwardingSmtpAddress"] == "smtp:x@evil.example"
        assert stage.rules == {"evil": True, "old": False}
        row = stage.connection.sandbox.tenant.exchange["Get-CASMailbox"][0]
        assert (row["OWAEnabled"], row["EwsEnabled"], row["ImapEnabled"]) == (True, None, False)
        assert (await stage.get_latest()).state is ContainmentState.UNDONE


async def test_the_evidence_says_who_when_from_where_and_what_was_taken() -> None:
    async with open_stage() as stage:
        asked = await stage.ask(RequestKind.EVIDENCE)
        bundle = await stage.ledger.load_bundle(asked.id)
        assert bundle
        document = json.loads(bundle.body)
        assert document["not_read"] == []
        details = document["details"]
        assert details["sign-ins"][1]["address"] == "203.0.113.9"
        assert {row["kind"] for row in details["sign-in-methods"]} == {
            "password",
            "softwareoath",
            "phone",
        }
        assert details["devices"][0]["what"] == "DESKTOP-EVIL"
        assert details["grants"][0]["scope"] == "Mail.Read"
        assert details["phones"][0]["device"] == "EVILPHONE"
        assert len(details["sent-mail"]) == 3
        assert [one["what"] for one in details["apps"]] == ["Mail helper"]
        assert [one["what"] for one in details["app-assignments"]] == ["eM Client"]
        assert details["apps"][0]["at"]
        assert [one["what"] for one in details["send-on-behalf"]] == ["Eve"]
        assert [one["address"] for one in details["non-interactive-sign-ins"]] == ["198.51.100.77"]
        assert document["folder_rights"] == []
        assert document["mailbox"]["forwarding_smtp_address"] == "smtp:x@evil.example"
        # The id of one request is no session.
        assert [one["session"] for one in document["sessions"]] == ["s-1"]
        assert document["sessions"][0]["addresses"] == ["198.51.100.77", "203.0.113.9"]
        assert [one["correlationId"] for one in details["sign-ins"]] == ["c2", "c1"]


async def test_the_impact_tells_inside_from_outside() -> None:
    async with open_stage() as stage:
        asked = await stage.ask(RequestKind.IMPACT)
        bundle = await stage.ledger.load_bundle(asked.id)
        assert bundle
        document = json.loads(bundle.body)
        assert document["sent"] == {
            "messages": 3,
            "recipients": 2,
            "inside": 1,
            "outside": 1,
            "unknown": 0,
        }
        first = document["recipients"][0]
        assert (first["address"], first["count"]) == ("cleo@elsewhere.example", 2)
        assert first["subjects"] == ["invoice", "reminder"]
        assert "remediate" in document["purge"]["remove"]["path"]
        assert stage.connection.sandbox.tenant.writes == []


@pytest.mark.parametrize("reality", ["measured", "contrary"])
async def test_what_was_read_and_sent_comes_with_the_records(reality: str) -> None:
    at: dict[str, Any] = {"CreationTime": ago(hours=2).removesuffix("Z")}
    person: dict[str, Any] = {"UserId": "ann@contoso.example", **at}
    sync = [{"Name": "MailAccessType", "Value": "Sync"}, {"Name": "IsThrottled", "Value": "True"}]
    records = [
        *(
            build_mail_record(
                "MailItemsAccessed",
                f"b{number}",
                Folders=[
                    {
                        "Path": "\\Inbox",
                        "FolderItems": [{"InternetMessageId": f"<m{number}@contoso.example>"}],
                    }
                ],
                **person,
            )
            for number in range(40)
        ),
        build_mail_record("MailItemsAccessed", "s1", OperationProperties=sync, **person),
        build_mail_record("MailItemsAccessed", "s2", OperationProperties=sync, **person),
        build_mail_record("MailItemsAccessed", "other", **{**person, "UserId": "bob@x.example"}),
    ]
    scene = build_attack() | {"activity": records, "reality": reality}
    async with open_stage(scene) as stage:
        stage.searches = True
        asked = await stage.ask(RequestKind.IMPACT)
        for _ in range(5):
            stage.clock.advance(minutes=5)
            await stage.ask(RequestKind.CONTAIN, subject=ROOM)
        bundle = await stage.ledger.load_bundle(asked.id)
        assert bundle
        found = json.loads(bundle.body)["records"]
        assert found["counts"]["opened"] == 40, bundle.state
        assert {row["folder"] for row in found["copied"]} == {"\\Inbox"}
        assert len(found["not_recorded"]) == 1
        assert {row["by"] for row in found["opened"]} == {"person: ann@contoso.example"}
        assert stage.connection.sandbox.tenant.writes == []


async def test_a_trace_that_is_refused_is_said_and_nothing_else_is_lost() -> None:
    scene = build_attack() | {"reality": {"exchange-message-trace": "unauthorized"}}
    async with open_stage(scene) as stage:
        asked = await stage.ask(RequestKind.EVIDENCE)
        bundle = await stage.ledger.load_bundle(asked.id)
        assert bundle
        document = json.loads(bundle.body)
        assert [one for one in document["not_read"] if one.startswith("sent-mail")]
        assert document["details"]["sign-ins"]


async def test_a_trace_goes_on_at_the_last_row_across_pages_and_windows() -> None:
    scene = build_attack()
    rows = [
        {
            "MessageTraceId": f"t{number}",
            "SenderAddress": "ann@contoso.example",
            "RecipientAddress": f"r{number:05}@elsewhere.example",
            "Subject": "",
            "Received": ago(days=15 if number % 2 else 1),
            "Status": "Delivered",
        }
        for number in range(3_000)
    ]
    scene["exchange"]["Get-MessageTraceV2"] = rows
    async with open_stage(scene) as stage:
        found = await stage.connection.tenant.containment.read_details(
            DetailKind.SENT_MAIL, TargetAccount(PERSON, "ann@contoso.example"), PERSON_GUID, SINCE
        )
        assert found.failures == ()
        assert len({one.id for one in found.items}) == 3_000


async def test_mail_is_traced_by_the_primary_address_too_where_the_principal_name_differs() -> None:
    scene = build_attack(userPrincipalName="ann@corp.example", mail="ann@contoso.example")
    async with open_stage(scene) as stage:
        impact = await stage.ask(RequestKind.IMPACT)
        bundle = await stage.ledger.load_bundle(impact.id)
        assert bundle
        document = json.loads(bundle.body)
        assert document["sent"]["messages"] == 3
        query = document["purge"]["find"]["body"]["query"]
        assert 'SenderFromAddress in~ ("ann@contoso.example", "ann@corp.example")' in query


async def test_mail_is_traced_by_every_address_that_the_account_has() -> None:
    aliases = ["SMTP:ann@contoso.example", "smtp:sales@contoso.example", "X500:/o=x", "SIP:a@b.c"]
    scene = build_attack(mail="ann@contoso.example", proxyAddresses=aliases)
    for row in scene["exchange"]["Get-MessageTraceV2"]:
        row["SenderAddress"] = "sales@contoso.example"
    async with open_stage(scene) as stage:
        impact = await stage.ask(RequestKind.IMPACT)
        bundle = await stage.ledger.load_bundle(impact.id)
        assert bundle
        document = json.loads(bundle.body)
        assert document["sent"]["messages"] == 3
        assert "sales@contoso.example" in document["purge"]["find"]["body"]["query"]
        many = [f"smtp:a{number}@contoso.example" for number in range(30)]
        account = TargetAccount(PERSON, "ann@contoso.example", aliases=tuple(many))
        found = await stage.connection.tenant.containment.read_details(
            DetailKind.SENT_MAIL, account, PERSON_GUID, SINCE
        )
        assert "there is more than was read" in {one.reason for one in found.failures}


async def test_of_a_record_the_actor_is_who_has_anything_in_it() -> None:
    nobody = {"id": None, "userPrincipalName": None, "displayName": None}
    app = {"servicePrincipalId": THIEF_APP, "displayName": "Notes", "appId": None}
    row = build_audit_row("Consent to application", initiatedBy={"user": nobody, "app": app})
    detail = parse_audit(row)
    assert (detail.get_value("by"), detail.get_value("by name")) == (THIEF_APP, "Notes")


@pytest.mark.parametrize(
    ("kind", "upn", "is_outside"),
    [
        ("Guest", "x@contoso.example", True),
        ("Member", "pat_harbour.example#EXT#@contoso.example", True),
        ("Member", "ann@contoso.example", False),
    ],
)
async def test_who_another_organization_signs_in_is_told_by_more_than_the_type(
    kind: str, upn: str, is_outside: bool
) -> None:
    row = {"id": PERSON, "userType": kind, "userPrincipalName": upn}
    assert parse_target(row).is_guest is is_outside


async def test_what_others_did_to_the_account_stands_beside_what_it_did() -> None:
    async with open_stage() as stage:
        acts = (
            build_act(object_id=PERSON, operation="Add-MailboxPermission"),
            build_act(object_id="", names=("ann@contoso.example",), operation="Set-Mailbox"),
            build_act(object_id=ROOM, operation="New-InboxRule"),
        )
        async with stage.ledger.claim(ACTIVITY_PARTITION, "x") as claim:
            assert claim
            await claim.save(*(replace(act, at=NOW, key=build_key(act)) for act in acts))
        asked = await stage.ask(RequestKind.EVIDENCE)
        bundle = await stage.ledger.load_bundle(asked.id)
        assert bundle
        found = json.loads(bundle.body)["acts_by_others"]
        assert sorted(one["operation"] for one in found) == ["Add-MailboxPermission", "Set-Mailbox"]
        assert {one["by"] for one in found} == {"person: eve@contoso.com"}


def build_key(act: Act) -> str:
    """The key of an act of now."""
    return f"{format_act_hour(NOW)}{act.operation}"


async def test_a_trace_whose_last_row_nobody_understands_is_said_to_be_cut() -> None:
    scene = build_attack()
    scene["exchange"]["Get-MessageTraceV2"] = [
        {"SenderAddress": "ann@contoso.example", "Received": ago(hours=1)} for _ in range(5_000)
    ]
    async with open_stage(scene) as stage:
        found = await stage.connection.tenant.containment.read_details(
            DetailKind.SENT_MAIL, TargetAccount(PERSON, "ann@contoso.example"), PERSON_GUID, SINCE
        )
        assert "there is more than was read" in {one.reason for one in found.failures}


async def test_methods_without_dates_are_said_to_have_none_and_are_all_there() -> None:
    scene = build_attack() | {"reality": {"graph-method-dates": "undated"}}
    async with open_stage(scene) as stage:
        await stage.ask()
        plan = await stage.get_latest()
        titles = [step.title for step in plan.steps if step.name.startswith("method-")]
        assert len(titles) == 2
        assert all("date unknown" in title for title in titles)


async def test_a_synchronised_account_is_blocked() -> None:
    async with open_stage(build_attack(onPremisesSyncEnabled=True)) as stage:
        await stage.ask(steps=("block-sign-in",))
        done = await stage.ask(plan=(await stage.get_latest()).plan_hash)
        assert done.note.startswith("1 of 1 steps are made"), done.note
        assert stage.user["accountEnabled"] is False


async def test_a_synchronised_account_that_may_not_be_blocked_is_said_to_be_open() -> None:
    scene = build_attack(onPremisesSyncEnabled=True)
    scene["reality"] = {"write-synced-block-taken": "refused"}
    async with open_stage(scene) as stage:
        await stage.ask(steps=("block-sign-in", "forwards"))
        done = await stage.ask(plan=(await stage.get_latest()).plan_hash)
        assert done.note.startswith("1 of 2 steps are made; 1 were refused"), done.note
        block = next(
            step for step in (await stage.get_latest()).steps if step.name == "block-sign-in"
        )
        assert block.state is StepState.REFUSED
        assert "HTTP 400" in block.result
        assert "Disable-ADAccount" in block.command
        assert stage.user["accountEnabled"] is True
        assert not stage.box["ForwardingSmtpAddress"]


@pytest.mark.parametrize(
    ("person", "reason"),
    [
        ({"@sandbox.protected": True}, ""),
        ({"isManagementRestricted": True}, "restricted management"),
    ],
)
async def test_a_protected_account_is_not_blocked(person: dict[str, Any], reason: str) -> None:
    async with open_stage(build_attack(**person)) as stage:
        await stage.ask()
        plan = await stage.get_latest()
        if reason:
            assert reason in plan.refusal
            return
        await stage.ask(plan=plan.plan_hash)
        assert stage.user["accountEnabled"] is True
        step = (await stage.get_latest()).steps[0]
        assert step.state == "refused"
        assert "protects the account" in step.result


async def test_a_synchronised_account_is_blocked_with_the_directorys_command_beside_it() -> None:
    async with open_stage(build_attack(onPremisesSyncEnabled=True)) as stage:
        await stage.ask()
        plan = await stage.get_latest()
        assert "Disable-ADAccount" in plan.steps[0].command
        assert (await stage.ask(plan=plan.plan_hash)).note.startswith("5 of 5")
        assert stage.user["accountEnabled"] is False
        assert (await stage.get_latest()).look_again_at is not None


async def test_deleted_and_unknown_accounts_and_the_app_are_told_apart() -> None:
    scene = build_attack()
    gone = "11111111-0000-4000-8000-00000000dead"
    scene["graph"]["deletedItems"] = [build_user_row(gone, "gone", deletedDateTime=ago(days=1))]
    async with open_stage(scene) as stage:
        assert "deleted" in (await stage.ask(subject=gone)).note
        unknown = "11111111-0000-4000-8000-0000000000ff"
        assert "no such account" in (await stage.ask(subject=unknown)).note
        (own, *_) = sorted(await stage.connection.graph.read_own_ids())
        assert "Exoguard itself" in (await stage.ask(subject=own)).note


async def test_a_slow_directory_is_waited_for() -> None:
    scene = build_attack() | {"reality": {"write-graph-read-back": {"side": "late", "reads": 2}}}
    async with open_stage(scene) as stage:
        await stage.ask()
        plan = await stage.get_latest()
        assert (await stage.ask(plan=plan.plan_hash)).note.startswith("5 of 5")


HIDDEN_ROW: dict[str, Any] = {
    "Identity": "ann\\77",
    "RuleIdentity": "77",
    "Name": "..",
    "Enabled": True,
    "RedirectTo": ["y@evil.example"],
    "@sandbox.hidden": True,
}


async def test_late_devices_and_named_hidden_rules_go_off_and_come_back() -> None:
    scene = build_attack()
    scene["exchange"]["Get-InboxRule"] = {PERSON_GUID: [dict(HIDDEN_ROW)]}
    async with open_stage(scene) as stage:
        await stage.ask(steps=("devices", "hidden-rules"))
        plan = await stage.get_latest()
        made = [step.name for step in plan.steps if step.change]
        assert made == ["device-1", "hidden-rule-1"]
        done = await stage.ask(plan=plan.plan_hash)
        assert done.note.startswith("2 of 2 steps are made"), done.note
        tenant = stage.connection.sandbox.tenant
        device, rule = (
            tenant.graph["registeredDevices"][0],
            tenant.exchange["Get-InboxRule"][PERSON_GUID][0],
        )
        assert (device["accountEnabled"], rule["Enabled"]) == (False, False)
        back = await stage.ask(RequestKind.UNCONTAIN, steps=("device-1", "hidden-rule-1"))
        assert "taken back: device-1, hidden-rule-1" in back.note
        assert (device["accountEnabled"], rule["Enabled"]) == (True, True)


async def test_a_device_or_a_rule_that_is_another_one_is_left_alone() -> None:
    scene = build_attack()
    phone = {**scene["graph"]["registeredDevices"][0], "operatingSystem": "iOS"}
    scene["graph"]["registeredDevices"] = [phone]
    scene["exchange"]["Get-InboxRule"] = {PERSON_GUID: [dict(HIDDEN_ROW)]}
    async with open_stage(scene) as stage:
        writer, tenant = stage.connection.tenant.writer, stage.connection.sandbox.tenant
        with pytest.raises(Rejected, match="Windows only"):
            await writer.apply(DisableDevice(phone["id"]))
        for device in ("11111111-0000-4000-8000-0000000000ff", PERSON):
            with pytest.raises(NotFound):
                await writer.apply(DisableDevice(device))
        with pytest.raises(NotFound, match="the rule is gone"):
            await writer.apply(DisableHiddenRule(PERSON_GUID, "78"))
        change = DisableHiddenRule(PERSON_GUID, "77")
        made = await writer.apply(change)
        assert (await writer.apply(change)).unchanged
        tenant.exchange["Get-InboxRule"][PERSON_GUID][0]["RedirectTo"] = ["worse@evil.example"]
        with pytest.raises(Superseded):
            await writer.undo(change, made.before)
        assert [one["target"] for one in tenant.writes] == ["Disable-InboxRule 77"]


async def test_changes_name_ways_and_ids_that_exist() -> None:
    async with open_stage() as stage:
        writer = stage.connection.tenant.writer
        with pytest.raises(Rejected, match="no such ways: telnet"):
            await writer.apply(DisableClientProtocols(PERSON_GUID, ("telnet",)))
        for change in (BlockAccount("x/../y"), RevokeSessions("a?b"), DisableDevice("../x")):
            with pytest.raises(Rejected, match="no id of an account"):
                await writer.apply(change)
        assert stage.connection.sandbox.tenant.writes == []


async def test_a_list_of_role_holders_that_ends_too_soon_lets_nobody_be_blocked() -> None:
    eligible = {
        "id": "e1",
        "principalId": PERSON,
        "roleDefinitionId": "29232cdf-9323-42fd-ade2-1d097af3e4de",
        "directoryScopeId": "/",
    }
    fault = {
        "service": "graph",
        "kind": "wrongBody",
        "match": r"roleEligibilityScheduleInstances\?\$expand",
        "body": {"value": []},
    }
    scene = build_scene(graph={"users": [build_user_row(PERSON, "ann")]}, faults=[fault])
    async with connect_sandbox(scene) as to:
        to.sandbox.tenant.graph["roleEligibilityScheduleInstances"].append(eligible)
        with pytest.raises(Rejected, match="may activate one") as caught:
            await to.tenant.writer.apply(BlockAccount(PERSON))
        assert caught.value.verdict == "protected"
        assert to.sandbox.writes == []
