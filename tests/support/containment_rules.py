"""What rules that contain an account by themselves see: a case, and acts from near and far."""

from copy import replace
from datetime import timedelta

from core.containment.rules import REDIRECT_AND_RISK, REDIRECT_AND_SESSION, RuleEvidence
from core.model.activity import Act
from core.model.cases import Case
from core.model.findings import Severity
from core.tenant.activity import ActivityActor, ActivityLog, ActorKind
from tests.support.containment_stage import MIA, Stage
from tests.support.fakes.clock import START

NOW = START + timedelta(days=10)
REDIRECT = Case(
    key="a" * 32,
    kind="inbox-rule-forward",
    object_id=MIA,
    subject="mia@example.com",
    severity=Severity.HIGH,
    guard_verdict="external",
    verdict="external",
    summary="An inbox rule of mia@example.com sends mail out.",
    opened_at=NOW - timedelta(minutes=5),
)
RISK = replace(REDIRECT, kind="method-added", summary="A second factor was added.")
MIA_ACTS = ActivityActor(ActorKind.PERSON, "mia@example.com", MIA)
BOTH = (REDIRECT_AND_SESSION, REDIRECT_AND_RISK)


def act(address: str, **period: float) -> Act:
    """Something Mia did before now."""
    at = NOW - timedelta(**period)
    key = f"{at:%Y%m%d%H}{address}"
    return Act(key, at, at, ActivityLog.EXCHANGE, "New-InboxRule", MIA_ACTS, address=address)


HOME = act("198.51.100.1", days=3)
STRANGE = act("203.0.113.9", minutes=6)


async def open_stage() -> tuple[Stage, RuleEvidence]:
    """A tenant where a rule is on, and what it sees."""
    stage = Stage()
    stage.clock.current = NOW
    stage.options = replace(stage.options, rules=BOTH)
    return stage, RuleEvidence({"mailbox-forwarding": (REDIRECT,)}, (HOME, STRANGE))
