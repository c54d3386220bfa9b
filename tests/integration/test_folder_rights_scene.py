"""Rights over an Inbox through the whole app: found in the language of the mailbox, a day later."""

from typing import Any

from core.config.catalog import CATALOG
from tests.support.run_scene import dump_cards, list_declared_permissions, run_scene

GUARD = "mailbox-delegation"
MODES = {duty.guard.name: "off" for duty in CATALOG if duty.guard.name != GUARD}
INBOX = "gerda@contoso.com:\\Posteingang"
NOBODY = {"User": "Default", "AccessRights": ["None"]}

type Row = dict[str, Any]


def mailbox(name: str, number: int) -> Row:
    return {
        "Identity": name,
        "Name": name,
        "DisplayName": name.title(),
        "ExternalDirectoryObjectId": f"11111111-0000-4000-8000-{number:012}",
        "Guid": f"33333333-0000-4000-8000-{number:012}",
        "PrimarySmtpAddress": f"{name}@contoso.com",
        "EmailAddresses": [f"SMTP:{name}@contoso.com"],
        "RecipientTypeDetails": "UserMailbox",
        "GrantSendOnBehalfTo": [],
    }


def build_scene() -> Row:
    """Two people; on the second look Default reviews the Inbox of one of them."""
    opened = {INBOX: [{**NOBODY, "AccessRights": ["Reviewer"]}]}
    return {
        "grants": list_declared_permissions(),
        "graph": {
            "users": [
                {
                    "id": f"11111111-0000-4000-8000-{number:012}",
                    "userPrincipalName": f"{name}@contoso.com",
                }
                for number, name in enumerate(("gerda", "holger"))
            ],
            "domains": [{"id": "contoso.com", "isVerified": True, "isDefault": True}],
        },
        "exchange": {
            "Get-Mailbox": [mailbox(name, at) for at, name in enumerate(("gerda", "holger"))],
            "Get-MailboxFolderStatistics": {
                "gerda@contoso.com": [
                    {
                        "Name": "Posteingang",
                        "FolderPath": "/Posteingang",
                        "FolderType": "Inbox",
                        "FolderId": "LgAAAAgerda=",
                    }
                ]
            },
            "Get-MailboxFolderPermission": {INBOX: [NOBODY]},
        },
        "ticks": [{}, {"exchange": {"Get-MailboxFolderPermission": opened}}, {}, {}, {}, {}],
    }


async def test_everybody_in_an_inbox_is_told_when_the_daily_sweep_comes() -> None:
    result = await run_scene(build_scene(), ticks=6, modes=MODES)
    told = [
        (run["tick"], one["subject"], one["kind"], one["severity"])
        for run in result["runs"]
        if run["guard"] == GUARD
        for one in run["findings"]
    ]
    assert {one[1:] for one in told} == {("gerda@contoso.com", "folder-right", "critical")}
    assert 2 <= min(tick for tick, *_ in told) <= 6
    assert "Everybody in the organization" in dump_cards(result["cards"])
