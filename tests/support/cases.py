"""A case for tests: an open one that is news, of which a test says only what matters to it."""

from dataclasses import replace
from typing import Any

from core.model.cases import Case
from core.model.findings import Severity
from tests.support.fakes.clock import START


def build_case(number: int = 1, **changes: Any) -> Case:
    """The case of a mailbox that forwards."""
    base = Case(
        key=f"{number:032x}",
        kind="forward",
        object_id=f"m{number}",
        subject=f"m{number}@x",
        severity=Severity.HIGH,
        guard_verdict="external",
        verdict="external",
        summary=f"m{number} forwards.",
        opened_at=START,
    )
    return replace(base, **changes)
