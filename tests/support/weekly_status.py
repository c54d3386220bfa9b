"""The states of a tenant that the weekly digest is tested with: healthy, busy, overfull."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from core.model.cases import Exemption, Notification
from core.model.changes import ChangeRecord, ChangeState
from core.model.findings import Severity, Verdict
from core.model.guards import GuardConfig
from core.model.state import GuardSnapshot, GuardState
from core.status.guard_status import GuardData
from core.status.overview import build_status
from core.status.tenant_status import TenantStatus
from tests.support.adaptive_cards import HOSTILE_TEXT, build_rule_case
from tests.support.builders import FORWARDING_CONFIG, SIGN_IN_CONFIG, THREE_CONFIGS

# A Monday.
DIGEST_TIME = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)
BASELINED_STATE = GuardState(baselined_sources=frozenset({"rules"}), population=815)


def build_digest_run(
    config: GuardConfig, at: datetime = DIGEST_TIME - timedelta(minutes=5), **other: Any
) -> dict[str, Any]:
    """A run's document."""
    return {
        "guard": config.guard.name,
        "run": "30000000000000-00000001",
        "status": "done",
        "started": at.isoformat(),
        "finished": at.isoformat(),
        "seen": 812,
        "population": 815,
        **other,
    }


def build_healthy_data(config: GuardConfig, snapshot: GuardSnapshot | None = None) -> GuardData:
    return GuardData(
        config, snapshot or GuardSnapshot(state=BASELINED_STATE), [build_digest_run(config)]
    )


def build_digest_status(*standings: GuardData) -> TenantStatus:
    return build_status(standings, DIGEST_TIME)


def build_digest_snapshot(*cases: Any, **other: Any) -> GuardSnapshot:
    return GuardSnapshot(cases={one.key: one for one in cases}, state=BASELINED_STATE, **other)


HEALTHY_STATUS = build_digest_status(*(build_healthy_data(config) for config in THREE_CONFIGS))


def build_busy_week() -> TenantStatus:
    """A week with open, closed and undelivered cases."""
    waits = build_rule_case(
        1,
        guard_verdict=Verdict.ASK,
        verdict=Verdict.ASK,
        notification=Notification.NONE,
        notified_at=DIGEST_TIME,
        opened_at=DIGEST_TIME,
    )
    untold = build_rule_case(
        2, severity=Severity.CRITICAL, opened_at=DIGEST_TIME - timedelta(hours=2)
    )
    ended = build_rule_case(
        3,
        closed_at=DIGEST_TIME - timedelta(days=2),
        resolution="done",
        notification=Notification.NONE,
        notified_at=DIGEST_TIME,
    )
    made = ChangeRecord(
        "c", ended.key, "joe", "DisableInboxRule", {}, ChangeState.APPLIED, DIGEST_TIME, "r"
    )
    soon = Exemption("mailbox-9", "Ada", "a partner", DIGEST_TIME + timedelta(days=3))
    snapshot = build_digest_snapshot(
        waits, untold, ended, changes=(made,), exemptions={"mailbox-9": soon}
    )
    return build_digest_status(
        build_healthy_data(FORWARDING_CONFIG, snapshot), build_healthy_data(SIGN_IN_CONFIG)
    )


def build_overfull_week() -> TenantStatus:
    """The most of everything, with hostile text in every field."""
    many = [
        build_rule_case(
            number,
            summary=HOSTILE_TEXT,
            subject=HOSTILE_TEXT,
            verdict=Verdict.ASK,
            opened_at=DIGEST_TIME,
            severity=Severity.CRITICAL,
        )
        for number in range(200)
    ]
    pardons = {
        str(number): Exemption(
            str(number), HOSTILE_TEXT, HOSTILE_TEXT, DIGEST_TIME + timedelta(days=1)
        )
        for number in range(50)
    }
    snapshot = build_digest_snapshot(*many, exemptions=pardons)
    return build_digest_status(
        *(
            GuardData(
                replace(config, guard=replace(config.guard, name=f"{config.guard.name}-{number}")),
                snapshot,
                [
                    build_digest_run(
                        config,
                        seen=1,
                        blind=[HOSTILE_TEXT] * 3,
                        error=HOSTILE_TEXT,
                        status="failed",
                    )
                ],
            )
            for number in range(5)
            for config in THREE_CONFIGS
        )
    )
