"""The list of cases, filtered and sorted, in pages; one case; and one object. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import urlencode

from core.model.activity import get_hand
from core.model.cases import Case, Exemption
from core.model.changes import ChangeRecord
from core.model.findings import Severity
from core.model.guards import GuardConfig
from core.model.requests import OperatorRequest, RequestKind
from core.model.state import GuardSnapshot
from core.model.tally import list_counted
from core.status.guard_status import GuardData, sort_cases

PAGE_SIZE = 100
ABOUT_PATTERN = "[0-9a-f]{8}([0-9a-f]{8})?"
MAX_RELATED = 50
# Without a session, acts of one actor at one address belong together for so long.
SAME_HAND_WINDOW = timedelta(hours=1)
CASE_STATES = ("open", "closed", "all")
CASE_ORDERS = ("severity", "newest", "oldest")
CASE_ANSWERS = ("", "none", "acknowledged")
MAX_SEARCH_LENGTH = 100


class InvalidCaseFilter(ValueError):
    """A filter value is not valid; the message lists the valid ones."""


@dataclass(frozen=True, slots=True)
class CaseFilter:
    """Which cases to list, and in which order. Empty means any; pages are numbered from 1."""

    guard: str = ""
    severity: str = ""
    state: str = "open"
    page: int = 1
    about: str = ""
    """The hash of an object, or of what cases share: see `Case.is_about`."""
    q: str = ""
    """A text that the summary, the subject, the object's id or the evidence contains, in any case
    of letters.
    """
    answer: str = ""
    """none: nobody acknowledged the case; acknowledged: somebody did."""
    since: str = ""
    """A day, in UTC: only cases that were opened on it or later."""
    sort: str = "severity"

    @classmethod
    def parse(cls, parameters: Mapping[str, str], guards: Iterable[str]) -> "CaseFilter":
        """A filter from query parameters. Raises InvalidCaseFilter."""
        labels = [severity.label for severity in Severity if severity is not Severity.INFO]
        found = cls(
            guard=parse_choice(parameters, "guard", ("", *guards)),
            severity=parse_choice(parameters, "severity", ("", *reversed(labels))),
            state=parse_choice(parameters, "state", CASE_STATES),
            page=parse_page(parameters.get("page", "") or "1"),
            about=parameters.get("about", ""),
            q=parameters.get("q", "").strip(),
            answer=parse_choice(parameters, "answer", CASE_ANSWERS),
            since=parameters.get("since", ""),
            sort=parse_choice(parameters, "sort", CASE_ORDERS),
        )
        if found.about and not re.fullmatch(ABOUT_PATTERN, found.about):
            raise InvalidCaseFilter("about is the hash of an object, or of what cases share")
        if len(found.q) > MAX_SEARCH_LENGTH:
            raise InvalidCaseFilter(f"q has at most {MAX_SEARCH_LENGTH} characters")
        if found.since:
            parse_day(found.since)
        return found

    def build_query(self, **changed: object) -> str:
        """The query of an address that lists these cases, with some parameters changed."""
        values = {
            name: str(changed.get(name, getattr(self, name)))
            for name in ("guard", "severity", "state", "answer", "since", "sort", "q", "about")
        }
        page = str(changed.get("page", self.page))
        defaults = {"state": "open", "sort": "severity"}
        kept = {
            name: value for name, value in values.items() if value and value != defaults.get(name)
        }
        return urlencode(kept | ({"page": page} if page != "1" else {}))

    def matches(self, guard: str, case: Case) -> bool:
        """Whether a case passes the filter."""
        return (
            self.guard in ("", guard)
            and self.severity in ("", case.severity.label)
            and (self.state == "all" or (case.closed_at is None) is (self.state == "open"))
            and (not self.about or case.is_about(self.about))
            and (not self.answer or bool(case.acknowledged_at) is (self.answer != "none"))
            and (not self.since or case.opened_at >= parse_day(self.since))
            and (not self.q or contains_text(case, self.q))
        )


def parse_choice(parameters: Mapping[str, str], name: str, choices: Iterable[str]) -> str:
    """The value of a parameter that has few; without it, the first. Raises InvalidCaseFilter."""
    known = tuple(choices)
    value = parameters.get(name, "") or known[0]
    if value not in known:
        raise InvalidCaseFilter(f"{name} is one of {', '.join(filter(None, known))}")
    return value


def parse_page(text: str) -> int:
    """The number of a page. Raises InvalidCaseFilter."""
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and int(text)):
        raise InvalidCaseFilter("page is a number from 1")
    return int(text)


def parse_day(text: str) -> datetime:
    """The start of a day in UTC. Raises InvalidCaseFilter."""
    try:
        return datetime.combine(date.fromisoformat(text), time(), UTC)
    except ValueError:
        raise InvalidCaseFilter("since is a day: YYYY-MM-DD (UTC)") from None


def contains_text(case: Case, text: str) -> bool:
    """Whether a case names a text, in any case of letters."""
    sought = text.casefold()
    names = (case.subject, case.summary, case.object_id, case.key)
    return any(sought in name.casefold() for name in names) or any(
        sought in fact.text.casefold() for fact in case.facts
    )


@dataclass(frozen=True, slots=True)
class CasePage:
    """One page of the filtered cases, with the guard of each; `total` counts all pages."""

    case_filter: CaseFilter
    rows: tuple[tuple[GuardConfig, Case], ...]
    total: int
    page_count: int
    unreadable: tuple[str, ...] = ()
    """The guards whose state cannot be read now: their cases are missing."""
    counted: int = 0
    """How many cases those of all pages stand for, as the status counts them: of one object with
    very many, one may stand for others.
    """

    @property
    def first_number(self) -> int:
        """The position of the page's first case, from 1; 0 on an empty page."""
        return (self.case_filter.page - 1) * PAGE_SIZE + 1 if self.rows else 0


def select_cases(
    all_data: Iterable[GuardData], case_filter: CaseFilter
) -> list[tuple[GuardConfig, Case]]:
    """The cases of the filter in its order: open ones first, closed ones newest first."""
    found = [
        (data.config, case)
        for data in all_data
        for case in data.snapshot.cases.values()
        if case_filter.matches(data.config.guard.name, case)
    ]
    still_open = [pair for pair in found if pair[1].closed_at is None]
    ended = [pair for pair in found if pair[1].closed_at is not None]
    if case_filter.sort == "severity":
        ranked = sort_cases(case for _, case in still_open)
        rank = {case.key: number for number, case in enumerate(ranked)}
        still_open.sort(key=lambda pair: rank[pair[1].key])
    else:
        newest_first = case_filter.sort == "newest"
        still_open.sort(key=lambda pair: (pair[1].opened_at, pair[1].key), reverse=newest_first)
    ended.sort(key=lambda pair: pair[1].closed_at or pair[1].opened_at, reverse=True)
    return still_open + ended


def select_case_page(all_data: Iterable[GuardData], case_filter: CaseFilter) -> CasePage:
    """The requested page of the filter's cases."""
    known = list(all_data)
    every = select_cases(known, case_filter)
    start = (case_filter.page - 1) * PAGE_SIZE
    pages = max(1, -(-len(every) // PAGE_SIZE))
    return CasePage(
        case_filter,
        tuple(every[start : start + PAGE_SIZE]),
        len(every),
        pages,
        list_unreadable(known),
        sum(count_stood_for(case) for _, case in every),
    )


def count_stood_for(case: Case) -> int:
    """How many cases one stands for; 1 for most."""
    return len(list_counted(case)) or max(case.folded_count, 1)


def list_unreadable(all_data: Iterable[GuardData]) -> tuple[str, ...]:
    """The names of the guards whose state cannot be read now."""
    return tuple(data.config.guard.name for data in all_data if data.read_error)


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


@dataclass(frozen=True, slots=True)
class ObjectDetail:
    """All that every guard knows of one object, each with the guard's configuration."""

    names: tuple[str, ...]
    """Its names, those of the newest cases first."""
    object_ids: tuple[str, ...]
    open_cases: tuple[tuple[GuardConfig, Case], ...]
    closed_cases: tuple[tuple[GuardConfig, Case], ...]
    namesakes: tuple[tuple[GuardConfig, Case], ...]
    """The open cases of other objects that have one of its names: of a person, the mailbox and the
    account are two objects.
    """
    changes: tuple[tuple[GuardConfig, ChangeRecord], ...]
    exemptions: tuple[tuple[GuardConfig, Exemption], ...]


def find_object_detail(
    about: str, histories: Iterable[GuardData], all_data: Iterable[GuardData]
) -> ObjectDetail | None:
    """An object by the characters with which the keys of its cases begin; None if no case is its.

    `histories` hold at least its own cases, closed ones too; `all_data` the open ones of all.
    """
    known = list(histories)
    every = select_cases(known, CaseFilter(state="all", about=about))
    if not every:
        return None
    cases = [case for _, case in sorted(every, key=lambda one: one[1].opened_at, reverse=True)]
    names = {case.subject.casefold(): case.subject for case in reversed(cases)}
    object_ids = tuple(dict.fromkeys(case.object_id for case in cases))
    keys = {case.key for case in cases}
    others = select_cases(all_data, CaseFilter())
    return ObjectDetail(
        names=tuple(reversed(names.values())),
        object_ids=object_ids,
        open_cases=tuple(pair for pair in every if pair[1].closed_at is None),
        closed_cases=tuple(pair for pair in every if pair[1].closed_at is not None),
        namesakes=tuple(
            pair
            for pair in others
            if pair[1].key not in keys and pair[1].subject.casefold() in names
        ),
        changes=tuple(
            sorted(
                (
                    (data.config, record)
                    for data in known
                    for record in data.snapshot.changes
                    if record.case_key in keys
                ),
                key=lambda pair: pair[1].at,
                reverse=True,
            )
        ),
        exemptions=tuple(
            (data.config, exemption)
            for data in known
            for subject, exemption in data.snapshot.exemptions.items()
            if subject in keys or subject in object_ids
        ),
    )
