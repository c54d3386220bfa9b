"""A tenant for tests, and an ordinary client of it."""

import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import aiohttp
from jsonschema_rs import Draft202012Validator
from yarl import URL

from sandbox.exchange.access import AUDIT_LOG_CMDLET, AUDIT_LOG_MAILBOX
from sandbox.server import Sandbox

MIA = "11111111-0000-4000-8000-000000000001"
ROOM = "11111111-0000-4000-8000-000000000002"
SYNCED = "11111111-0000-4000-8000-000000000003"
ADMIN = "11111111-0000-4000-8000-000000000004"
GUEST = "11111111-0000-4000-8000-000000000005"
TENANT = "22222222-0000-4000-8000-000000000000"
MIA_GUID = "33333333-0000-4000-8000-000000000001"
ROOM_GUID = "33333333-0000-4000-8000-000000000002"
LEGACY_DN = "/o=ExchangeLabs/ou=Exchange Administrative Group/cn=Recipients/cn=0001-mia"
GRAPH_SCHEMA = json.loads((Path(__file__).parent / "data" / "graph_types.schema.json").read_text())


def build_directory_user(object_id: str, name: str, **more: object) -> dict[str, object]:
    return {
        "id": object_id,
        "userPrincipalName": f"{name}@contoso.example",
        "displayName": name.title(),
        "mail": f"{name}@contoso.example",
        "accountEnabled": True,
        "userType": "Member",
        "onPremisesSyncEnabled": None,
        "assignedPlans": [],
        "assignedLicenses": [],
        **more,
    }


CLIENT_SCENE: dict[str, Any] = {
    "graph": {
        "users": [
            build_directory_user(
                MIA,
                "mia",
                signInActivity={"lastSuccessfulSignInDateTime": "2026-11-01T08:00:00Z"},
                assignedPlans=[
                    {
                        "assignedDateTime": "2025-01-02T03:04:05Z",
                        "capabilityStatus": "Enabled",
                        "service": "exchange",
                        "servicePlanId": "efb87545-963c-4e0d-99df-69c6916d9eb0",
                    }
                ],
                **{"@sandbox.note": "known to the sandbox alone"},
            ),
            build_directory_user(ROOM, "room-4", createdDateTime="2026-05-01T00:00:00Z"),
            build_directory_user(SYNCED, "synced", onPremisesSyncEnabled=True),
            build_directory_user(ADMIN, "admin", **{"@sandbox.protected": True}),
            build_directory_user(GUEST, "guest", userType="Guest", accountEnabled=False),
        ],
        "domains": [
            {
                "id": "contoso.example",
                "authenticationType": "Managed",
                "isAdminManaged": True,
                "isDefault": True,
                "isInitial": False,
                "isRoot": True,
                "isVerified": True,
                "supportedServices": ["Email"],
            }
        ],
        "organization": [{"id": TENANT, "displayName": "Contoso", "verifiedDomains": []}],
        "subscribedSkus": [
            {
                "id": f"{TENANT}_06ebc4ee-1bb5-47dd-8120-11324bc54e06",
                "skuId": "06ebc4ee-1bb5-47dd-8120-11324bc54e06",
                "skuPartNumber": "SPE_E5",
                "capabilityStatus": "Enabled",
                "consumedUnits": 3,
                "servicePlans": [],
            }
        ],
        "messageRules": {
            "MIA@contoso.example": [
                {
                    "id": "AQAAAJ5d/+==",
                    "displayName": ".",
                    "sequence": 1,
                    "isEnabled": True,
                    "hasError": False,
                    "isReadOnly": False,
                    "conditions": {"subjectContains": ["invoice"], "bodyContains": None},
                    "exceptions": None,
                    "actions": {
                        "redirectTo": [
                            {"emailAddress": {"name": "x", "address": "x@evil.example"}}
                        ],
                        "stopProcessingRules": True,
                    },
                },
                {
                    "id": "client-only",
                    "displayName": "Outlook's own",
                    "sequence": 2,
                    "isEnabled": True,
                    "isReadOnly": True,
                    "actions": None,
                },
                {"id": "hidden", "displayName": "hidden", "@sandbox.hidden": True},
            ]
        },
        "mailFolders": {
            MIA: [
                {"id": "rss-folder", "displayName": "RSS", "wellKnownName": "rssfeeds"},
                {"id": "bin-folder", "displayName": "Bin", "wellKnownName": "deleteditems"},
            ]
        },
    },
    "exchange": {
        "Get-Mailbox": [
            {
                "ExternalDirectoryObjectId": MIA,
                "UserPrincipalName": "mia@contoso.example",
                "PrimarySmtpAddress": "mia@contoso.example",
                "Identity": "Mia",
                "Name": "Mia",
                "Alias": "mia",
                "Guid": MIA_GUID,
                "LegacyExchangeDN": LEGACY_DN,
                "EmailAddresses": [
                    "SMTP:mia@contoso.example",
                    "smtp:m@contoso.example",
                    "X500:/o=Old/cn=mia",
                ],
                "RecipientTypeDetails": "UserMailbox",
                "PersistedCapabilities": ["BPOS_S_Enterprise", "M365Auditing"],
                "AuditEnabled": True,
                "AuditLogAgeLimit": "90.00:00:00",
                "AuditAdmin": ["Update"],
                "AuditDelegate": ["Update"],
                "AuditOwner": ["HardDelete"],
                "DefaultAuditSet": ["Admin", "Delegate"],
                "ForwardingAddress": None,
                "ForwardingSmtpAddress": "smtp:x@evil.example",
                "DeliverToMailboxAndForward": True,
                "AccountDisabled": False,
                "WhenCreatedUTC": "2024-05-01T10:00:00.0000000+00:00",
            },
            {
                "ExternalDirectoryObjectId": ROOM,
                "UserPrincipalName": "room-4@contoso.example",
                "PrimarySmtpAddress": "room-4@contoso.example",
                "Identity": "Room 4",
                "Name": "Room 4",
                "Alias": "room-4",
                "Guid": ROOM_GUID,
                "RecipientTypeDetails": "RoomMailbox",
                "PersistedCapabilities": ["BPOS_S_Standard"],
                "AuditEnabled": "True",
                "ForwardingSmtpAddress": None,
            },
        ],
        "Get-Recipient": [
            {
                "Identity": "Partner",
                "Name": "Partner",
                "Guid": "33333333-0000-4000-8000-000000000009",
                "PrimarySmtpAddress": "partner@outside.example",
                "ExternalEmailAddress": "SMTP:partner@outside.example",
                "RecipientTypeDetails": "MailContact",
            }
        ],
        "Get-InboxRule": {
            MIA_GUID: [
                {"Identity": "mia\\1675", "RuleIdentity": "1675", "Name": ".", "Enabled": True},
                {"Identity": "mia\\1676", "Name": "", "Enabled": True, "@sandbox.hidden": True},
            ],
            "room-4": [],
        },
        "Get-TransportRule": [
            {"Identity": "Copy", "Name": "Copy", "Guid": "t1", "State": "Enabled"},
            {"Identity": "Old", "Name": "Old", "Guid": "t2", "State": "Disabled"},
        ],
        "Get-MailboxAuditBypassAssociation": [
            {"Identity": "Mia", "Name": "Mia", "Guid": MIA_GUID, "AuditBypassEnabled": True}
        ],
        "Get-MigrationEndpoint": {"Name": "kept as it came"},
    },
}


def build_client_scene(**changes: Any) -> dict[str, Any]:
    """The scene of these tests, with some of its collections, or other parts, replaced."""
    whole = deepcopy(CLIENT_SCENE)
    for name, value in changes.items():
        whole[name] = {**whole[name], **value} if name in ("graph", "exchange") else value
    return whole


@dataclass(frozen=True)
class ClientReply:
    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.content)

    @property
    def code(self) -> str:
        """The error's code."""
        return str(self.body["error"]["code"])


class TenantClient:
    """A program with a token for the loopback host, valid for Graph and Exchange."""

    def __init__(self, sandbox: Sandbox, session: aiohttp.ClientSession) -> None:
        self.sandbox = sandbox
        self.session = session
        self.token = ""

    async def request(
        self, method: str, url: str, body: object = None, **headers: str
    ) -> ClientReply:
        if self.token:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        address = url if "://" in url else self.sandbox.base + url
        async with self.session.request(
            method, URL(address, encoded=True), json=body, headers=headers
        ) as answer:
            return ClientReply(answer.status, answer.headers, await answer.read())

    async def request_token(self, tenant: str = TENANT, **form: str) -> ClientReply:
        """Requests a token, with the secret unless the form overrides it."""
        settings = self.sandbox.build_settings()
        whole = {
            "grant_type": "client_credentials",
            "client_id": settings["CLIENT_ID"],
            "client_secret": self.sandbox.client_secret,
            "scope": f"{self.sandbox.base}/.default",
        } | form
        url = f"{self.sandbox.authority}/{tenant}/oauth2/v2.0/token"
        kept = {name: value for name, value in whole.items() if value}
        async with self.session.post(url, data=kept) as answer:
            return ClientReply(answer.status, answer.headers, await answer.read())

    async def sign_in(self, scope: str = "") -> None:
        reply = await self.request_token(**({"scope": scope} if scope else {}))
        self.token = reply.body["access_token"]

    async def get(self, path: str, **headers: str) -> ClientReply:
        """Sends a GET to Graph, by path or next link, and validates the response's type."""
        url = path if "://" in path else f"/v1.0{path}"
        reply = await self.request("GET", url, **headers)
        if reply.status == 200 and reply.content.startswith(b"{"):
            validate_graph_response(reply.body)
        return reply

    async def request_graph(self, method: str, path: str, body: object = None) -> ClientReply:
        reply = await self.request(method, f"/v1.0{path}", body)
        if reply.status == 200 and b"@odata.context" in reply.content[:20]:
            validate_graph_response(reply.body)
        return reply

    async def send_batch(self, *requests: Mapping[str, object]) -> dict[str, Any]:
        """Sends a $batch to Graph. Returns its responses by id."""
        reply = await self.request_graph("POST", "/$batch", {"requests": list(requests)})
        assert reply.status == 200, reply.content
        for each in reply.body["responses"]:
            if each["status"] == 200 and "body" in each:
                validate_graph_response(each["body"])
        return {each["id"]: each for each in reply.body["responses"]}

    def build_admin_url(self, what: str = "InvokeCommand") -> str:
        return f"/adminapi/beta/{TENANT}/{what}"

    async def run_cmdlet(
        self, cmdlet: str, /, query: str = "", prefer: str = "", **given: Any
    ) -> ClientReply:
        """Runs a cmdlet on the server that it needs."""
        headers = {"Prefer": prefer} if prefer else {}
        headers["X-AnchorMailbox"] = self.build_anchor(cmdlet, given.get("Identity"))
        url = self.build_admin_url() + query
        return await self.request("POST", url, build_command_body(cmdlet, **given), **headers)

    def build_anchor(self, cmdlet: str, identity: object) -> str:
        """The anchor of a command: its mailbox, the audit log's, or the system's."""
        if cmdlet.casefold() == AUDIT_LOG_CMDLET.casefold():
            return f"APP:SystemMailbox{{{AUDIT_LOG_MAILBOX}}}@{TENANT}"
        found = self.sandbox.tenant.find_owners(identity)
        mailbox = found[0].mailbox if len(found) == 1 else None
        return f"MBX:{mailbox['Guid']}@{TENANT}" if mailbox and mailbox.get("Guid") else ""

    async def read_rows(self, cmdlet: str, /, **given: Any) -> list[dict[str, Any]]:
        reply = await self.run_cmdlet(cmdlet, **given)
        assert reply.status == 200, reply.content
        rows: list[dict[str, Any]] = reply.body["value"]
        return rows


def build_command_body(cmdlet: str, /, **given: Any) -> dict[str, Any]:
    return {"CmdletInput": {"CmdletName": cmdlet, "Parameters": given}}


# Which type an answer holds, by the last part of its context that names one.
TYPES_BY_CONTEXT = {
    "users": "user",
    "messageRules": "messageRule",
    "mailFolders": "mailFolder",
    "domains": "domain",
    "organization": "organization",
    "subscribedSkus": "subscribedSku",
}


@cache
def build_graph_validator(name: str) -> Draft202012Validator:
    """What an object of a type is held to."""
    schema = {**GRAPH_SCHEMA, "$ref": f"#/$defs/microsoft.graph.{name}"}
    return Draft202012Validator(schema, validate_formats=True)


def validate_graph_response(body: Mapping[str, Any]) -> None:
    """Validates a response of Graph against the published types. Fails for an unknown type."""
    path = body["@odata.context"].partition("$metadata#")[2].removesuffix("/$entity")
    name = path.rpartition("/")[2].partition("(")[0]
    if name not in TYPES_BY_CONTEXT:
        return
    validator = build_graph_validator(TYPES_BY_CONTEXT[name])
    for row in body.get("value", [body]):
        validator.validate(row)
