"""Audit records in wire form, made after public samples; names and addresses are invented.

The shapes are those of panther-labs/panther-analysis (Apache-2.0), the Azure Sentinel training lab
and samples of the Digital Defense Institute (MIT).
"""

from typing import Any

from tests.support.http_recorder import PERSON, ROOM

CANONICAL = "EURPR01A001.PROD.OUTLOOK.COM/Microsoft Exchange Hosted Organizations"
OUTLOOK_WEB = "00000002-0000-0ff1-ce00-000000000000"
THIEF_APP = "7a7a7a7a-0000-4000-8000-000000000001"
SESSION = "5e551011-0000-4000-8000-000000000009"


def build_exchange_record(operation: str, record_id: str = "r1", **more: Any) -> dict[str, Any]:
    """A record of a cmdlet that a person ran in a browser; `parameters` are what it set."""
    parameters: dict[str, str] = more.pop("parameters", {})
    return {
        "CreationTime": "2026-11-20T05:30:00",
        "Id": record_id,
        "Operation": operation,
        "OrganizationId": "00000000-0000-4000-8000-0000000000aa",
        "RecordType": 1,
        "ResultStatus": "True",
        "UserKey": "10032000C757D25F",
        "UserType": 2,
        "Version": 1,
        "Workload": "Exchange",
        "ClientIP": "198.51.100.9:16902",
        "ObjectId": "ann",
        "UserId": "eve@contoso.example",
        "AppId": OUTLOOK_WEB,
        "ClientAppId": "",
        "ExternalAccess": False,
        "AppAccessContext": {"AADSessionId": SESSION},
        "Parameters": [{"Name": name, "Value": value} for name, value in parameters.items()],
        **more,
    }


def build_service_record(operation: str, record_id: str = "s1", **more: Any) -> dict[str, Any]:
    """A record of Exchange's own maintenance."""
    return build_exchange_record(
        operation,
        record_id,
        **{
            "UserType": 3,
            "UserId": "NT AUTHORITY\\SYSTEM (Microsoft.Exchange.ServiceHost)",
            "ExternalAccess": True,
            "ClientIP": "",
            "AppAccessContext": {},
            "AppId": "",
            **more,
        },
    )


def build_mail_record(operation: str, record_id: str = "m1", **more: Any) -> dict[str, Any]:
    """A record of a mailbox's own audit: that its owner opened one message."""
    return {
        "CreationTime": "2026-11-20T05:30:00",
        "Id": record_id,
        "Operation": operation,
        "OrganizationId": "00000000-0000-4000-8000-0000000000aa",
        "RecordType": 50,
        "ResultStatus": "Succeeded",
        "UserKey": "1003BFFD805C87B0",
        "UserType": 0,
        "Workload": "Exchange",
        "UserId": "ann@contoso.example",
        "ClientIPAddress": "198.51.100.9",
        "ClientInfoString": "Client=OWA;Mozilla/5.0",
        "LogonType": 0,
        "MailboxGuid": "33333333-0000-4000-8000-000000000001",
        "MailboxOwnerUPN": "ann@contoso.example",
        "AppAccessContext": {"AADSessionId": SESSION},
        "OperationProperties": [
            {"Name": "MailAccessType", "Value": "Bind"},
            {"Name": "IsThrottled", "Value": "False"},
        ],
        "Folders": [
            {
                "Id": "LgAA",
                "Path": "\\Inbox",
                "FolderItems": [{"InternetMessageId": "<m1@contoso.example>"}],
            }
        ],
        "OperationCount": 1,
        **more,
    }


def build_consent_record(record_id: str = "c1", **more: Any) -> dict[str, Any]:
    """A consent in the feed's form."""
    permissions = (
        f"[] => [[Id: AAAA, ClientId: {THIEF_APP}, PrincipalId: , ResourceId: {ROOM}, "
        "ConsentType: AllPrincipals, Scope:  Mail.Read offline_access]]"
    )
    return {
        "CreationTime": "2026-11-20T05:31:00",
        "Id": record_id,
        "Operation": "Consent to application.",
        "RecordType": 8,
        "ResultStatus": "Success",
        "UserType": 0,
        "Workload": "AzureActiveDirectory",
        "ClientIP": "[2001:db8::9]:50002",
        "ObjectId": "00000000-0000-4000-8000-0000000000cc",
        "UserId": "eve@contoso.example",
        "Actor": [
            {"ID": "eve@contoso.example", "Type": 5},
            {"ID": f"User_{PERSON}", "Type": 2},
            {"ID": PERSON, "Type": 2},
            {"ID": "User", "Type": 2},
        ],
        "Target": [{"ID": f"ServicePrincipal_{THIEF_APP}", "Type": 2}, {"ID": "Notes", "Type": 1}],
        "ModifiedProperties": [
            {"Name": "ConsentContext.IsAdminConsent", "NewValue": "True", "OldValue": ""},
            {"Name": "ConsentAction.Permissions", "NewValue": permissions, "OldValue": ""},
            {"Name": "KeyDescription", "NewValue": '["a secret"]', "OldValue": ""},
        ],
        "ExtendedProperties": [
            {"Name": "additionalDetails", "Value": '{"User-Agent":"Mozilla/5.0"}'}
        ],
        **more,
    }


def build_audit_row(activity: str, record_id: str = "d1", **more: Any) -> dict[str, Any]:
    """A row of directoryAudits that a person caused."""
    return {
        "id": record_id,
        "category": "UserManagement",
        "result": "success",
        "activityDisplayName": activity,
        "activityDateTime": "2026-11-20T05:32:00.123Z",
        "loggedByService": "Core Directory",
        "initiatedBy": {
            "app": None,
            "user": {
                "id": PERSON,
                "displayName": "Microsoft Teams Graph Service",
                "userPrincipalName": "eve@contoso.example",
                "ipAddress": "198.51.100.9",
            },
        },
        "targetResources": [
            {
                "id": ROOM,
                "displayName": None,
                "type": "User",
                "userPrincipalName": "room@contoso.example",
                "modifiedProperties": [],
            }
        ],
        "additionalDetails": [{"key": "User-Agent", "value": "Mozilla/5.0"}],
        **more,
    }
