"""A small tenant with one account to block, and the settings of an app that guards it."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sandbox.functions_host.azurite import Azurite
from sandbox.scene_runner import build_app_settings
from sandbox.server import Sandbox

BOX = "00000001-1111-4000-8000-000000000000"
OWNER = "00000000-0000-4000-8000-000000000000"
SIGN_IN = "shared-mailbox-sign-in"
SCENE: dict[str, Any] = {
    "graph": {
        "users": [
            {
                "id": OWNER,
                "userPrincipalName": "info@contoso.com",
                "accountEnabled": True,
                "assignedPlans": [],
                "assignedLicenses": [],
                "userType": "Member",
            }
        ],
        "domains": [{"id": "contoso.com", "isVerified": True}],
    },
    "exchange": {
        "Get-Mailbox": [
            {
                "ExternalDirectoryObjectId": OWNER,
                "Guid": BOX,
                "UserPrincipalName": "info@contoso.com",
                "PrimarySmtpAddress": "info@contoso.com",
                "RecipientTypeDetails": "SharedMailbox",
            }
        ]
    },
}


@asynccontextmanager
async def deployed(azurite: Azurite) -> AsyncIterator[tuple[Sandbox, dict[str, str]]]:
    """A tenant with one account to block, and the settings of an app that guards it."""
    async with Sandbox(SCENE) as box:
        yield (
            box,
            {
                **build_app_settings(box, azurite, {SIGN_IN: "enforce"}),
                "STATE_TABLE": f"t{uuid.uuid4().hex}",
                "MANAGED_IDENTITY_CLIENT_ID": "",
                "CLIENT_SECRET": box.client_secret,
            },
        )
