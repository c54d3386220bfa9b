"""A tenant of thousands whose listings Exchange may refuse to continue, and what is found in it."""

from typing import Any

from core.model.runs import RunReport
from sandbox.exchange.auditing import DEFAULT_ACTIONS
from tests.resilience.generators.staged import AdapterHarness, get_object_cases
from tests.support.http_recorder import build_mailbox_row

PAGE_SIZE = 1_000
COUNT = 2_300
"""Three pages of Exchange's."""
OPEN = {0, 999, 1_000, 1_099, 1_999, 2_000, COUNT - 1}
"""What is found stands at both ends of every page."""
REFUSALS: dict[str, dict[str, Any]] = {
    "always": {"exchange-paging": "refused"},
    "after a page": {"exchange-paging": {"side": "refused", "after": 1}},
    "for one cmdlet": {"exchange-paging": {"side": "refused", "cmdlet": "Get-Mailbox"}},
    "on another back end": {"exchange-paging": "back-end"},
    "a warning and no link": {"exchange-paging": "no-link"},
    "a link and no rows": {"exchange-paging": "no-rows"},
}
REFUSED_IN_EVERY_WAY: dict[str, Any] = {
    "exchange-paging": "refused",
    "exchange-one-answer": {"side": "cut", "size": 90},
    "exchange-entity-endpoints": "refused",
}


def build_large_tenant(count: int = COUNT, *, alike: bool = False) -> dict[str, Any]:
    """Mailboxes of which a few are not audited; no slice holds only some of those `alike`.

    They record what Exchange has them record, so that no licence decides anything.
    """
    as_made = {f"Audit{name}": list(actions) for name, actions in DEFAULT_ACTIONS.items()}
    rows = [
        build_mailbox_row(
            f"{number:08d}-0000-4000-8000-000000000001",
            f"{number:08d}-1111-4000-8000-000000000001",
            f"m{number}",
            AuditEnabled=number not in OPEN,
            **as_made,
            WhenCreated=None
            if alike
            else f"20{10 + number % 15}-0{1 + number % 9}-11T00:00:{number % 60:02}Z",
            **({"Name": "same"} if alike else {}),
        )
        for number in range(count)
    ]
    return {
        "graph": {"domains": [{"id": "contoso.example", "isVerified": True, "isDefault": True}]},
        "exchange": {
            "Get-Mailbox": rows,
            "Get-MailboxAuditBypassAssociation": [
                {"Guid": "b1", "Identity": "m1", "AuditBypassEnabled": False}
            ],
        },
    }


def mend(stage: AdapterHarness, number: int) -> None:
    """Somebody switches on what one mailbox lacks."""
    rows = stage.sandbox.tenant.scene["exchange"]["Get-Mailbox"]
    rows[number]["AuditEnabled"] = True


def list_closed(report: RunReport) -> list[str]:
    return [case.subject for case in report.notifications if case.closed_at]


async def list_found(stage: AdapterHarness) -> set[str]:
    return {case.subject.partition("@")[0] for case in (await get_object_cases(stage)).values()}
