"""A small tenant in which each of three guards finds something, and changes something if it may."""

from typing import Any

from tests.support.http_recorder import build_mailbox_row, build_rule_row, build_user_row

SHARED_IDS = [f"{number:08d}-0000-4000-8000-000000000001" for number in range(1, 4)]
PERSON_IDS = [f"{number:08d}-0000-4000-8000-000000000002" for number in range(1, 25)]


def build_mailbox_guid(object_id: str) -> str:
    """The mailbox GUID that belongs to an object id."""
    return object_id.replace("-0000-4000-", "-1111-4000-")


def build_small_tenant() -> dict[str, Any]:
    """Three shared mailboxes that can sign in, two dozen people of whom three forward."""
    forwards = {0: "smtp:a@evil.example", 1: "smtp:b@evil.example"}
    people = [
        build_mailbox_row(
            one,
            build_mailbox_guid(one),
            f"p{number}",
            ForwardingSmtpAddress=forwards.get(number),
            AuditEnabled=number > 1,
            AuditLogAgeLimit="180.00:00:00",
        )
        for number, one in enumerate(PERSON_IDS)
    ]
    shared = [
        build_mailbox_row(
            one,
            build_mailbox_guid(one),
            f"s{number}",
            RecipientTypeDetails="SharedMailbox",
            AuditLogAgeLimit="180.00:00:00",
        )
        for number, one in enumerate(SHARED_IDS)
    ]
    return {
        "graph": {
            "users": [
                *(build_user_row(one, f"p{number}") for number, one in enumerate(PERSON_IDS)),
                *(build_user_row(one, f"s{number}") for number, one in enumerate(SHARED_IDS)),
            ],
            "domains": [{"id": "contoso.example", "isVerified": True, "isDefault": True}],
            "messageRules": {PERSON_IDS[2]: [build_rule_row("r1")]},
        },
        "exchange": {"Get-Mailbox": [*shared, *people]},
    }
