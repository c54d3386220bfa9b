"""Builds a tenant of shared mailboxes whose accounts can sign in, for runs over HTTP."""

from typing import Any

GUARD_NAME = "shared-mailbox-sign-in"


def build_account_id(number: int) -> str:
    return f"{number:08d}-0000-4000-8000-000000000000"


def build_account_row(number: int) -> dict[str, Any]:
    return {
        "id": build_account_id(number),
        "userPrincipalName": f"info{number}@contoso.com",
        "accountEnabled": True,
        "assignedPlans": [],
        "assignedLicenses": [],
        "userType": "Member",
    }


def build_shared_mailbox_row(number: int) -> dict[str, Any]:
    return {
        "ExternalDirectoryObjectId": build_account_id(number),
        "Guid": f"{number:08d}-1111-4000-8000-000000000000",
        "UserPrincipalName": f"info{number}@contoso.com",
        "PrimarySmtpAddress": f"info{number}@contoso.com",
        "RecipientTypeDetails": "SharedMailbox",
    }


def build_sign_in_scene(count: int) -> dict[str, Any]:
    """A scene with `count` of these mailboxes."""
    return {
        "graph": {
            "users": [build_account_row(number) for number in range(count)],
            "domains": [{"id": "contoso.com", "isVerified": True}],
        },
        "exchange": {"Get-Mailbox": [build_shared_mailbox_row(number) for number in range(count)]},
    }
