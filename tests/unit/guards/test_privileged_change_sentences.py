"""What the guard of what protects says of people who can undo it."""

from core.guards.privileged_change.administrators import (
    GLOBAL_ADMINISTRATOR,
    AddedHolder,
    TooManyHolders,
)
from core.guards.privileged_change.guard import PrivilegedItem, judge
from core.model.findings import Finding
from core.model.guards import GuardPolicy
from core.tenant.directory import RoleHolder
from tests.support.sentences import NOW, check_sentences

TERMS = GuardPolicy(NOW)
EXCHANGE_ADMINISTRATOR = "29232cdf-9323-42fd-ade2-1d097af3e4de"


def say(item: PrivilegedItem) -> list[Finding]:
    return list(judge(item, TERMS))


def holds(role: str, via: str = "direct", name: str = "eve@contoso.com") -> list[Finding]:
    """What is said of somebody who holds a role since this look."""
    return say(AddedHolder(RoleHolder("e1", via, name=name), role, NOW, 1234))


def test_sentences_about_administrators() -> None:
    check_sentences(
        "privileged_change_administrators",
        {
            "Somebody became Global Administrator": holds(GLOBAL_ADMINISTRATOR),
            "Somebody may become Global Administrator": holds(GLOBAL_ADMINISTRATOR, "eligible"),
            "Somebody became Exchange Administrator": holds(EXCHANGE_ADMINISTRATOR),
            "Somebody without a name got a role of the tenant's own": holds("own-role", name=""),
            "Somebody with a long name got a role with a long one": holds(
                "r" * 300, name="n" * 300
            ),
            "More are Global Administrators than are remembered": say(
                TooManyHolders(GLOBAL_ADMINISTRATOR, 1234)
            ),
            "More hold an own role than are remembered": say(TooManyHolders("own-role", 301)),
        },
    )
