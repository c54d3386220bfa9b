"""A tenant of shared mailboxes whose accounts can sign in: something to shut, over HTTP."""

from typing import Any

GUARD = "shared-mailbox-sign-in"


def account_id(number: int) -> str:
    return f"{number:08d}-0000-4000-8000-000000000000"


def account(number: int) -> dict[str, Any]:
    return {
        "id": account_id(number),
        "userPrincipalName": f"info{number}@contoso.com",
        "accountEnabled": True,
        "assignedPlans": [],
        "assignedLicenses": [],
        "userType": "Member",
    }


def mailbox(number: int) -> dict[str, Any]:
    return {
        "ExternalDirectoryObjectId": account_id(number),
        "Guid": f"{number:08d}-1111-4000-8000-000000000000",
        "UserPrincipalName": f"info{number}@contoso.com",
        "PrimarySmtpAddress": f"info{number}@contoso.com",
        "RecipientTypeDetails": "SharedMailbox",
    }


def scene(count: int) -> dict[str, Any]:
    """So many of them."""
    return {
        "graph": {
            "users": [account(number) for number in range(count)],
            "domains": [{"id": "contoso.com", "isVerified": True}],
        },
        "exchange": {"Get-Mailbox": [mailbox(number) for number in range(count)]},
    }
