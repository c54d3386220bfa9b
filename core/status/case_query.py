"""Choosing from many cases: by guard, severity and state, a page at a time. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from core.model.cases import Case, Exemption
from core.model.changes import ChangeRecord
from core.model.findings import Severity
from core.model.guards import GuardConfig
from core.model.requests import OperatorRequest, RequestKind
from core.model.state import GuardSnapshot
from core.status.guard_status import GuardData, sort_cases

PAGE_SIZE = 100
CASE_STATES = ("open", "closed", "all")


class InvalidCaseFilter(ValueError):
    """What was asked of the list is not on offer; the message says what is."""


@dataclass(frozen=True, slots=True)
class CaseFilter:
    """Which cases are wanted; empty means any. `page` counts from 1."""

    guard: str = ""
    severity: str = ""
    state: str = "open"
    page: int = 1

    @classmethod
    def parse(cls, parameters: Mapping[str, str], guards: Iterable[str]) -> "CaseFilter":
        """A choice from the parameters of an address. Raises BadChoice."""
        guard, severity = parameters.get("guard", ""), parameters.get("severity", "")
        state, page = parameters.get("state", "") or "open", parameters.get("page", "") or "1"
        labels = [severity.label for severity in Severity if severity is not Severity.INFO]
        if guard and guard not in (known := tuple(guards)):
            raise InvalidCaseFilter(f"guard is one of {', '.join(known)}")
        if severity and severity not in labels:
            raise InvalidCaseFilter(f"severity is one of {', '.join(reversed(labels))}")
        if state not in CASE_STATES:
            raise InvalidCaseFilter(f"state is one of {', '.join(CASE_STATES)}")
        if not (page.isascii() and page.isdigit() and len(page) <= 6 and int(page)):
            raise InvalidCaseFilter("page is a number from 1")
        return cls(guard, severity, state, int(page))

    def matches(self, guard: str, case: Case) -> bool:
        """Whether a case is wanted."""
        return (
            self.guard in ("", guard)
            and self.severity in ("", case.severity.label)
            and (self.state == "all" or (case.closed_at is None) is (self.state == "open"))
        )


@dataclass(frozen=True, slots=True)
class CasePage:
    """A page of what was chosen: pairs of a duty and a case, out of `total`."""

    case_filter: CaseFilter
    rows: tuple[tuple[GuardConfig, Case], ...]
    total: int
    page_count: int

    @property
    def first_number(self) -> int:
        """The number of the first one on the page, from 1; 0 of none."""
        return (self.case_filter.page - 1) * PAGE_SIZE + 1 if self.rows else 0


def select_case_page(all_data: Iterable[GuardData], case_filter: CaseFilter) -> CasePage:
    """The page that was asked for: open ones by gravity and age, closed ones the newest first."""
    found = [
        (standing.config, case)
        for standing in all_data
        for case in standing.snapshot.cases.values()
        if case_filter.matches(standing.config.guard.name, case)
    ]
    still_open = [pair for pair in found if pair[1].closed_at is None]
    ended = [pair for pair in found if pair[1].closed_at is not None]
    rank = {
        case.key: number for number, case in enumerate(sort_cases(case for _, case in still_open))
    }
    still_open.sort(key=lambda pair: rank[pair[1].key])
    ended.sort(key=lambda pair: pair[1].closed_at or pair[1].opened_at, reverse=True)
    every = still_open + ended
    start = (case_filter.page - 1) * PAGE_SIZE
    pages = max(1, -(-len(every) // PAGE_SIZE))
    return CasePage(case_filter, tuple(every[start : start + PAGE_SIZE]), len(every), pages)


@dataclass(frozen=True, slots=True)
class CaseDetail:
    """A case with everything its guard remembers of it, newest first."""

    config: GuardConfig
    case: Case
    changes: tuple[ChangeRecord, ...] = ()
    exemption: Exemption | None = None
    operator_requests: tuple[OperatorRequest, ...] = ()


def find_case_detail(config: GuardConfig, snapshot: GuardSnapshot, key: str) -> CaseDetail | None:
    """A case by its key; None when it is not remembered."""
    case = snapshot.cases.get(key)
    if case is None:
        return None
    changes = tuple(record for record in snapshot.changes if record.case_key == key)
    about = {key, case.object_id}
    made = {record.id for record in changes}
    return CaseDetail(
        config=config,
        case=case,
        changes=changes,
        exemption=snapshot.exemptions.get(key) or snapshot.exemptions.get(case.object_id),
        operator_requests=tuple(
            action
            for action in snapshot.operator_requests
            if action.subject in (made if action.kind is RequestKind.UNDO else about)
        ),
    )
