"""A small tenant in which each of three guards finds something, and changes something if it may."""

from typing import Any

from tests.support.http_recorder import mailbox, rule, user

SHARED = [f"{number:08d}-0000-4000-8000-000000000001" for number in range(1, 4)]
PEOPLE = [f"{number:08d}-0000-4000-8000-000000000002" for number in range(1, 25)]


def guid(object_id: str) -> str:
    """The mailbox GUID that belongs to an object id."""
    return object_id.replace("-0000-4000-", "-1111-4000-")


def small() -> dict[str, Any]:
    """Three shared mailboxes that can sign in, two dozen people of whom three forward."""
    forwards = {0: "smtp:a@evil.example", 1: "smtp:b@evil.example"}
    people = [
        mailbox(
            one,
            guid(one),
            f"p{number}",
            ForwardingSmtpAddress=forwards.get(number),
            AuditEnabled=number > 1,
            AuditLogAgeLimit="180.00:00:00",
        )
        for number, one in enumerate(PEOPLE)
    ]
    shared = [
        mailbox(
            one,
            guid(one),
            f"s{number}",
            RecipientTypeDetails="SharedMailbox",
            AuditLogAgeLimit="180.00:00:00",
        )
        for number, one in enumerate(SHARED)
    ]
    return {
        "graph": {
            "users": [
                *(user(one, f"p{number}") for number, one in enumerate(PEOPLE)),
                *(user(one, f"s{number}") for number, one in enumerate(SHARED)),
            ],
            "domains": [{"id": "contoso.example", "isVerified": True, "isDefault": True}],
            "messageRules": {PEOPLE[2]: [rule("r1")]},
        },
        "exchange": {"Get-Mailbox": [*shared, *people]},
    }
