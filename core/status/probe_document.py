"""The last probe of the assumptions, as status.json has it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from core.json_document import Count
from core.model.state import ProbeReport
from core.tenant.probing import AnswerStatus


@dataclass(frozen=True, slots=True)
class AssumptionDocument:
    """What the tenant last answered about one assumption of docs/assumptions.md."""

    assumption: str
    status: AnswerStatus
    saw: str
    way: str | None
    error: str | None
    held: datetime | None
    stopped: datetime | None


@dataclass(frozen=True, slots=True)
class ProbeDocument:
    """The last probe of the assumptions."""

    at: datetime
    requests: Count
    seconds: Annotated[float, {"minimum": 0}]
    answers: tuple[AssumptionDocument, ...]


def build_probe(report: ProbeReport) -> ProbeDocument:
    """The document of a probe."""
    return ProbeDocument(
        at=report.probed_at,
        requests=report.request_count,
        seconds=report.seconds,
        answers=tuple(
            AssumptionDocument(
                assumption=answer.assumption,
                status=answer.status,
                saw=answer.saw,
                way=answer.way or None,
                error=answer.error or None,
                held=answer.held_at,
                stopped=answer.stopped_at,
            )
            for answer in report.answers
        ),
    )
