"""Break-ins that no rule was written for: does what is kept say who, when, from where, and what was
taken?
"""

import json
from collections.abc import Mapping
from typing import Any

from core.model.containment import ContainmentState, StepState
from core.model.requests import RequestKind, RequestState
from tests.support.audit_records import build_audit_row, build_exchange_record, build_mail_record
from tests.support.containment_http import Stage, ago
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

THIEF, RELAY, HOME = "203.0.113.66", "198.51.100.77", "192.0.2.10"
STOLEN = "5e551011-0000-4000-8000-0000000000aa"
CODE = "5e551011-0000-4000-8000-0000000000bb"
ANN, BOSS = "ann@contoso.example", "boss@contoso.example"
BOSS_GUID = "33333333-0000-4000-8000-0000000000b0"
DOMAINS = [{"DomainName": "contoso.example", "Name": "contoso.example"}]


def at(**period: float) -> dict[str, str]:
    """When a record of the unified audit log was made."""
    return {"CreationTime": ago(**period).removesuffix("Z")}


def bind(*messages: str) -> list[dict[str, Any]]:
    """Messages of the Inbox that were opened one by one."""
    return [{"Path": "\\Inbox", "FolderItems": [{"InternetMessageId": one} for one in messages]}]


async def complete(stage: Stage, request_id: str) -> Mapping[str, Any]:
    """What is kept under a request, once the audit log has answered."""
    stage.searches = True
    for _ in range(5):
        stage.clock.advance(minutes=5)
        await stage.ask(RequestKind.CONTAIN, subject=ROOM)
    bundle = await stage.ledger.load_bundle(request_id)
    assert bundle
    document: Mapping[str, Any] = json.loads(bundle.body)
    return document


def build_stolen_session() -> dict[str, Any]:
    """Ann's session was stolen through a look-alike page. The thief made an app password for a mail
    client, signed in by a device code to come back by, hid a rule, read and wrote.
    """
    by_ann = {"id": PERSON, "userPrincipalName": ANN, "ipAddress": THIEF}
    sign_in = {"userId": PERSON, "status": {"errorCode": 0}}
    records = [
        build_exchange_record(
            "New-InboxRule",
            "r1",
            UserId=ANN,
            ClientIP=f"{THIEF}:1",
            AppAccessContext={"AADSessionId": STOLEN},
            parameters={
                **{f"HeaderContainsWords{number}": "x" for number in range(40)},
                "Name": ".",
                "RedirectTo": "drop@evil.example",
            },
            **at(minutes=50),
        ),
        build_mail_record(
            "MailItemsAccessed",
            "m1",
            UserId=ANN,
            ClientIPAddress=THIEF,
            AppAccessContext={"AADSessionId": STOLEN},
            Folders=bind("<payroll@contoso.example>", "<bank@contoso.example>"),
            **at(minutes=55),
        ),
        build_mail_record(
            "MailItemsAccessed",
            "m2",
            UserId=ANN,
            ClientIPAddress=RELAY,
            ClientInfoString="Client=POP3/IMAP4;Protocol=IMAP4",
            AppAccessContext={},
            OperationProperties=[{"Name": "MailAccessType", "Value": "Sync"}],
            Folders=[],
            Item={"ParentFolder": {"Path": "\\Inbox"}},
            **at(minutes=20),
        ),
        build_mail_record(
            "Send",
            "m3",
            UserId=ANN,
            ClientIPAddress=RELAY,
            AppAccessContext={},
            OperationProperties=[],
            Folders=[],
            Item={"Subject": "New bank details", "InternetMessageId": "<fraud@contoso.example>"},
            recipientList=["cfo@partner.example"],
            recipientCount=1,
            **at(minutes=15),
        ),
    ]
    scene = build_scene(
        graph={
            "users": [
                build_user_row(
                    PERSON,
                    "ann",
                    mail=ANN,
                    proxyAddresses=[f"SMTP:{ANN}", "smtp:invoices@contoso.example"],
                ),
                build_user_row(ROOM, "room"),
            ],
            "signIns": [
                {
                    **sign_in,
                    "id": "1",
                    "createdDateTime": ago(minutes=60),
                    "ipAddress": THIEF,
                    "sessionId": STOLEN,
                    "appDisplayName": "OfficeHome",
                },
                {
                    **sign_in,
                    "id": "2",
                    "createdDateTime": ago(minutes=40),
                    "ipAddress": THIEF,
                    "sessionId": CODE,
                    "authenticationProtocol": "deviceCode",
                    "appDisplayName": "Microsoft Azure CLI",
                },
                {
                    **sign_in,
                    "id": "3",
                    "createdDateTime": ago(minutes=10),
                    "ipAddress": RELAY,
                    "clientSessionId": CODE.upper(),
                    "signInEventTypes": ["nonInteractiveUser"],
                    "appDisplayName": "Microsoft Azure CLI",
                },
            ],
            "directoryAudits": [
                build_audit_row(
                    "Create application password for user",
                    activityDateTime=ago(minutes=45),
                    initiatedBy={"user": by_ann, "app": None},
                    targetResources=[{"id": PERSON, "type": "User", "userPrincipalName": ANN}],
                )
            ],
        },
        exchange={
            "Get-Mailbox": [build_mailbox_row(PERSON, PERSON_GUID, "ann")],
            "Get-AcceptedDomain": DOMAINS,
            "Get-MessageTraceV2": [
                {
                    "MessageTraceId": "t1",
                    "SenderAddress": "invoices@contoso.example",
                    "RecipientAddress": "cfo@partner.example",
                    "Subject": "New bank details",
                    "Received": ago(minutes=15),
                    "Status": "Delivered",
                    "FromIP": RELAY,
                }
            ],
        },
    )
    return scene | {"activity": records}


async def test_a_stolen_session_an_app_password_and_a_device_code() -> None:
    async with connect_sandbox(build_stolen_session()) as connection:
        stage = Stage(connection, searches=True)
        asked = await stage.ask(RequestKind.EVIDENCE)
        told = await complete(stage, asked.id)
        assert told["not_read"] == []
        details = told["details"]
        # Who came back how, and from where.
        ways = {one["what"]: one.get("authenticationProtocol") for one in details["sign-ins"]}
        assert ways == {"OfficeHome": None, "Microsoft Azure CLI": "deviceCode"}
        places = {one["session"]: one["addresses"] for one in told["sessions"]}
        assert places == {STOLEN: [THIEF], CODE: [RELAY, THIEF]}
        (audit,) = details["directory-audits"]
        assert (audit["what"], audit["by"], audit["address"]) == (
            "Create application password for user",
            PERSON,
            THIEF,
        )
        # What was taken: by the session, and past it by the app password.
        records = told["records"]
        opened = {row["message"]: row["sessions"] for row in records["opened"]}
        assert opened == {
            "<payroll@contoso.example>": [STOLEN],
            "<bank@contoso.example>": [STOLEN],
        }
        (copied,) = records["copied"]
        assert (copied["folder"], copied["addresses"]) == ("\\Inbox", [RELAY])
        assert "IMAP4" in copied["clients"][0]
        (rule,) = (one for one in records["other_acts"] if one["operation"] == "new-inboxrule")
        assert rule["set"]["RedirectTo"] == "drop@evil.example"
        # Whom it hit, though it was sent by another of her addresses.
        impact = await stage.ask(RequestKind.IMPACT)
        hit = await complete(stage, impact.id)
        assert hit["sent"]["outside"] == 1
        assert hit["recipients"][0]["address"] == "cfo@partner.example"
        assert hit["records"]["sent"][0]["recipients"] == ["cfo@partner.example"]
        # What is left over is named.
        await stage.ask()
        plan = await stage.get_latest()
        password = plan.find_step("password")
        assert password
        assert "App passwords survive" in password.remark


def build_guest() -> dict[str, Any]:
    """A guest who was made a member holds full access to the mailbox of the managing director."""
    upn = "pat_harbour.example#EXT#@contoso.example"
    pat = build_user_row(PERSON, "pat", userPrincipalName=upn, userType="Member")
    boss = build_user_row(ROOM, "boss")
    read = build_mail_record(
        "MailItemsAccessed",
        "m1",
        UserId=upn,
        LogonType=2,
        MailboxOwnerUPN=BOSS,
        MailboxGuid=BOSS_GUID,
        ClientIPAddress=THIEF,
        Folders=bind("<merger@contoso.example>"),
        **at(hours=2),
    )
    scene = build_scene(
        graph={"users": [pat, boss]},
        exchange={
            "Get-Mailbox": [build_mailbox_row(ROOM, BOSS_GUID, "boss")],
            "Get-AcceptedDomain": DOMAINS,
        },
    )
    return scene | {"activity": [read]}


async def test_a_guest_who_is_called_a_member_and_reads_somebody_elses_mail() -> None:
    async with connect_sandbox(build_guest()) as connection:
        stage = Stage(connection, searches=True)
        await stage.ask()
        plan = await stage.get_latest()
        sessions = plan.find_step("end-sessions")
        assert sessions
        assert (sessions.state, sessions.change) == (StepState.FOR_A_PERSON, "")
        assert plan.find_step("password") is None
        held = plan.find_step("held-full-access")
        assert held
        assert "-User 'pat_harbour.example#EXT#@contoso.example'" in held.command
        done = await stage.ask(plan=plan.plan_hash)
        assert done.note.startswith("1 of 1 steps are made"), done.note
        assert stage.user["accountEnabled"] is False
        told = await complete(stage, plan.id)
        (opened,) = told["records"]["opened"]
        assert (opened["mailbox"], opened["message"]) == (BOSS, "<merger@contoso.example>")
        assert (opened["addresses"], told["account"]["guest"]) == ([THIEF], True)


def build_hybrid_administrator() -> dict[str, Any]:
    """A synchronised administrator, whose role is only to be activated and whose mailbox is shared:
    somebody reset the password on premises and redirects the mail.
    """
    eligible = {
        "id": "e1",
        "principalId": PERSON,
        "roleDefinitionId": "62e90394-69f5-4237-9190-012177145e10",
    }
    person = build_user_row(
        PERSON, "ann", onPremisesSyncEnabled=True, onPremisesSamAccountName="ann"
    )
    return build_scene(
        graph={
            "users": [person, build_user_row(ROOM, "room")],
            "messageRules": {PERSON: [build_rule_row("evil")]},
            "roleEligibilityScheduleInstances": [eligible],
        },
        exchange={
            "Get-Mailbox": [
                build_mailbox_row(
                    PERSON,
                    PERSON_GUID,
                    "ann",
                    RecipientTypeDetails="SharedMailbox",
                    ForwardingSmtpAddress="smtp:x@evil.example",
                )
            ],
            "Get-AcceptedDomain": DOMAINS,
        },
    )


async def test_a_synchronised_administrator_to_be_with_a_shared_mailbox() -> None:
    async with connect_sandbox(build_hybrid_administrator()) as connection:
        stage = Stage(connection)
        asked = await stage.ask()
        plan = await stage.get_latest()
        assert (asked.state, plan.state) == (RequestState.REFUSED, ContainmentState.REFUSED)
        assert "it may activate a role of Entra" in plan.refusal
        commands = {step.name: step.command for step in plan.steps}
        assert "Disable-ADAccount" in commands["block-on-premises"]
        assert "Set-ADAccountPassword" in commands["password"]
        switched_off = commands["switch-off-1"] + commands["switch-off-2"]
        assert "-ForwardingSmtpAddress $null" in switched_off
        assert "Update-MgUserMailFolderMessageRule" in switched_off
        assert connection.sandbox.tenant.writes == []
        # What happened is told of who may not be contained as of everybody else.
        kept = await stage.ask(RequestKind.EVIDENCE)
        bundle = await stage.ledger.load_bundle(kept.id)
        assert bundle
        told = json.loads(bundle.body)
        assert told["roles"] == [
            {"via": "eligible", "roles": ["62e90394-69f5-4237-9190-012177145e10"]}
        ]
        assert told["mailbox"]["forwarding_smtp_address"] == "smtp:x@evil.example"
        assert (told["account"]["synchronised"], told["not_read"]) == (True, [])
