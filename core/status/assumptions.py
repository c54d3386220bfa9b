"""The assumptions of the register with what the tenant last answered, for every surface. Pure."""

import platform
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from core.microsoft365.assumptions.assumption import Assumption
from core.microsoft365.assumptions.register import ASSUMPTIONS
from core.model.state import ProbeReport
from core.tenant.probing import AnswerStatus, ProbeAnswer
from core.time_format import format_date

STATUS_TEXTS = {
    AnswerStatus.HOLDS: "holds",
    AnswerStatus.DOES_NOT_HOLD: "does not hold",
    AnswerStatus.UNKNOWN: "could not tell",
}
NOT_PROBED = "not probed yet"
# The order in which surfaces list the answers.
STATUS_ORDER = (AnswerStatus.DOES_NOT_HOLD, AnswerStatus.UNKNOWN, AnswerStatus.HOLDS)


@dataclass(frozen=True, slots=True)
class AssumptionView:
    """One assumption that can be probed, and what the tenant answered."""

    assumption: Assumption
    answer: ProbeAnswer | None

    @property
    def status_text(self) -> str:
        """What the probe found out, in words."""
        return STATUS_TEXTS[self.answer.status] if self.answer else NOT_PROBED

    @property
    def way(self) -> str:
        """The way to go; empty if there is only one."""
        return (self.answer.way if self.answer else "") or self.assumption.default_way

    @property
    def way_text(self) -> str:
        """The way to go by name, with what it means."""
        meaning = self.assumption.ways.get(self.way, "")
        return f"{self.way}: {meaning}" if meaning else self.way

    @property
    def saw(self) -> str:
        """What the probe saw, or what kept it from telling."""
        return (self.answer.saw or self.answer.error) if self.answer else ""


def list_assumption_views(report: ProbeReport | None) -> tuple[AssumptionView, ...]:
    """The assumptions that can be probed: those that do not hold first."""
    views = [
        AssumptionView(one, report.find_answer(one.id) if report else None)
        for one in ASSUMPTIONS
        if one.is_probed
    ]

    def rank(view: AssumptionView) -> int:
        return STATUS_ORDER.index(view.answer.status) if view.answer else len(STATUS_ORDER)

    return tuple(sorted(views, key=rank))


def count_answers(report: ProbeReport) -> dict[AnswerStatus, int]:
    """How many assumptions have each status."""
    counts = Counter(answer.status for answer in report.answers)
    return {status: counts[status] for status in STATUS_ORDER}


def describe_probe(report: ProbeReport) -> str:
    """The numbers of a probe in one line."""
    counts = ", ".join(
        f"{STATUS_TEXTS[status]}: {number}" for status, number in count_answers(report).items()
    )
    return f"{counts}; {report.request_count} requests in {report.seconds:.0f} s"


def list_answer_lines(views: Sequence[AssumptionView]) -> Iterator[str]:
    """The answers for a terminal, each with what follows where it does not hold."""
    for view in views:
        yield f"{view.status_text:<15}{view.assumption.id}: {view.saw or 'nothing'}"
        if view.answer and view.answer.status is AnswerStatus.DOES_NOT_HOLD:
            yield f"{'':<15}assumed: {view.assumption.assumed}"
            yield f"{'':<15}so: {view.assumption.otherwise}"
        if view.answer and view.answer.way not in ("", view.assumption.default_way):
            yield f"{'':<15}way: {view.way_text}"


def build_bug_report(report: ProbeReport, version: str) -> str:
    """The answers as a file for a bug report: without names, addresses and ids of the tenant."""
    lines = [
        "Exoguard probe report",
        f"version {version}, Python {platform.python_version()}, register {report.register}",
        f"day {format_date(report.probed_at)}; {describe_probe(report)}",
        "",
        "Each line is an assumption of docs/assumptions.md: whether it holds in this tenant, and",
        "what the probe saw. No line has a name, an address or an id of the tenant. What it could",
        "not tell is mostly a permission that is missing, or nothing of the kind to look at.",
        "",
    ]
    for view in list_assumption_views(report):
        lines.append(f"{view.status_text:<14} {view.assumption.id}: {view.saw or 'nothing'}")
        answer = view.answer
        if answer and answer.status is AnswerStatus.DOES_NOT_HOLD:
            lines.append(f"{'':<15}assumed: {view.assumption.assumed}")
            lines.append(f"{'':<15}so: {view.assumption.otherwise}")
        if answer and answer.way and answer.way != view.assumption.default_way:
            lines.append(f"{'':<15}way: {view.way_text}")
    return "\n".join(lines) + "\n"
