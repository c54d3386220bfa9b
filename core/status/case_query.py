"""The list of cases, filtered by guard, severity and state, in pages; and one case. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from core.model.activity import get_hand
from core.model.cases import Case, Exemption
from core.model.changes import ChangeRecord
from core.model.findings import Severity
from core.model.guards import GuardConfig
from core.model.requests import OperatorRequest, RequestKind
from core.model.state import GuardSnapshot
from core.status.guard_status import GuardData, sort_cases

PAGE_SIZE = 100
ABOUT_PATTERN = "[0-9a-f]{8}([0-9a-f]{8})?"
MAX_RELATED = 50
# Without a session, acts of one actor at one address belong together for so long.
SAME_HAND_WINDOW = timedelta(hours=1)
CASE_STATES = ("open", "closed", "all")


class InvalidCaseFilter(ValueError):
    """A filter value is not valid; the message lists the valid ones."""


@dataclass(frozen=True, slots=True)
class CaseFilter:
    """Which cases to list. Empty means any; pages are numbered from 1."""

    guard: str = ""
    severity: str = ""
    state: str = "open"
    page: int = 1
    about: str = ""
    """The hash of an object, or of what cases share: see `Case.is_about`."""

    @classmethod
    def parse(cls, parameters: Mapping[str, str], guards: Iterable[str]) -> "CaseFilter":
        """A filter from query parameters. Raises InvalidCaseFilter."""
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
        about = parameters.get("about", "")
        if about and not re.fullmatch(ABOUT_PATTERN, about):
            raise InvalidCaseFilter("about is the hash of an object, or of what cases share")
        return cls(guard, severity, state, int(page), about)

    def matches(self, guard: str, case: Case) -> bool:
        """Whether a case passes the filter."""
        return (
            self.guard in ("", guard)
            and self.severity in ("", case.severity.label)
            and (self.state == "all" or (case.closed_at is None) is (self.state == "open"))
            and (not self.about or case.is_about(self.about))
        )


@dataclass(frozen=True, slots=True)
class CasePage:
    """One page of the filtered cases, with the guard of each; `total` counts all pages."""

    case_filter: CaseFilter
    rows: tuple[tuple[GuardConfig, Case], ...]
    total: int
    page_count: int

    @property
    def first_number(self) -> int:
        """The position of the page's first case, from 1; 0 on an empty page."""
        return (self.case_filter.page - 1) * PAGE_SIZE + 1 if self.rows else 0


def select_case_page(all_data: Iterable[GuardData], case_filter: CaseFilter) -> CasePage:
    """The requested page: open cases by severity and age, then closed ones, newest first."""
    found = [
        (data.config, case)
        for data in all_data
        for case in data.snapshot.cases.values()
        if case_filter.matches(data.config.guard.name, case)
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
    """A case with its changes, exemption and requests, newest first."""

    config: GuardConfig
    case: Case
    changes: tuple[ChangeRecord, ...] = ()
    exemption: Exemption | None = None
    operator_requests: tuple[OperatorRequest, ...] = ()
    related: tuple[tuple[str, Case], ...] = ()
    """The open cases of the same session, or else of the same actor at the same address, each with
    its guard; the most severe first.
    """


def find_related_cases(
    case: Case, snapshots: Mapping[str, GuardSnapshot]
) -> tuple[tuple[str, Case], ...]:
    """The open cases that the hand behind a case also led to, by guard."""
    if case.cause is None:
        return ()
    hand, at = get_hand(case.cause), case.cause.at
    found = [
        (guard, other)
        for guard, snapshot in snapshots.items()
        for other in snapshot.cases.values()
        if other.cause and other.closed_at is None and other.key != case.key
        if get_hand(other.cause) == hand
        and (case.cause.session or abs(other.cause.at - at) <= SAME_HAND_WINDOW)
    ]
    ranked = sorted(found, key=lambda pair: (-pair[1].severity, pair[1].opened_at, pair[1].key))
    return tuple(ranked[:MAX_RELATED])


def find_case_detail(config: GuardConfig, snapshot: GuardSnapshot, key: str) -> CaseDetail | None:
    """A case by its key; None if it is not on record."""
    case = snapshot.cases.get(key)
    if case is None:
        return None
    changes = tuple(record for record in snapshot.changes if record.case_key == key)
    subjects = {key, case.object_id}
    change_ids = {record.id for record in changes}
    return CaseDetail(
        config=config,
        case=case,
        changes=changes,
        exemption=snapshot.exemptions.get(key) or snapshot.exemptions.get(case.object_id),
        operator_requests=tuple(
            request
            for request in snapshot.operator_requests
            if request.subject in (change_ids if request.kind is RequestKind.UNDO else subjects)
        ),
    )
